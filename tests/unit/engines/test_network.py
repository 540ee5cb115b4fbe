"""Networks behind the step protocol: what is forbidden, what is averaged, whose rows are whose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.data.tokenizers import END, PAD, START, UNKNOWN
from seqkit.decoding.beam import BeamOptions, beam_search
from seqkit.decoding.stepper import Allowed, Continuations
from seqkit.engines.network import NetworkEnsemble, NetworkRows
from seqkit.nn.heads import TokenHead
from seqkit.nn.model import SequenceModel
from tests.networks import build_encoder_decoder

SIZE = 14
CPU = torch.device("cpu")
SOURCES = [np.array(ids) for ids in ([4, 5, 6, END], [7, END], [8, 9, 10, 11, 12, END])]


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def small_model(seed: int) -> SequenceModel:
    torch.manual_seed(seed)
    config = ModelConfig(embedding_size=8, hidden_size=12, attention_heads=2)
    return build_encoder_decoder(config, source_size=SIZE, target_size=SIZE).eval()


def prefer(model: SequenceModel, *tokens: int) -> SequenceModel:
    """Make a model predict the given tokens whatever it reads."""
    assert isinstance(model.head, TokenHead)
    model.head.output.bias[list(tokens)] = 40.0
    return model


def start(models: list[SequenceModel], rows: int = 1, *, with_attention: bool = False) -> NetworkRows:
    return NetworkEnsemble(models, CPU).start(SOURCES, rows, with_attention=with_attention)


def step(
    stepper: NetworkRows,
    tokens: np.ndarray,
    *,
    width: int = SIZE,
    forced: np.ndarray | None = None,
    may_end: bool = True,
) -> Continuations:
    stepper.step(tokens)
    free = np.full(len(tokens), -1)
    return stepper.best(width, Allowed(END, END, free if forced is None else forced, may_end))


def first_step(
    models: list[SequenceModel],
    *,
    forced: np.ndarray | None = None,
    may_end: bool = True,
    with_attention: bool = False,
) -> Continuations:
    stepper = start(models, with_attention=with_attention)
    return step(stepper, np.full(3, START), forced=forced, may_end=may_end)


def by_token(found: Continuations) -> np.ndarray:
    """Log-probabilities in the order of the vocabulary. (N, V)"""
    scores = np.empty(found.tokens.shape)
    np.put_along_axis(scores, found.tokens, found.log_probabilities, axis=1)
    return scores


def test_continuations_come_best_first() -> None:
    found = first_step([small_model(1)])
    assert found.tokens.shape == found.log_probabilities.shape == (3, SIZE)
    assert (np.diff(found.log_probabilities[:, : SIZE - 3], axis=1) <= 0).all()
    assert [sorted(row) for row in found.tokens.tolist()] == [list(range(SIZE))] * 3


def test_width_is_the_number_of_continuations_and_at_most_the_vocabulary() -> None:
    models = [small_model(1)]
    everything = first_step(models)
    for width, wanted in ((1, 1), (4, 4), (99, SIZE)):
        found = step(start(models), np.full(3, START), width=width)
        assert found.tokens.tolist() == everything.tokens[:, :wanted].tolist()


def test_what_is_no_word_is_never_offered() -> None:
    scores = by_token(first_step([prefer(small_model(1), UNKNOWN, PAD, START)]))
    assert (scores[:, [PAD, UNKNOWN, START]] == -np.inf).all()
    assert np.isfinite(scores[:, END:]).all()


def test_forbidding_leaves_the_others_probabilities_alone() -> None:
    # The three forbidden tokens share nearly everything; the rest keeps what the model gave it.
    scores = by_token(first_step([prefer(small_model(1), UNKNOWN, PAD, START)]))
    assert np.exp(scores).sum(axis=1).max() < 1e-6
    free = by_token(first_step([small_model(1)]))
    closed = by_token(first_step([small_model(1)], may_end=False))
    assert (closed[:, END] == -np.inf).all()
    assert closed[:, END + 1 :].tolist() == free[:, END + 1 :].tolist()


def test_a_search_never_writes_what_is_no_word() -> None:
    found = beam_search(
        start([prefer(small_model(2), UNKNOWN, PAD, START)], 4),
        start=START,
        end=END,
        first_allowed=END,
        maximum_lengths=np.array([6, 6, 6]),
        options=BeamOptions(beam_size=4, n_best=4, minimum_length=2),
    )
    written = np.concatenate([hypothesis.tokens for some in found for hypothesis in some])
    assert len(written) >= 3 * 4 * 2
    assert written.min() > END


def test_where_a_token_is_forced_it_alone_is_left() -> None:
    models = [small_model(3)]
    free = by_token(first_step(models))
    scores = by_token(first_step(models, forced=np.array([-1, 7, END])))
    assert scores[0].tolist() == free[0].tolist()
    for row, token in ((1, 7), (2, END)):
        assert scores[row, token] == free[row, token]
        assert np.isfinite(scores[row]).sum() == 1


def test_an_ensemble_of_a_model_and_itself_is_the_model() -> None:
    model = small_model(4)
    once, twice = (first_step([model] * count, with_attention=True) for count in (1, 2))
    assert by_token(twice) == pytest.approx(by_token(once), abs=1e-5)
    assert once.attention is not None
    assert once.attention == pytest.approx(twice.attention, abs=1e-6)


def test_an_ensemble_averages_probabilities() -> None:
    models = [small_model(5), small_model(6), small_model(7)]
    together = np.exp(by_token(first_step(models)))
    apart = [np.exp(by_token(first_step([model]))) for model in models]
    assert np.abs(apart[0] - apart[1]).max() > 1e-3
    assert together == pytest.approx(np.mean(apart, axis=0), abs=1e-6)


def test_attention_is_given_only_when_asked_for() -> None:
    model = small_model(8)
    assert first_step([model]).attention is None
    attention = first_step([model], with_attention=True).attention
    assert attention is not None
    assert attention.shape == (3, 8)  # the longest source has 6 positions, 8 on the grid of shapes
    assert attention.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    for row, source in zip(attention, SOURCES, strict=True):
        assert row[len(source) :].tolist() == [0.0] * (8 - len(source))


def test_rows_stay_with_their_sentences_when_some_are_done() -> None:
    engine = NetworkEnsemble([small_model(9)], CPU)
    stepper = engine.start(SOURCES, 2, with_attention=True)
    step(stepper, np.array([START] * 6))
    # Sentence 1 is done; in sentence 2 both rows go on from its second one.
    stepper.select(np.array([0, 1, 5, 5]), np.array([0, 2]))
    tokens = np.array([4, 5, 6, 7])
    after = step(stepper, tokens)
    for number, rows in ((0, slice(0, 2)), (2, slice(2, 4))):
        alone = engine.start([SOURCES[number]], 2)
        step(alone, np.array([START] * 2))
        expected = step(alone, tokens[rows])
        assert by_token(after)[rows] == pytest.approx(by_token(expected), abs=1e-5)


def test_logits_are_the_logarithms_of_the_mean_probabilities() -> None:
    models = [small_model(5), small_model(6)]
    stepper = start(models)
    stepper.step(np.full(3, START))
    logits = stepper.logits()
    assert np.exp(logits).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert logits[:, END:] == pytest.approx(by_token(first_step(models))[:, END:], abs=1e-6)
