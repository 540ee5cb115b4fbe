"""Exact match, and error rates of characters, words and symbols, by RapidFuzz's edit distance.

An error rate is the number of insertions, deletions and substitutions that make the reference of the
hypothesis (Levenshtein 1966), summed over all lines, per unit of reference. It may be above 100 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from seqkit.metrics.measure import Counts, Outcome, Progress, References, lines_of
from seqkit.version import __version__

Cut = Callable[[str], Sequence[str]]  # a line to its units

# Metric, what is compared, and how a line is cut into it.
UNITS: Mapping[str, tuple[str, Cut]] = MappingProxyType(
    {"cer": ("character", list), "wer": ("word", str.split), "per": ("symbol", str.split)}
)


@dataclass
class ErrorRate:
    """Edits to the nearest reference, per unit of it; of several that are as near the longest.

    The case of symbols is always kept: in phonetic alphabets it tells sounds apart.
    """

    metric: str
    lowercase: bool
    spaced: bool  # whether the references have spaces between words
    _references: int | str = 0
    _length: float = 0.0

    def counts(self, hypotheses: Sequence[str], references: References, progress: Progress) -> list[Counts]:
        """Edits and reference length of each line."""
        from rapidfuzz.distance import Levenshtein

        _, cut = UNITS[self.metric]
        lines = lines_of(references)
        self._references = _number_of(lines)
        counts: list[Counts] = []
        for number, (hypothesis, wanted) in enumerate(zip(hypotheses, lines, strict=True), 1):
            units = cut(self._cased(hypothesis))
            targets = [cut(self._cased(line)) for line in wanted]
            edits, length = min((Levenshtein.distance(units, target), -len(target)) for target in targets)
            counts.append((edits, -length))
            progress(number)
        self._length = sum(length for _, length in counts)
        return counts

    def outcome(self, total: Counts) -> Outcome:
        """See `Measure`."""
        edits, length = total
        details = {"edits": int(edits), "reference_length": int(length)}
        return Outcome(100 * edits / length if length else 0.0, details)

    def line_score(self, counts: Counts) -> float:
        """See `Measure`."""
        edits, length = counts
        if not length:
            return float("nan") if edits else 0.0
        return 100 * edits / length

    def undefined(self) -> str:
        """See `Measure`."""
        return "" if self._length else "all references are empty"

    def note(self, total: Counts) -> str:  # noqa: ARG002 - as every measure has it
        """See `Measure`."""
        if self.spaced or self.metric == "cer":
            return ""
        return "the references have no spaces between words: cer suits them better"

    def signature(self, *, resamples: int, seed: int, form: str) -> str:
        """See `Measure`."""
        import rapidfuzz

        parts = {
            **_resampled(self._references, resamples, seed),
            "case": "lc" if self._ignores_case else "mixed",
            "unit": UNITS[self.metric][0],
            "form": form,
            "rapidfuzz": rapidfuzz.__version__,
        }
        return _joined(parts)

    @property
    def _ignores_case(self) -> bool:
        return self.lowercase and self.metric != "per"

    def _cased(self, line: str) -> str:
        return line.lower() if self._ignores_case else line


@dataclass
class ExactMatch:
    """The share of lines that are one of their references."""

    lowercase: bool
    _references: int | str = field(default=0)

    def counts(self, hypotheses: Sequence[str], references: References, progress: Progress) -> list[Counts]:
        """Whether each line is right, and 1."""
        lines = lines_of(references)
        self._references = _number_of(lines)
        counts: list[Counts] = []
        for number, (hypothesis, wanted) in enumerate(zip(hypotheses, lines, strict=True), 1):
            counts.append((int(self._cased(hypothesis) in map(self._cased, wanted)), 1))
            progress(number)
        return counts

    def outcome(self, total: Counts) -> Outcome:
        """See `Measure`."""
        matches, lines = total
        return Outcome(100 * matches / lines, {"matches": int(matches), "lines": int(lines)})

    def line_score(self, counts: Counts) -> float:
        """See `Measure`."""
        return 100.0 * counts[0]

    def undefined(self) -> str:
        """See `Measure`: every line is right or wrong."""
        return ""

    def note(self, total: Counts) -> str:  # noqa: ARG002 - as every measure has it
        """See `Measure`."""
        return ""

    def signature(self, *, resamples: int, seed: int, form: str) -> str:
        """See `Measure`."""
        parts = {
            **_resampled(self._references, resamples, seed),
            "case": "lc" if self.lowercase else "mixed",
            "form": form,
            "seqkit": __version__,
        }
        return _joined(parts)

    def _cased(self, line: str) -> str:
        return line.lower() if self.lowercase else line


def _number_of(lines: Iterable[Sequence[str]]) -> int | str:
    """How many references each line has, as sacreBLEU's signatures say it."""
    numbers = {len(wanted) for wanted in lines}
    return numbers.pop() if len(numbers) == 1 else "var"


def _resampled(references: int | str, resamples: int, seed: int) -> dict[str, str]:
    resampling = {"bs": str(resamples), "seed": str(seed)} if resamples else {}
    return {"nrefs": str(references), **resampling}


def _joined(parts: Mapping[str, str]) -> str:
    return "|".join(f"{name}:{value}" for name, value in parts.items() if value)
