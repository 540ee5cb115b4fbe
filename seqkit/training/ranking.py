"""Which checkpoint is the best, and what follows from a validation that is not."""

from __future__ import annotations

import math

from seqkit.config import TrainingConfig
from seqkit.scores import METRICS
from seqkit.training import optim
from seqkit.training.events import RunState
from seqkit.training.validation import Measured


def enter(state: RunState, measured: Measured, training: TrainingConfig) -> bool:
    """Enter a validation into the list of the best; whether it is the first of them.

    NT-ASGD begins to average at a validation that brings nothing new.
    """
    score = measured.metric(training.best_metric)
    # NaN compares as neither better nor worse: it must never become the best.
    if not math.isfinite(score) or not math.isfinite(measured.loss):
        state.stale += 1
        return False
    state.losses.append(measured.loss)
    waiting = training.optimizer == "nt-asgd" and not state.averaging_from
    if waiting and optim.averaging_begins(state.losses, training.nonmonotone_validations):
        state.averaging_from = state.step
    metric = METRICS[training.best_metric]
    first = not state.best or metric.rank(score) < metric.rank(state.best[0][0])
    state.stale = 0 if first else state.stale + 1
    state.best = sorted([*state.best, [score, state.step]], key=lambda pair: metric.rank(pair[0]))
    state.best = state.best[: training.average_best]
    return first
