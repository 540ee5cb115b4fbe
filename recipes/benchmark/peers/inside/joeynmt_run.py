"""Runs a JoeyNMT command: joeynmt_run.py [--minutes M] train|translate CONFIG …

JoeyNMT 2.3.0 imports plotting and segmentation libraries that nothing here calls, and the back-port of a
module that Python has had since 3.8. It cannot stop training by the clock, but it saves when it is
interrupted: with --minutes it is, after the step during which the time ends.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any

from clock import Clock, take_minutes
from stand_ins import stand_in_for

stand_in_for(
    "plotly",
    "plotly.express",
    "matplotlib",
    "matplotlib.pyplot",
    "matplotlib.figure",
    "matplotlib.backends",
    "matplotlib.backends.backend_pdf",
    "subword_nmt",
)
sys.modules["importlib_metadata"] = importlib.metadata


def stop_by(clock: Clock) -> None:
    """Do what Ctrl-C does when the clock says so."""
    from joeynmt.training import TrainManager

    take_step = TrainManager._train_step

    def step_until_then(self: Any, batch: Any) -> Any:
        taken = take_step(self, batch)
        if clock.is_over():
            raise KeyboardInterrupt
        return taken

    TrainManager._train_step = step_until_then


def main() -> None:
    """Take the option of ours away and hand the rest to JoeyNMT."""
    clock, sys.argv[1:] = take_minutes(sys.argv[1:])
    from joeynmt.__main__ import main as run

    if clock is not None:
        stop_by(clock)
    run()


if __name__ == "__main__":
    main()
