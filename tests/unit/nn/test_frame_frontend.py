"""Frames to vectors: lengths, padding that changes nothing, and the parameters of the blueprint."""

from __future__ import annotations

import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.data.batch import Batch, Padded
from seqkit.data.forms.frames import FrameSums
from seqkit.data.forms.labels import Labels
from seqkit.kinds import CLASSIFICATION
from seqkit.network.blueprint import Blueprint
from seqkit.nn.heads import ClassHead
from seqkit.nn.model import SequenceModel, build_model

FRAME, LENGTHS = 3, [1, 5, 9, 16]


def classifier(convolutions: int) -> SequenceModel:
    torch.manual_seed(5)
    settings = ModelConfig(
        embedding_size=6, hidden_size=8, convolutions=convolutions, tied_embeddings="none", dropout=0.0
    )
    fields = {"source": FrameSums(FRAME).frames(), "target": Labels.fitted(["a", "b", "c"])}
    return build_model(Blueprint.of(CLASSIFICATION, settings, fields), settings).eval()


def logits(model: SequenceModel, frames: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    source = Padded(frames, torch.tensor(lengths))
    answers = Padded(
        torch.zeros(len(lengths), 1, dtype=torch.int64), torch.ones(len(lengths), dtype=torch.int64)
    )
    assert isinstance(model.head, ClassHead)
    return model.head.answer(model.run(Batch(None, answers, source)).readouts)


@pytest.mark.parametrize("convolutions", [0, 1, 3])
def test_the_parameters_are_those_of_the_blueprint(convolutions: int) -> None:
    model = classifier(convolutions)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == model.blueprint.shapes()


@pytest.mark.parametrize("convolutions", [0, 1, 3])
@torch.no_grad()
def test_neither_padding_nor_neighbours_change_an_answer(convolutions: int) -> None:
    model = classifier(convolutions)
    frames = torch.randn(len(LENGTHS), max(LENGTHS), FRAME)  # padding is noise, too: it must not be read
    together = logits(model, frames, LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = logits(model, frames[row : row + 1, :length], [length])
        torch.testing.assert_close(alone[0], together[row])


@torch.no_grad()
def test_each_convolution_halves_the_length_and_is_normalised() -> None:
    frontend = classifier(2).source_frontend
    assert frontend is not None
    frames = torch.randn(len(LENGTHS), max(LENGTHS), FRAME)
    found = frontend(Padded(frames, torch.tensor(LENGTHS)))
    assert found.lengths.tolist() == [1, 2, 3, 4]
    louder = frontend(Padded(1000 * frames, torch.tensor(LENGTHS)))
    assert louder.values.abs().max() < 10, "what the convolutions say is normalised"


@torch.no_grad()
def test_the_head_reads_the_frontend_beside_the_encoder() -> None:
    model = classifier(1)
    for parameter in model.encoder.parameters():  # type: ignore[union-attr]
        parameter.zero_()  # an encoder that says nothing
    frames = torch.randn(2, 8, FRAME)
    first, second = logits(model, frames, [8, 8])
    assert not torch.allclose(first, second)
