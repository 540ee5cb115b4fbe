"""What a training run would need, found out by a few real steps; nothing is written."""

from __future__ import annotations

import math
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seqkit.data.corpus import Corpus
from seqkit.device import keep_memory
from seqkit.training.checkpoints import KEPT
from seqkit.training.clock import Clock
from seqkit.training.loop import StepBatches, derived_seed, train_steps
from seqkit.training.options import TrainOptions
from seqkit.training.session import Session
from seqkit.training.start import session_of

FIRST, MEASURED = 2, 10  # steps; kernels are made in the first ones


@dataclass(frozen=True)
class Pace:
    """How fast steps are: seconds per step, tokens of the target side per second, without padding."""

    seconds: float
    tokens_per_second: float


@dataclass(frozen=True)
class Rehearsal:
    """What a run is and needs. Bytes and seconds; `seconds` without validations, unless it is the budget."""

    kind: str
    size: int  # pairs or characters of training text
    parameters: int
    device: str
    precision: str
    threads: int
    steps: int
    epochs: float
    seconds: float
    timed: bool  # whether the budget is time
    tokens_per_second: float  # of the target side, without padding
    peak_memory: int  # of this process
    disk_needed: int  # checkpoints, weights, and a checkpoint that is being written
    disk_free: int


def rehearse(options: TrainOptions) -> Rehearsal:
    """Take some real steps as `train_model` would, in memory alone. Raises what it would raise."""
    keep_memory(options.config.model.hidden_size)
    session = session_of(options, Corpus.open(options.corpus, verify=True))
    config = options.config.training
    pace = pace_of(session)
    clock = Clock(config, session.steps_per_epoch, options.started)
    steps = clock.total_steps or max(1, int(60 * config.minutes / pace.seconds))
    return Rehearsal(
        kind=session.corpus.kind.name,
        size=session.task.facts.size,
        parameters=session.parameters,
        device=str(session.device),
        precision=session.precision,
        threads=session.threads,
        steps=steps,
        epochs=steps / session.steps_per_epoch,
        seconds=steps * pace.seconds if clock.total_steps else 60 * config.minutes,
        timed=not clock.total_steps,
        tokens_per_second=pace.tokens_per_second,
        peak_memory=_peak_memory(),
        disk_needed=(KEPT + 1) * session.learner.size + (1 + config.average_best) * 4 * session.parameters,
        disk_free=shutil.disk_usage(_existing(options.model)).free,
    )


def pace_of(session: Session, seconds: float = math.inf, signalled: Callable[[], int] = lambda: 0) -> Pace:
    """Measure some real steps of a session: fewer where they take more than `seconds`, or after a signal.

    At least one step is taken. The first ones, in which kernels are made, count only where they are all.
    """
    training = session.config.training
    ends, tokens = [time.monotonic()], [0]  # after each step
    for report in train_steps(
        session.learner, _work(session), lambda _step: 0.0, training.seed, training.clip_norm
    ):
        ends.append(time.monotonic())
        tokens.append(tokens[-1] + report.positions)
        if ends[-1] - ends[0] > seconds or signalled():
            break
    first = min(FIRST, len(ends) - 2)
    took = max(ends[-1] - ends[first], 1e-6)
    return Pace(took / (len(ends) - 1 - first), (tokens[-1] - tokens[first]) / took)


def _work(session: Session) -> Iterator[StepBatches]:
    """The first steps of the first epoch, restarted when it is shorter."""
    plan, training = session.plan(0), session.config.training
    for step in range(1, FIRST + MEASURED + 1):
        pieces = [
            plan[(step * training.accumulate + part) % len(plan)] for part in range(training.accumulate)
        ]
        seed = derived_seed(training.seed, step)
        yield StepBatches(step, 0.0, [session.task.batches.load(piece, seed=seed) for piece in pieces])


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _existing(path: Path) -> Path:
    """The nearest folder on the way to a path that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
