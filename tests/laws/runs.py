"""Training runs in this process: a tiny configuration, a run that can be stopped, and what it leaves."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqkit import model_directory
from seqkit.config import Config, Layer, preset_layer, resolve
from seqkit.errors import InputMissing, Interrupted, ModelError
from seqkit.kinds import GENERATION, TRANSLATION
from seqkit.training.events import Event
from seqkit.training.options import TrainOptions
from seqkit.training.run import train_model

TINY: dict[str, Any] = {
    "model.embedding_size": 16,
    "model.hidden_size": 16,
    "model.attention_heads": 2,
    "model.dropout": 0.1,
    "model.word_dropout": 0.1,
    "training.batch_tokens": 128,
    "training.learning_rate": 5e-3,
    "training.precision": "fp32",
    "training.validation_sentences": 4,
    "training.samples": 1,
    "training.steps": 12,
    "training.validate_every": 5,
    "training.checkpoint_every": 2,
}


def tiny_config(**changes: object) -> Config:
    """The tiny configuration with changes, written with `__` for the dot."""
    values = {**TINY, **{key.replace("__", "."): value for key, value in changes.items()}}
    return resolve([Layer("test", values)], TRANSLATION).config


TINY_TEXT: dict[str, Any] = {
    "model.embedding_size": 8,
    "model.hidden_size": 12,
    "model.dropout": 0.1,
    "data.streams": 4,
    "data.slice_length": 10,
    "training.learning_rate": 5e-3,
    "training.precision": "fp32",
    "training.samples": 1,
    "training.sample_length": 5,
    "training.steps": 12,
    "training.validate_every": 5,
    "training.checkpoint_every": 2,
}


def tiny_text_config(**changes: object) -> Config:
    """The tiny configuration of a generator with changes, written with `__` for the dot."""
    values = {**TINY_TEXT, **{key.replace("__", "."): value for key, value in changes.items()}}
    return resolve([preset_layer("tiny", GENERATION), Layer("test", values)], GENERATION).config


def train(
    corpus: Path, model: Path, config: Config, *, signalled: Callable[[], int] = lambda: 0, **options: Any
) -> list[Event]:
    """Train to the end, or to what `signalled` raises."""
    return list(
        train_model(
            TrainOptions(
                corpus=corpus,
                model=model,
                config=config,
                device="cpu",
                threads=1,
                signalled=signalled,
                **options,
            )
        )
    )


class StopAt:
    """A `signalled` that says SIGINT from its `number`-th call on: it is asked in steps and validations."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self) -> int:
        self.left -= 1
        return signal.SIGINT if self.left <= 0 else 0


def train_with_stops(
    corpus: Path, model: Path, config: Config, stops: list[int], *, end: bool = True, **options: Any
) -> int:
    """Train with a stop at each of the given questions, then to the `end`; how many stops there were."""
    stopped = 0
    for number in stops:
        try:
            train(corpus, model, config, signalled=StopAt(number), **options)
        except Interrupted:
            stopped += 1
    if end:
        train(corpus, model, config, **options)
    return stopped


def rows(model: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what may differ between two runs."""
    lines = (model / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
    return [{key: value for key, value in json.loads(line).items() if key != "timing"} for line in lines]


def left_behind(model: Path) -> dict[str, Any]:
    """All that two equal runs have in common: published files and the newest checkpoint's tensors."""
    manifest = json.loads((model / "manifest.json").read_bytes())
    newest = max((model / "training").glob("checkpoint-*"))
    return {
        "weights": (model / "weights.safetensors").read_bytes(),
        "config": (model / "config.json").read_bytes(),
        "rows": rows(model),
        "tensors_sha256": manifest["tensors_sha256"],
        "facts": manifest["facts"],
        "newest": newest.name,
        **{path.name: path.read_bytes() for path in sorted(newest.glob("*.safetensors"))},
    }


def assert_same(one: Path, other: Path) -> None:
    """Two model directories hold the same run, to the bit."""
    left, right = left_behind(one), left_behind(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert value == right[name], f"{name} differs between {one} and {other}"


def state_of(model: Path) -> str:
    """What a reader finds: a whole model or none; anything else is an error."""
    try:
        model_directory.load(model)
    except (InputMissing, ModelError) as error:  # InputMissing: there is not even a directory
        if "holds no trained model yet" in error.message or not (model / "manifest.json").exists():
            return "not yet"
        raise
    return "whole"
