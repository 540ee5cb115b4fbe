"""The hand-written translation step: the network's own step, rounded, and the same in any company."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.data.tokenizers import END, START
from seqkit.decoding.beam import BeamOptions, Hypothesis, beam_search
from seqkit.decoding.stepper import Allowed, Continuations, Engine, Stepper
from seqkit.engines.fixed.decoder import FixedPointDecoder, unsupported
from seqkit.engines.fixed.ensemble import FixedPointEnsemble
from seqkit.engines.fixed.grid import Kernel
from seqkit.engines.network import NetworkEnsemble
from seqkit.kinds import TRANSLATION
from seqkit.network.blueprint import Blueprint
from tests.kernels import EVERY_KERNEL, take
from tests.networks import build_encoder_decoder, texts

SIZE = 70
NETWORKS: list[dict[str, Any]] = [
    {"cell": cell, "encoder_layers": layers, "decoder_layers": layers, **more}
    for cell, layers, more in itertools.product(
        ("lstm", "gru", "rnn"),
        (1, 2, 3),
        ({}, {"tied_embeddings": "none", "bridge": "zero"}),
    )
]


def name_of(settings: dict[str, Any]) -> str:
    return "-".join(str(value) for value in settings.values())


def config_of(settings: dict[str, Any]) -> ModelConfig:
    return ModelConfig(**{"embedding_size": 24, "hidden_size": 32, "attention_heads": 4, **settings})


def both(settings: dict[str, Any], seed: int = 1) -> tuple[NetworkEnsemble, FixedPointDecoder]:
    """A random network as torch runs it and on the grid."""
    torch.manual_seed(seed)
    network = build_encoder_decoder(config_of(settings), source_size=SIZE, target_size=SIZE).eval()
    parameters = {name: value.detach().numpy() for name, value in network.named_parameters()}
    theirs = NetworkEnsemble([network], torch.device("cpu"))
    return theirs, FixedPointDecoder(network.blueprint, parameters)


def sentences(count: int, seed: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        np.append(generator.integers(END + 1, SIZE, generator.integers(1, 24)), END) for _ in range(count)
    ]


def search(engine: Engine, sources: list[np.ndarray], beam_size: int) -> list[list[Hypothesis]]:
    return beam_search(
        engine.start(sources, beam_size, with_attention=True),
        start=START,
        end=END,
        first_allowed=END,
        maximum_lengths=np.array([len(source) + 5 for source in sources]),
        options=BeamOptions(beam_size=beam_size, n_best=beam_size),
        source_lengths=np.array([len(source) for source in sources]),
    )


def step(
    stepper: Stepper,
    tokens: np.ndarray,
    *,
    width: int = SIZE,
    forced: np.ndarray | None = None,
    may_end: bool = True,
) -> Continuations:
    """The best continuations after the last tokens."""
    stepper.step(tokens)
    free = np.full(len(tokens), -1)
    return stepper.best(width, Allowed(END, END, free if forced is None else forced, may_end))


def assert_equal_to_the_bit(one: list[list[Hypothesis]], other: list[list[Hypothesis]]) -> None:
    for some, more in zip(one, other, strict=True):
        for a, b in zip(some, more, strict=True):
            assert a.tokens.tolist() == b.tokens.tolist()
            assert a.score == b.score
            assert a.log_probabilities.tolist() == b.log_probabilities.tolist()
            assert (a.attention is None) == (b.attention is None)
            if a.attention is not None and b.attention is not None:
                assert np.array_equal(a.attention, b.attention)


@pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
def test_steps_are_the_networks_own_but_for_rounding(settings: dict[str, Any]) -> None:
    network, model = both(settings)
    furthest = 0.1 if settings["cell"] == "rnn" else 0.05  # gates keep rounding from adding up
    sources = sentences(5)
    tokens = np.random.default_rng(4).integers(END + 1, SIZE, (6, 10))
    tokens[0] = START
    engines: tuple[Engine, Engine] = network, FixedPointEnsemble([model])
    theirs, mine = (engine.start(sources, 2, with_attention=True) for engine in engines)
    order = np.array([1, 0, 2, 3, 5, 4, 8, 8])
    for position in range(6):
        if position == 3:  # rows change places, and the fourth sentence leaves
            for stepper in (theirs, mine):
                stepper.select(order, np.array([0, 1, 2, 4]))
            tokens = tokens[:, order]
        expected, found = (step(stepper, tokens[position]) for stepper in (theirs, mine))
        assert found.attention == pytest.approx(_cut(expected.attention, found.attention), abs=0.02)
        a, b = (_by_token(some.tokens, some.log_probabilities) for some in (expected, found))
        assert np.abs(a - b).max() < furthest
        assert np.abs(a - b).mean() < furthest / 5


def _cut(wider: np.ndarray | None, attention: np.ndarray | None) -> np.ndarray:
    """Attention without the padding that the other does not have, which is not looked at."""
    assert wider is not None
    assert attention is not None
    assert not wider[:, attention.shape[1] :].any()
    return wider[:, : attention.shape[1]]


def _by_token(tokens: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores in the order of the vocabulary, without what is never offered. (N, V)"""
    ordered = np.empty((len(tokens), SIZE))
    np.put_along_axis(ordered, tokens, scores, axis=1)
    return ordered[:, END:]


