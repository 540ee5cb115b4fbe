"""Tensors as bytes: the same every time, and checked before they are parsed."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from seqkit.config import ModelConfig
from seqkit.errors import ModelError
from seqkit.nn import weights
from tests.networks import build_encoder_decoder


def some() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "b": torch.randn(3, 4),
        "a": torch.arange(5),
        "half": torch.randn(2, 2).to(torch.bfloat16),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }


def file_of(header: object, body: bytes = b"") -> bytes:
    """A safetensors file with a header of our choice."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_there_and_back() -> None:
    tensors = some()
    again = weights.from_bytes(weights.to_bytes(tensors), tensors, "file")
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor)
    assert weights.from_bytes(weights.to_bytes({}), {}, "file") == {}


def test_the_same_tensors_give_the_same_bytes() -> None:
    tensors = some()
    content = weights.to_bytes(tensors)
    assert weights.to_bytes(dict(reversed(tensors.items()))) == content
    spread = {**tensors, "b": tensors["b"].t().contiguous().t()}  # other strides, the same values
    assert weights.to_bytes(spread) == content
    assert b"__metadata__" not in content


def test_tied_tensors_are_stored_once() -> None:
    config = ModelConfig(embedding_size=8, hidden_size=8, attention_heads=2)
    model = build_encoder_decoder(config, source_size=30, target_size=30)
    tensors = weights.parameter_tensors(model)
    assert [name for name, tensor in tensors.items() if tensor.shape == (30, 8)] == [
        "source_frontend.embedding.weight"
    ]
    other = build_encoder_decoder(config, source_size=30, target_size=30)
    weights.set_parameters(other, weights.from_bytes(weights.to_bytes(tensors), tensors, "file"))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert other.head.output.weight is other.target_frontend.embedding.weight


def test_setting_parameters_keeps_them_trainable() -> None:
    layer = nn.Linear(2, 3)
    weights.set_parameters(layer, {"weight": torch.ones(3, 2), "bias": torch.zeros(3)})
    assert layer.weight.requires_grad
    assert layer(torch.ones(1, 2)).tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 60, -1])
def test_a_cut_file_is_refused(kept: int) -> None:
    content = weights.to_bytes(some())
    with pytest.raises(ModelError) as caught:
        weights.from_bytes(content[:kept], some(), "the file")
    assert str(caught.value.where).startswith("the file")


def test_bytes_behind_the_end_are_refused() -> None:
    with pytest.raises(ModelError):
        weights.from_bytes(weights.to_bytes(some()) + b"\0", some(), "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": torch.randn(4, 3)}, r"'b' is F32 \[4, 3\], but the configuration asks for F32 \[3, 4\]"),
        ({"b": torch.randn(3, 4).double()}, r"'b' is F64 \[3, 4\]"),
        ({"a": torch.arange(5).float()}, r"'a' is F32 \[5\], but the configuration asks for I64"),
        ({"extra": torch.ones(1)}, "'extra' is missing or does not belong"),
    ],
)
def test_names_shapes_and_types_must_be_those_expected(change: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        weights.from_bytes(weights.to_bytes({**some(), **change}), some(), "file")


def test_a_missing_tensor_is_named() -> None:
    tensors = some()
    content = weights.to_bytes({name: tensor for name, tensor in tensors.items() if name != "half"})
    with pytest.raises(ModelError, match="'half' is missing"):
        weights.from_bytes(content, tensors, "file")


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        file_of([]),
        file_of({"x": []}),
        file_of({"x": 3}),
        file_of(b"{" * 200_000),
        file_of(b'{"x": {"dtype": "F32"}, "x": {"dtype": "F32"}}'),
        file_of({"x": {**ENTRY, "shape": [1 << 60]}}, bytes(8)),
        file_of({"x": {**ENTRY, "shape": [-2]}}, bytes(8)),
        file_of({"x": {**ENTRY, "shape": "2"}}, bytes(8)),
        file_of({"x": {**ENTRY, "dtype": ["F32"]}}, bytes(8)),
        file_of({"x": ENTRY, "__metadata__": {"a": "b"}}, bytes(8)),
        struct.pack("<Q", 1 << 63) + b"{}",
        struct.pack("<Q", (1 << 20) + 1) + bytes(1 << 21),
    ],
    ids=lambda content: repr(content[8:40]),
)
def test_a_hostile_header_is_refused_before_anything_is_parsed(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_content: bytes) -> Any:
        raise AssertionError("the parser saw hostile bytes")

    monkeypatch.setattr(safetensors.torch, "load", never)
    with pytest.raises(ModelError):
        weights.from_bytes(content, {"x": torch.zeros(2)}, "file")


@pytest.mark.parametrize("offsets", [[0, 4], [4, 12], [8, 0], [0, 1 << 40]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        weights.from_bytes(
            file_of({"x": {**ENTRY, "data_offsets": offsets}}, bytes(8)), {"x": torch.zeros(2)}, "file"
        )


def test_expected_tensors_may_be_without_memory() -> None:
    with torch.device("meta"):
        shapes = {"x": torch.empty(2)}
    assert weights.from_bytes(file_of({"x": ENTRY}, bytes(8)), shapes, "file")["x"].tolist() == [0.0, 0.0]


def test_the_tensor_hash_sees_names_types_shapes_and_values() -> None:
    tensors = some()
    own = weights.tensor_hash(tensors)
    assert weights.tensor_hash(dict(reversed(tensors.items()))) == own
    flipped = tensors["b"].clone()
    flipped[2, 3] = torch.nextafter(flipped[2, 3], torch.tensor(9.0))
    variants = [
        {**tensors, "b": flipped},
        {**tensors, "b": tensors["b"].view(4, 3)},
        {**tensors, "b": tensors["b"].view(torch.int32)},
        {**tensors, "scalar": torch.tensor(2.0)},
        {name if name != "a" else "c": tensor for name, tensor in tensors.items()},
        {name: tensor for name, tensor in tensors.items() if name != "empty"},
    ]
    hashes = [weights.tensor_hash(variant) for variant in variants]
    assert len({own, *hashes}) == len(variants) + 1
