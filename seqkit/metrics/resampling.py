"""Confidence intervals and paired tests by the bootstrap (Koehn 2004), of any metric that adds up counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqkit.metrics.measure import Counts, Measure
from seqkit.randomness import default_rng
from seqkit.scores import Confidence, PairedComparison

LEVEL = 0.95  # of confidence intervals
SEED = 12345  # of all resampling; sacreBLEU's default, so that its command line gives the same intervals


def resampled_scores(measure: Measure, counts: Sequence[Counts], resamples: int) -> NDArray[np.float64]:
    """The scores of `resamples` test sets of the same size, drawn with replacement. (resamples,)

    The seed is fixed, so two systems are resampled alike, which is what makes a comparison paired.
    sacreBLEU's own resampling copies the counts a thousand times at once: gigabytes for a large test set.
    """
    generator = default_rng(SEED)
    table = np.array(counts, dtype=np.float64)  # (lines, counts of the metric)
    rows = (generator.integers(len(table), size=len(table)) for _ in range(resamples))
    scores = [measure.outcome(table[chosen].sum(axis=0)).score for chosen in rows]
    return np.array(scores, dtype=np.float64)


def interval(resampled: NDArray[np.float64]) -> Confidence:
    """The percentile interval of resampled scores (section 3)."""
    ordered = np.sort(resampled)
    outside = int(len(ordered) * (1 - LEVEL) / 2)
    return Confidence(
        low=float(ordered[outside]),
        high=float(ordered[-1 - outside]),
        mean=float(ordered.mean()),
        resamples=len(ordered),
    )


def compare(
    score: float,
    resampled: NDArray[np.float64],
    baseline_score: float,
    baseline_resampled: NDArray[np.float64],
) -> PairedComparison:
    """Two-sided: how often the resampled difference strays from its mean as far as the real one, or farther.

    sacreBLEU counts only "farther", which calls two identical systems significantly different.
    """
    differences = np.abs(resampled - baseline_resampled)
    stray = int(np.sum(differences - differences.mean() >= abs(score - baseline_score)))
    return PairedComparison(
        baseline_score=float(baseline_score),
        difference=float(score - baseline_score),
        p_value=(stray + 1) / (len(differences) + 1),
        resamples=len(differences),
    )
