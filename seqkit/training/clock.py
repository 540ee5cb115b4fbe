"""The budget of a run, in steps or in time, and the one decision that is taken after each step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from seqkit.config import TrainingConfig
from seqkit.training import optim
from seqkit.training.state import RunState

VALIDATIONS = 12  # in a budget, when the settings leave it open
# Of a budget in minutes: what all validations take at most, and what one of them may.
VALIDATION_SHARE, ONE_VALIDATION = 1 / 5, 1 / 30


@dataclass(frozen=True)
class Decision:
    """What a run does next, decided once: several processes that each asked a clock would part ways.

    `elapsed` and `remaining` are seconds of the whole run; `progress` is the used share of the budget, from 0
    to 1; `signal` is the number of a signal that asks the run to end, or 0.
    """

    elapsed: float
    remaining: float
    progress: float
    validate: bool
    save: bool
    stop: bool
    signal: int


@dataclass
class Clock:
    """A run's budget, and how much of it is used.

    `started` is the `time.monotonic()` from which this process counts; `earlier` are the seconds of the
    processes before it. `validating` are the seconds that validations of this process, and its pilot, took.
    """

    training: TrainingConfig
    steps_per_epoch: int
    started: float
    earlier: float = 0.0
    validating: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of the run, those of earlier processes included: the only look at the time."""
        return self.earlier + time.monotonic() - self.started

    @property
    def total_steps(self) -> int:
        """The budget in steps; 0 when it is time."""
        return self.training.steps or math.ceil(self.training.epochs * self.steps_per_epoch)

    @property
    def validation_limit(self) -> float:
        """Seconds that a validation may take; infinite where the user has said when to validate."""
        if self.total_steps or self.training.validate_every:
            return math.inf
        return 60 * self.training.minutes * ONE_VALIDATION

    def affords_validation(self, pilot: float) -> bool:
        """Whether there is time for a validation beside the last one, when a pilot has taken so many seconds.

        No validation takes less than its pilot.
        """
        return pilot <= self.validation_limit or self._has_time_for(pilot)

    def _has_time_for(self, seconds: float) -> bool:
        """Whether a validation that takes so long, and one at the end, stay within the share of all."""
        if math.isinf(self.validation_limit) or self.training.validate_minutes:
            return True
        share = 60 * self.training.minutes * VALIDATION_SHARE
        return self.validating + 2 * seconds <= share

    def decide(self, state: RunState, saved_step: int, signal: int = 0) -> Decision:
        """What to do now that `state.position.step` steps are done, the last saved one being `saved_step`."""
        elapsed, step = self.elapsed, state.position.step
        return Decision(
            elapsed=elapsed,
            remaining=self._remaining(step, elapsed),
            progress=self.progress(state, step, elapsed),
            validate=self._validation_due(state, elapsed),
            save=0 < self.training.checkpoint_every <= step - saved_step,
            stop=self._exhausted(state, elapsed),
            signal=signal,
        )

    def out_of_patience(self, state: RunState) -> bool:
        """Whether too many validations in a row brought no progress."""
        return 0 < self.training.patience <= state.ranking.stale

    def progress(self, state: RunState, step: int, elapsed: float) -> float:
        """The share of the budget, from 0 to 1, that is used when `step` is done after `elapsed` seconds."""
        used = step / self.total_steps if self.total_steps else elapsed / self._seconds_for_steps(state)
        return min(1.0, used)

    def learning_rate(self, state: RunState, step: int, elapsed: float) -> float:
        """The rate of `step` after `elapsed` seconds: the schedule follows the budget."""
        progress = self.progress(state, step, elapsed)
        return state.rate.share * optim.learning_rate(progress, self.training)

    def _exhausted(self, state: RunState, elapsed: float) -> bool:
        """Whether no further step should be taken."""
        step = state.position.step
        if self.out_of_patience(state):
            return True
        if self.total_steps:
            return step >= self.total_steps
        return step > 0 and elapsed >= self._seconds_for_steps(state)

    def _remaining(self, step: int, elapsed: float) -> float:
        """Seconds to the end, at the present pace."""
        if not self.total_steps:
            return max(0.0, 60 * self.training.minutes - elapsed)
        return elapsed / max(step, 1) * (self.total_steps - step)

    def _validation_due(self, state: RunState, elapsed: float) -> bool:
        """Whether to validate after the present step; the last validation of a run is not counted here."""
        training, step, last = self.training, state.position.step, state.validation
        if last.validated_step == step:
            return False
        if training.validate_every:
            return step % training.validate_every == 0
        if training.validate_minutes or not self.total_steps:
            interval = 60 * (training.validate_minutes or training.minutes / VALIDATIONS)
            if not self.total_steps:
                interval = max(interval, last.validation_seconds / VALIDATION_SHARE)
            due = elapsed - last.validated_at >= interval and self._has_time_for(last.validation_seconds)
            # Just before the end the last validation is near anyway.
            return due and self._remaining(step, elapsed) > interval / 3
        every = min(math.ceil(self.total_steps / VALIDATIONS), 4 * self.steps_per_epoch)
        return step % every == 0 and step < self.total_steps

    def _seconds_for_steps(self, state: RunState) -> float:
        """What steps may use of a budget in minutes: the last validation needs time, too."""
        validations = 1 if self.training.average_best == 1 else 2
        reserve = 1.25 * validations * state.validation.validation_seconds + 1.0
        return max(60 * self.training.minutes - reserve, 1.0)
