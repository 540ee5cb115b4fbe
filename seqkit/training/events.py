"""What a run tells whoever watches it, and what it must remember to go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seqkit.errors import ModelError
from seqkit.kinds import Kind
from seqkit.training.health import GradientHealth
from seqkit.training.loop import StepReport
from seqkit.training.rows import Row
from seqkit.training.sizing import Choice
from seqkit.training.validation import Measured


@dataclass(frozen=True)
class Started:
    """The run is about to take its first step, or to go on after `step`."""

    step: int
    total_steps: int  # 0 when the budget is time
    parameters: int
    kind: Kind
    size: int  # of the training data, in what the kind counts
    precision: str
    device: str
    threads: int
    rows: tuple[Row, ...]  # of the validations before, when it goes on


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
    """A validation: `row` is its line of metrics.jsonl."""

    measured: Measured
    row: dict[str, Any]
    best: bool
    warnings: list[str]


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


Event = Started | Progress | Validated | Finished


@dataclass
class RunState:
    """What a checkpoint's state.json holds. Floats survive JSON to the bit."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch, the next one
    elapsed: float = 0.0  # seconds of earlier processes
    validated_step: int = 0
    validated_at: float = 0.0  # seconds of the run when the last validation ended
    validation_seconds: float = 0.0  # that it took
    validation_size: int = 0  # sentences, or tokens, of the validation split that are measured; 0: all
    stale: int = 0  # validations since the best
    losses: list[float] = field(default_factory=list)  # of every validation whose loss is a number
    train_nats: float | None = None  # of the last validation's row
    averaging_from: int = 0  # step from which nt-asgd averages; 0: not yet
    plateau_factor: float = 1.0
    plateau_stale: int = 0
    best: list[list[float]] = field(default_factory=list)  # [score, step], best first
    best_scores: list[dict[str, Any]] = field(default_factory=list)
    objective: float = 0.0  # sums since the last validation
    nats: float = 0.0
    positions: int = 0
    health: GradientHealth = field(default_factory=GradientHealth)
    scaler: dict[str, Any] = field(default_factory=dict)
    init_from: str = ""  # the model that the run began with
    choice: Choice | None = None  # of the size, where the budget chose it
    failures: int = 0  # steps in a row whose gradient was not finite
    rollbacks: int = 0  # how often it went back to a checkpoint, and halved its rate
    finished: str = ""

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> RunState:
        """Read back what `dataclasses.asdict` gave; ModelError when these are not the names of today."""
        try:
            health, choice = GradientHealth(**values["health"]), Choice.from_dict(values.get("choice"))
            return cls(**{**values, "health": health, "choice": choice})
        except (TypeError, KeyError) as error:
            raise ModelError(
                "the checkpoint was written by another version of seqkit",
                where=where,
                hint="continue with that version, or begin again with --restart",
            ) from error
