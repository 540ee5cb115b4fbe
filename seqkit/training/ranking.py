"""Which checkpoint is the best, and what follows from a validation that is not."""

from __future__ import annotations

import math

from seqkit.config import TrainingConfig
from seqkit.scores import CER, CHRF, LOSS, METRICS
from seqkit.training import optim
from seqkit.training.state import Ranking
from seqkit.training.validation import Measured

# What decides between validations that the chosen metric finds equal, in this order, where it is measured:
# BLEU is 0 until four words in a row are right, exact match until a whole line is.
_FALLBACKS = (CER.name, CHRF.name, LOSS.name)


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
    names = chain(measured, training.best_metric)
    values = [measured.metric(name) for name in names]
    best = list(zip(ranking.best, _fallbacks(ranking), strict=True))
    first, by = True, training.best_metric
    if best:
        first, by = _compared(names, values, [best[0][0][0], *best[0][1]])
    ranking.stale = 0 if first else ranking.stale + 1
    if first or (by and ranking.decided_by == training.best_metric):
        ranking.decided_by = by or ranking.decided_by
    best = sorted([*best, ([score, step], values[1:])], key=lambda one: _ranks(names, [one[0][0], *one[1]]))
    best = best[: training.average_best]
    ranking.best, ranking.fallbacks = [entry for entry, _ in best], [others for _, others in best]
    return first


def chain(measured: Measured, best_metric: str) -> list[str]:
    """The metrics that decide, one where those before it find two validations equal."""
    names = {str(score["metric"]) for score in measured.scores} | {LOSS.name}
    return [best_metric, *(name for name in _FALLBACKS if name in names and name != best_metric)]


def undecided(ranking: Ranking, measured: Measured, best_metric: str) -> str | None:
    """What to say of a metric that cannot tell validations apart, by the last of them."""
    metric = METRICS[best_metric]
    names = chain(measured, best_metric)
    reasons = {score["metric"]: score.get("undefined") for score in measured.scores}
    reason = reasons.get(best_metric)
    nothing = metric.better == "more" and measured.metric(best_metric) == 0 and len(ranking.losses) > 1
    if len(names) < 2 or (reason is None and not nothing):
        return None
    others = ", then ".join(METRICS[name].title for name in names[1:])
    said = f"undefined, as {reason}" if reason else f"{metric.text(0.0)} still"
    return f"{metric.title}: it is {said}: the best checkpoint is chosen by {others}"


def _fallbacks(ranking: Ranking) -> list[list[float]]:
    """Those of the best; nothing for what a version before 0.10 entered."""
    return [*ranking.fallbacks, *[[] for _ in ranking.best]][: len(ranking.best)]


def _ranks(names: list[str], values: list[float]) -> list[float]:
    """Smaller is better, as tuples compare; what is not known or no number ranks last."""
    ranks = [METRICS[name].rank(value) for name, value in zip(names, values, strict=False)]
    ranks = [rank if math.isfinite(rank) else math.inf for rank in ranks]
    return ranks + [math.inf] * (len(names) - len(ranks))


def _compared(names: list[str], values: list[float], best: list[float]) -> tuple[bool, str]:
    """Whether `values` are better than the best, and the metric that tells, empty for none."""
    for name, rank, other in zip(names, _ranks(names, values), _ranks(names, best), strict=True):
        if rank != other:
            return rank < other, name
    return False, ""
