"""How far a run is and what is due, with a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from seqkit.config import TrainingConfig
from seqkit.training import budget as module
from seqkit.training.budget import Budget
from seqkit.training.events import RunState


class Clock:
    """Stands in for `time`: it says what the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def make(clock: Clock, state: RunState | None = None, **settings: Any) -> Budget:
    """A budget of a corpus with 50 steps an epoch that starts now."""
    limits = {"epochs": 0.0, **settings}
    return Budget(TrainingConfig(**limits), 50, clock.now, state or RunState())


def test_epochs_are_steps(clock: Clock) -> None:
    budget = make(clock, epochs=2.5)
    assert budget.total_steps == 125
    assert make(clock, epochs=0.001).total_steps == 1
    assert make(clock, steps=7).total_steps == 7
    assert [budget.progress(step) for step in (0, 25, 125, 999)] == [0.0, 0.2, 1.0, 1.0]
    budget.state.step = 124
    assert not budget.exhausted
    budget.state.step = 125
    assert budget.exhausted


def test_minutes_leave_room_for_the_last_validation(clock: Clock) -> None:
    budget = make(clock, minutes=1.0)
    budget.state.step, budget.state.validation_seconds = 10, 4.0
    clock.now += 27.0  # of 60 - 1.25 * 4 - 1 = 54
    assert budget.progress(10) == 0.5
    assert budget.remaining == 33.0
    clock.now += 26.9
    assert not budget.exhausted
    clock.now += 0.2
    assert budget.exhausted
    assert budget.progress(11) == 1.0
    averaging = make(clock, minutes=1.0, average_best=3)
    averaging.state.validation_seconds = 4.0
    clock.now += 24.5  # of 60 - 2 * 1.25 * 4 - 1 = 49: the average is measured, too
    assert averaging.progress(1) == 0.5


def test_earlier_processes_count(clock: Clock) -> None:
    budget = make(clock, RunState(elapsed=40.0, step=3), minutes=1.0)
    clock.now += 5
    assert budget.elapsed == 45.0
    assert not budget.exhausted
    clock.now += 14.5
    assert budget.exhausted


def test_there_is_at_least_one_step(clock: Clock) -> None:
    budget = make(clock, minutes=0.001)
    clock.now += 60
    assert not budget.exhausted
    budget.state.step = 1
    assert budget.exhausted


def test_patience_ends_a_run(clock: Clock) -> None:
    budget = make(clock, steps=100, patience=3)
    budget.state.stale = 2
    assert not budget.exhausted
    budget.state.stale = 3
    assert budget.exhausted
    assert budget.out_of_patience
    patient = make(clock, RunState(stale=99), steps=100)
    assert not patient.exhausted


def due(budget: Budget, steps: int) -> list[int]:
    """The steps after which a validation is due."""
    found = []
    for step in range(1, steps + 1):
        budget.state.step = step
        if budget.validation_due:
            found.append(step)
            budget.state.validated_step = step
    return found


def test_validations_by_steps(clock: Clock) -> None:
    assert due(make(clock, steps=20, validate_every=6), 20) == [6, 12, 18]
    assert due(make(clock, steps=120), 120) == list(range(10, 120, 10)), "twelve with the last one"
    assert due(make(clock, steps=5), 5) == [1, 2, 3, 4]
    assert due(make(clock, steps=100_000), 450) == [200, 400], "and at least every four epochs"


@pytest.mark.parametrize("limit", [{"minutes": 2.0}, {"steps": 120}, {"epochs": 2.4}])
def test_validations_by_minutes(clock: Clock, limit: dict[str, Any]) -> None:
    budget = make(clock, validate_minutes=0.5, **limit)
    found = []
    for step in range(1, 121):
        clock.now += 1.0
        budget.state.step = step
        if budget.validation_due:
            found.append(step)
            budget.state.validated_step, budget.state.validated_at = step, budget.elapsed
    assert found == [30, 60, 90], "the one at the end is the run's last"


def test_a_budget_in_minutes_is_validated_twelve_times(clock: Clock) -> None:
    budget = make(clock, minutes=2.0)
    found = 0
    for step in range(1, 120):
        clock.now += 1.0
        budget.state.step = step
        if budget.validation_due:
            found += 1
            budget.state.validated_step, budget.state.validated_at = step, budget.elapsed
    assert found == 11


@pytest.mark.parametrize("cost", [0.001, 0.5, 1.3, 2.0, 5.0])
@pytest.mark.parametrize("step_seconds", [0.05, 1.0, 4.0])
def test_validations_take_at_most_a_fifth_of_a_budget_in_minutes(
    clock: Clock, cost: float, step_seconds: float
) -> None:
    """Of those that take no longer than one may; the last one, for which time is kept, is among them."""
    budget = make(clock, minutes=1.0)
    validations, validating = 0, 0.0

    def validate() -> None:
        nonlocal validations, validating
        clock.now += cost
        validations, validating = validations + 1, validating + cost
        budget.state.validation_seconds = cost
        budget.state.validated_step, budget.state.validated_at = budget.state.step, budget.elapsed

    while not budget.exhausted:
        clock.now += step_seconds
        budget.state.step += 1
        if budget.validation_due:
            validate()
    validate()
    if cost <= budget.validation_limit:
        assert validating <= 0.2 * 60
    assert validations in (11, 12) or cost > 0.5 or step_seconds > 1
    assert validations >= 2
    assert budget.elapsed <= 60 + step_seconds + cost


def test_how_long_a_validation_may_take(clock: Clock) -> None:
    assert make(clock, minutes=2.0).validation_limit == pytest.approx(4)
    unlimited = [make(clock, steps=100), make(clock, epochs=2.0), make(clock, minutes=2.0, validate_every=7)]
    assert [budget.validation_limit for budget in unlimited] == [float("inf")] * 3


def test_a_validation_every_so_many_steps_is_the_users_word(clock: Clock) -> None:
    budget = make(clock, minutes=1.0, validate_every=2)
    budget.state.step, budget.state.validation_seconds = 2, 50.0
    assert budget.validation_due