@pytest.mark.parametrize("settings", NETWORKS[::2], ids=name_of)
@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_sentence_is_translated_the_same_in_any_company(settings: dict[str, Any], beam_size: int) -> None:
    fixed = FixedPointEnsemble([both(settings)[1]])
    sources = sentences(30)
    together = search(fixed, sources, beam_size)
    assert_equal_to_the_bit([search(fixed, [source], beam_size)[0] for source in sources[:8]], together[:8])
    backward = search(fixed, sources[::-1], beam_size)
    assert_equal_to_the_bit(backward[::-1], together)
    long = np.append(np.resize(sources[0][:-1], 300), END)
    assert_equal_to_the_bit(search(fixed, [*sources[:7], long], beam_size)[:7], together[:7])


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize("settings", NETWORKS[:6], ids=name_of)
def test_every_kernel_says_the_same_to_the_bit(
    kernel: Kernel, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sentences(12)
    expected = search(FixedPointEnsemble([both(settings)[1]]), sources, 3)
    take(kernel, monkeypatch)
    model = both(settings)[1]
    assert model.grid.in_bytes == (kernel != "float")
    found = search(FixedPointEnsemble([model]), sources, 3)
    assert_equal_to_the_bit(found, expected)


def test_an_ensemble_averages_probabilities() -> None:
    models = [both(NETWORKS[0], seed)[1] for seed in (1, 2)]
    sources = sentences(4)

    def scores_of(*members: FixedPointDecoder) -> np.ndarray:
        stepper = FixedPointEnsemble(members).start(sources, 1)
        found = step(stepper, np.full(4, START))
        return _by_token(found.tokens, found.log_probabilities)

    expected = np.log((np.exp(scores_of(models[0])) + np.exp(scores_of(models[1]))) / 2)
    assert scores_of(*models) == pytest.approx(expected, abs=1e-5)
    assert scores_of(models[0], models[0]) == pytest.approx(scores_of(models[0]), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, None),
        ({"bridge": "zero", "tied_embeddings": "none"}, None),
        ({"attention": "additive"}, "model.attention = additive"),
        ({"input_feeding": True}, "model.input_feeding = true"),
        ({"attention": "additive", "input_feeding": True}, "model.attention = additive"),
    ],
)
def test_what_it_lacks_is_named(settings: dict[str, Any], named: str | None) -> None:
    assert (
        unsupported(Blueprint.of(TRANSLATION, config_of(settings), texts(source=SIZE, target=SIZE))) == named
    )


@pytest.mark.parametrize("members", [1, 2])
def test_logits_are_what_a_search_chooses_from(members: int) -> None:
    engine = FixedPointEnsemble([both(NETWORKS[0], seed)[1] for seed in range(1, members + 1)])
    sources = sentences(40)  # 80 rows: more than a block
    first = engine.start(sources, 2)
    first.step(np.full(80, START))
    logits = first.logits().astype(np.float64)
    assert logits.shape == (80, SIZE)
    found = step(engine.start(sources, 2), np.full(80, START))
    expected = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    assert _by_token(found.tokens, found.log_probabilities) == pytest.approx(expected[:, END:], abs=1e-5)
