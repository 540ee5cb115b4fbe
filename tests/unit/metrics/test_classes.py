"""Scores of classes, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqkit.metrics.classes import ClassCounts, class_scores

# Six rows of three classes. Predicted by the largest: 0 1 1 | 1 2 | 0
CLASSES = np.array([0, 0, 1, 1, 2, 2])
SHARES = np.array(
    [[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]]
)


def counted(*parts: slice) -> ClassCounts:
    counts = ClassCounts(3)
    for part in parts or (slice(None),):
        counts.add(CLASSES[part], SHARES[part])
    return counts


def test_the_table_has_true_classes_by_row() -> None:
    counts = counted()
    assert counts.table.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert (counts.total, counts.right) == (6, 4)


def test_scores_by_hand() -> None:
    # F1 is 2 * right / (predicted + true): 2 / 4 of class 0, 4 / 5 of class 1, 2 / 3 of class 2.
    counts = counted()
    assert counts.macro_f1 == pytest.approx(100 * (1 / 2 + 4 / 5 + 2 / 3) / 3)
    nats = -sum(math.log(share) for share in (0.5, 0.2, 0.8, 0.5, 0.8, 0.3)) / 6
    assert counts.log_loss == pytest.approx(nats)
    assert counts.majority == pytest.approx(100 / 3)
    accuracy, macro_f1, log_loss = class_scores(counts)
    assert (accuracy.metric, macro_f1.metric, log_loss.metric) == ("accuracy", "macro_f1", "log_loss")
    assert accuracy.score == pytest.approx(100 * 4 / 6)
    assert accuracy.details["errors"] == 2
    assert "rows:6|classes:3" in accuracy.signature


def test_rows_may_come_in_parts() -> None:
    parts = counted(slice(0, 1), slice(1, 4), slice(4, 6))
    assert parts.table.tolist() == counted().table.tolist()
    assert parts.log_loss == pytest.approx(counted().log_loss)


def test_a_class_that_never_occurs_is_in_no_mean() -> None:
    counts = ClassCounts(3)
    counts.add(np.array([0, 1]), np.array([[0.9, 0.1, 0], [0.1, 0.9, 0]]))
    assert counts.macro_f1 == 100
    counts.add(np.array([0]), np.array([[0, 0, 1.0]]))
    # Class 2 occurs as a prediction, which is wrong: 0. Class 0: 1 right, 1 predicted, 2 true.
    assert counts.macro_f1 == pytest.approx(100 * (2 / 3 + 1 + 0) / 3)


def test_a_class_of_no_probability_costs_much_and_not_all() -> None:
    counts = ClassCounts(2)
    counts.add(np.array([0]), np.array([[0.0, 1.0]]))
    assert counts.log_loss == pytest.approx(-math.log(1e-30))


def test_no_rows_have_scores_without_a_division_by_zero() -> None:
    counts = ClassCounts(2)
    assert (counts.macro_f1, counts.log_loss, counts.majority) == (0, 0, 0)
    assert [score.score for score in class_scores(counts)] == [0, 0, 0]
