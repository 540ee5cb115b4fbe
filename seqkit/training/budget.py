"""How far a run is, in steps or in time, and what is due."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from seqkit.config import TrainingConfig
from seqkit.training.events import RunState

VALIDATIONS = 12  # in a budget, when the settings leave it open
# Of a budget in minutes: what all validations take at most, and what one of them may.
VALIDATION_SHARE, ONE_VALIDATION = 1 / 5, 1 / 30


@dataclass(frozen=True)
class Budget:
    """A run's budget and clock; `started` is the `time.monotonic()` from which this process counts."""

    training: TrainingConfig
    steps_per_epoch: int
    started: float
    state: RunState

    @property
    def elapsed(self) -> float:
        """Seconds of the run, those of earlier processes included."""
        return self.state.elapsed + time.monotonic() - self.started

    @property
    def total_steps(self) -> int:
        """The budget in steps; 0 when it is time."""
        return self.training.steps or math.ceil(self.training.epochs * self.steps_per_epoch)

    @property
    def exhausted(self) -> bool:
        """Whether no further step should be taken."""
        if self.out_of_patience:
            return True
        if self.total_steps:
            return self.state.step >= self.total_steps
        return self.state.step > 0 and self.elapsed >= self._seconds_for_steps

    @property
    def out_of_patience(self) -> bool:
        """Whether too many validations in a row brought no progress."""
        return 0 < self.training.patience <= self.state.stale

    @property
    def remaining(self) -> float:
        """Seconds to the end, at the present pace."""
        if not self.total_steps:
            return max(0.0, 60 * self.training.minutes - self.elapsed)
        return self.elapsed / max(self.state.step, 1) * (self.total_steps - self.state.step)

    def progress(self, step: int) -> float:
        """The share of the budget, from 0 to 1, that is used when `step` is done."""
        used = step / self.total_steps if self.total_steps else self.elapsed / self._seconds_for_steps
        return min(1.0, used)

    @property
    def validation_due(self) -> bool:
        """Whether to validate after the present step; the last validation of a run is not counted here."""
        training, state = self.training, self.state
        if state.validated_step == state.step:
            return False
        if training.validate_every:
            return state.step % training.validate_every == 0
        if training.validate_minutes or not self.total_steps:
            interval = 60 * (training.validate_minutes or training.minutes / VALIDATIONS)
            if not self.total_steps:
                interval = max(interval, state.validation_seconds / VALIDATION_SHARE)
            due = self.elapsed - state.validated_at >= interval
            # Just before the end the last validation is near anyway.
            return due and self.remaining > interval / 3
        every = min(math.ceil(self.total_steps / VALIDATIONS), 4 * self.steps_per_epoch)
        return state.step % every == 0 and state.step < self.total_steps

    @property
    def validation_limit(self) -> float:
        """Seconds that a validation may take; infinite where the user has said when to validate."""
        if self.total_steps or self.training.validate_every:
            return math.inf
        return 60 * self.training.minutes * ONE_VALIDATION

    @property
    def _seconds_for_steps(self) -> float:
        """What steps may use of a budget in minutes: the last validation needs time, too."""
        validations = 1 if self.training.average_best == 1 else 2
        reserve = 1.25 * validations * self.state.validation_seconds + 1.0
        return max(60 * self.training.minutes - reserve, 1.0)
