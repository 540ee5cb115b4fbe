"""Drawing: restrictions against brute force, frequencies against probabilities, rows alone and together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqkit.decoding.sampling import (
    Repetitions,
    SampleOptions,
    Sampler,
    random_stream,
    restrict,
)
from seqkit.decoding.stepper import Allowed, Continuations, best_of_logits, log_probabilities
from seqkit.errors import ConfigError, ExitCode

PROBABILITIES = np.array([0.02, 0.4, 0.08, 0.25, 0.05, 0.2])


class ConstantStepper:
    """The same logits at every step."""

    def __init__(self, logits: np.ndarray) -> None:
        self.always, self.rows = logits.astype(np.float32), 0

    def step(self, tokens: np.ndarray) -> None:
        self.rows = len(tokens)

    def logits(self) -> np.ndarray:
        return np.tile(self.always, (self.rows, 1))

    def best(self, width: int, allowed: Allowed) -> Continuations:
        return best_of_logits(self.logits(), width, allowed)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        pass


class WalkingStepper:
    """Logits that depend on all tokens so far, row by row; the state is a number a row."""

    def __init__(self, size: int, rows: int) -> None:
        self.state = np.zeros(rows, np.int64)
        self.table = np.random.default_rng(1).normal(size=(97, size)).astype(np.float32) * 2

    def step(self, tokens: np.ndarray) -> None:
        self.state = (self.state * 31 + tokens + 7) % 97

    def logits(self) -> np.ndarray:
        chosen: np.ndarray = self.table[self.state]
        return chosen

    def best(self, width: int, allowed: Allowed) -> Continuations:
        return best_of_logits(self.logits(), width, allowed)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:  # noqa: ARG002
        self.state = self.state[rows]


class GivenNumbers:
    """In place of a random stream."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def random(self, count: int) -> np.ndarray:
        taken, self.numbers = self.numbers[:count], self.numbers[count:]
        return np.array(taken)


def constant(
    probabilities: np.ndarray, options: SampleOptions, *, rows: int = 1, streams: Any = None, **more: Any
) -> Sampler:
    """A sampler of one distribution."""
    streams = streams or [random_stream(1, number) for number in range(rows)]
    stepper = ConstantStepper(np.log(probabilities))
    return Sampler(stepper, np.zeros(rows, np.int64), streams, options, **more)


def walking(samples: Sequence[int], options: SampleOptions, seed: int = 1, **more: Any) -> Sampler:
    """A sampler of texts with a memory."""
    streams = [random_stream(seed, number) for number in samples]
    last = np.zeros(len(samples), np.int64)
    return Sampler(WalkingStepper(40, len(samples)), last, streams, options, **more)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"temperature": -0.1}, "--temperature -0.1"),
        ({"temperature": math.nan}, "--temperature nan"),
        ({"temperature": math.inf}, "--temperature inf"),
        ({"top_k": -1}, "--top-k -1"),
        ({"top_p": 0.0}, "--top-p 0.0"),
        ({"top_p": 1.01}, "--top-p 1.01"),
        ({"top_p": math.nan}, "--top-p nan"),
        ({"min_p": -0.5}, "--min-p -0.5"),
        ({"min_p": 1.5}, "--min-p 1.5"),
        ({"typical": 0.0}, "--typical 0.0"),
        ({"typical": math.nan}, "--typical nan"),
        ({"repetition_penalty": 0.9}, "--repetition-penalty 0.9"),
        ({"repetition_penalty": math.inf}, "--repetition-penalty inf"),
        ({"repetition_ngram": 1}, "--repetition-ngram 1"),
        ({"repetition_ngram": 101}, "--repetition-ngram 101"),
    ],
)
def test_impossible_options_are_refused_by_name(change: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match="must be") as caught:
        SampleOptions(**change)
    assert caught.value.message.startswith(name)
    assert caught.value.exit_code == ExitCode.USAGE


# What each restriction keeps, from its definition: a token stays when what is strictly preferred to it is
# not yet enough.


def kept_by_top_k(shares: Sequence[float], k: float) -> set[int]:
    return {i for i, p in enumerate(shares) if sum(q > p for q in shares) < k}


def kept_by_top_p(shares: Sequence[float], wanted: float) -> set[int]:
    mass = {i: sum(q for q in shares if q > p) for i, p in enumerate(shares)}
    assume(all(abs(m - wanted) > 1e-6 for m in mass.values()))
    return {i for i in mass if mass[i] < wanted}


def kept_by_min_p(shares: Sequence[float], least: float) -> set[int]:
    assume(all(abs(p / max(shares) - least) > 1e-6 for p in shares))
    return {i for i, p in enumerate(shares) if p / max(shares) > least}


def kept_by_typical(shares: Sequence[float], wanted: float) -> set[int]:
    entropy = -sum(p * math.log(p) for p in shares)
    away = [abs(-math.log(p) - entropy) for p in shares]
    assume(all(a == b or abs(a - b) > 1e-5 for a in away for b in away))
    mass = {i: sum(q for q, b in zip(shares, away, strict=True) if b < a) for i, a in enumerate(away)}
    assume(all(abs(m - wanted) > 1e-6 for m in mass.values()))
    return {i for i in mass if mass[i] < wanted}


