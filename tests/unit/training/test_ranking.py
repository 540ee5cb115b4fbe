"""Which validation is the best, for every metric and whichever way is better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from seqkit.config import TrainingConfig
from seqkit.scores import LOSS, METRICS, Metric
from seqkit.training.ranking import enter
from seqkit.training.state import Ranking
from seqkit.training.validation import Measured


def measured(metric: Metric, value: float) -> Measured:
    loss = value if metric is LOSS else 1.0
    scores = ({"metric": metric.name, "score": value, "signature": ""},)
    return Measured(loss=loss, scores=scores, samples=(), gates={}, size=1)


def steps_of(metric: Metric, values: list[float], keep: int = 1) -> tuple[list[bool], list[int]]:
    """Whether each validation is the best so far, and the steps of those that are kept, best first."""
    training = replace(TrainingConfig(), best_metric=metric.name, average_best=keep)
    ranking = Ranking()
    firsts = [enter(ranking, step, measured(metric, value), training) for step, value in enumerate(values, 1)]
    return firsts, [int(step) for _, step in ranking.best]


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_the_better_one_is_the_best(metric: Metric) -> None:
    good, fair, bad = (3.0, 2.0, 1.0) if metric.better == "more" else (1.0, 2.0, 3.0)
    assert metric.rank(good) < metric.rank(fair) < metric.rank(bad)
    firsts, best = steps_of(metric, [fair, bad, good, fair], keep=3)
    assert firsts == [True, False, True, False]
    assert best[0] == 3
    assert set(best[1:]) == {1, 4}


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_what_is_no_number_is_never_the_best(metric: Metric) -> None:
    firsts, best = steps_of(metric, [math.nan, 2.0, math.inf, math.nan])
    assert firsts == [False, True, False, False]
    assert best == [2]


def test_values_are_shown_with_their_digits() -> None:
    assert METRICS["bleu"].text(35.123) == "35.12"
    assert METRICS["bits_per_character"].text(1.5) == "1.5000"
