"""Beam search over a stepper; greedy search is a beam of one.

The search keeps `beam_size` hypotheses per sentence in rows that belong together (row i of sentence i // k),
asks the stepper for each row's best continuations, and drops a sentence from the batch when it is done:
when as many hypotheses have ended and none that goes on is ahead of the best of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqkit import limits
from seqkit.decoding.scoring import coverage_penalty, length_penalty
from seqkit.decoding.stepper import Allowed, Continuations, Stepper
from seqkit.errors import ConfigError

NORMALIZATION_LIMIT = 10.0  # exponents far beyond it overflow, and sensible ones lie between 0 and 2


@dataclass(frozen=True)
class BeamOptions:
    """How to search.

    `normalization` is the exponent of the length penalty and `coverage` the weight of the coverage penalty;
    `minimum_length` counts tokens before the end token.
    """

    beam_size: int = 5
    n_best: int = 1
    normalization: float = 1.0
    coverage: float = 0.0
    minimum_length: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.beam_size <= limits.BEAM:
            raise ConfigError(f"--beam-size {self.beam_size:,} must be from 1 to {limits.BEAM:,}")
        if not 1 <= self.n_best <= self.beam_size:
            raise ConfigError(
                f"--n-best {self.n_best} needs a beam at least as large, but --beam-size is {self.beam_size}",
                hint=f"--beam-size {min(max(self.n_best, 1), limits.BEAM)}",
            )
        if not abs(self.normalization) <= NORMALIZATION_LIMIT:
            raise ConfigError(
                f"--length-penalty {self.normalization} must be from "
                f"{-NORMALIZATION_LIMIT:.0f} to {NORMALIZATION_LIMIT:.0f}"
            )
        if not 0 <= self.coverage < math.inf:
            raise ConfigError(f"--coverage-penalty {self.coverage} must be 0 or more")
        if self.minimum_length < 0:
            raise ConfigError(f"--min-length {self.minimum_length} must be 0 or more")


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation: tokens without the end token, each token's log-probability with it.

    `score` is the normalised log-probability that hypotheses are ranked by; `attention` is (T + 1, S): a row
    a token and one for the end token.
    """

    tokens: np.ndarray
    log_probabilities: np.ndarray
    score: float
    attention: np.ndarray | None


@dataclass
class _Beams:
    """The unfinished hypotheses of the sentences that are not done: all arrays start with (B, k)."""

    sentences: np.ndarray  # (B,) numbers in the caller's batch
    totals: np.ndarray  # (B, k) summed log-probabilities; -inf marks an empty slot
    tokens: np.ndarray  # (B, k, T)
    log_probabilities: np.ndarray  # (B, k, T)
    attention: np.ndarray | None  # (B, k, T, S)


def beam_search(
    stepper: Stepper,
    *,
    start: int,
    end: int,
    first_allowed: int = 0,
    maximum_lengths: np.ndarray,
    options: BeamOptions,
    prefixes: Sequence[np.ndarray] | None = None,
    source_lengths: np.ndarray | None = None,
) -> list[list[Hypothesis]]:
    """The `n_best` best hypotheses of every sentence, best first.

    `stepper` has `beam_size` rows per sentence, and is used up. Ids below `first_allowed` never come.
    `maximum_lengths` (B,) counts tokens before the end token, and only the end token is allowed after that
    many. `prefixes` are forced first tokens. `source_lengths` (B,) says how many of the attention's positions
    are words of the sentence: only these are kept and have to be covered.
    """
    size, count = options.beam_size, len(maximum_lengths)
    beams = _Beams(
        sentences=np.arange(count),
        totals=np.where(np.arange(size) == 0, 0.0, -np.inf) * np.ones((count, 1)),
        tokens=np.zeros((count, size, 0), dtype=np.int64),
        log_probabilities=np.zeros((count, size, 0)),
        attention=None,
    )
    finished: list[list[Hypothesis]] = [[] for _ in range(count)]
    last = np.full(count * size, start)
    for length in range(int(maximum_lengths.max(initial=0)) + 1):
        if not len(beams.sentences):
            break
        due = _due(prefixes, beams.sentences, length)
        forced = np.where(maximum_lengths[beams.sentences] <= length, end, due)  # (B,)
        may_end = length >= options.minimum_length
        stepper.step(last)
        # One row has one end token: the best `size` unfinished are among the best size + 1 of each row.
        found = stepper.best(
            1 if size == 1 else size + 1, Allowed(first_allowed, end, np.repeat(forced, size), may_end)
        )
        rows = _advance(beams, found, finished, end, source_lengths, options)
        kept = _has_hope(beams, finished, options)  # (B,)
        everything = bool(kept.all())
        flat = rows[kept].ravel()
        if not everything or not np.array_equal(flat, np.arange(flat.size)):
            stepper.select(flat, None if everything else np.flatnonzero(kept))
        if not everything:
            beams = _keep(beams, kept)
        last = beams.tokens[:, :, -1].ravel()
    return [some[: options.n_best] for some in finished]


