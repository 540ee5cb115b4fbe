"""What `train_model` is asked to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seqkit.config import Config
from seqkit.training.sizing import Choice


@dataclass(frozen=True)
class TrainOptions:
    """What to train, on what and where.

    `started` is the `time.monotonic()` from which a budget in minutes counts; `signalled` returns the number
    of a signal that asks the run to end, or 0; `save_asked` whether a checkpoint has been asked for since its
    last call, after which the run goes on. `choice` says that the budget chose the size, which `config`
    has already; the run remembers it.
    """

    corpus: Path
    model: Path
    config: Config
    device: str = "auto"
    threads: int | None = None
    restart: bool = False
    init_from: Path | None = None
    choice: Choice | None = None
    started: float = field(default_factory=time.monotonic)
    signalled: Callable[[], int] = lambda: 0
    save_asked: Callable[[], bool] = lambda: False
