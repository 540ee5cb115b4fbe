"""Which checkpoint is the best, and what follows from a validation that is not."""

from __future__ import annotations

import math

from seqkit.config import TrainingConfig
from seqkit.scores import METRICS
from seqkit.training import optim
from seqkit.training.state import Ranking
from seqkit.training.validation import Measured


def enter(ranking: Ranking, step: int, measured: Measured, training: TrainingConfig) -> bool:
    """Enter a validation after `step` into the list of the best; whether it is the first of them.

    NT-ASGD begins to average at a validation that brings nothing new.
    """
    score = measured.metric(training.best_metric)
    # NaN compares as neither better nor worse: it must never become the best.
    if not math.isfinite(score) or not math.isfinite(measured.loss):
        ranking.stale += 1
        return False
    ranking.losses.append(measured.loss)
    waiting = training.optimizer == "nt-asgd" and not ranking.averaging_from
    if waiting and optim.averaging_begins(ranking.losses, training.nonmonotone_validations):
        ranking.averaging_from = step
    metric = METRICS[training.best_metric]
    first = not ranking.best or metric.rank(score) < metric.rank(ranking.best[0][0])
    ranking.stale = 0 if first else ranking.stale + 1
    ranking.best = sorted([*ranking.best, [score, step]], key=lambda pair: metric.rank(pair[0]))
    ranking.best = ranking.best[: training.average_best]
    return first
