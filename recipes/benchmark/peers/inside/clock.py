"""When training is to end: so many minutes after the start of the process, but not without a few steps."""

from __future__ import annotations

import time
from collections.abc import Sequence

LEAST_STEPS = 20  # enough for a model that can be loaded and a speed that can be told

STARTED = time.monotonic()


class Clock:
    """Asked once after every step."""

    def __init__(self, minutes: float) -> None:
        self.ends = STARTED + 60 * minutes
        self.steps = 0

    def is_over(self) -> bool:
        """Count a step; whether it was the last one."""
        self.steps += 1
        return self.steps >= LEAST_STEPS and time.monotonic() >= self.ends


def take_minutes(arguments: Sequence[str]) -> tuple[Clock | None, list[str]]:
    """The clock that `--minutes M` at the front asks for, and the other arguments."""
    if arguments[:1] == ["--minutes"]:
        return Clock(float(arguments[1])), list(arguments[2:])
    return None, list(arguments)
