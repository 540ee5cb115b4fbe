"""What a score is, and what its metric says of it: a name, digits, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class Metric:
    """A measure of outputs, or of what a model predicts.

    `name` is what JSON and settings say, `title` what people read, `short` the heading of a narrow column.
    """

    name: str
    title: str
    digits: int  # behind the point, where people read it
    better: Literal["more", "less"]
    short: str

    def text(self, value: float) -> str:
        """A value as people read it."""
        return f"{value:.{self.digits}f}"

    def rank(self, value: float) -> float:
        """A number that is the smaller, the better the value: for sorting and comparing."""
        return value if self.better == "less" else -value


def _metric(name: str, title: str, digits: int, better: Literal["more", "less"], short: str = "") -> Metric:
    return Metric(name, title, digits, better, short or title)


BLEU = _metric("bleu", "BLEU", 2, "more")
CHRF = _metric("chrf", "chrF", 2, "more")
TER = _metric("ter", "TER", 2, "less")
EXACT = _metric("exact", "exact match", 2, "more", "exact")
CER = _metric("cer", "character error rate", 2, "less", "CER")
WER = _metric("wer", "word error rate", 2, "less", "WER")
PER = _metric("per", "symbol error rate", 2, "less", "PER")
BITS_PER_CHARACTER = _metric("bits_per_character", "bits per character", 4, "less", "bits/char")
NATS_PER_CHARACTER = _metric("nats_per_character", "nats per character", 4, "less", "nats/char")
PERPLEXITY = _metric("perplexity", "perplexity", 4, "less", "ppl")
LOSS = _metric("loss", "loss", 4, "less")  # of the validation data: what training minimises, unsmoothed

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            *(BLEU, CHRF, TER, EXACT, CER, WER, PER),
            *(BITS_PER_CHARACTER, NATS_PER_CHARACTER, PERPLEXITY, LOSS),
        )
    }
)


# What cuts lines into the words of BLEU and TER; "auto": what suits the script of the references.
AUTO = "auto"
TOKENIZERS = ("13a", "zh", "ja-mecab", "ko-mecab", "flores200", "char", "intl", "none")


@dataclass(frozen=True)
class Confidence:
    """A percentile bootstrap interval around a score, at a level of 95 % (Koehn 2004, section 3)."""

    low: float
    high: float
    mean: float  # of the resampled scores
    resamples: int


@dataclass(frozen=True)
class PairedComparison:
    """A paired bootstrap test against a baseline on the same test set (Koehn 2004, section 4)."""

    baseline_score: float
    difference: float  # score - baseline score
    p_value: float  # of a difference as large as this by chance
    resamples: int


@dataclass(frozen=True)
class Score:
    """One score of a whole corpus, and everything that is needed to make it again.

    Scores of lines are in percent. `details` holds, for BLEU, `precisions` (percent, n = 1 to 4),
    `brevity_penalty`, `length_ratio`, `hypothesis_length` and `reference_length` (tokens); for chrF its
    orders and beta; for TER and the other error rates `edits` and `reference_length`; for exact match
    `matches` and `lines`; for a generator's scores the protocol and counts.

    `undefined` says why the references allow no score, and is empty where they do; `score` is 0 then, and
    means nothing. `note` is what a reader of the score has to know. `line_scores` are those of the lines by
    themselves, where they were asked for; NaN for a line that has none.
    """

    metric: str
    score: float
    signature: str
    confidence: Confidence | None = None
    paired: PairedComparison | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    undefined: str = ""
    note: str = ""
    line_scores: tuple[float, ...] = ()
