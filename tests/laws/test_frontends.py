"""A front-end may change the length: what comes after it goes by the lengths that it gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqkit.config import ModelConfig
from seqkit.data.batch import Batch, Padded
from seqkit.nn.model import SequenceModel
from seqkit.training.health import saturation
from tests.networks import build_encoder_decoder

FRAME, EMBEDDING, VOCABULARY = 5, 8, 11
LENGTHS = [7, 4, 1, 10]  # odd ones, too: the last pair is half empty


class HalvingFrontend(nn.Module):
    """Two frames make a vector: (B, T, F) -> (B, (T + 1) // 2, E)"""

    output_size = EMBEDDING

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(2 * FRAME, EMBEDDING)

    def forward(self, inputs: Padded) -> Padded:
        frames = inputs.values * inputs.mask[:, :, None]  # (B, T, F), nothing where there is padding
        if frames.shape[1] % 2:
            frames = nn.functional.pad(frames, (0, 0, 0, 1))
        pairs = frames.reshape(len(frames), -1, 2 * FRAME)  # (B, (T + 1) // 2, 2 F)
        return Padded(torch.tanh(self.project(pairs)), (inputs.lengths + 1) // 2)


def model_of_frames(attention: str) -> SequenceModel:
    torch.manual_seed(3)
    settings = ModelConfig(
        embedding_size=EMBEDDING,
        hidden_size=8,
        attention=attention,  # type: ignore[arg-type]
        attention_heads=2,
        encoder_layers=2,
        tied_embeddings="target",
    )
    model = build_encoder_decoder(settings, source_size=VOCABULARY, target_size=VOCABULARY)
    model.source_frontend = HalvingFrontend()
    return model.eval().requires_grad_(False)


def frames_and_targets() -> tuple[Tensor, Batch]:
    """Random frames (B, T, F), and their batch with targets of two to five tokens."""
    torch.manual_seed(4)
    frames = torch.randn(len(LENGTHS), max(LENGTHS), FRAME)
    tokens, lengths = torch.randint(4, VOCABULARY, (len(LENGTHS), 5)), torch.tensor([5, 2, 3, 4])
    target = Padded(tokens, lengths)
    return frames, Batch(target, target, Padded(frames, torch.tensor(LENGTHS)))


ATTENTION = pytest.mark.parametrize("attention", ["dot", "additive"])


@ATTENTION
def test_attention_has_the_new_length(attention: str) -> None:
    _, batch = frames_and_targets()
    _, weights = model_of_frames(attention).logits(batch)
    assert weights is not None
    assert weights.shape[2] == (max(LENGTHS) + 1) // 2
    for row, length in enumerate(LENGTHS):
        assert not weights[row, :, (length + 1) // 2 :].any()
    assert weights.sum(dim=2) == pytest.approx(torch.ones(weights.shape[:2]), abs=1e-5)


@ATTENTION
def test_padding_changes_nothing(attention: str) -> None:
    model, (frames, batch) = model_of_frames(attention), frames_and_targets()
    logits, _ = model.logits(batch)
    spoilt = frames.clone()
    for row, length in enumerate(LENGTHS):
        spoilt[row, length:] = 1e3
    longer = torch.cat([spoilt, torch.full((len(LENGTHS), 3, FRAME), -7.0)], dim=1)
    assert batch.source is not None
    other, _ = model.logits(Batch(batch.inputs, batch.targets, Padded(longer, batch.source.lengths)))
    mask = batch.inputs.mask
    assert other[mask] == pytest.approx(logits[mask], abs=1e-5)


@ATTENTION
def test_a_batch_gives_what_each_gives_alone(attention: str) -> None:
    model, (frames, batch) = model_of_frames(attention), frames_and_targets()
    logits, _ = model.logits(batch)
    nats = 0.0
    for row, length in enumerate(LENGTHS):
        taken = int(batch.inputs.lengths[row])
        target = Padded(batch.inputs.values[row : row + 1, :taken], torch.tensor([taken]))
        source = Padded(frames[row : row + 1, :length], torch.tensor([length]))
        alone, _ = model.logits(Batch(target, target, source))
        assert alone[0] == pytest.approx(logits[row, :taken], abs=1e-5)
        nats += float(model.loss(Batch(target, target, source))[0].nats)
    assert float(model.loss(batch)[0].nats) == pytest.approx(nats, abs=1e-3)


def test_gates_are_measured_where_there_is_something() -> None:
    _, batch = frames_and_targets()
    gates = model_of_frames("dot").gate_activations(batch)
    values, mask = gates["encoder"]
    assert mask.shape == next(iter(values.values())).shape[:2]
    assert mask.sum(dim=1).tolist() == [(length + 1) // 2 for length in LENGTHS]
    assert saturation(gates)