counts = st.lists(st.integers(1, 50), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("top_k", kept_by_top_k),
        ("top_p", kept_by_top_p),
        ("min_p", kept_by_min_p),
        ("typical", kept_by_typical),
    ],
)
@settings(max_examples=150)
@given(counts=counts, strength=st.floats(0.01, 0.99), k=st.integers(1, 9))
def test_restrictions_against_brute_force(
    name: str, kept: Callable[..., set[int]], counts: list[int], strength: float, k: int
) -> None:
    value = k if name == "top_k" else strength
    weights = np.array([counts], np.float32) / max(counts)
    shares = [count / sum(counts) for count in counts]
    expected = kept(shares, value)
    restrict(weights, SampleOptions(**{name: value}))
    assert set(np.flatnonzero(weights[0])) == expected
    left = weights[0][sorted(expected)] / weights.sum()
    whole = np.array([shares[i] for i in sorted(expected)])
    assert left == pytest.approx(whole / whole.sum(), rel=1e-5)


def test_restrictions_follow_one_another() -> None:
    weights = (PROBABILITIES / PROBABILITIES.max()).astype(np.float32)[None]
    # Of the 4 likeliest, 0.93 together, 0.4 + 0.25 are 70%: the third is needed for 80%, the fourth is not.
    restrict(weights, SampleOptions(top_k=4, top_p=0.8))
    assert set(np.flatnonzero(weights[0])) == {1, 3, 5}
    restrict(weights, SampleOptions(min_p=0.6))
    assert set(np.flatnonzero(weights[0])) == {1, 3}


def test_a_row_is_restricted_as_if_alone() -> None:
    weights = np.random.default_rng(2).random((70, 33)).astype(np.float32)
    weights /= weights.max(axis=1, keepdims=True)
    options = SampleOptions(top_k=20, top_p=0.7, min_p=0.1, typical=0.8)
    rows = [row[None].copy() for row in weights]
    restrict(weights, options)
    for row, alone in zip(weights, rows, strict=True):
        restrict(alone, options)
        assert np.array_equal(row, alone[0])


def chi_square(tokens: np.ndarray, expected: np.ndarray) -> float:
    """Pearson's statistic over the tokens that can be."""
    possible = expected > 0
    seen = np.bincount(tokens, minlength=len(expected))
    assert not seen[~possible].any()
    goal = expected[possible] / expected.sum() * len(tokens)
    return float(((seen[possible] - goal) ** 2 / goal).sum())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SampleOptions(), PROBABILITIES),
        (SampleOptions(temperature=0.5), PROBABILITIES**2),
        (SampleOptions(temperature=3.0), PROBABILITIES ** (1 / 3)),
        (SampleOptions(top_k=3), PROBABILITIES * [0, 1, 0, 1, 0, 1]),
        (SampleOptions(top_p=0.5), PROBABILITIES * [0, 1, 0, 1, 0, 0]),
        (SampleOptions(min_p=0.15), PROBABILITIES * [0, 1, 1, 1, 0, 1]),
        (SampleOptions(typical=0.3), PROBABILITIES * [0, 0, 0, 1, 0, 1]),
        (SampleOptions(temperature=2.0, top_k=2), PROBABILITIES**0.5 * [0, 1, 0, 1, 0, 0]),
    ],
)
def test_frequencies_are_probabilities(options: SampleOptions, expected: np.ndarray) -> None:
    drawn = constant(PROBABILITIES, options, rows=4).advance(5000).tokens
    # With 5 degrees of freedom one statistic in a thousand is above 20.5; the seed is fixed.
    assert chi_square(drawn.ravel(), expected) < 20.5


def test_the_ends_of_the_unit_interval_draw_the_first_and_the_last_possible_token() -> None:
    largest = np.nextafter(1.0, 0.0)
    with np.errstate(divide="ignore"):
        probabilities = np.array([0.0, 1e-8, 0.3, 0.7 - 2e-8, 1e-8, 0.0])
        sampler = constant(probabilities, SampleOptions(), streams=[GivenNumbers(0.0, largest, 0.5)])
        assert sampler.advance(3).tokens.tolist() == [[1, 4, 3]]


@pytest.mark.parametrize("size", [1, 2, 300, 70_000])
def test_the_largest_number_below_one_draws_within_the_vocabulary(size: int) -> None:
    sampler = constant(np.ones(size), SampleOptions(), streams=[GivenNumbers(np.nextafter(1.0, 0.0))])
    assert sampler.advance(1).tokens.tolist() == [[size - 1]]


