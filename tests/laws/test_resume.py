"""Resumed is the same as uninterrupted, to the bit: after signals, kills at any instant, and a change of mind."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.cli import run
from seqkit.errors import ConfigError, ExitCode, ModelError
from seqkit.training import run as run_module
from tests.conftest import make_toy_corpus, toy_assignments
from tests.laws.runs import (
    StopAt,
    assert_same,
    left_behind,
    rows,
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


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, nothing is saved after it."""


def train_with_kills(
    corpus: Path, model: Path, config: Any, monkeypatch: pytest.MonkeyPatch, kills: range
) -> int:
    """Kill the run at its n-th write to the disk, for each n in turn, then let it finish."""
    write, synced, killed = os.replace, os.fsync, 0
    for number in kills:
        left = [number]

        def deadly(*arguments: Any, left: list[int] = left, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return write(*arguments, **options)

        def deadly_sync(descriptor: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            synced(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", deadly)
            patch.setattr(os, "fsync", deadly_sync)
            try:
                train(corpus, model, config)
            except Killed:
                killed += 1
        state_of(model)
    train(corpus, model, config)
    return killed


def state_of(model: Path) -> str:
    """What a reader finds: a whole model or none; anything else is an error."""
    try:
        model_directory.load(model)
    except ModelError as error:
        if not (model / "manifest.json").exists():
            return "nothing"
        assert "holds no trained model yet" in error.message
        return "not yet"
    return "whole"


@pytest.mark.parametrize("changes", [{}, {"training__average_best": 2}, {"training__patience": 1}], ids=str)
def test_a_kill_at_any_write_changes_nothing(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    settings = {"training__steps": 4, "training__validate_every": 2, "training__checkpoint_every": 1}
    config = tiny_config(**settings, **changes)
    train(toy_corpus, tmp_path / "whole", config)
    kills = range(1, 60, 4)
    assert train_with_kills(toy_corpus, tmp_path / "killed", config, monkeypatch, kills) >= 10
    assert_same(tmp_path / "whole", tmp_path / "killed")
    names = {path.name for path in (tmp_path / "killed").iterdir()}
    assert not [name for name in names if name.startswith(".tmp")], "leftovers of killed writers are removed"


def command(corpus: Path, model: Path, *more: str, **changes: object) -> list[str]:
    settings = {"training__checkpoint_every": 5, "training__validate_every": 20, **changes}
    return ["train", str(corpus), str(model), "--threads", "1", *toy_assignments(**settings), *more]


def start(arguments: list[str], log: Path) -> int:
    """A process that runs a command line; it is forked, so that it needs no time to import."""
    child = os.fork()
    if child:
        return child
    code = ExitCode.BUG  # pragma: no cover - from here on it is the child
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        code = ExitCode(run(arguments))
    finally:
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """The exit code of a process, negative for a signal; None when it still runs after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def train_through_kills(arguments: list[str], log: Path, model: Path, delays: Iterator[float]) -> int:
    """Run a command until it ends by itself, killing it after each of the delays; how often it was killed."""
    kills = 0
    while True:
        child = start(arguments, log)
        code = wait(child, next(delays))
        if code is None:
            os.kill(child, signal.SIGKILL)
            code = wait(child, 10)
            state_of(model)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL, log.read_text()
        kills += 1


def test_kill_9_at_random_instants_changes_nothing(toy_corpus: Path, tmp_path: Path) -> None:
    log, whole = tmp_path / "log", tmp_path / "whole"
    began = time.monotonic()
    assert wait(start(command(toy_corpus, whole, "--steps", "40"), log), 120) == 0
    duration = time.monotonic() - began
    generator, kills = random.Random(2), 0
    for number in range(5):  # on a machine that gets faster meanwhile one run may not last for six
        model = tmp_path / f"killed{number}"
        delays = itertools.chain((duration * generator.uniform(0.02, 0.25) for _ in range(8)), [120.0])
        kills += train_through_kills(command(toy_corpus, model, "--steps", "40"), log, model, delays)
        assert_same(whole, model)
        if kills >= 6:
            break
    assert kills >= 6


def first_line(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if wanted in line:
            return line
    raise AssertionError(f"{wanted!r} was never said")


def test_signals_end_a_process_in_good_order(toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    arguments = command(toy_corpus, model, "--steps", "400", training__validation_sentences=5)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen(
            [sys.executable, "-m", "seqkit", *arguments], stderr=subprocess.PIPE, text=True
        ) as process:
            begun = first_line(process, " train ")
            assert ("continued_after_step=" in begun) == (number == signal.SIGTERM)
            first_line(process, " validation ")
            process.send_signal(number)
            _, rest = process.communicate(timeout=60)
        assert process.returncode == code
        assert f"{number.name}: saving" in rest
        assert "everything is saved" in rest
        assert "run the same command again to continue" in rest
        assert "Traceback" not in rest
    newest = max((model / "training").glob("checkpoint-*"))
    assert 20 <= int(newest.name[-8:]) < 400
    assert model_directory.load(model).facts.step >= 20


def finished_run(corpus: Path, model: Path) -> None:
    assert run(command(corpus, model, "--steps", "6", "--quiet")) == 0


def test_a_finished_run_says_so(toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    finished_run(toy_corpus, tmp_path / "model")
    before = left_behind(tmp_path / "model")
    capfd.readouterr()
    assert run(command(toy_corpus, tmp_path / "model", "--steps", "6", "--json")) == 0
    out, err = capfd.readouterr()
    assert "The run was finished already: the budget is used up." in err
    assert "--restart" in err
    summary = json.loads(out)
    assert (summary["step"], summary["reason"]) == (6, "the budget is used up")
    assert left_behind(tmp_path / "model") == before


@pytest.mark.parametrize(
    ("more", "changes", "named"),
    [
        (["--steps", "7"], {}, "training.steps = 6, but this command asks for 7"),
        (["--steps", "6", "--seed", "5"], {}, "training.seed = 1, but this command asks for 5"),
        (
            ["--steps", "6"],
            {"model__hidden_size": 32},
            "model.hidden_size = 64, but this command asks for 32",
        ),
        (["--epochs", "2"], {}, "training.epochs = 0.0, but this command asks for 2.0, and 1 more"),
    ],
)
def test_other_settings_are_refused_by_name(
    toy_corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    more: list[str],
    changes: dict[str, Any],
    named: str,
) -> None:
    finished_run(toy_corpus, tmp_path / "model")
    before = left_behind(tmp_path / "model")
    capfd.readouterr()
    assert run(command(toy_corpus, tmp_path / "model", *more, **changes)) == 2
    err = capfd.readouterr().err
    assert named in err
    assert "--restart" in err
    assert left_behind(tmp_path / "model") == before


def test_settings_that_change_nothing_may_differ(toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    with pytest.raises(run_module.Interrupted):
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


def test_another_corpus_is_refused(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_run(toy_corpus, tmp_path / "model")
    other = make_toy_corpus(tmp_path, pairs=100, longest=4)
    assert run(command(other, tmp_path / "model", "--steps", "6")) == ExitCode.BAD_DATA == 65
    assert "was trained on another corpus" in capfd.readouterr().err


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
    with pytest.raises(run_module.Interrupted):
        train(toy_corpus, tmp_path / "third", config, init_from=tmp_path / "first", signalled=StopAt(3))
    with pytest.raises(ConfigError, match="did not begin with --init-from"):
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
    with pytest.raises(ConfigError, match="holds a trained model, but nothing to continue from"):
        train(toy_corpus, model, tiny_config(training__steps=2))
    assert (model / "weights.safetensors").read_bytes() == before
    train(toy_corpus, model, tiny_config(training__steps=2), restart=True)
    assert (model / "weights.safetensors").read_bytes() == before


def test_a_diverging_run_fails_with_advice_and_no_bug(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = {"training__learning_rate": 1e30, "training__validate_every": 1, "training__warmup": 0.0}
    code = run(command(toy_corpus, tmp_path / "model", "--steps", "20", **changes))
    err = capfd.readouterr().err
    assert code == ExitCode.RUN_FAILED, err
    assert "lower training.learning_rate" in err
    assert "bug" not in err
