"""A model that reads a sequence and answers once: frames in, a class out, without a decoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqkit.data.batch import Batch, Padded
from seqkit.network.blueprint import Blueprint
from seqkit.network.parts import EncoderPart, TokenHeadPart
from seqkit.nn.heads import Loss
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import BidirectionalEncoder
from seqkit.training.health import saturation
from tests.laws.test_frontends import EMBEDDING, FRAME, HalvingFrontend

HIDDEN, CLASSES = 8, 3
LENGTHS = [7, 4, 1, 10]


class MeanHead(nn.Module):
    """The class of a sequence, by the mean of its readouts."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(HIDDEN, CLASSES)

    def predict(self, readouts: Tensor) -> Tensor:
        """(..., R) -> logits (..., C)"""
        logits: Tensor = self.output(readouts)
        return logits

    def loss(self, readouts: Padded, targets: Padded, weight: int) -> Loss:
        """One target per sequence, (B, 1)."""
        kept = readouts.values * readouts.mask[:, :, None]  # (B, T, R)
        logits = self.predict(kept.sum(dim=1) / readouts.lengths[:, None])  # (B, C)
        nats = nn.functional.cross_entropy(logits, targets.values[:, 0], reduction="sum")
        return Loss(nats, nats.detach(), weight)


def classifier() -> SequenceModel:
    torch.manual_seed(2)
    part = EncoderPart("lstm", EMBEDDING, HIDDEN, 2)
    return SequenceModel(
        Blueprint(None, None, TokenHeadPart(HIDDEN, CLASSES, None), encoder=part),
        source_frontend=HalvingFrontend(),
        encoder=BidirectionalEncoder(part, dropout=0.0),
        bridge=None,
        target_frontend=None,
        decoder=None,
        head=MeanHead(),
    )


def examples() -> tuple[Tensor, Tensor]:
    """Frames (B, T, F), and a class for each, (B, 1)."""
    torch.manual_seed(4)
    return torch.randn(len(LENGTHS), max(LENGTHS), FRAME), torch.tensor([[0], [2], [1], [2]])


def batch_of(frames: Tensor, classes: Tensor, lengths: list[int]) -> Batch:
    targets = Padded(classes, torch.ones(len(classes), dtype=torch.int64))
    return Batch(None, targets, Padded(frames, torch.tensor(lengths)))


def test_a_prediction_per_sequence_is_what_the_loss_is_divided_by() -> None:
    batch = batch_of(*examples(), LENGTHS)
    assert (batch.weight, batch.rows) == (4, 4)
    assert [part.weight for _, part in batch.split(2)] == [2, 2]
    loss, state = classifier().loss(batch)
    assert (loss.weight, state) == (4, None)


def test_padding_and_neighbours_change_nothing() -> None:
    model, (frames, classes) = classifier(), examples()
    whole = float(model.loss(batch_of(frames, classes, LENGTHS))[0].nats)
    alone = 0.0
    for row, length in enumerate(LENGTHS):
        spoilt = torch.full((1, length + 3, FRAME), 1e3)
        spoilt[0, :length] = frames[row, :length]
        alone += float(model.loss(batch_of(spoilt, classes[row : row + 1], [length]))[0].nats)
    assert alone == pytest.approx(whole, abs=1e-4)


def test_it_learns_what_it_is_shown() -> None:
    model, batch = classifier(), batch_of(*examples(), LENGTHS)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss, _ = model.loss(batch)
        loss.objective.backward()
        optimizer.step()
    assert float(loss.nats) < 0.1


def test_its_gates_and_groups_are_told() -> None:
    model, batch = classifier(), batch_of(*examples(), LENGTHS)
    gates = model.gate_activations(batch)
    assert set(gates) == {"encoder"}
    assert saturation(gates)
    assert {name.partition("_")[0] for name in model.blueprint.groups()} == {"encoder", "output"}
