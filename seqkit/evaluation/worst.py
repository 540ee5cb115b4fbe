"""The translations that are least like their references, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from seqkit.errors import DataError
from seqkit.metrics.measure import References
from seqkit.metrics.sacre import MetricOptions, line_scores


@dataclass(frozen=True)
class Line:
    """One line of a test set: its number from 1, its chrF against the references in percent, its texts."""

    number: int
    score: float
    hypothesis: str
    references: tuple[str, ...]
    source: str | None = None


def worst_lines(
    hypotheses: Sequence[str],
    references: References,
    count: int,
    options: MetricOptions | None = None,
    source: Sequence[str] | None = None,
) -> list[Line]:
    """The `count` lines of the lowest chrF, worst first; chrF, as BLEU of a single line is mostly noise.

    Raises DataError when the texts have different numbers of lines.
    """
    if source is not None and len(source) != len(hypotheses):
        raise DataError(
            f"the source has {len(source):,} lines, and there are {len(hypotheses):,} hypotheses",
            where="--source",
            hint="name the text that was translated",
        )
    scores = line_scores(hypotheses, references, options or MetricOptions())
    ranked = sorted(range(len(scores)), key=scores.__getitem__)[:count]
    return [
        Line(
            number=index + 1,
            score=scores[index],
            hypothesis=hypotheses[index],
            references=tuple(line for lines in references if (line := lines[index]) is not None),
            source=None if source is None else source[index],
        )
        for index in ranked
    ]


def differences(text: str, other: str) -> list[tuple[str, bool]]:
    """The words of a text, each with whether the other text lacks it at its place."""
    words = text.split()
    matcher = SequenceMatcher(None, words, other.split(), autojunk=False)
    shared = {
        place for block in matcher.get_matching_blocks() for place in range(block.a, block.a + block.size)
    }
    return [(word, place not in shared) for place, word in enumerate(words)]
