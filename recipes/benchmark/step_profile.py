"""Where a training step's time goes: data, forward, backward, clipping, optimizer, average, the rest.

    python recipes/benchmark/step_profile.py CORPUS --preset base [--epochs]

Runs `seqkit train`'s own loop with a clock around its parts, so that what is timed is what runs. With
`--epochs` it also times the first epoch and the second one, where new shapes are met no more. The value is
milliseconds a step. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from training_speed import batch_facts, configuration, measure

from seqkit.data.batching import PairBatches
from seqkit.data.corpus import Corpus
from seqkit.nn.model import SequenceModel
from seqkit.training import loop
from seqkit.training.events import Progress
from seqkit.training.learner import WeightAverage
from seqkit.training.options import TrainOptions
from seqkit.training.run import train_model

# Part of a step -> the functions that are it: owner and attribute.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "data": [(PairBatches, "load"), (PairBatches, "plan")],
    "forward": [(SequenceModel, "loss")],
    "backward": [(torch.Tensor, "backward")],
    "clip": [(loop, "_norms"), (torch, "_foreach_mul_")],
    "optimizer": [(torch.amp.GradScaler, "step")],
    "average": [(WeightAverage, "update")],
}


class Clock:
    """Seconds by part of a step; what a timed part calls is its own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = False

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with the clock running."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return function(*arguments, **named)
            self._inside = True
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self._inside = False

        return wrapped


@contextmanager
def timed_parts(clock: Clock) -> Iterator[None]:
    """The parts of a step with a clock around them."""
    patches = [
        mock.patch.object(owner, name, clock.timed(part, getattr(owner, name)))
        for part, functions in PARTS.items()
        for owner, name in functions
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def epoch_seconds(corpus: Path, config: Any, folder: Path) -> list[float]:
    """The first two epochs' seconds, the start of the program left out."""
    ends: list[float] = []
    began = 0.0
    run = train_model(TrainOptions(corpus, folder / "epochs", config))
    for event in run:
        now = time.perf_counter()
        began = began or now
        if isinstance(event, Progress) and event.report.epoch >= len(ends) + 1:
            ends.append(now)
            if len(ends) == 2:
                break
    return [ends[0] - began, ends[1] - ends[0]]


def main() -> None:
    """Train for a while with the clock running, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="table.key=value")
    parser.add_argument("--warm-up", type=float, default=8.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--epochs", action="store_true")
    options = parser.parse_args()
    corpus = Corpus.open(options.corpus)
    config = configuration(corpus.kind, options.preset, options.settings)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        with timed_parts(clock):
            run = train_model(TrainOptions(options.corpus, Path(folder) / "model", config))
            window = measure(
                run,
                warm_up=options.warm_up,
                seconds=options.seconds,
                least_steps=2,
                begin=clock.seconds.clear,
            )
            run.close()  # type: ignore[attr-defined]
        epochs = epoch_seconds(options.corpus, config, Path(folder)) if options.epochs else []
    shares = {part: clock.seconds[part] / window.seconds for part in PARTS}
    shares["rest"] = 1 - sum(shares.values())
    details: dict[str, Any] = {"steps": window.steps, "shares": shares, **batch_facts(corpus, config)}
    if epochs:
        details |= {"epoch_seconds": epochs, "first_epoch_over_second": epochs[0] / epochs[1]}
    value = 1000 * window.seconds / window.steps
    print(json.dumps({"value": value, "unit": "ms a step", "seconds": window.seconds, "details": details}))


if __name__ == "__main__":
    main()
