"""What a run tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqkit.kinds import Kind
from seqkit.training.loop import StepReport
from seqkit.training.record import Row
from seqkit.training.validation import Measured


@dataclass(frozen=True)
class Started:
    """The run is about to take its first step, or to continue after `step`."""

    step: int
    total_steps: int  # 0 when the budget is time
    parameters: int
    kind: Kind
    size: int  # of the training data, in what the kind counts
    precision: str
    device: str
    threads: int
    rows: tuple[Row, ...]  # of the validations before, when it continues


@dataclass(frozen=True)
class Progress:
    """A step, and how far the run is: `progress` from 0 to 1, the rest in seconds."""

    report: StepReport
    progress: float
    elapsed: float
    remaining: float
    validating: bool  # next, before the step that follows


@dataclass(frozen=True)
class Validated:
    """A validation, which is saved: `row` is its line of metrics.jsonl."""

    measured: Measured
    row: dict[str, Any]
    best: bool
    warnings: list[str]
    decided_by: str = ""  # the metric that told it from the best so far, where the one that ranks could not


@dataclass(frozen=True)
class Finished:
    """The run is over. `already` says that it was when the command began."""

    step: int
    epoch: float
    best_step: int
    metric: str
    score: float
    scores: tuple[dict[str, Any], ...]
    seconds: float
    reason: str
    kind: Kind
    advice: str | None = None  # how model and budget fit the data, in words
    already: bool = False
    decided_by: str = ""  # the metric that told the best from the others; not `metric` where that could not


Event = Started | Progress | Validated | Finished
