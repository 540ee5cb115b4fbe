"""What every metric of lines does: count line by line, and make a score of the sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Counts = Sequence[float]
References = Sequence[Sequence[str | None]]  # a set after another, a line each; None: a line has fewer
Progress = Callable[[int], None]  # hears how many lines are done


@dataclass(frozen=True)
class Outcome:
    """A score in percent, and what it was made of."""

    score: float
    details: Mapping[str, Any]


class Measure(Protocol):
    """A metric whose score of a corpus follows from the sums of what it counts in each line.

    So the counts are made once, and summed for the score, for every resample and for every line.
    """

    def counts(self, hypotheses: Sequence[str], references: References, progress: Progress) -> list[Counts]:
        """What is counted in each line."""
        ...

    def outcome(self, total: Counts) -> Outcome:
        """The score of lines whose counts add up to `total`."""
        ...

    def line_score(self, counts: Counts) -> float:
        """The score of a line by itself; NaN for one that has none."""
        ...

    def undefined(self) -> str:
        """Why the references that were counted allow no score, whatever the hypotheses; empty if they do."""
        ...

    def note(self, total: Counts) -> str:
        """What a reader of the score has to know; empty for nothing."""
        ...

    def signature(self, *, resamples: int, seed: int, form: str) -> str:
        """How the score was made. `resamples` is 0 without resampling, `form` empty without a normal form."""
        ...


def lines_of(references: References) -> list[list[str]]:
    """The references of each line."""
    return [[line for line in lines if line is not None] for lines in zip(*references, strict=True)]
