"""How a run fits its data, in words: said when it is true and not otherwise."""

from __future__ import annotations

import pytest

from seqkit.training.fit import advice, overfitting, too_few_steps


def test_a_rising_validation_loss_over_a_low_training_loss_is_overfitting() -> None:
    said = overfitting(1.0, [1.6, 1.5, 1.52, 1.56])
    assert said is not None
    assert said.startswith("over-fitting: validation loss rose from 1.500 to 1.560 in 2 validations")
    assert "model.dropout" in said


@pytest.mark.parametrize(
    ("train", "losses"),
    [
        (1.0, [1.6, 1.5, 1.4, 1.3]),  # still falling
        (1.0, [1.6, 1.5, 1.56]),  # one bad validation
        (1.0, [1.6, 1.5, 1.503, 1.504]),  # noise
        (1.7, [1.6, 1.5, 1.52, 1.56]),  # training is no better: something else is wrong
        (None, [1.6, 1.5, 1.52, 1.56]),
        (1.0, []),
    ],
)
def test_nothing_is_called_overfitting_without_cause(train: float | None, losses: list[float]) -> None:
    assert overfitting(train, losses) is None


def test_advice_at_the_end() -> None:
    assert str(advice(1.4, [2.0, 1.6, 1.5])).startswith("under-fitting: validation loss was still falling")
    assert str(advice(1.55, [1.6, 1.501, 1.5])).startswith("no over-fitting: training loss (1.550)")
    assert str(advice(1.0, [1.6, 1.5, 1.52, 1.56])).startswith("over-fitting")
    assert advice(1.4, [1.6, 1.501, 1.5]) is None
    assert advice(None, [1.6, 1.5]) is None
    assert advice(1.0, [1.6]) is None


def test_a_budget_in_which_the_machine_takes_hardly_a_step_is_told() -> None:
    said = too_few_steps(1, 155.0, 1.0)
    assert said is not None
    assert said.startswith("too few steps: 1 in 1 minutes, 0.0065 per second")
    assert "--minutes 259 or more" in said
    early = too_few_steps(10, 20.0, 1.0)
    assert early is not None
    assert "30 in 1 minutes, 0.5 per second" in early
    assert "--minutes 4 or more" in early


@pytest.mark.parametrize(
    ("steps", "seconds", "minutes"),
    [
        (100, 60.0, 1.0),
        (50, 29.0, 1.0),  # a hundred are coming
        (1, 14.9, 1.0),  # most of which was start-up
        (5_000, 600.0, 10.0),
    ],
)
def test_nobody_is_told_of_too_few_steps_without_cause(steps: int, seconds: float, minutes: float) -> None:
    assert too_few_steps(steps, seconds, minutes) is None


def test_a_run_without_a_single_step_is_told_so() -> None:
    assert too_few_steps(0, 60.0, 1.0) is not None
