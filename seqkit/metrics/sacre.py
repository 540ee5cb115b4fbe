"""Scores: BLEU, chrF and TER through sacreBLEU, each with the signature that says how it was made.

sacreBLEU (Post 2018, "A Call for Clarity in Reporting BLEU Scores") is imported inside the functions, as
`seqkit --help` must answer at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqkit.errors import ConfigError, DataError, suggest
from seqkit.scores import BLEU, CHRF, TER, Confidence, PairedComparison, Score

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from sacrebleu.metrics.base import Metric

METRICS = tuple(metric.name for metric in (BLEU, CHRF, TER))
CASED = "cased"
LOWERCASED_TOKENIZED = "lowercased-tokenized"
PROTOCOLS = (CASED, LOWERCASED_TOKENIZED)

LEVEL = 0.95  # of confidence intervals
SEED = 12345  # of all resampling; sacreBLEU's default, so that its command line gives the same intervals
_CHRF_WORD_ORDER_LIMIT = 6


@dataclass(frozen=True)
class MetricOptions:
    """What to measure, and by which protocol.

    `protocol` is `cased` (plain, detokenised text; BLEU tokenises it with 13a) or `lowercased-tokenized`
    (text that is tokenised already, compared in lower case: sacreBLEU's `-tok none -lc`). TER ignores case
    under both, which is sacreBLEU's and tercom's default. `chrf_word_order` 2 makes chrF++. `confidence`
    asks for bootstrap intervals from `resamples` resamples of the test set. Raises ConfigError.
    """

    metrics: tuple[str, ...] = ("bleu", "chrf")
    protocol: str = CASED
    chrf_word_order: int = 0
    confidence: bool = False
    resamples: int = 1000

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ConfigError("no metric is named", hint=f"choose among {', '.join(METRICS)}")
        for name in self.metrics:
            _check_known(name, METRICS, "metric")
            if self.metrics.count(name) > 1:
                raise ConfigError(f"metric {name} is named twice", hint="name it once")
        _check_known(self.protocol, PROTOCOLS, "protocol")
        if not 0 <= self.chrf_word_order <= _CHRF_WORD_ORDER_LIMIT:
            raise ConfigError(
                f"a chrF word order of {self.chrf_word_order} is outside 0 to {_CHRF_WORD_ORDER_LIMIT}",
                hint="0 is chrF, 2 is chrF++",
            )
        if self.chrf_word_order and "chrf" not in self.metrics:
            raise ConfigError(
                "a chrF word order needs chrf among the metrics", hint="add chrf, or leave it out"
            )
        if self.resamples < 2:
            raise ConfigError(f"{self.resamples} resamples are too few", hint="1000 is usual")


def score_translations(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    options: MetricOptions | None = None,
    *,
    baseline: Sequence[str] | None = None,
) -> list[Score]:
    """Score hypotheses against one or more reference sets, one list of lines each.

    One Score per metric, in the order of `options.metrics`. With the hypotheses of a `baseline` each has a
    paired test too. Raises DataError when line counts differ or there is nothing to score.
    """
    options = options or MetricOptions()
    _check_lengths(hypotheses, references, baseline)
    return [_score(name, hypotheses, references, baseline, options) for name in options.metrics]


def line_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], options: MetricOptions
) -> list[float]:
    """The chrF of every line by itself, in percent."""
    _check_lengths(hypotheses, references, None)
    metric = _metric("chrf", options)
    return [
        float(metric.sentence_score(hypothesis, list(lines)).score)
        for hypothesis, *lines in zip(hypotheses, *references, strict=True)
    ]


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Cased, detokenised BLEU (13a) in percent; `references` as in `score_translations`."""
    return score_translations(hypotheses, references, MetricOptions(metrics=("bleu",)))[0].score


def corpus_chrf(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Cased chrF2 in percent; `references` as in `score_translations`."""
    return score_translations(hypotheses, references, MetricOptions(metrics=("chrf",)))[0].score


def perplexity(nats_per_token: float) -> float:
    """exp(cross-entropy in nats per token); infinite where that overflows."""
    try:
        return math.exp(nats_per_token)
    except OverflowError:
        return math.inf


def bits_per_character(nats_total: float, characters: int) -> float:
    """Cross-entropy in bits per character from a total in nats. Raises DataError without characters."""
    if characters < 1:
        raise DataError("there are no characters to score")
    return nats_total / math.log(2) / characters


def _check_known(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise ConfigError(
            f"unknown {what} {name!r}",
            hint=suggest(name.lower(), known) or f"choose among {', '.join(known)}",
        )


def _check_lengths(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], baseline: Sequence[str] | None
) -> None:
    if references and isinstance(references[0], str):
        raise TypeError("references is a sequence of reference sets, each a sequence of lines")
    if not references:
        raise DataError("there is no reference to score against")
    if not hypotheses:
        raise DataError("there are no hypotheses to score")
    others = [*references] if baseline is None else [*references, baseline]
    for lines in others:
        # sacreBLEU would cut the longer one in silence.
        if len(lines) != len(hypotheses):
            raise DataError(
                f"hypotheses have {len(hypotheses):,} lines, but references or baseline have {len(lines):,}"
            )


def _score(
    name: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    baseline: Sequence[str] | None,
    options: MetricOptions,
) -> Score:
    metric = _metric(name, options)
    # A corpus score is a function of per-line counts. They are extracted once (for TER that takes seconds),
    # and summed for the score and for every resample. sacreBLEU's own resampling copies them a thousand
    # times at once: gigabytes for a large test set.
    counts = metric._extract_corpus_statistics(hypotheses, references)
    result = metric._aggregate_and_compute(counts)
    signature = metric.get_signature()
    confidence = paired = None
    if options.confidence or baseline is not None:
        signature.update("bs", options.resamples)
        signature.update("seed", SEED)
        resampled = _resampled_scores(metric, counts, options.resamples)
        if options.confidence:
            confidence = _interval(resampled)
        if baseline is not None:
            baseline_counts = metric._extract_corpus_statistics(baseline, references)
            paired = _compare(
                result.score,
                resampled,
                metric._aggregate_and_compute(baseline_counts).score,
                _resampled_scores(metric, baseline_counts, options.resamples),
            )
    return Score(name, float(result.score), str(signature), confidence, paired, _details(name, result))


def _metric(name: str, options: MetricOptions) -> Metric:
    from sacrebleu import BLEU, CHRF, TER

    lowercase = options.protocol == LOWERCASED_TOKENIZED
    if name == "bleu":
        # force: whether text looks tokenised is judged in `seqkit.evaluation`, in words that say what to do.
        return BLEU(lowercase=lowercase, tokenize="none" if lowercase else "13a", force=True)
    if name == "chrf":
        return CHRF(lowercase=lowercase, word_order=options.chrf_word_order)
    return TER()


def _details(name: str, result: Any) -> Mapping[str, Any]:
    if name == "bleu":
        return {
            "precisions": [float(precision) for precision in result.precisions],
            "brevity_penalty": float(result.bp),
            "length_ratio": float(result.ratio),
            "hypothesis_length": int(result.sys_len),
            "reference_length": int(result.ref_len),
        }
    if name == "chrf":
        return {
            "character_order": result.char_order,
            "word_order": result.word_order,
            "beta": result.beta,
        }
    return {"edits": int(result.num_edits), "reference_length": float(result.ref_length)}


def _resampled_scores(
    metric: Metric, counts: Sequence[Sequence[float]], resamples: int
) -> NDArray[numpy.float64]:
    """The scores of `resamples` test sets of the same size, drawn with replacement.

    The seed is fixed, so two systems are resampled alike, which is what makes a comparison paired.
    """
    import numpy

    from seqkit.randomness import default_rng

    generator = default_rng(SEED)
    table = numpy.array(counts, dtype=numpy.float64)  # (lines, counts of the metric)
    rows = (generator.integers(len(table), size=len(table)) for _ in range(resamples))
    scores = [metric._compute_score_from_stats(table[chosen].sum(axis=0)).score for chosen in rows]
    return numpy.array(scores, dtype=numpy.float64)


def _interval(resampled: NDArray[numpy.float64]) -> Confidence:
    import numpy

    ordered = numpy.sort(resampled)
    outside = int(len(ordered) * (1 - LEVEL) / 2)
    return Confidence(
        low=float(ordered[outside]),
        high=float(ordered[-1 - outside]),
        mean=float(ordered.mean()),
        resamples=len(ordered),
    )


def _compare(
    score: float,
    resampled: NDArray[numpy.float64],
    baseline_score: float,
    baseline_resampled: NDArray[numpy.float64],
) -> PairedComparison:
    """Two-sided: how often the resampled difference strays from its mean as far as the real one, or farther.

    sacreBLEU counts only "farther", which calls two identical systems significantly different.
    """
    import numpy

    differences = numpy.abs(resampled - baseline_resampled)
    stray = int(numpy.sum(differences - differences.mean() >= abs(score - baseline_score)))
    return PairedComparison(
        baseline_score=float(baseline_score),
        difference=float(score - baseline_score),
        p_value=(stray + 1) / (len(differences) + 1),
        resamples=len(differences),
    )
