"""Tensors as bytes and back: safetensors, checked before it is parsed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping

import safetensors
import torch
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from torch import Tensor, nn

from seqkit.errors import ModelError
from seqkit.files import parse_json

_DTYPES = {"F32": torch.float32, "I64": torch.int64, "BF16": torch.bfloat16, "F16": torch.float16}
_HEADER_LIMIT = 1 << 20  # bytes


def parameter_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters by name; a tensor that is tied occurs once, under its first name."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def set_parameters(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into the parameters of the same names; names and shapes were checked by `from_bytes`."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise; the same tensors give the same bytes (no metadata: its order is not stable)."""
    content: bytes = serialize({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    return content


def from_bytes(content: bytes, expected: Mapping[str, Tensor] | None, where: str) -> dict[str, Tensor]:
    """Parse tensors whose names, shapes and types must be those of `expected` (which may be on `meta`).

    Without `expected` any will do: for files whose hash was checked against a manifest of our own.
    """
    header = _header(content, where)
    if expected is None:
        return _parse(content, where)
    if header.keys() != expected.keys():
        odd = min(header.keys() ^ expected.keys())
        raise ModelError(f"tensor {odd!r} is missing or does not belong to this model", where=where)
    for name, tensor in expected.items():
        entry = header[name]
        shape, dtype = entry.get("shape"), _DTYPES.get(str(entry.get("dtype")))
        if shape != list(tensor.shape) or dtype != tensor.dtype:
            raise ModelError(
                f"tensor {name!r} is {entry.get('dtype')} {shape}, but the configuration asks for "
                f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}",
                where=where,
            )
    return _parse(content, where)


def _parse(content: bytes, where: str) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = deserialize(content)
    except (safetensors.SafetensorError, ValueError) as error:
        raise ModelError(f"the tensors cannot be read: {error}", where=where) from error
    return tensors


def _header(content: bytes, where: str) -> dict[str, dict[str, object]]:
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


def tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, types, shapes and values, whatever the file that holds them looks like."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else tensor.numpy().tobytes())
    return digest.hexdigest()