def test_forbidden_ids_are_never_drawn() -> None:
    probabilities = np.array([0.5, 0.4, 0.05, 0.03, 0.02])
    for options in (SampleOptions(), SampleOptions(temperature=0), SampleOptions(top_k=1)):
        drawn = constant(probabilities, options, first_allowed=2).advance(300).tokens
        assert drawn.min() == 2
    assert set(constant(probabilities, SampleOptions(), first_allowed=2).advance(300).tokens[0]) == {2, 3, 4}


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 1e-6])
def test_at_no_temperature_the_likeliest_is_taken(temperature: float) -> None:
    drawn = constant(PROBABILITIES, SampleOptions(temperature=temperature), rows=2).advance(50).tokens
    assert set(drawn.ravel()) == {1}


def test_extreme_logits_are_drawn_from() -> None:
    stepper = ConstantStepper(np.array([-np.inf, 3e38, -3e38, 3e38]))
    sampler = Sampler(stepper, np.zeros(1, np.int64), [random_stream(1, 1)], SampleOptions())
    with np.errstate(over="ignore"):
        assert set(sampler.advance(100).tokens[0]) == {1, 3}


@pytest.mark.parametrize(
    "options",
    [
        SampleOptions(),
        SampleOptions(temperature=0.7, top_k=20, top_p=0.9, min_p=0.01, typical=0.95),
        SampleOptions(repetition_penalty=3.0, repetition_ngram=2),
    ],
)
def test_a_sample_is_the_same_alone_and_among_others(options: SampleOptions) -> None:
    together = walking(range(5), options, log_probabilities=True).advance(60)
    for number in range(5):
        alone = walking([number], options, log_probabilities=True).advance(60)
        assert np.array_equal(alone.tokens[0], together.tokens[number])
        assert alone.log_probabilities is not None
        assert together.log_probabilities is not None
        assert np.array_equal(alone.log_probabilities[0], together.log_probabilities[number])
    assert len({tuple(row) for row in together.tokens}) == 5


def test_how_many_steps_are_made_at_once_changes_nothing() -> None:
    options = SampleOptions(repetition_penalty=2.0, repetition_ngram=3)
    whole = walking(range(3), options).advance(40).tokens
    sampler = walking(range(3), options)
    parts = [sampler.advance(steps).tokens for steps in (1, 16, 3, 20)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_rows_that_are_kept_go_on_as_before() -> None:
    options = SampleOptions(repetition_penalty=2.0, repetition_ngram=2)
    whole = walking(range(4), options).advance(50).tokens
    sampler = walking(range(4), options)
    sampler.advance(20)
    sampler.keep(np.array([3, 1]))
    assert len(sampler) == 2
    assert np.array_equal(sampler.advance(30).tokens, whole[[3, 1], 20:])


def test_seeds_and_samples_have_streams_of_their_own() -> None:
    keys = [(1, 1), (1, 2), (2, 1), (0, 0), (2**64 - 1, 1)]
    numbers = [tuple(random_stream(seed, sample).random(4)) for seed, sample in keys]
    assert len(set(numbers)) == len(keys)
    assert tuple(random_stream(1, 2).random(4)) == numbers[1]


def test_log_probabilities_are_the_models_own() -> None:
    options = SampleOptions(temperature=0.5, top_k=2, repetition_penalty=5.0, repetition_ngram=2)
    drawn = constant(PROBABILITIES, options, first_allowed=1, log_probabilities=True).advance(40)
    assert drawn.log_probabilities == pytest.approx(np.log(PROBABILITIES)[drawn.tokens], rel=1e-6)
    assert constant(PROBABILITIES, options).advance(3).log_probabilities is None
    logits = np.array([[0.0, 1000.0, -1000.0], [-5e4, -5e4, -5e4]], np.float32)
    scores = log_probabilities(logits, np.array([2, 0]))
    assert scores == pytest.approx([-2000, -math.log(3)])


def test_repetitions_know_what_followed() -> None:
    repetitions = Repetitions(3, [1, 2, 3, 1, 2, 4, 1, 2])
    assert repetitions.completing() == [3, 4]
    repetitions.append(3)
    assert repetitions.completing() == [1]
    assert Repetitions(3, [1, 2]).completing() == []


def test_a_great_penalty_repeats_no_ngram() -> None:
    options = SampleOptions(repetition_penalty=1e30, repetition_ngram=3)
    history = [0, 1, 2, 3, 4]
    drawn = constant(np.ones(5), options, history=history).advance(60).tokens[0].tolist()
    text = history + drawn
    ngrams = [tuple(text[i : i + 3]) for i in range(len(text) - 2)]
    assert len(set(ngrams)) == len(ngrams)
    free = constant(np.ones(5), SampleOptions(), history=history).advance(60).tokens[0].tolist()
    assert len({tuple(free[i : i + 3]) for i in range(58)}) < 58


def test_the_penalty_divides_the_probability() -> None:
    # After 0 0 only 0 completes a bigram of the history, at every other step nothing does.
    options = SampleOptions(repetition_penalty=4.0, repetition_ngram=2)
    streams = [random_stream(1, number) for number in range(8000)]
    drawn = constant(np.array([0.5, 0.3, 0.2]), options, rows=8000, streams=streams, history=[0, 0]).advance(
        1
    )
    assert chi_square(drawn.tokens[:, 0], np.array([0.5 / 4, 0.3, 0.2])) < 13.8  # one in a thousand
