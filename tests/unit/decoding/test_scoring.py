"""The penalties of Wu et al. 2016, section 7, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqkit.decoding.scoring import coverage_penalty, length_penalty


@pytest.mark.parametrize(
    ("length", "alpha", "penalty"),
    [
        (1, 1.0, 1.0),  # (5 + 1) / 6
        (7, 1.0, 2.0),  # 12 / 6
        (13, 0.5, math.sqrt(3.0)),  # 18 / 6
        (7, 0.6, 1.5157165665103982),  # 2 ** 0.6
        (7, 2.0, 4.0),
        (7, -1.0, 0.5),
        (100, 0.0, 1.0),  # no normalisation
        (0, 1.0, 5 / 6),
    ],
)
def test_length_penalty_by_hand(length: int, alpha: float, penalty: float) -> None:
    assert length_penalty(length, alpha) == pytest.approx(penalty, rel=1e-12)


def test_coverage_penalty_by_hand() -> None:
    # 0.2 * (log 0.5 + log 1 + log 0.25): what is above 1 counts as 1.
    covered = np.array([0.5, 1.75, 0.25])
    assert coverage_penalty(covered, 0.2) == pytest.approx(0.2 * math.log(0.125), rel=1e-12)


def test_words_that_are_covered_cost_nothing() -> None:
    assert coverage_penalty(np.array([1.0, 3.0]), 5.0) == 0.0


def test_a_word_that_got_nothing_costs_much_but_not_everything() -> None:
    penalty = coverage_penalty(np.array([0.0, 1.0]), 1.0)
    assert math.isfinite(penalty)
    assert penalty < -10


def test_the_weight_scales_the_penalty() -> None:
    covered = np.array([0.3, 0.9])
    assert coverage_penalty(covered, 0.4) == pytest.approx(4 * coverage_penalty(covered, 0.1), rel=1e-12)
    assert coverage_penalty(covered, 0.0) == 0.0
