"""The output layer and its loss, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seqkit.data.batch import Padded
from seqkit.nn import heads
from seqkit.nn.heads import Loss, TokenHead


def loss_of_logits(logits: Tensor, targets: Tensor, smoothing: float) -> Loss:
    """The loss of a head whose output layer hands its readouts (P, V) on as they are."""
    size = logits.shape[1]
    part = TokenHead(size, size, tied_to=None, label_smoothing=smoothing).to(logits.dtype)
    with torch.no_grad():
        part.output.weight.copy_(torch.eye(size))
        part.output.bias.zero_()
    lengths = torch.tensor([len(targets)])
    return part.loss(Padded(logits[None], lengths), Padded(targets[None], lengths), len(targets))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("rows", [1, 5, 256, 257, 600])  # it works in blocks of rows
def test_loss_and_gradient_are_those_of_pytorch(
    smoothing: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_BLOCK", 256 * 11)
    torch.manual_seed(rows)
    logits = torch.randn(rows, 11, dtype=torch.float64) * 4
    targets = torch.randint(11, (rows,))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = loss_of_logits(ours, targets, smoothing)
    expected = cross_entropy(theirs, targets, reduction="sum", label_smoothing=smoothing)
    assert loss.objective.item() == pytest.approx(expected.item(), rel=1e-12)
    assert loss.nats.item() == pytest.approx(
        cross_entropy(logits, targets, reduction="sum").item(), rel=1e-12
    )
    (loss.objective * 0.7).backward()
    (expected * 0.7).backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_half_precision_logits_are_summed_in_full_precision() -> None:
    torch.manual_seed(0)
    logits = (torch.randn(700, 50) * 5).to(torch.bfloat16).requires_grad_()
    targets = torch.randint(50, (700,))
    loss = loss_of_logits(logits, targets, 0.1)
    expected = cross_entropy(logits.detach().double(), targets, reduction="sum", label_smoothing=0.1)
    assert loss.objective.dtype == loss.nats.dtype == torch.float64
    assert loss.objective.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.objective.backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16


def test_huge_logits_do_not_overflow() -> None:
    loss = loss_of_logits(torch.tensor([[1e30, 0.0], [-1e30, 1e4]]), torch.tensor([0, 1]), 0.0)
    assert loss.objective.item() == loss.nats.item() == 0.0


def test_a_vocabulary_wider_than_a_block_is_treated_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    logits, targets = torch.randn(5, 40, dtype=torch.float64), torch.randint(40, (5,))
    whole = loss_of_logits(logits, targets, 0.1)
    monkeypatch.setattr(heads, "_BLOCK", 39)
    assert loss_of_logits(logits, targets, 0.1).objective.item() == pytest.approx(whole.objective.item())


def test_an_improbable_target_costs_what_it_should() -> None:
    """Its share underflows to zero in single precision; its logarithm does not."""
    loss = loss_of_logits(torch.tensor([[200.0, 0.0, 199.0]]), torch.tensor([1]), 0.0)
    assert loss.nats.item() == pytest.approx(200.31326, rel=1e-6)


def test_nats_carry_no_gradient() -> None:
    loss = loss_of_logits(torch.randn(3, 4, requires_grad=True), torch.tensor([0, 1, 2]), 0.1)
    assert loss.objective.requires_grad
    assert not loss.nats.requires_grad


def head(smoothing: float = 0.2, tied: nn.Embedding | None = None) -> TokenHead:
    torch.manual_seed(3)
    return TokenHead(6, 9, tied_to=tied, label_smoothing=smoothing)


def test_padding_takes_no_part() -> None:
    part = head()
    lengths = torch.tensor([4, 1])
    readouts = torch.randn(2, 4, 6, requires_grad=True)
    targets = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0]])
    loss = part.loss(Padded(readouts, lengths), Padded(targets, lengths), 5)
    assert loss.weight == 5
    kept = torch.cat([readouts[0], readouts[1, :1]])
    expected = cross_entropy(
        part.predict(kept), torch.tensor([1, 2, 3, 4, 5]), reduction="sum", label_smoothing=0.2
    )
    assert loss.objective.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.objective.backward()
    assert readouts.grad is not None
    assert readouts.grad[1, 1:].eq(0).all()
    assert readouts.grad[0].ne(0).any(dim=1).all()


def test_targets_are_smoothed_in_training_only() -> None:
    part = head()
    lengths = torch.tensor([3])
    batch = Padded(torch.randn(1, 3, 6), lengths), Padded(torch.tensor([[1, 2, 3]]), lengths), 3
    trained, measured = part.train().loss(*batch), part.eval().loss(*batch)
    assert trained.objective.item() > trained.nats.item()
    assert measured.objective.item() == measured.nats.item() == trained.nats.item()


def test_a_tied_output_is_the_embedding_itself() -> None:
    embedding = nn.Embedding(9, 6)
    part = head(tied=embedding)
    assert part.output.weight is embedding.weight
    readouts = torch.randn(2, 3, 6)
    assert torch.allclose(part.predict(readouts), readouts @ embedding.weight.T + part.output.bias, atol=1e-6)
    assert head().output.weight is not embedding.weight


def test_predictions_have_the_shape_of_the_readouts() -> None:
    assert head().predict(torch.randn(4, 6)).shape == (4, 9)
    assert head().predict(torch.randn(4, 2, 6)).shape == (4, 2, 9)
