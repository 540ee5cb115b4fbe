"""What a training run would need, found out by a few real steps; nothing is written."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seqkit.config import Kind
from seqkit.data.corpus import Corpus
from seqkit.device import keep_memory
from seqkit.training.checkpoints import KEPT
from seqkit.training.loop import StepBatches, derived_seed, train_steps
from seqkit.training.options import TrainOptions
from seqkit.training.run import Run

FIRST, MEASURED = 2, 10  # steps; kernels are made in the first ones
# Pairs, or characters, that a preset suits, from and to (the recipes, and the README's table).
_SUITS: dict[Kind, dict[str, tuple[float, float]]] = {
    "translation": {"tiny": (0, 20e3), "small": (5e3, 300e3), "base": (100e3, 3e6), "large": (1e6, 1e15)},
    "generation": {"tiny": (0, 1e6), "small": (200e3, 5e6), "base": (1e6, 50e6), "large": (20e6, 1e15)},
}


@dataclass(frozen=True)
class Rehearsal:
    """What a run is and needs. Bytes and seconds; `seconds` without validations, unless it is the budget."""

    kind: Kind
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
    run = Run(options, Corpus.open(options.corpus, verify=True))
    config = options.config.training
    reports = train_steps(run.learner, _work(run), lambda _step: 0.0, config.seed, config.clip_norm, 0)
    tokens, began = 0, 0.0
    for report in reports:
        if report.step == FIRST:
            began = time.monotonic()
        elif report.step > FIRST:
            tokens += report.positions
    pace = (time.monotonic() - began) / MEASURED  # seconds a step
    steps = run.budget.total_steps or max(1, int(60 * config.minutes / pace))
    parts = [*run.model.parameters(), *_optimizer_tensors(run)]
    average = run.learner.average
    parts += [] if average is None else average.average
    checkpoint = sum(part.numel() * part.element_size() for part in parts)
    weights = sum(parameter.numel() * 4 for parameter in run.model.parameters())
    return Rehearsal(
        kind=run.corpus.kind,
        size=run.task.facts.size,
        parameters=sum(parameter.numel() for parameter in run.model.parameters()),
        device=str(run.device),
        precision=run.precision,
        threads=run.threads,
        steps=steps,
        epochs=steps / run.budget.steps_per_epoch,
        seconds=steps * pace if run.budget.total_steps else 60 * config.minutes,
        timed=not run.budget.total_steps,
        tokens_per_second=tokens / (MEASURED * pace),
        peak_memory=_peak_memory(),
        disk_needed=(KEPT + 1) * checkpoint + (1 + config.average_best) * weights,
        disk_free=shutil.disk_usage(_existing(options.model)).free,
    )


def better_preset(kind: Kind, preset: str, size: int) -> str | None:
    """The next preset that suits a corpus when the one named does not; else None."""
    low, _ = _SUITS[kind][preset]
    fitting = [name for name, (least, most) in _SUITS[kind].items() if least <= size <= most]
    if preset in fitting:
        return None
    return fitting[-1] if size < low else fitting[0]


def _work(run: Run) -> Iterator[StepBatches]:
    """The first steps of the first epoch, begun anew when it is shorter."""
    accumulate, count = run.config.training.accumulate, len(run.plan)
    for step in range(1, FIRST + MEASURED + 1):
        pieces = [run.plan[(step * accumulate + part) % count] for part in range(accumulate)]
        seed = derived_seed(run.config.training.seed, step)
        yield StepBatches(step, 0.0, [run.task.batches.load(piece, seed=seed) for piece in pieces])


def _optimizer_tensors(run: Run) -> Iterator[Tensor]:
    for state in run.learner.optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _existing(path: Path) -> Path:
    """The nearest folder on the way to a path that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
