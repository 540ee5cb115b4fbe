"""The gradient's health: sums, shares, and what is said in words."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.nn.model import SequenceModel
from seqkit.training.health import GradientHealth, saturation, warnings
from seqkit.training.loop import StepReport
from tests.networks import build_encoder_decoder


@pytest.fixture(scope="module")
def model() -> SequenceModel:
    config = ModelConfig(embedding_size=8, hidden_size=8, attention_heads=2)
    return build_encoder_decoder(config, source_size=20, target_size=20)


def report(norms: torch.Tensor, *, finite: bool = True, clipped: bool = False) -> StepReport:
    norm = float(torch.linalg.vector_norm(norms))
    return StepReport(1, 0.1, 1.0, 1.0, 10, 10, 1e-3, norm, clipped, finite, norms)


def test_sums_become_means_and_shares(model: SequenceModel) -> None:
    count = len(list(model.parameters()))
    health = GradientHealth()
    health.add(report(torch.full((count,), 3.0), clipped=True))
    health.add(report(torch.full((count,), 1.0)))
    health.add(report(torch.full((count,), math.nan), finite=False))
    summary = health.summary(model)
    assert summary["norm"] == pytest.approx(2 * count**0.5, rel=1e-5)
    assert summary["clipped_share"] == 0.5
    assert summary["nonfinite_steps"] == 1
    parts: Any = summary["parts"]
    for name, members in model.parameter_groups().items():
        assert parts[name] == pytest.approx((5 * len(members)) ** 0.5, rel=1e-5), name


def test_a_checkpoint_keeps_it_to_the_bit() -> None:
    health = GradientHealth()
    health.add(report(torch.tensor([0.1, 0.3, 1e-20])))
    assert GradientHealth(**json.loads(json.dumps(asdict(health)))) == health


def test_nothing_is_said_before_the_first_step(model: SequenceModel) -> None:
    summary = GradientHealth().summary(model)
    assert summary == {"norm": 0.0, "clipped_share": 0.0, "nonfinite_steps": 0, "parts": {}}
    assert warnings(summary, {}, 1.0) == []


def summary_of(norm: float = 1.0, nonfinite: int = 0, **parts: float) -> dict[str, object]:
    return {"norm": norm, "clipped_share": 0.1, "nonfinite_steps": nonfinite, "parts": parts}


def test_a_healthy_gradient_needs_no_words() -> None:
    assert warnings(summary_of(embeddings=0.5, encoder=0.01), {"decoder.forget": 0.5}, 1.0) == []


@pytest.mark.parametrize(
    ("summary", "gates", "words"),
    [
        (
            summary_of(embeddings=2.0, encoder_1_forwards=1e-4),
            {},
            "gradients vanish: encoder_1_forwards gets 1.0e-04",
        ),
        (summary_of(embeddings=2.0, encoder_1_forwards=0.0), {}, "gradients vanish: encoder_1_forwards"),
        (
            summary_of(norm=21.0, embeddings=2.0),
            {},
            "gradients explode: their mean norm is 21.0, clipped to 1",
        ),
        (summary_of(nonfinite=3), {}, "steps skipped for NaN or infinite gradients: 3"),
        (
            summary_of(),
            {"decoder.forget": 0.95, "decoder.input": 0.3},
            "gates are saturated: decoder.forget (95%);",
        ),
    ],
)
def test_trouble_is_said_in_words(summary: dict[str, object], gates: dict[str, float], words: str) -> None:
    found = warnings(summary, gates, 1.0)
    assert len(found) == 1
    assert words in found[0]


def test_tiny_gradients_are_not_rounded_away(model: SequenceModel) -> None:
    count = len(list(model.parameters()))
    health = GradientHealth()
    health.add(report(torch.full((count,), 2e-8)))
    summary = health.summary(model)
    parts: Any = summary["parts"]
    assert all(1e-8 < value < 1e-6 for value in parts.values())
    assert warnings(summary, {}, 1.0) == []


def test_saturation_is_named_by_layer_and_gate() -> None:
    mask = torch.ones(1, 2, dtype=torch.bool)
    gates = {
        "decoder": ({"forget": torch.tensor([[[0.99], [0.5]]])}, mask),
        "encoder": ({"input": torch.tensor([[[0.2], [0.5]]])}, mask),
    }
    assert saturation(gates) == {"decoder.forget": 0.5, "encoder.input": 0.0}
