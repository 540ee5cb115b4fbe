"""Drawing text a token at a time from a stepper: temperature, restrictions, many samples at once.

A sample is made by its seed and its number alone. Its random numbers are its own, and every operation on a
batch here treats each row by itself, so a sample is the same, to the bit, alone and among others, wherever
the stepper's logits are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqkit.decoding.stepper import Stepper, log_probabilities
from seqkit.errors import ConfigError
from seqkit.randomness import Generator, Philox

TEMPERATURE_LIMIT = 100.0  # far below it all tokens are equally likely
SHORTEST_NGRAM = 2
LONGEST_NGRAM = 100
SEED_LIMIT = 1 << 64


@dataclass(frozen=True)
class SampleOptions:
    """How the next token is sampled.

    In this order: `repetition_penalty` divides the probability of every token that would repeat an n-gram of
    `repetition_ngram` tokens; `temperature` divides the logits (0 is greedy); `top_k` keeps the k most
    probable tokens (0: all); `top_p` keeps the smallest set of most probable tokens with this total
    probability (Holtzman et al. 2020, section 3.1); `min_p` drops tokens less probable than this times the
    most probable one (Nguyen et al. 2024, section 3); `typical` keeps the tokens with information content
    closest to the entropy, up to this total probability (Meister et al. 2023, section 4). Tokens of equal
    probability are kept or dropped together.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    repetition_penalty: float = 1.0
    repetition_ngram: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= TEMPERATURE_LIMIT:
            raise ConfigError(f"--temperature {self.temperature} must be from 0 to {TEMPERATURE_LIMIT:.0f}")
        if self.top_k < 0:
            raise ConfigError(f"--top-k {self.top_k} must be 0 (all) or more")
        for name, value in (("--top-p", self.top_p), ("--typical", self.typical)):
            if not 0 < value <= 1:
                raise ConfigError(f"{name} {value} must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise ConfigError(f"--min-p {self.min_p} must be from 0 to 1")
        if not 1 <= self.repetition_penalty < math.inf:
            raise ConfigError(f"--repetition-penalty {self.repetition_penalty} must be 1 (none) or more")
        if not SHORTEST_NGRAM <= self.repetition_ngram <= LONGEST_NGRAM:
            raise ConfigError(
                f"--repetition-ngram {self.repetition_ngram} must be from {SHORTEST_NGRAM} to {LONGEST_NGRAM}"
            )

    @property
    def restricts(self) -> bool:
        """Whether some tokens lose their probability."""
        return bool(self.top_k) or self.top_p < 1 or self.min_p > 0 or self.typical < 1


def restrict(weights: np.ndarray, options: SampleOptions) -> None:
    """Set the weights (N, V) of what the options exclude to 0, in place. The largest of a row is 1."""
    size = weights.shape[1]
    if 0 < options.top_k < size:
        place = size - options.top_k
        weights[weights < np.partition(weights, place, axis=1)[:, place, None]] = 0
    if options.top_p < 1:
        falling = np.sort(weights, axis=1)[:, ::-1]  # (N, V)
        weights[weights < _last_needed(falling, falling, options.top_p)] = 0
    if options.min_p > 0:
        weights[weights < options.min_p] = 0
    if options.typical < 1:
        distance = _distance_from_expected(weights)
        order = np.argsort(distance, axis=1, kind="stable")
        rising = np.take_along_axis(distance, order, axis=1)  # (N, V)
        falling = np.take_along_axis(weights, order, axis=1)  # (N, V)
        weights[distance > _last_needed(rising, falling, options.typical)] = 0
        weights /= weights.max(axis=1, keepdims=True)  # the most probable token may be gone


def _last_needed(values: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """In rows in order of preference, the value (N, 1) at which `share` of the row's weight is reached."""
    reached = np.cumsum(weights.astype(np.float64), axis=1)  # (N, V)
    place = (reached >= share * reached[:, -1:]).argmax(axis=1)  # (N,)
    return np.take_along_axis(values, place[:, None], axis=1)


def _distance_from_expected(weights: np.ndarray) -> np.ndarray:
    """How far each token's surprise, -log p, is from its mean, the entropy. (N, V)"""
    share = weights.astype(np.float64)
    share /= share.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        surprise = -np.log(share)
    entropy = (share * np.where(share > 0, surprise, 0)).sum(axis=1, keepdims=True)  # (N, 1)
    distance: np.ndarray = np.abs(surprise - entropy)
    return distance


def random_stream(seed: int, sample: int) -> Generator:
    """The random numbers of one sample: a counter-based generator (Salmon et al. 2011), both its key."""
    return Generator(Philox(key=np.array([seed, sample], np.uint64)))


class Repetitions:
    """Which tokens would complete an n-gram that a text already holds."""

    def __init__(self, length: int, text: Sequence[int]) -> None:
        """N-grams of `length` tokens; `text` is what there is so far."""
        self._context = length - 1
        self._tail: tuple[int, ...] = ()
        self._followers: dict[tuple[int, ...], set[int]] = {}
        for token in text:
            self.append(token)

    def append(self, token: int) -> None:
        """The text goes on."""
        if len(self._tail) == self._context:
            self._followers.setdefault(self._tail, set()).add(token)
        self._tail = (*self._tail, token)[-self._context :]

    def completing(self) -> list[int]:
        """The tokens that followed the last ones before."""
        return sorted(self._followers.get(self._tail, ()))


@dataclass(frozen=True)
class Drawn:
    """Tokens (N, T), and the logarithm of the model's own probability of each, (N, T), where asked for."""

    tokens: np.ndarray
    log_probabilities: np.ndarray | None


class Sampler:
    """Texts that are sampled in parallel, one per row."""

    def __init__(
        self,
        stepper: Stepper,
        last: np.ndarray,
        streams: Sequence[Generator],
        options: SampleOptions,
        *,
        first_allowed: int = 0,
        history: Sequence[int] = (),
        log_probabilities: bool = False,
    ) -> None:
        """`stepper` has a row for each of `streams`, and `last` (N,) are the tokens to go on from.

        Ids below `first_allowed` are never drawn. `history` is the text before, for the repetition penalty.
        """
        self._stepper = stepper
        self._last = last
        self._streams = list(streams)
        self._options = options
        self._restricts = options.restricts
        self._first = first_allowed
        self._log_probabilities = log_probabilities
        # The limit keeps 0 / temperature a number; beside it all other tokens vanish anyway.
        self._sharpness = np.float32(min(1 / options.temperature, 1e30)) if options.temperature else None
        self._penalty = np.float32(math.log(options.repetition_penalty))
        self._repetitions = (
            [Repetitions(options.repetition_ngram, history) for _ in streams]
            if options.repetition_penalty > 1
            else []
        )
        self._buffers: _Buffers | None = None

    def __len__(self) -> int:
        return len(self._streams)

    def advance(self, steps: int) -> Drawn:
        """Draw the next `steps` tokens of every row."""
        uniform = np.array([stream.random(steps) for stream in self._streams])  # (N, steps)
        tokens = np.empty((len(self), steps), np.int64)
        scores = np.empty((len(self), steps)) if self._log_probabilities else None
        for step in range(steps):
            self._stepper.step(self._last)
            logits = self._stepper.logits()
            self._last = self._draw(logits, uniform[:, step : step + 1])
            tokens[:, step] = self._last
            if scores is not None:
                scores[:, step] = log_probabilities(logits, self._last)
            for row, repetitions in enumerate(self._repetitions):
                repetitions.append(int(self._last[row]))
        return Drawn(tokens, scores)

    def keep(self, rows: np.ndarray) -> None:
        """Go on with these rows (N',) alone."""
        self._stepper.select(rows)
        self._last = self._last[rows]
        self._streams = [self._streams[row] for row in rows]
        self._repetitions = [self._repetitions[row] for row in rows] if self._repetitions else []
        self._buffers = None

    def _draw(self, logits: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """The next tokens (N,), from logits (N, V) and a number in [0, 1) a row, (N, 1)."""
        if self._repetitions:
            logits = self._penalised(logits)
        allowed = logits[:, self._first :]  # (N, V')
        if self._sharpness is None:
            return np.asarray(allowed.argmax(axis=1) + self._first)
        buffers = self._buffers
        if buffers is None:
            buffers = self._buffers = _Buffers(*allowed.shape)
        # Outputs are given by position, which is faster: of one row the calls themselves take the time.
        weights, sums = buffers.weights, buffers.sums
        np.maximum.reduce(allowed, axis=1, keepdims=True, out=buffers.largest)
        np.subtract(allowed, buffers.largest, weights)
        if self._sharpness != 1:
            np.multiply(weights, self._sharpness, weights)
        np.exp(weights, weights)
        if self._restricts:
            restrict(weights, self._options)
        # Whole numbers sum to the same in any order, and many times faster than floats do in numpy.
        np.multiply(weights, buffers.unit, weights)
        buffers.whole[...] = weights
        np.add.accumulate(buffers.whole, 1, None, sums)
        buffers.threshold[...] = uniform * buffers.total
        np.greater(sums, buffers.threshold, buffers.beyond)
        return np.asarray(buffers.beyond.argmax(axis=1) + self._first)

    def _penalised(self, logits: np.ndarray) -> np.ndarray:
        """Logits in which what would repeat an n-gram is less likely. (N, V)"""
        logits = logits.copy()
        for row, repetitions in enumerate(self._repetitions):
            if found := repetitions.completing():
                logits[row, found] -= self._penalty
        return logits


class _Buffers:
    """Memory that every step of a batch writes to."""

    def __init__(self, rows: int, size: int) -> None:
        self.largest = np.empty((rows, 1), np.float32)
        self.weights = np.empty((rows, size), np.float32)
        # Below 2**52 a double holds the sum exactly, and times a number below 1 it stays below itself.
        self.unit = np.array(2.0 ** (52 - size.bit_length()), np.float32)
        self.whole = np.empty((rows, size), np.int64)
        self.sums = np.empty((rows, size), np.int64)
        self.total = self.sums[:, -1:]
        self.threshold = np.empty((rows, 1), np.int64)
        self.beyond = np.empty((rows, size), np.bool_)
