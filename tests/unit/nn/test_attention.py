"""Attention against its formulas, and the ways in which rows share a memory."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from seqkit.network.parts import AdditiveAttentionPart, DotAttentionPart
from seqkit.nn.attention import Attention, Memory

Kind = Literal["dot", "additive"]
PARTS = {"dot": DotAttentionPart, "additive": AdditiveAttentionPart}
KINDS: list[Kind] = ["dot", "additive"]


def make(kind: Kind, heads: int = 2, dropout: float = 0.0) -> Attention:
    torch.manual_seed(0)
    part = PARTS[kind](query_size=6, memory_size=5, size=8, heads=heads)
    return Attention(part, dropout=dropout).double()


def source(sentences: int = 3, time: int = 7) -> tuple[Tensor, Tensor]:
    """Encoder outputs and a mask with sentences of different lengths."""
    torch.manual_seed(1)
    lengths = torch.tensor([time, 4, 1, 2][:sentences])
    return torch.randn(sentences, time, 5).double(), torch.arange(time) < lengths[:, None]


def by_hand(attention: Attention, query: Tensor, outputs: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Context (H,) and mean weights (S,) of one query (Q,) over one sentence (S, M), head by head."""
    size = attention.output_size // attention.heads
    contexts, weights = [], []
    for head in range(attention.heads):
        rows = slice(head * size, (head + 1) * size)
        q = attention.query.weight[rows] @ query
        scores = []
        for position in range(length):
            k = attention.key.weight[rows] @ outputs[position]
            if attention.energy is None:
                scores.append((q @ k) / math.sqrt(size))
            else:
                scores.append(attention.energy[head] @ torch.tanh(q + k))
        exponents = torch.stack(scores).exp()
        share = exponents / exponents.sum()
        values = outputs[:length] @ attention.value.weight[rows].T
        contexts.append(share @ values)
        weights.append(torch.cat([share, share.new_zeros(len(outputs) - length)]))
    return torch.cat(contexts), torch.stack(weights).mean(dim=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_formula(kind: Kind, heads: int) -> None:
    attention = make(kind, heads)
    outputs, mask = source()
    queries = torch.randn(3, 4, 6).double()
    context, weights = attention(queries, attention.remember(outputs, mask))
    assert context.shape == (3, 4, 8)
    assert weights.shape == (3, 4, 7)
    for sentence in range(3):
        length = int(mask[sentence].sum())
        for position in range(4):
            expected = by_hand(attention, queries[sentence, position], outputs[sentence], length)
            # The softmax is computed in single precision whatever the model's type.
            assert torch.allclose(context[sentence, position], expected[0], atol=1e-6)
            assert torch.allclose(weights[sentence, position].double(), expected[1], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_gets_nothing_and_a_row_sums_to_one(kind: Kind) -> None:
    attention = make(kind)
    outputs, mask = source()
    _, weights = attention(torch.randn(3, 4, 6).double(), attention.remember(outputs, mask))
    assert weights.masked_select(~mask[:, None].expand_as(weights)).eq(0).all()
    assert torch.allclose(weights.sum(dim=2), torch.ones(3, 4), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_the_padding_changes_nothing(kind: Kind) -> None:
    attention = make(kind)
    outputs, mask = source()
    queries = torch.randn(3, 4, 6).double()
    before = attention(queries, attention.remember(outputs, mask))
    outputs[~mask] = 1e3
    after = attention(queries, attention.remember(outputs, mask))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time", [1, 3])
def test_hypotheses_share_the_memory_of_their_sentence(kind: Kind, time: int) -> None:
    attention = make(kind)
    outputs, mask = source(2)
    queries = torch.randn(10, time, 6).double()  # five rows a sentence
    shared = attention(queries, attention.remember(outputs, mask))
    copied = attention(
        queries, attention.remember(outputs.repeat_interleave(5, dim=0), mask.repeat_interleave(5, dim=0))
    )
    assert torch.allclose(shared[0], copied[0], atol=1e-6)
    assert torch.allclose(shared[1], copied[1], atol=1e-6)


def test_selected_sentences_are_those_alone() -> None:
    attention = make("dot")
    outputs, mask = source(3)
    memory = attention.remember(outputs, mask).select(torch.tensor([2, 0]))
    assert isinstance(memory, Memory)
    expected = attention.remember(outputs[[2, 0]], mask[[2, 0]])
    assert torch.allclose(memory.keys, expected.keys)
    assert torch.allclose(memory.values, expected.values)
    assert torch.equal(memory.mask, expected.mask)


def test_dropout_acts_on_the_context_in_training_only_and_not_on_the_shown_weights() -> None:
    attention = make("dot", dropout=0.6)
    outputs, mask = source()
    memory = attention.remember(outputs, mask)
    queries = torch.randn(3, 4, 6).double()
    still, shown = attention.eval()(queries, memory)
    torch.manual_seed(7)
    dropped, shown_in_training = attention.train()(queries, memory)
    assert torch.equal(shown, shown_in_training)
    assert not torch.allclose(still, dropped)
    assert torch.equal(still, attention.eval()(queries, memory)[0])


def test_every_parameter_gets_a_gradient() -> None:
    for kind in KINDS:
        attention = make(kind)
        outputs, mask = source()
        context, _ = attention(torch.randn(3, 4, 6).double(), attention.remember(outputs, mask))
        context.square().sum().backward()
        for name, parameter in attention.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, (kind, name)
