"""Bytes of a safetensors file as arrays, checked before they are parsed."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import safetensors
from safetensors.numpy import load as deserialize

from seqkit.errors import ModelError
from seqkit.files import parse_json

Shapes = Mapping[str, tuple[int, ...]]
Header = dict[str, dict[str, object]]

_HEADER_LIMIT = 1 << 20  # bytes


def float_arrays(content: bytes, shapes: Shapes, where: str) -> dict[str, np.ndarray]:
    """Parse float32 arrays whose names and shapes must be the given ones."""
    expected = {name: ("F32", shape) for name, shape in shapes.items()}
    check_header(header_of(content, where), expected, where)
    try:
        arrays: dict[str, np.ndarray] = deserialize(content)
    except (safetensors.SafetensorError, ValueError) as error:
        raise unreadable(error, where) from error
    return arrays


def header_of(content: bytes, where: str) -> Header:
    """The safetensors header: an 8-byte length, then JSON that maps names to dtype, shape and place."""
    if len(content) < 8:
        raise ModelError("the file of tensors is cut off", where=where)
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(_HEADER_LIMIT, len(content) - 8):
        raise ModelError("the file of tensors is cut off or its header is damaged", where=where)
    header = parse_json(content[8 : 8 + length], where, ModelError)
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise ModelError("the header of the tensors is damaged", where=where)
    return header


def check_header(header: Header, expected: Mapping[str, tuple[str, tuple[int, ...]]], where: str) -> None:
    """Raise ModelError unless the tensors have the expected names, dtypes (F32, …) and shapes."""
    if header.keys() != expected.keys():
        odd = min(header.keys() ^ expected.keys())
        raise ModelError(f"tensor {odd!r} is missing or does not belong to this model", where=where)
    for name, (dtype, shape) in expected.items():
        entry = header[name]
        if entry.get("shape") != list(shape) or entry.get("dtype") != dtype:
            raise ModelError(
                f"tensor {name!r} is {entry.get('dtype')} {entry.get('shape')}, "
                f"but the configuration asks for {dtype} {list(shape)}",
                where=where,
            )


def unreadable(error: Exception, where: str) -> ModelError:
    """What is said of tensors that the library refuses."""
    return ModelError(f"the tensors cannot be read: {error}", where=where)
