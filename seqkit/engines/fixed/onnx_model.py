"""A model file of the ONNX format, written as protocol-buffer bytes.

The package `onnx` would do the same, and takes 23 MB and a tenth of a second of every start. Field numbers
are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); a test reads what is written
here with that package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

OWN = "com.microsoft"  # the name of ONNX Runtime's own operators
# The oldest versions that have the operators, so that every supported runtime reads them.
_FORMAT, _VERSIONS = 8, {"": 13, OWN: 1}

# TensorProto.DataType
_ELEMENTS: dict[type[np.generic], int] = {np.float32: 1, np.uint8: 2, np.int8: 3, np.int32: 6, np.int64: 7}
_INTS = 7  # AttributeProto.AttributeType
_VARINT, _BYTES = 0, 2  # wire types

Shape = tuple[str | int | None, ...]
Arrays = Mapping[str, tuple[type[np.generic], Shape | None]]  # a type, and a shape where it is known


@dataclass(frozen=True)
class Node:
    """An operator with the names of what it takes and of what it makes; `axes` are a Transpose's."""

    operator: str
    inputs: Sequence[str]
    output: str
    domain: str = ""
    axes: tuple[int, ...] = ()


def model_bytes(
    nodes: Sequence[Node], constants: Mapping[str, np.ndarray], inputs: Arrays, outputs: Arrays
) -> bytes:
    """The model that computes `outputs` from `inputs` and `constants`."""
    graph = b"".join(
        [
            *(_field(1, _node(node)) for node in nodes),
            _field(2, "products"),
            *(_field(5, _tensor(name, values)) for name, values in constants.items()),
            *(_field(11, _value(name, *described)) for name, described in inputs.items()),
            *(_field(12, _value(name, *described)) for name, described in outputs.items()),
        ]
    )
    versions = (_field(1, domain) + _field(2, number) for domain, number in _VERSIONS.items())
    return _field(1, _FORMAT) + _field(7, graph) + b"".join(_field(8, version) for version in versions)


def _node(node: Node) -> bytes:
    axes = b"".join(_field(8, axis) for axis in node.axes)
    attribute = _field(5, _field(1, "perm") + axes + _field(20, _INTS)) if node.axes else b""
    names = b"".join(_field(1, name) for name in node.inputs)
    return names + _field(2, node.output) + _field(4, node.operator) + attribute + _field(7, node.domain)


def _tensor(name: str, values: np.ndarray) -> bytes:
    """A constant; its values are little-endian in the file."""
    sizes = b"".join(_field(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return sizes + _field(2, _ELEMENTS[values.dtype.type]) + _field(8, name) + _field(9, raw)


def _value(name: str, kind: type[np.generic], shape: Shape | None) -> bytes:
    tensor = _field(1, _ELEMENTS[kind])
    if shape is not None:
        tensor += _field(2, b"".join(_field(1, _dimension(size)) for size in shape))
    return _field(1, name) + _field(2, _field(1, tensor))


def _dimension(size: str | int | None) -> bytes:
    """A size, a name for one that is not known, or nothing."""
    if size is None:
        return b""
    return _field(1, size) if isinstance(size, int) else _field(2, size)


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field of a message: its number with its wire type, and a whole number, or bytes with their length."""
    if isinstance(value, int):
        return bytes([*_varint(number << 3 | _VARINT), *_varint(value)])
    content = value.encode() if isinstance(value, str) else value
    return bytes([*_varint(number << 3 | _BYTES), *_varint(len(content))]) + content


def _varint(value: int) -> Iterable[int]:
    """A whole number in groups of seven bits, lowest first; all but the last are marked."""
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
