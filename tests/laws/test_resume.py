"""Resumed is the same as uninterrupted, to the bit: after signals and after kills at any instant."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.config import Config
from seqkit.errors import ConfigError, Interrupted
from seqkit.training import checkpoints
from seqkit.training.events import Finished, Started, Validated
from seqkit.training.options import TrainOptions
from seqkit.training.run import train_model
from tests.laws.runs import (
    StopAt,
    assert_same,
    rows,
    state_of,
    tiny_config,
    train,
    train_with_stops,
)

VARIANTS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "adam": {"training__optimizer": "adam", "training__ema": 0.0},
    "sgd": {"training__optimizer": "sgd", "training__nesterov": True, "training__learning_rate": 0.1},
    "adagrad": {"training__optimizer": "adagrad", "training__learning_rate": 0.02},
    "rmsprop": {"training__optimizer": "rmsprop", "training__momentum": 0.5, "training__learning_rate": 1e-3},
    "accumulate": {"training__accumulate": 3, "training__checkpoint_every": 1},
    "several epochs": {"training__batch_tokens": 2048},
    "sampling": {"data__subword_sampling": 0.3},
    "case noise": {"data__case_noise": 0.4},
    "average": {"training__average_best": 2, "training__validate_every": 3, "training__best_metric": "loss"},
    "average, no checkpoint": {"training__average_best": 3, "training__validate_every": 4},
    "plateau": {
        "training__schedule": "plateau",
        "training__plateau_patience": 1,
        "training__validate_every": 2,
        "training__best_metric": "loss",
        "training__learning_rate": 0.5,
    },
    "patience": {
        "training__patience": 2,
        "training__validate_every": 2,
        "training__best_metric": "loss",
        "training__learning_rate": 3.0,
        "training__warmup": 0.0,
    },
    "input feeding gru": {"model__cell": "gru", "model__input_feeding": True, "training__steps": 8},
    "rare checkpoints": {"training__checkpoint_every": 0, "training__validate_every": 0},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_signals_in_steps_and_validations_change_nothing(toy_corpus: Path, tmp_path: Path, name: str) -> None:
    config = tiny_config(**VARIANTS[name])
    train(toy_corpus, tmp_path / "whole", config)
    generator = random.Random(name)
    stops = [generator.randint(1, 7) for _ in range(5)]
    assert train_with_stops(toy_corpus, tmp_path / "stopped", config, stops) >= 3
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def test_a_stop_at_every_single_question_changes_nothing(toy_corpus: Path, tmp_path: Path) -> None:
    config = tiny_config(training__steps=5, training__validate_every=2, training__average_best=2)
    train(toy_corpus, tmp_path / "whole", config)
    assert train_with_stops(toy_corpus, tmp_path / "stopped", config, [1, 2] * 8) >= 6
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def train_to_validation(corpus: Path, model: Path, config: Config, number: int) -> tuple[int, int]:
    """Leave a run at its next validation but `number`; the steps at which it began and was left."""
    events = train_model(TrainOptions(corpus, model, config, device="cpu", threads=1))
    begun = next(events)
    assert isinstance(begun, Started | Finished)
    for event in events:
        if isinstance(event, Validated):
            number -= 1
            if number < 0:
                events.close()  # type: ignore[attr-defined]
                return begun.step, event.row["step"]
    return begun.step, -1


LEFT_AT_VALIDATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "by steps": {"training__validate_every": 2},
    "average": {"training__average_best": 2, "training__validate_every": 4, "training__best_metric": "loss"},
    "the last one alone": {"training__validate_every": 100},
    "patience": VARIANTS["patience"],
    "accumulate": {"training__accumulate": 3},
}


@pytest.mark.parametrize("name", LEFT_AT_VALIDATIONS)
def test_a_run_that_is_left_at_a_validation_loses_nothing(
    toy_corpus: Path, tmp_path: Path, name: str
) -> None:
    """A validation is told when it is saved, whatever `checkpoint_every` says."""
    config = tiny_config(**{**LEFT_AT_VALIDATIONS[name], "training__checkpoint_every": 0})
    train(toy_corpus, tmp_path / "whole", config)
    told = len(rows(tmp_path / "whole"))
    for number in range(told):
        model = tmp_path / f"left{number}"
        _, left = train_to_validation(toy_corpus, model, config, number)
        assert [row["step"] for row in rows(model)][-1] == left
        begun = train(toy_corpus, model, config)[0]
        assert isinstance(begun, Started | Finished)
        assert begun.step == left
        assert_same(tmp_path / "whole", model)
    once = tmp_path / "every one"
    places = [train_to_validation(toy_corpus, once, config, 0) for _ in range(told)]
    assert [begun for begun, _ in places[1:]] == [left for _, left in places[:-1]]
    train(toy_corpus, once, config)
    assert_same(tmp_path / "whole", once)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, nothing is saved after it."""


