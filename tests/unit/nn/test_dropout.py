"""Dropout with one mask a sequence, and of whole words."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqkit.nn.dropout import SequenceDropout, WordDropout, masked


@pytest.mark.parametrize("kind", [SequenceDropout, WordDropout])
def test_nothing_is_dropped_outside_training_or_at_rate_zero(kind: type[nn.Module]) -> None:
    values = torch.randn(3, 5, 7)
    assert torch.equal(kind(0.5).eval()(values), values)
    assert torch.equal(kind(0.0).train()(values), values)


def test_a_sequence_keeps_its_mask_at_all_positions() -> None:
    torch.manual_seed(1)
    dropped = SequenceDropout(0.4)(torch.ones(6, 9, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert len({tuple(row.tolist()) for row in dropped[:, 0]}) == 6, "sequences have masks of their own"


def test_words_are_dropped_whole() -> None:
    torch.manual_seed(1)
    dropped = WordDropout(0.3)(torch.ones(8, 40, 5))
    assert torch.equal(dropped, dropped[:, :, :1].expand_as(dropped))
    assert (dropped[:, :, 0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.06)
    assert not torch.equal(dropped[0], dropped[1])


@pytest.mark.parametrize("kind", [SequenceDropout, WordDropout])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_mean_is_kept(kind: type[nn.Module], rate: float) -> None:
    torch.manual_seed(2)
    shape = (500, 1, 400) if kind is SequenceDropout else (500, 400, 1)
    assert kind(rate)(torch.ones(shape)).mean().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("kind", [SequenceDropout, WordDropout])
def test_the_seed_decides_and_the_type_stays(kind: type[nn.Module]) -> None:
    values = torch.randn(4, 6, 8).to(torch.bfloat16)
    results = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        results.append(kind(0.5)(values))
    assert results[0].dtype == torch.bfloat16
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_a_drawn_mask_can_be_used_again() -> None:
    torch.manual_seed(3)
    dropout = SequenceDropout(0.5)
    mask = dropout.draw(2, 30, torch.device("cpu"))
    assert mask is not None
    assert mask.shape == (2, 1, 30)
    first, second = masked(torch.ones(2, 3, 30), mask), masked(torch.ones(2, 1, 30), mask)
    assert torch.equal(first[:, 2:], second)
    assert dropout.eval().draw(2, 30, torch.device("cpu")) is None


def test_gradients_pass_only_where_something_was_kept() -> None:
    torch.manual_seed(4)
    values = torch.ones(2, 3, 20, requires_grad=True)
    dropped = SequenceDropout(0.5)(values)
    dropped.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, dropped.detach())