def _has_hope(beams: _Beams, finished: Sequence[Sequence[Hypothesis]], options: BeamOptions) -> np.ndarray:
    """Which sentences (B,) lack hypotheses, or have one that would be the best if it ended next for nothing.

    The first ends alone would not do: improbable early ones could fill all places before the right one comes.
    """
    best = np.array(
        [
            finished[number][0].score if len(finished[number]) == options.beam_size else -np.inf
            for number in beams.sentences
        ]
    )
    hopes = beams.totals.max(axis=1) / length_penalty(beams.tokens.shape[2] + 1, options.normalization)
    return np.asarray(hopes > best)


def _advance(
    beams: _Beams,
    found: Continuations,
    finished: list[list[Hypothesis]],
    end: int,
    source_lengths: np.ndarray | None,
    options: BeamOptions,
) -> np.ndarray:
    """Extend every beam by one token in place and return the rows (B, k) that it came from.

    What ended goes to `finished`, where the `beam_size` best of a sentence stay, best first.
    """
    count, size = beams.totals.shape
    width = found.tokens.shape[1]
    totals = beams.totals[:, :, None] + found.log_probabilities.reshape(count, size, width)  # (B, k, W)
    flat = totals.reshape(count, size * width)
    order = np.argsort(-flat, axis=1, kind="stable")[:, : 2 * size]  # (B, 2k)
    tokens = np.take_along_axis(found.tokens.reshape(count, size * width), order, axis=1)  # (B, 2k)
    totals = np.take_along_axis(flat, order, axis=1)  # (B, 2k)
    parents = order // width  # (B, 2k)
    ends = (tokens == end) & np.isfinite(totals)  # (B, 2k)
    attention = _with_attention(beams, found.attention)
    # An end counts when it is among the best `size`, otherwise better unfinished ones push it out.
    for beam, place in zip(*np.nonzero(ends[:, :size]), strict=True):
        parent = parents[beam, place]
        number = beams.sentences[beam]
        last = totals[beam, place] - beams.totals[beam, parent]
        log_probabilities = np.append(beams.log_probabilities[beam, parent], last)
        seen = None if attention is None else attention[beam, parent]  # (T + 1, S)
        if seen is not None and source_lengths is not None:
            seen = seen[:, : source_lengths[number]]
        done = finished[number]
        done.append(_hypothesis(beams.tokens[beam, parent], log_probabilities, seen, options))
        done.sort(key=lambda hypothesis: -hypothesis.score)
        del done[size:]
    # The first `size` candidates that go on: a stable sort moves them to the front.
    going_on = np.argsort(ends, axis=1, kind="stable")[:, :size]  # (B, k)
    parents = np.take_along_axis(parents, going_on, axis=1)  # (B, k)
    step_totals = np.take_along_axis(np.where(ends, -np.inf, totals), going_on, axis=1)  # (B, k)
    new_tokens = np.take_along_axis(tokens, going_on, axis=1)  # (B, k)
    own = np.arange(count)[:, None]
    with np.errstate(invalid="ignore"):  # empty slots: -inf minus -inf
        step = step_totals - beams.totals[own, parents]
    beams.tokens = np.concatenate([beams.tokens[own, parents], new_tokens[:, :, None]], axis=2)
    beams.log_probabilities = np.concatenate(
        [beams.log_probabilities[own, parents], step[:, :, None]], axis=2
    )
    beams.attention = None if attention is None else attention[own, parents]
    beams.totals = step_totals
    rows: np.ndarray = own * size + parents
    return rows


def _hypothesis(
    tokens: np.ndarray, log_probabilities: np.ndarray, attention: np.ndarray | None, options: BeamOptions
) -> Hypothesis:
    score = float(log_probabilities.sum()) / length_penalty(len(log_probabilities), options.normalization)
    if options.coverage and attention is not None:
        score += coverage_penalty(attention.sum(axis=0), options.coverage)
    return Hypothesis(tokens, log_probabilities, score, attention)


def _with_attention(beams: _Beams, step: np.ndarray | None) -> np.ndarray | None:
    """The attention of all steps with this one's. (B, k, T + 1, S)"""
    if step is None:
        return None
    count, size = beams.totals.shape
    now = step.reshape(count, size, 1, -1)
    return now if beams.attention is None else np.concatenate([beams.attention, now], axis=2)


def _due(prefixes: Sequence[np.ndarray] | None, sentences: np.ndarray, position: int) -> np.ndarray:
    """The prefix token due at a position for every sentence, or -1. (B,)"""
    if prefixes is None:
        return np.full(len(sentences), -1)
    return np.array([prefixes[n][position] if position < len(prefixes[n]) else -1 for n in sentences])


def _keep(beams: _Beams, kept: np.ndarray) -> _Beams:
    """The beams of the sentences that are not done."""
    return _Beams(
        beams.sentences[kept],
        beams.totals[kept],
        beams.tokens[kept],
        beams.log_probabilities[kept],
        None if beams.attention is None else beams.attention[kept],
    )
