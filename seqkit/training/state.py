"""What a run must remember to continue: small records, and the one flat object that state.json holds.

The records are named for what they are about. In state.json all fields are in one flat object, as in version
0.7: the names differ anyway, so a checkpoint of any version is read by name and needs no conversion.
A field that a checkpoint lacks, because a later version added it, has its default.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqkit.config import TrainingConfig
from seqkit.errors import ModelError
from seqkit.training.health import GradientHealth
from seqkit.training.loop import StepReport
from seqkit.training.sizing import Choice


@dataclass
class Position:
    """Where a run stands in its data."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch, the next one
    failures: int = 0  # steps in a row whose gradient was not finite


@dataclass
class Window:
    """Sums over the finite steps since the last validation; losses in nats."""

    objective: float = 0.0
    nats: float = 0.0
    positions: int = 0
    health: GradientHealth = field(default_factory=GradientHealth)

    def add(self, report: StepReport) -> None:
        """Take in a step."""
        self.health.add(report)
        if report.finite:
            self.objective += report.objective
            self.nats += report.nats
            self.positions += report.positions


@dataclass
class Validation:
    """When the last validation was, and what it took."""

    validated_step: int = 0
    validated_at: float = 0.0  # seconds of the run when it ended
    validation_seconds: float = 0.0  # that it took
    validation_size: int = 0  # sentences, or tokens, of the validation split that are measured; 0: all
    train_nats: float | None = None  # of its row


@dataclass
class Ranking:
    """The best validations, and how all of them went."""

    best: list[list[float]] = field(default_factory=list)  # [score, step], best first
    fallbacks: list[list[float]] = field(default_factory=list)  # of each, what decides where scores tie
    decided_by: str = ""  # the metric that told the best from others
    best_scores: list[dict[str, Any]] = field(default_factory=list)
    tensors_sha256: str = ""  # of the weights that are published
    stale: int = 0  # validations since the best
    losses: list[float] = field(default_factory=list)  # of every validation whose loss is a number
    averaging_from: int = 0  # step from which nt-asgd averages; 0: not yet

    def has(self, step: int) -> bool:
        """Whether the validation after `step` is among the best."""
        return any(other == step for _, other in self.best)


@dataclass
class Rate:
    """What validations and steps back have left of the schedule's learning rate."""

    plateau_factor: float = 1.0
    plateau_stale: int = 0  # validations since the best, or since the factor fell
    rollbacks: int = 0  # how often the run went back to a checkpoint, and halved its rate

    @property
    def share(self) -> float:
        """Of the schedule's rate."""
        return math.ldexp(self.plateau_factor, -self.rollbacks)

    def validated(self, improved: bool, training: TrainingConfig) -> None:
        """Count a validation: the plateau schedule multiplies the rate down when they bring no progress."""
        self.plateau_stale = 0 if improved else self.plateau_stale + 1
        if training.schedule == "plateau" and self.plateau_stale >= training.plateau_patience:
            self.plateau_factor *= training.plateau_factor
            self.plateau_stale = 0


@dataclass
class Origin:
    """What a run began with, and how it computes; a run that continues is held to it, or warned."""

    corpus: str = ""  # fingerprint
    init_from: str = ""  # the model that the run began with
    choice: Choice | None = None  # of the size, where the budget chose it
    threads: int = 0
    precision: str = ""


@dataclass
class RunState:
    """What a checkpoint's state.json holds. Floats survive JSON to the bit."""

    position: Position = field(default_factory=Position)
    window: Window = field(default_factory=Window)
    validation: Validation = field(default_factory=Validation)
    ranking: Ranking = field(default_factory=Ranking)
    rate: Rate = field(default_factory=Rate)
    origin: Origin = field(default_factory=Origin)
    elapsed: float = 0.0  # seconds of the run when it was saved
    scaler: dict[str, Any] = field(default_factory=dict)  # of the loss, in fp16
    finished: str = ""  # why; empty while there is something left to do

    def count(self, report: StepReport) -> None:
        """Take in a step."""
        self.position.step = report.step
        self.position.failures = 0 if report.finite else self.position.failures + 1
        self.window.add(report)

    def to_dict(self) -> dict[str, Any]:
        """The fields of all records by name, for JSON."""
        values = {name: getattr(record, name) for record, name in self._fields()}
        choice = None if self.origin.choice is None else dataclasses.asdict(self.origin.choice)
        return {**values, "health": dataclasses.asdict(self.window.health), "choice": choice}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> RunState:
        """Read back what `to_dict` gave, now or in an earlier version.

        Raises `ModelError` for names that are none of ours: a later version knows what they mean.
        """
        state, unread = cls(), dict(values)
        try:
            unread["health"] = GradientHealth(**values["health"])
            unread["choice"] = Choice.from_dict(values.get("choice"))
            for record, name in state._fields():
                if name in unread:
                    setattr(record, name, unread.pop(name))
            if unread:
                raise TypeError(f"unknown: {min(unread)}")
        except (TypeError, KeyError) as error:
            raise ModelError(
                "the checkpoint was written by another version of seqkit",
                where=where,
                hint="continue with that version, or start over with --restart",
            ) from error
        return state

    def _fields(self) -> Iterator[tuple[Any, str]]:
        """Every field that state.json has, with the record that it is in."""
        for own in dataclasses.fields(self):
            record = getattr(self, own.name)
            if isinstance(record, Position | Window | Validation | Ranking | Rate | Origin):
                yield from ((record, each.name) for each in dataclasses.fields(record))
            else:
                yield self, own.name
