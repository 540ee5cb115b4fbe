"""Dynamic evaluation learns only from what it has scored, and leaves the model as it found it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.errors import ConfigError
from seqkit.evaluation.dynamic import dynamic_nats
from seqkit.evaluation.dynamic_options import DynamicOptions
from seqkit.evaluation.language import stream_nats
from seqkit.nn.model import SequenceModel
from tests.networks import build_language_model

CPU = torch.device("cpu")
PHRASE = np.random.default_rng(2).integers(4, 20, 12).astype(np.uint16)
TEXT = np.tile(PHRASE, 30)  # a text of its own habits, which no training has shown


def small_model(cell: str = "lstm") -> SequenceModel:
    torch.manual_seed(3)
    config = ModelConfig(
        cell=cell,  # type: ignore[arg-type]
        embedding_size=16,
        hidden_size=32,
        decoder_layers=2,
        tied_embeddings="none",
        dropout=0.5,
    )
    return build_language_model(config, size=20)


def nats_of(model: SequenceModel, ids: np.ndarray, **options: float) -> float:
    return dynamic_nats(model, ids, 7, DynamicOptions(**options), device=CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_it_learns_the_habits_of_a_text(cell: str) -> None:
    model = small_model(cell)
    static, _ = stream_nats(model, TEXT, 7, device=CPU)
    assert static / len(TEXT) > 0.8 * math.log(20)
    assert nats_of(model, TEXT, rate=1e-2) < 0.7 * static


def test_nothing_is_predicted_from_what_was_learnt_from_it() -> None:
    model = small_model()
    static, _ = stream_nats(model, TEXT, 7, device=CPU)
    # With one segment there is no prediction after the first update.
    assert nats_of(model, TEXT, rate=1.0, segment=len(TEXT)) == pytest.approx(static, rel=1e-6)
    # What comes later in the text has no say in what comes first.
    both = nats_of(model, TEXT[:100], rate=1e-2, segment=20)
    other = np.concatenate([TEXT[:100], np.full(60, 4, np.uint16)])
    parts: list[float] = []
    for ids in (other, other[:100]):
        parts.append(nats_of(model, ids, rate=1e-2, segment=20))
    assert parts[1] == both
    assert parts[0] > both


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_put_back_to_the_bit(training: bool) -> None:
    model = small_model().train(training)
    trained = [weight.detach().clone() for weight in model.parameters()]
    frozen = next(model.parameters()).requires_grad_(False)
    random = torch.get_rng_state()
    first = nats_of(model, TEXT, rate=1e-2)
    heard: list[int] = []

    def interrupt(done: int) -> None:
        heard.append(done)
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dynamic_nats(model, TEXT, 7, DynamicOptions(), device=CPU, progress=interrupt)
    assert heard == [20, 40, 60, 80, 100, 120]
    assert all(map(torch.equal, model.parameters(), trained))
    assert all(module.training == training for module in model.modules())
    assert not frozen.requires_grad
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert nats_of(model, TEXT, rate=1e-2) == first  # no dropout, and nothing left behind


def test_decay_holds_the_weights_near_the_trained_ones() -> None:
    model = small_model()
    static, _ = stream_nats(model, TEXT, 7, device=CPU)
    free, held, fixed = (nats_of(model, TEXT, rate=3e-3, decay=decay) for decay in (0, 0.2, 0.999))
    assert free < held < fixed
    assert fixed == pytest.approx(static, rel=0.02)


def test_the_signature_has_every_option() -> None:
    assert DynamicOptions(rate=0.5, decay=0.25, segment=7).signature == {
        "update": "rms",
        "rate": 0.5,
        "decay": 0.25,
        "segment": 7,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 0}, "--dynamic-rate 0 "),
        ({"rate": -1.0}, "--dynamic-rate -1.0"),
        ({"rate": math.nan}, "--dynamic-rate nan"),
        ({"rate": math.inf}, "--dynamic-rate inf"),
        ({"decay": 1.0}, "--dynamic-decay 1.0"),
        ({"decay": -0.1}, "--dynamic-decay -0.1"),
        ({"decay": math.nan}, "--dynamic-decay nan"),
        ({"segment": 0}, "--dynamic-segment 0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DynamicOptions(**options)  # type: ignore[arg-type]
