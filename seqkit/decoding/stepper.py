"""What decoding needs of a model: rows of sequences that it extends a token at a time.

Beam search and sampling use the same protocol. What a search allows, and what is taken from a model's logits
where nothing faster is known, stands here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np


@dataclass(frozen=True)
class Allowed:
    """What a search allows in a step of N rows.

    Ids below `first` never come, and the end token `end` only where `may_end` is true. Where `forced` (N,) is
    not negative, that token alone is allowed, whatever it is. A forced end costs nothing where the end token
    is one of those that never come: the model does not know it, but a hypothesis has to be closed.
    """

    first: int
    end: int
    forced: np.ndarray
    may_end: bool = True


@dataclass(frozen=True)
class Continuations:
    """A row's best next tokens, best first.

    `tokens` and `log_probabilities` are (N, W); `attention` of the step is (N, S) or None.
    """

    tokens: np.ndarray
    log_probabilities: np.ndarray
    attention: np.ndarray | None = None


class Stepper(Protocol):
    """N sequences that a model extends; all that is remembered of them is in it and changes in place.

    Rows of one sentence lie together: row i belongs to sentence i // (N / B) of B. After a step either
    `logits` or `best` is asked, once: it may use up what the step has left.
    """

    def step(self, tokens: np.ndarray) -> None:
        """Take the last tokens (N,), int64, in."""
        ...

    def logits(self) -> np.ndarray:
        """The logits (N, V), float32, of the tokens that come next, in memory that a later call writes to."""
        ...

    def best(self, width: int, allowed: Allowed) -> Continuations:
        """The `width` best continuations of each row; fewer where the vocabulary has fewer.

        What is not allowed is left out after the softmax: the others keep the log-probability that the model
        gives them.
        """
        ...

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        """Go on with the given rows (N',) alone; with the given sentences (B',) where some are done."""
        ...


class Reader(Stepper, Protocol):
    """A stepper of a model without a source, which reads what it is to continue."""

    def read(self, tokens: np.ndarray) -> None:
        """Take a text of tokens (T,), int64, in; of one row. What comes next is known after a `step`."""
        ...

    def copied(self, rows: np.ndarray) -> Self:
        """The given rows (N',) in a stepper of its own; this one stays as it is."""
        ...


class Engine(Protocol):
    """A model, or an ensemble whose probabilities are averaged, that translates sources."""

    def start(
        self,
        sources: Sequence[np.ndarray],
        rows: int,
        *,
        prefixes: Sequence[np.ndarray] | None = None,
        with_attention: bool = False,
    ) -> Stepper:
        """A stepper before its first step: so many rows for each sentence of ids that ends with END.

        `prefixes` are tokens that each sentence must be able to write. Attention is in `Continuations` where
        it is asked for.
        """
        ...

    def complete_tables(self) -> None:
        """Compute what would be computed when it is first needed: before copies of this process share it."""
        ...


class TextEngine(Protocol):
    """A model that continues texts."""

    def begin(self) -> Reader:
        """A reader of one row, which has read nothing."""
        ...

    def complete_tables(self) -> None:
        """See `Engine`."""
        ...


class Table(Protocol):
    """A numpy array, or a tensor of torch, as far as `restrict` needs it."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def restrict(scores: Table, allowed: Allowed) -> None:
    """Leave what a search allows of scores (N, V), in place: the others become -inf."""
    rows = np.flatnonzero(allowed.forced >= 0)
    tokens = allowed.forced[rows]
    kept = scores[rows, tokens]
    if allowed.end < allowed.first:
        kept[tokens == allowed.end] = 0
    scores[:, : allowed.first] = -np.inf
    if not allowed.may_end:
        scores[:, allowed.end] = -np.inf
    scores[rows] = -np.inf
    scores[rows, tokens] = kept


def best_of_logits(logits: np.ndarray, width: int, allowed: Allowed) -> Continuations:
    """The best continuations by logits (N, V), in double precision; of equal ones the first come first."""
    scores = logits.astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    scores -= log_sums(scores)
    restrict(scores, allowed)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :width]  # (N, W)
    return Continuations(best, np.take_along_axis(scores, best, axis=1))


def log_probabilities(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The log-probability (N,), in nats, that a softmax over logits (N, V) gives to tokens (N,)."""
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)  # (N, V)
    chosen = np.take_along_axis(shifted, tokens[:, None], axis=1)  # (N, 1)
    scores: np.ndarray = (chosen - log_sums(shifted))[:, 0]
    return scores


def log_sums(shifted: np.ndarray) -> np.ndarray:
    """log sum exp of every row of doubles of which the largest is 0: (N, V) -> (N, 1)"""
    totals: np.ndarray = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return totals
