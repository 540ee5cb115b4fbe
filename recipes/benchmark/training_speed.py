"""How fast `seqkit train` trains: its own loop, steady state, without validation.

    python recipes/benchmark/training_speed.py CORPUS --preset small [--set table.key=value …]

Steps are taken for `--warm-up` seconds, one at least, then timed for `--seconds` and at least
`--least-steps` of them. The value is target tokens, or characters, a second, padding not counted; loading of
batches, clipping, optimizer and averaging of weights included. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flops import Flops, Work, generation_flops, translation_flops

from seqkit.config import Config, assignment_layer, preset_layer, resolve
from seqkit.data.batching import PairBatches, grid_length
from seqkit.data.corpus import Corpus
from seqkit.kinds import Kind
from seqkit.training.events import Event, Progress, Started
from seqkit.training.options import TrainOptions
from seqkit.training.run import train_model

# No end of the budget and no validation within any window.
ENDLESS = ("training.steps=1000000", "training.validate_every=1000000", "training.samples=0")


@dataclass
class Window:
    """The steps between two moments: how many, how long, and what they went through."""

    steps: int = 0
    seconds: float = 0.0
    target_tokens: int = 0
    source_tokens: int = 0


def configuration(kind: Kind, preset: str, settings: Iterable[str]) -> Config:
    """A preset with settings over it, and a budget that never ends."""
    layers = [preset_layer(preset, kind), assignment_layer(settings), assignment_layer(ENDLESS)]
    return resolve(layers, kind).config


def measure(
    events: Iterable[Event],
    *,
    warm_up: float,
    seconds: float,
    least_steps: int,
    begin: Callable[[], None] = lambda: None,
) -> Window:
    """Watch a run and time its steps, those of the warm-up left out; `begin` is called after these."""
    window, first, began = Window(), time.perf_counter(), None
    for event in events:
        if not isinstance(event, Progress):
            continue
        now = time.perf_counter()
        if began is None:
            if now - first >= warm_up:
                began = now
                begin()
            continue
        window.steps += 1
        window.seconds = now - began
        window.target_tokens += event.report.positions
        window.source_tokens += event.report.source_positions
        if window.steps >= least_steps and window.seconds >= seconds:
            break
    return window


def corpus_work(corpus: Corpus) -> Work:
    """One epoch in numbers."""
    target = corpus.train.target.lengths.astype(np.int64) + 1
    if corpus.train.source is None:
        return Work(float(len(corpus.train.target.values)))
    source = corpus.train.source.lengths.astype(np.int64) + 1
    return Work(float(target.sum()), float(source.sum()), float((source * target).sum()), float(len(target)))


def flops_of(corpus: Corpus, config: Config, work: Work) -> Flops:
    """The operations of one forward pass over `work`."""
    count = translation_flops if corpus.kind.has_source else generation_flops
    return count(config.model, corpus.target_tokenizer.size, work)


def batch_facts(corpus: Corpus, config: Config) -> dict[str, Any]:
    """Sentences a batch and the share of target positions that are no padding; nothing for a generator."""
    if not corpus.kind.has_source:
        return {"streams": config.data.streams, "slice_length": config.data.slice_length}
    lengths = corpus.train.target.lengths + 1
    plan = PairBatches(corpus, config.training.batch_tokens, config.training.seed).plan(0)
    positions = sum(len(rows) * int(grid_length(lengths[rows].max())) for rows in plan)
    return {
        "batch_tokens": config.training.batch_tokens,
        "sentences_a_batch": round(len(lengths) / len(plan), 1),
        "real_positions": round(float(lengths.sum()) / positions, 3),
    }


def batch_tokens_for(corpus: Corpus, sentences: float) -> int:
    """The `training.batch_tokens` that gives about so many sentences a batch on average."""
    low, high = 1, int((corpus.train.target.lengths.max() + 1) * sentences * 4)
    while high - low > 8:
        middle = (low + high) // 2
        plan = PairBatches(corpus, middle, 1).plan(0)
        if len(corpus.train) / len(plan) < sentences:
            low = middle
        else:
            high = middle
    return high


def main() -> None:
    """Train for a while and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="table.key=value")
    parser.add_argument("--sentences", type=float, help="sentences a batch instead of a number of tokens")
    parser.add_argument("--warm-up", type=float, default=8.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--least-steps", type=int, default=2)
    options = parser.parse_args()
    corpus = Corpus.open(options.corpus)
    settings = list(options.settings)
    if options.sentences:
        settings.append(f"training.batch_tokens={batch_tokens_for(corpus, options.sentences)}")
    config = configuration(corpus.kind, options.preset, settings)
    started: list[Started] = []
    with tempfile.TemporaryDirectory() as folder:
        run = train_model(TrainOptions(options.corpus, Path(folder) / "model", config))
        for event in run:  # the first event says what is trained
            assert isinstance(event, Started)
            started.append(event)
            break
        window = measure(
            run, warm_up=options.warm_up, seconds=options.seconds, least_steps=options.least_steps
        )
        run.close()  # type: ignore[attr-defined]
    whole = corpus_work(corpus)
    work = whole.scaled(window.target_tokens / whole.target_tokens)
    flops = flops_of(corpus, config, work)
    unit = "target tokens/s" if corpus.kind.has_source else "characters/s"
    result = {
        "value": window.target_tokens / window.seconds,
        "unit": unit,
        "seconds": window.seconds,
        "details": {
            "steps": window.steps,
            "threads": started[0].threads,
            "precision": started[0].precision,
            "parameters": started[0].parameters,
            "vocabulary": corpus.target_tokenizer.size,
            "hidden_size": config.model.hidden_size,
            "source_tokens_per_second": window.source_tokens / window.seconds,
            "mflop_per_token": flops.training / window.target_tokens / 1e6,
            "gflops": flops.training / window.seconds / 1e9,
            # Two of three recurrent products, forward and of the state's gradient, are one step at a time.
            "stepwise_share": 2 / 3 * flops.recurrent / flops.forward,
            **batch_facts(corpus, config),
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