class Disk:
    """Counts renames and syncs, and kills the run at the `deadly`-th of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deadly: int = 0) -> None:
        self.count, self.deadly = 0, deadly
        for name in ("replace", "rename", "fsync"):
            monkeypatch.setattr(os, name, functools.partial(self.call, getattr(os, name)))

    def call(self, real: Callable[..., None], *arguments: Any, **options: Any) -> None:
        self.count += 1
        if self.count == self.deadly:
            raise Killed
        real(*arguments, **options)


AVERAGE_WINS = {
    "training__average_best": 2,
    "training__validate_every": 1,
    "training__best_metric": "loss",
    "training__learning_rate": 0.1,
    "training__schedule": "constant",
    "training__ema": 0.0,
}


@pytest.mark.parametrize("changes", [{"training__validate_every": 2}, AVERAGE_WINS], ids=["plain", "average"])
def test_a_kill_at_any_write_changes_nothing(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    settings = {"training__steps": 4, "training__checkpoint_every": 1, "training__validation_sentences": 2}
    settings["training__warmup"] = 0.04
    # A seed whose last validation is the best in both runs, so that what is published last is seen, too.
    config = tiny_config(training__seed=4, **settings, **changes)
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        train(toy_corpus, tmp_path / "whole", config)
    last = disk.count
    assert rows(tmp_path / "whole")[-1].get("averaged_steps") == ([4, 3] if changes is AVERAGE_WINS else None)
    assert rows(tmp_path / "whole")[-1]["best"]
    generator = random.Random(1)
    # Some at the beginning, some between, and the end, where averages are made, closely.
    deaths = [1, 2, 9, *generator.sample(range(10, last - 20), 5), *range(last - 20, last + 1, 3)]
    for death in deaths:
        model = tmp_path / f"killed{death}"
        with monkeypatch.context() as patch:
            Disk(patch, death)
            with pytest.raises(Killed):
                train(toy_corpus, model, config)
        state_of(model)
        train(toy_corpus, model, config)
        assert_same(tmp_path / "whole", model)
        names = {path.name for folder in (model, model / "training") for path in folder.iterdir()}
        assert not [name for name in names if name.startswith(".tmp")], "leftovers of killed writers"


def test_a_kill_after_the_first_weights_and_before_their_checkpoint(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(training__steps=3, training__validate_every=1, training__checkpoint_every=0)
    train(toy_corpus, tmp_path / "whole", config)
    model, save = tmp_path / "killed", checkpoints.save

    def deadly(*arguments: Any) -> None:
        if (model / "weights.safetensors").exists():
            raise Killed
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", deadly)
        with pytest.raises(Killed):
            train(toy_corpus, model, config)
    assert state_of(model) == "whole"
    train(toy_corpus, model, config)
    assert_same(tmp_path / "whole", model)


def test_many_kills_in_one_run_change_nothing(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(training__steps=6, training__checkpoint_every=1, training__average_best=2)
    train(toy_corpus, tmp_path / "whole", config)
    killed = 0
    for death in range(1, 80, 7):
        with monkeypatch.context() as patch:
            Disk(patch, death)
            try:
                train(toy_corpus, tmp_path / "killed", config)
            except Killed:
                killed += 1
        state_of(tmp_path / "killed")
    train(toy_corpus, tmp_path / "killed", config)
    assert killed >= 8
    assert_same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("keep", ["weights.safetensors", "state.json"])
def test_a_damaged_newest_checkpoint_costs_time_only(toy_corpus: Path, tmp_path: Path, keep: str) -> None:
    config = tiny_config(**{**AVERAGE_WINS, "training__checkpoint_every": 1})
    train(toy_corpus, tmp_path / "whole", config)
    model = tmp_path / "damaged"
    for stop in (4, 6, 9):
        with pytest.raises(Interrupted):
            train(toy_corpus, model, config, signalled=StopAt(stop))
        older, newest = sorted((model / "training").glob("checkpoint-*"))
        assert older.name < newest.name
        (newest / keep).write_bytes(b"damaged")
    train(toy_corpus, model, config)
    assert_same(tmp_path / "whole", model)


def test_both_kept_checkpoints_find_their_candidates(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, seen = checkpoints.remove_candidates, []

    def checked(training: Path, keep: set[int]) -> None:
        remove(training, keep)
        candidates = {int(path.stem[5:]) for path in training.glob("best-*")}
        for checkpoint in training.glob("checkpoint-*"):
            state = json.loads((checkpoint / "state.json").read_bytes())
            best = {step for _, step in state["best"]}
            assert candidates >= best or state["finished"], "what is finished needs none any more"
            seen.append(best)
        assert len(candidates) <= 4

    monkeypatch.setattr(checkpoints, "remove_candidates", checked)
    train(toy_corpus, tmp_path / "model", tiny_config(**{**AVERAGE_WINS, "training__checkpoint_every": 0}))
    assert {1, 2} in seen
    assert {2, 3} in seen


def test_settings_that_change_nothing_may_differ(toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    with pytest.raises(Interrupted):
        train(toy_corpus, model, tiny_config(), signalled=StopAt(3))
    changes = {"decoding__beam_size": 9, "training__samples": 0, "training__checkpoint_every": 4}
    train(toy_corpus, model, tiny_config(**changes))
    assert model_directory.load(model).config.decoding.beam_size == 9
    assert rows(model)[-1]["samples"] == []


def test_restart_begins_again(toy_corpus: Path, tmp_path: Path) -> None:
    other = tiny_config(model__hidden_size=24, training__seed=3, training__steps=3)
    train(toy_corpus, tmp_path / "fresh", other)
    train(toy_corpus, tmp_path / "model", tiny_config())
    train(toy_corpus, tmp_path / "model", other, restart=True)
    assert_same(tmp_path / "fresh", tmp_path / "model")
    checkpoints = {path.name for path in (tmp_path / "model" / "training").glob("checkpoint-*")}
    assert checkpoints <= {"checkpoint-00000002", "checkpoint-00000003"}


def test_beginning_with_another_models_weights(toy_corpus: Path, tmp_path: Path) -> None:
    common = {"training__best_metric": "loss", "training__seed": 9}
    learning = tiny_config(**common, training__steps=20, training__learning_rate=0.02)
    config = tiny_config(**common, training__steps=6, training__learning_rate=1e-9)  # stays where it is
    train(toy_corpus, tmp_path / "first", learning)
    train(toy_corpus, tmp_path / "second", config, init_from=tmp_path / "first")
    train(toy_corpus, tmp_path / "scratch", config)
    first, second, scratch = (
        min(row["valid_nats"] for row in rows(tmp_path / name)) for name in ("first", "second", "scratch")
    )
    assert second == pytest.approx(first, abs=1e-3)
    assert scratch > first + 0.5
    with pytest.raises(Interrupted):
        train(toy_corpus, tmp_path / "third", config, init_from=tmp_path / "first", signalled=StopAt(3))
    with pytest.raises(ConfigError, match="did not start with --init-from"):
        train(toy_corpus, tmp_path / "third", config, init_from=tmp_path / "scratch")
    shutil.rmtree(tmp_path / "first")  # it is needed no more
    train(toy_corpus, tmp_path / "third", config, init_from=tmp_path / "first")
    assert_same(tmp_path / "second", tmp_path / "third")


def test_another_network_cannot_give_its_weights(toy_corpus: Path, tmp_path: Path) -> None:
    train(toy_corpus, tmp_path / "first", tiny_config(training__steps=1))
    for changes in ({"model__hidden_size": 24}, {"model__decoder_layers": 2}, {"model__cell": "gru"}):
        config = tiny_config(training__steps=1, **changes)
        with pytest.raises(ConfigError, match=r"--init-from .*: its network differs at '"):
            train(toy_corpus, tmp_path / "second", config, init_from=tmp_path / "first")


def test_a_model_without_its_training_folder_is_not_trained_over(toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    train(toy_corpus, model, tiny_config(training__steps=2))
    shutil.rmtree(model / "training")
    before = (model / "weights.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="holds a trained model, but no checkpoint to continue from"):
        train(toy_corpus, model, tiny_config(training__steps=2))
    assert (model / "weights.safetensors").read_bytes() == before
    train(toy_corpus, model, tiny_config(training__steps=2), restart=True)
    assert (model / "weights.safetensors").read_bytes() == before
