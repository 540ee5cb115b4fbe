"""Tensors as bytes and back: safetensors, checked before it is parsed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import safetensors
import torch
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from torch import Tensor, nn

from seqkit.network.arrays import check_header, header_of, unreadable

_DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.bfloat16: "BF16", torch.float16: "F16"}


def parameter_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters by name; a tensor that is tied occurs once, under its first name."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def set_parameters(model: nn.Module, tensors: Mapping[str, Tensor] | Mapping[str, np.ndarray]) -> None:
    """Copy tensors into the parameters of the same names, whose shapes were checked."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.as_tensor(tensors[name]))


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise; the same tensors give the same bytes (no metadata: its order is not stable)."""
    content: bytes = serialize({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    return content


def from_bytes(content: bytes, expected: Mapping[str, Tensor] | None, where: str) -> dict[str, Tensor]:
    """Parse tensors whose names, shapes and types must be those of `expected` (which may be on `meta`).

    Without `expected` any will do: for files whose hash was checked against a manifest of our own.
    """
    header = header_of(content, where)
    if expected is not None:
        wanted = {name: (_DTYPES[tensor.dtype], tuple(tensor.shape)) for name, tensor in expected.items()}
        check_header(header, wanted, where)
    try:
        tensors: dict[str, Tensor] = deserialize(content)
    except (safetensors.SafetensorError, ValueError) as error:
        raise unreadable(error, where) from error
    return tensors


def tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, types, shapes and values, whatever the file that holds them looks like."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else tensor.numpy().tobytes())
    return digest.hexdigest()
