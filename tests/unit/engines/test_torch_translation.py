"""Models behind the step function: what is forbidden, what is averaged, whose rows are whose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.data.tokenizers import END, PAD, START, UNKNOWN
from seqkit.decoding.beam import BeamOptions, Continuations, beam_search
from seqkit.engines.torch_translation import ModelStepper, States
from seqkit.nn.heads import TokenHead
from seqkit.nn.model import SequenceModel
from tests.networks import build_encoder_decoder

SIZE = 14
CPU = torch.device("cpu")
SOURCES = [np.array(ids) for ids in ([4, 5, 6, END], [7, END], [8, 9, 10, 11, 12, END])]
FREE = np.full(3, -1)


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


def first_step(
    stepper: ModelStepper, *, forced: np.ndarray = FREE, may_end: bool = True
) -> Continuations[States]:
    state = stepper.start(SOURCES, 1)
    return stepper.step(np.full(3, START), state, width=SIZE, forced=forced, may_end=may_end)


def by_token(found: Continuations[States]) -> np.ndarray:
    """Log-probabilities in the order of the vocabulary. (N, V)"""
    scores = np.empty(found.tokens.shape)
    np.put_along_axis(scores, found.tokens, found.log_probabilities, axis=1)
    return scores


def test_continuations_come_best_first() -> None:
    found = first_step(ModelStepper([small_model(1)], CPU))
    assert found.tokens.shape == found.log_probabilities.shape == (3, SIZE)
    assert (np.diff(found.log_probabilities[:, : SIZE - 3], axis=1) <= 0).all()
    assert [sorted(row) for row in found.tokens.tolist()] == [list(range(SIZE))] * 3


def test_width_is_the_number_of_continuations_and_at_most_the_vocabulary() -> None:
    stepper = ModelStepper([small_model(1)], CPU)
    state = stepper.start(SOURCES, 1)
    tokens = np.full(3, START)
    everything = first_step(stepper)
    for width, wanted in ((1, 1), (4, 4), (99, SIZE)):
        found = stepper.step(tokens, state, width=width, forced=FREE, may_end=True)
        assert found.tokens.tolist() == everything.tokens[:, :wanted].tolist()


def test_what_is_no_word_is_never_offered() -> None:
    scores = by_token(first_step(ModelStepper([prefer(small_model(1), UNKNOWN, PAD, START)], CPU)))
    assert (scores[:, [PAD, UNKNOWN, START]] == -np.inf).all()
    assert np.isfinite(scores[:, END:]).all()


def test_forbidding_leaves_the_others_probabilities_alone() -> None:
    # The three forbidden tokens share nearly everything; the rest keeps what the model gave it.
    scores = by_token(first_step(ModelStepper([prefer(small_model(1), UNKNOWN, PAD, START)], CPU)))
    assert np.exp(scores).sum(axis=1).max() < 1e-6
    free = by_token(first_step(ModelStepper([small_model(1)], CPU)))
    closed = by_token(first_step(ModelStepper([small_model(1)], CPU), may_end=False))
    assert (closed[:, END] == -np.inf).all()
    assert closed[:, END + 1 :].tolist() == free[:, END + 1 :].tolist()


def test_a_search_never_writes_what_is_no_word() -> None:
    stepper = ModelStepper([prefer(small_model(2), UNKNOWN, PAD, START)], CPU)
    found = beam_search(
        stepper,
        stepper.start(SOURCES, 4),
        start=START,
        end=END,
        maximum_lengths=np.array([6, 6, 6]),
        options=BeamOptions(beam_size=4, n_best=4, minimum_length=2),
    )
    written = np.concatenate([hypothesis.tokens for some in found for hypothesis in some])
    assert len(written) >= 3 * 4 * 2
    assert written.min() > END


def test_where_a_token_is_forced_it_alone_is_left() -> None:
    stepper = ModelStepper([small_model(3)], CPU)
    free = by_token(first_step(stepper))
    scores = by_token(first_step(stepper, forced=np.array([-1, 7, END])))
    assert scores[0].tolist() == free[0].tolist()
    for row, token in ((1, 7), (2, END)):
        assert scores[row, token] == free[row, token]
        assert np.isfinite(scores[row]).sum() == 1


def test_an_ensemble_of_a_model_and_itself_is_the_model() -> None:
    model = small_model(4)
    once, twice = (first_step(ModelStepper([model] * count, CPU, with_attention=True)) for count in (1, 2))
    assert by_token(twice) == pytest.approx(by_token(once), abs=1e-5)
    assert once.attention is not None
    assert once.attention == pytest.approx(twice.attention, abs=1e-6)


def test_an_ensemble_averages_probabilities() -> None:
    models = [small_model(5), small_model(6), small_model(7)]
    together = np.exp(by_token(first_step(ModelStepper(models, CPU))))
    apart = [np.exp(by_token(first_step(ModelStepper([model], CPU)))) for model in models]
    assert np.abs(apart[0] - apart[1]).max() > 1e-3
    assert together == pytest.approx(np.mean(apart, axis=0), abs=1e-6)


def test_attention_is_given_only_when_asked_for() -> None:
    model = small_model(8)
    assert first_step(ModelStepper([model], CPU)).attention is None
    attention = first_step(ModelStepper([model], CPU, with_attention=True)).attention
    assert attention is not None
    assert attention.shape == (3, 8)  # the longest source has 6 positions, 8 on the grid of shapes
    assert attention.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    for row, source in zip(attention, SOURCES, strict=True):
        assert row[len(source) :].tolist() == [0.0] * (8 - len(source))


def test_rows_stay_with_their_sentences_when_some_are_done() -> None:
    stepper = ModelStepper([small_model(9)], CPU, with_attention=True)
    forced = np.full(6, -1)
    state = stepper.start(SOURCES, 2)
    found = stepper.step(np.array([START] * 6), state, width=3, forced=forced, may_end=True)
    # Sentence 1 is done; in sentence 2 both rows go on from its second one.
    later = stepper.select(found.state, np.array([0, 1, 5, 5]), np.array([0, 2]))
    tokens = np.array([4, 5, 6, 7])
    after = stepper.step(tokens, later, width=SIZE, forced=forced[:4], may_end=True)
    for number, rows in ((0, slice(0, 2)), (2, slice(2, 4))):
        alone = stepper.start([SOURCES[number]], 2)
        alone = stepper.step(np.array([START] * 2), alone, width=1, forced=forced[:2], may_end=True).state
        expected = stepper.step(tokens[rows], alone, width=SIZE, forced=forced[:2], may_end=True)
        assert by_token(after)[rows] == pytest.approx(by_token(expected), abs=1e-5)
