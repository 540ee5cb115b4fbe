"""How a run fits its data, in words: said when it is true and not otherwise."""

from __future__ import annotations

import pytest

from seqkit.training.fit import advice, overfitting


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
