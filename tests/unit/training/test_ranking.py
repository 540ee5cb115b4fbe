"""Which validation is the best, for every metric and whichever way is better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from seqkit.config import TrainingConfig
from seqkit.scores import LOSS, METRICS, Metric
from seqkit.training.ranking import enter, undecided
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


def several(loss: float, **scores: float) -> Measured:
    """A validation with these scores, in this order."""
    entries = tuple({"metric": name, "score": score, "signature": ""} for name, score in scores.items())
    return Measured(loss=loss, scores=entries, samples=(), gates={}, size=1)


def best_of(validations: list[Measured], best_metric: str = "bleu", keep: int = 1) -> Ranking:
    """The list of the best after these validations, at steps 1, 2, …"""
    training = replace(TrainingConfig(), best_metric=best_metric, average_best=keep)
    ranking = Ranking()
    for step, each in enumerate(validations, 1):
        enter(ranking, step, each, training)
    return ranking


def test_where_the_metric_cannot_tell_the_next_one_decides() -> None:
    """BLEU of single words is 0 at every validation: chrF tells them apart, and where that ties the loss."""
    by_chrf = [
        several(2.4, bleu=0.0, chrf=12.0),
        several(0.3, bleu=0.0, chrf=92.0),
        several(0.2, bleu=0.0, chrf=91.0),
    ]
    ranking = best_of(by_chrf)
    assert (ranking.best, ranking.fallbacks, ranking.decided_by) == ([[0.0, 2]], [[92.0, 0.3]], "chrf")
    assert ranking.stale == 1

    by_loss = [
        several(2.4, bleu=0.0, chrf=12.0),
        several(0.3, bleu=0.0, chrf=12.0),
        several(0.5, bleu=0.0, chrf=12.0),
    ]
    ranking = best_of(by_loss)
    assert (ranking.best, ranking.decided_by) == ([[0.0, 2]], "loss")


def test_a_metric_that_can_tell_decides_alone() -> None:
    staying = best_of([several(1.0, bleu=0.0, chrf=9.0), several(0.5, bleu=0.0, chrf=8.0)])
    assert (staying.best, staying.decided_by) == ([[0.0, 1]], "chrf")
    ranking = best_of([several(2.0, bleu=3.0, chrf=90.0), several(1.0, bleu=2.9, chrf=99.0)])
    assert (ranking.best, ranking.decided_by) == ([[3.0, 1]], "bleu")


def test_the_first_of_equals_stays() -> None:
    ranking = best_of([several(1.0, bleu=5.0, chrf=9.0)] * 3)
    assert (ranking.best, ranking.stale) == ([[5.0, 1]], 2)


def test_exact_match_falls_back_to_the_character_error_rate() -> None:
    words = [several(1.0, exact=0.0, cer=70.0, chrf=20.0), several(2.0, exact=0.0, cer=60.0, chrf=10.0)]
    ranking = best_of(words, "exact")
    assert (ranking.best, ranking.decided_by) == ([[0.0, 2]], "cer")


def test_a_loss_that_ranks_has_no_fallback_before_it() -> None:
    ranking = best_of([several(1.0, bleu=1.0, chrf=1.0), several(1.5, bleu=9.0, chrf=9.0)], "loss")
    assert (ranking.best, ranking.fallbacks) == ([[1.0, 1]], [[1.0]])


def test_those_to_be_averaged_are_the_best_by_all_metrics() -> None:
    validations = [several(1.0, bleu=0.0, chrf=chrf) for chrf in (5.0, 9.0, 1.0, 7.0)]
    ranking = best_of(validations, keep=2)
    assert [int(step) for _, step in ranking.best] == [2, 4]
    assert ranking.fallbacks == [[9.0, 1.0], [7.0, 1.0]]


def test_what_an_earlier_version_entered_loses_ties() -> None:
    """Its checkpoint has no values to compare: the later validation is as good by the metric, and taken."""
    ranking = Ranking(best=[[0.0, 100]])
    assert enter(ranking, 200, several(1.0, bleu=0.0, chrf=8.0), TrainingConfig())
    assert (ranking.best, ranking.fallbacks) == ([[0.0, 200]], [[8.0, 1.0]])
    worse = Ranking(best=[[4.0, 100]])
    assert not enter(worse, 200, several(1.0, bleu=3.0, chrf=8.0), TrainingConfig())
    assert worse.best == [[4.0, 100]]


def test_it_is_said_that_a_metric_cannot_tell() -> None:
    first, second = several(2.0, bleu=0.0, chrf=1.0), several(1.0, bleu=0.0, chrf=2.0)
    assert (
        undecided(best_of([first]), first, "bleu") is None
    )  # the first validation often has no four words right
    assert undecided(best_of([first, second]), second, "bleu") == (
        "BLEU: it is 0.00 still: the best checkpoint is chosen by chrF, then loss"
    )
    assert undecided(best_of([first, first]), several(1.0, bleu=1.0, chrf=2.0), "bleu") is None
    undefined = replace(
        second, scores=({**second.scores[0], "undefined": "no line has words"}, second.scores[1])
    )
    assert undecided(best_of([undefined]), undefined, "bleu") == (
        "BLEU: it is undefined, as no line has words: the best checkpoint is chosen by chrF, then loss"
    )
    assert undecided(best_of([first, second], "loss"), second, "loss") is None
