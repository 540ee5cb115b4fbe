"""What ONNX Runtime is asked to compute: products of bytes.

A session reads a model in ONNX's format, which is protocol buffers. The few messages that are needed are
written here, since importing the `onnx` package would take a fifth of the time in which a line is translated.
Numbers of fields and types are those of onnx.proto (https://github.com/onnx/onnx, onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Operators: the sums, and the sums times a scale; the latter is ONNX Runtime's own.
WHOLE, SCALED = "MatMulInteger", "MatMulIntegerToFloat"
ROWS, SWAP = "Gather", "Transpose"  # rows of a matrix by number; the last two axes of three exchanged

_DOMAINS = {WHOLE: b"", SCALED: b"com.microsoft", ROWS: b"", SWAP: b""}
# The oldest versions that have the operators, so that every supported runtime reads them.
_FORMAT, _VERSIONS = 8, {b"": 13, b"com.microsoft": 1}
_TYPES = {
    np.dtype(kind): number
    for kind, number in ((np.float32, 1), (np.uint8, 2), (np.int8, 3), (np.int32, 6), (np.int64, 7))
}


def product_session(
    products: Sequence[tuple[str, Sequence[str], str]],
    constants: Mapping[str, np.ndarray],
    inputs: int,
    kind: type[np.generic],
) -> Any:
    """ONNX Runtime on some products of `values` (N, inputs), bytes.

    Each is an operator, the names of what it takes, `values` and `constants`, and the name of what it makes,
    a matrix (N, M) of a `kind`.
    """
    taken = [_matrix("values", np.uint8, _field(1, inputs))]
    return _session(products, constants, taken, [_matrix(out, kind, b"") for _, _, out in products])


def array_session(
    nodes: Sequence[tuple[str, Sequence[str], str]],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, type[np.generic]],
    outputs: Mapping[str, type[np.generic]],
) -> Any:
    """ONNX Runtime on arrays of any shape, each of which has its type alone."""
    taken, made = ([_array(name, kind) for name, kind in side.items()] for side in (inputs, outputs))
    return _session(nodes, constants, taken, made)


def _session(
    nodes: Sequence[tuple[str, Sequence[str], str]],
    constants: Mapping[str, np.ndarray],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
) -> Any:
    import onnxruntime

    graph = b"".join(_field(1, _node(*node)) for node in nodes) + _field(2, b"products")
    graph += b"".join(_field(5, _tensor(name, value)) for name, value in constants.items())
    graph += b"".join(_field(11, value) for value in inputs)
    graph += b"".join(_field(12, value) for value in outputs)
    model = _field(1, _FORMAT) + _field(7, graph)
    model += b"".join(
        _field(8, _field(1, domain) + _field(2, number)) for domain, number in _VERSIONS.items()
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a step is too short to be shared
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    """A NodeProto."""
    node = b"".join(_field(1, name.encode()) for name in inputs)
    node += _field(2, output.encode()) + _field(4, operator.encode())
    if operator == SWAP:  # an AttributeProto of type 7, whole numbers
        axes = b"".join(_field(8, axis) for axis in (0, 2, 1))
        node += _field(5, _field(1, b"perm") + axes + _field(20, 7))
    return node + _field(7, _DOMAINS[operator])


def _tensor(name: str, value: np.ndarray) -> bytes:
    """A TensorProto."""
    shape = b"".join(_field(1, size) for size in value.shape)
    return shape + _field(2, _TYPES[value.dtype]) + _field(8, name.encode()) + _field(9, value.tobytes())


def _matrix(name: str, kind: type[np.generic], columns: bytes) -> bytes:
    """A ValueInfoProto; `columns` is what is known of their number."""
    shape = _field(1, _field(2, b"rows")) + _field(1, columns)
    return _field(1, name.encode()) + _field(
        2, _field(1, _field(1, _TYPES[np.dtype(kind)]) + _field(2, shape))
    )


def _array(name: str, kind: type[np.generic]) -> bytes:
    """A ValueInfoProto of an array of any shape."""
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, _TYPES[np.dtype(kind)])))


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a message: a whole number, or bytes behind their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """A number, not negative, in base 128, lowest digit first; each but the last has 128 added."""
    digits = bytearray()
    while value >= 128:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
