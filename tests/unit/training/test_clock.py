"""How far a run is and what is due, with a time of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from seqkit.config import TrainingConfig
from seqkit.training import clock as module
from seqkit.training.clock import Clock, Decision
from seqkit.training.state import Position, Ranking, RunState


class Time:
    """Stands in for `time`: it says what the test sets, and counts how often it is asked."""

    def __init__(self) -> None:
        self.now, self.asked = 100.0, 0

    def monotonic(self) -> float:
        self.asked += 1
        return self.now


class Course:
    """A clock with the state of its run."""

    def __init__(
        self, time: Time, state: RunState | None = None, earlier: float = 0.0, **settings: Any
    ) -> None:
        limits = {"epochs": 0.0, **settings}
        self.clock = Clock(TrainingConfig(**limits), 50, time.now, earlier)  # 50 steps an epoch
        self.state = state or RunState()

    def decide(self, step: int | None = None, saved_step: int = 0, signal: int = 0) -> Decision:
        """The decision after `step`, or where the state is."""
        if step is not None:
            self.state.position.step = step
        return self.clock.decide(self.state, saved_step, signal)

    def progress(self, step: int) -> float:
        """The share of the budget when a step is done now."""
        return self.clock.progress(self.state, step, self.clock.elapsed)

    def validated(self, seconds: float = 0.0) -> None:
        """A validation that took so long has ended."""
        last = self.state.validation
        last.validated_step, last.validated_at = self.state.position.step, self.clock.elapsed
        last.validation_seconds = seconds
        self.clock.validating += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


def test_a_decision_looks_at_the_time_once(time: Time) -> None:
    for limit in ({"minutes": 1.0}, {"steps": 20}, {"steps": 20, "validate_minutes": 1.0}):
        course = Course(time, **limit)
        time.asked = 0
        course.decide(3)
        assert time.asked == 1


def test_a_decision_passes_the_signal_on(time: Time) -> None:
    course = Course(time, steps=20)
    assert [course.decide(3, signal=number).signal for number in (0, 15)] == [0, 15]


def test_checkpoints_by_steps(time: Time) -> None:
    course = Course(time, steps=20, checkpoint_every=4)
    assert [course.decide(step, saved_step=3).save for step in (3, 6, 7, 8)] == [False, False, True, True]
    assert not Course(time, steps=20, checkpoint_every=0).decide(19).save


def test_epochs_are_steps(time: Time) -> None:
    course = Course(time, epochs=2.5)
    assert course.clock.total_steps == 125
    assert Course(time, epochs=0.001).clock.total_steps == 1
    assert Course(time, steps=7).clock.total_steps == 7
    assert [course.progress(step) for step in (0, 25, 125, 999)] == [0.0, 0.2, 1.0, 1.0]
    assert [course.decide(step).progress for step in (0, 25, 125, 999)] == [0.0, 0.2, 1.0, 1.0]
    assert not course.decide(124).stop
    assert course.decide(125).stop


def test_the_rate_follows_the_budget(time: Time) -> None:
    settings: dict[str, Any] = {
        "schedule": "linear",
        "warmup": 0.0,
        "final_factor": 0.0,
        "learning_rate": 2.0,
    }
    steps, minutes = Course(time, steps=10, **settings), Course(time, minutes=1.0, **settings)
    assert steps.clock.learning_rate(steps.state, 5, 0.0) == 1.0
    assert minutes.clock.learning_rate(minutes.state, 5, 59 / 2) == 1.0
    steps.state.rate.rollbacks, steps.state.rate.plateau_factor = 2, 0.5
    assert steps.clock.learning_rate(steps.state, 5, 0.0) == 1.0 * 0.5 / 4


def test_minutes_leave_room_for_the_last_validation(time: Time) -> None:
    course = Course(time, minutes=1.0)
    course.state.validation.validation_seconds = 4.0
    time.now += 27.0  # of 60 - 1.25 * 4 - 1 = 54
    assert course.progress(10) == 0.5
    assert course.decide(10).remaining == 33.0
    time.now += 26.9
    assert not course.decide().stop
    time.now += 0.2
    assert course.decide().stop
    assert course.progress(11) == 1.0
    averaging = Course(time, minutes=1.0, average_best=3)
    averaging.state.validation.validation_seconds = 4.0
    time.now += 24.5  # of 60 - 2 * 1.25 * 4 - 1 = 49: the average is measured, too
    assert averaging.progress(1) == 0.5


def test_earlier_processes_count(time: Time) -> None:
    course = Course(time, RunState(Position(step=3)), earlier=40.0, minutes=1.0)
    time.now += 5
    assert course.clock.elapsed == 45.0
    assert not course.decide().stop
    time.now += 14.5
    assert course.decide().stop


def test_there_is_at_least_one_step(time: Time) -> None:
    course = Course(time, minutes=0.001)
    time.now += 60
    assert not course.decide().stop
    assert course.decide(1).stop


def test_patience_ends_a_run(time: Time) -> None:
    course = Course(time, steps=100, patience=3)
    course.state.ranking.stale = 2
    assert not course.decide().stop
    course.state.ranking.stale = 3
    assert course.decide().stop
    assert course.clock.out_of_patience(course.state)
    patient = Course(time, RunState(ranking=Ranking(stale=99)), steps=100)
    assert not patient.decide().stop


def due(course: Course, steps: int) -> list[int]:
    """The steps after which a validation is due."""
    found = []
    for step in range(1, steps + 1):
        if course.decide(step).validate:
            found.append(step)
            course.validated()
    return found


def test_validations_by_steps(time: Time) -> None:
    assert due(Course(time, steps=20, validate_every=6), 20) == [6, 12, 18]
    assert due(Course(time, steps=120), 120) == list(range(10, 120, 10)), "twelve with the last one"
    assert due(Course(time, steps=5), 5) == [1, 2, 3, 4]
    assert due(Course(time, steps=100_000), 450) == [200, 400], "and at least every four epochs"


@pytest.mark.parametrize("limit", [{"minutes": 2.0}, {"steps": 120}, {"epochs": 2.4}])
def test_validations_by_minutes(time: Time, limit: dict[str, Any]) -> None:
    course = Course(time, validate_minutes=0.5, **limit)
    found = []
    for step in range(1, 121):
        time.now += 1.0
        if course.decide(step).validate:
            found.append(step)
            course.validated()
    assert found == [30, 60, 90], "the one at the end is the run's last"


def test_a_budget_in_minutes_is_validated_twelve_times(time: Time) -> None:
    course = Course(time, minutes=2.0)
    found = 0
    for step in range(1, 120):
        time.now += 1.0
        if course.decide(step).validate:
            found += 1
            course.validated()
    assert found == 11


@pytest.mark.parametrize("cost", [0.001, 0.5, 1.3, 2.0, 5.0])
@pytest.mark.parametrize("step_seconds", [0.05, 1.0, 4.0])
def test_validations_take_at_most_a_fifth_of_a_budget_in_minutes(
    time: Time, cost: float, step_seconds: float
) -> None:
    """Of those that take no longer than one may; the last one, for which time is kept, is among them."""
    course = Course(time, minutes=1.0)
    validations, validating = 0, 0.0

    def validate() -> None:
        nonlocal validations, validating
        time.now += cost
        validations, validating = validations + 1, validating + cost
        course.validated(cost)

    step = 0
    while not course.decide().stop:
        time.now += step_seconds
        step += 1
        if course.decide(step).validate:
            validate()
    validate()
    if cost <= course.clock.validation_limit:
        assert validating <= 0.2 * 60
    assert validations in (11, 12) or cost > 0.5 or step_seconds > 1
    assert validations >= 2
    assert course.clock.elapsed <= 60 + step_seconds + cost


def test_how_long_a_validation_may_take(time: Time) -> None:
    assert Course(time, minutes=2.0).clock.validation_limit == pytest.approx(4)
    unlimited = [
        Course(time, steps=100),
        Course(time, epochs=2.0),
        Course(time, minutes=2.0, validate_every=7),
    ]
    assert [course.clock.validation_limit for course in unlimited] == [float("inf")] * 3


@pytest.mark.parametrize("cost", [0.5, 2.0, 3.0, 4.0, 5.0, 6.0, 20.0])
def test_a_slow_machine_validates_less_often(time: Time, cost: float) -> None:
    """A pilot and every validation take so many seconds of a minute: most of it is for steps."""
    course = Course(time, minutes=1.0)
    validating, first, step = 0.0, True, 0
    while not course.decide().stop:
        time.now += 0.5
        step += 1
        if course.decide(step).validate:
            pilot, first = cost if first else 0.0, False
            time.now += pilot
            validating += pilot
            course.clock.validating += pilot
            if course.clock.affords_validation(pilot):
                time.now += cost
                validating += cost
                course.validated(cost)
            else:
                course.state.validation.validation_seconds = pilot
                course.state.validation.validated_at = course.clock.elapsed
    validating += cost
    assert validating <= max(0.2 * 60, 2 * cost)


def test_a_user_who_says_when_to_validate_is_obeyed(time: Time) -> None:
    assert Course(time, minutes=1.0, validate_every=7).clock.affords_validation(1e6)
    assert Course(time, steps=9).clock.affords_validation(1e6)


def test_a_validation_every_so_many_steps_is_the_users_word(time: Time) -> None:
    course = Course(time, minutes=1.0, validate_every=2)
    course.state.validation.validation_seconds = 50.0
    assert course.decide(2).validate
