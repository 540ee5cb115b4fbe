"""`seqkit train --minutes` without a preset: the size that is chosen, what is said of it, and its memory."""

from __future__ import annotations

import importlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seqkit.cli import run
from seqkit.errors import ExitCode
from seqkit.training import choosing
from seqkit.training.rehearsal import Pace
from tests.conftest import Finished
from tests.laws.processes import start, wait

FEW = ["--set", "training.validation_sentences=4", "--set", "training.samples=1"]
QUICK = ["--threads", "1", "--precision", "fp32"]


@pytest.fixture(autouse=True)
def _started_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process begin with their test, not when the module was imported."""
    monkeypatch.setattr(importlib.import_module("seqkit.cli.train.command"), "_STARTED", time.monotonic())


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Callable[[float | None], None]:
    """Lets every size have so many tokens per second, without a step; None: to measure is an error."""

    def pretend(rate: float | None) -> None:
        def pace(*_arguments: object, **_options: object) -> Pace:
            assert rate is not None, "the speed was measured"
            return Pace(0.01, rate)

        monkeypatch.setattr(choosing, "pace_of", pace)

    return pretend


def hidden_size(model: Path) -> int:
    size = json.loads((model / "config.json").read_text())["model"]["hidden_size"]
    assert isinstance(size, int)
    return size


def words(corpus: Path, model: Path, *more: str, minutes: float = 0.1) -> list[str]:
    return ["train", str(corpus), str(model), "--minutes", str(minutes), *QUICK, *FEW, *more]


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_a_whole_run(
    kind: str, seqkit: Callable[..., Finished], toy_corpus: Path, toy_text_corpus: Path, tmp_path: Path
) -> None:
    """Measured, chosen, said, trained: in a process of its own, with real steps."""
    corpus, model = toy_corpus if kind == "translation" else toy_text_corpus, tmp_path / "model"
    few = FEW if kind == "translation" else []
    command = ["train", corpus, model, "--minutes", "0.2", *QUICK, *few, "--json"]
    first = seqkit(*command)
    assert first.code == 0, first.err
    summary = json.loads(first.out)
    assert summary["chosen_size"].startswith("tiny"), "so little text fills no more"
    assert "0.2 minutes at " in summary["chosen_for"]
    assert summary["chosen_size"] in first.err
    assert f'chosen_for="{summary["chosen_for"]}"' in first.err
    assert summary["seconds"] < 12 + 30
    again = seqkit(*command)
    assert again.code == 0, again.err
    assert "The run was finished already" in again.err
    assert json.loads(again.out) == {**summary, "seconds": pytest.approx(summary["seconds"], abs=5)}


def test_the_speed_decides(
    speed: Callable[[float | None], None],
    toy_text_corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for rate, size in ((10.0, "tiny"), (1e6, "tiny with 256 units")):
        speed(rate)
        capfd.readouterr()
        model = tmp_path / size
        command = ["train", str(toy_text_corpus), str(model), "--minutes", "1", *QUICK]
        assert run([*command, "--dry-run", "--json"]) == 0
        found = json.loads(capfd.readouterr().out)
        assert found["chosen_size"] == size
        assert " characters, 1 minute at " in found["chosen_for"]
        assert found["better_preset"] is None
        assert not model.exists()


def test_dry_run_says_what_was_chosen(
    speed: Callable[[float | None], None], toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    speed(1000.0)
    assert run([*words(toy_corpus, tmp_path / "m", minutes=1), "--dry-run"]) == 0
    said = capfd.readouterr()
    rows = dict(line.split("  ", 1) for line in said.out.splitlines())
    assert rows["chosen size"].strip() == "tiny"
    assert rows["chosen for"].strip().startswith("343 pairs, 1 minute at 1,000 tokens/s are 28 epochs")
    assert "--preset" not in said.err


def test_a_killed_run_goes_on_with_its_size(
    speed: Callable[[float | None], None],
    toy_text_corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model, log = tmp_path / "model", tmp_path / "log"
    command = ["train", str(toy_text_corpus), str(model), "--minutes", "60", *QUICK]
    command += ["--set", "training.checkpoint_every=1"]
    speed(1e6)
    child = start(command, log)
    reached = wait_for_step(model, 1)
    os.kill(child, signal.SIGKILL)
    assert wait(child, 60) == -signal.SIGKILL
    assert 'chosen_size="tiny with 256 units"' in capfd.readouterr().err
    before = (model / "config.json").read_bytes()

    speed(None)  # on a machine where another size would be chosen: its speed is not asked for
    for more, named in (
        (
            ["--set", "training.learning_rate=1"],
            "training.learning_rate = 0.01, but this command asks for 1.0",
        ),
        (["--preset", "small"], "model.hidden_size = 256, but this command asks for 384"),
        (["--minutes", "5"], "training.minutes = 60.0, but this command asks for 5.0"),
    ):
        assert run([*command, *more]) == ExitCode.USAGE
        assert named in capfd.readouterr().err
    child = start(command, log)
    wait_for_step(model, reached + 3)
    os.kill(child, signal.SIGTERM)
    assert wait(child, 60) == ExitCode.TERMINATED
    said = capfd.readouterr().err
    assert "continued_after_step=" in said
    assert 'chosen_size="tiny with 256 units"' in said
    assert (model / "config.json").read_bytes() == before

    speed(10.0)
    child = start([*command, "--restart"], log)
    end = time.monotonic() + 120
    while hidden_size(model) != 192 and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(child, signal.SIGTERM)
    assert wait(child, 60) == ExitCode.TERMINATED
    assert hidden_size(model) == 192


def wait_for_step(model: Path, step: int) -> int:
    """The step of a checkpoint that is not before `step`, as soon as there is one."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        steps = [int(path.name[-8:]) for path in (model / "training").glob("checkpoint-*")]
        if steps and max(steps) >= step:
            return max(steps)
        time.sleep(0.05)
    pytest.fail(f"no checkpoint of step {step}")


def test_a_run_that_was_given_its_size_keeps_it(
    speed: Callable[[float | None], None],
    toy_corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As before there was a choice: without its preset the command asks for the default one."""
    speed(None)
    model = tmp_path / "model"
    command = words(toy_corpus, model, minutes=0.0001)
    assert run([*command, "--preset", "tiny", "--quiet"]) == 0
    assert run(command) == ExitCode.USAGE
    assert "model.embedding_size = 128, but this command asks for 256" in capfd.readouterr().err
    for checkpoint in (model / "training").glob("checkpoint-*"):
        checkpoint.rename(tmp_path / checkpoint.name)
    assert run(command) == ExitCode.USAGE
    assert "holds a trained model, but no checkpoint to continue from" in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--minutes", "--set"])
def test_sizes_by_hand_leave_nothing_to_choose(
    option: str,
    speed: Callable[[float | None], None],
    toy_corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    speed(None)
    budget = ["--minutes", "0.0001"] if option == "--minutes" else ["--set", "training.minutes=0.0001"]
    small = ["--set", "model.hidden_size=16", "--set", "model.embedding_size=8"]
    command = ["train", str(toy_corpus), str(tmp_path / "m"), *budget, *QUICK, *FEW, *small]
    assert run([*command, "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["chosen_size"] is None
    assert "model.embedding_size is set, so no size is chosen for the budget" in said.err
    assert hidden_size(tmp_path / "m") == 16


def test_other_settings_stand_over_the_chosen_size(
    speed: Callable[[float | None], None], toy_corpus: Path, tmp_path: Path
) -> None:
    speed(1000.0)
    model = tmp_path / "m"
    assert run(words(toy_corpus, model, "--set", "model.dropout=0.25", "--quiet", minutes=0.0001)) == 0
    settings = json.loads((model / "config.json").read_text())
    assert settings["model"]["dropout"] == 0.25
    assert settings["training"]["learning_rate"] == 4e-3, "that of tiny"


@pytest.mark.parametrize("budget", [["--steps", "1"], ["--epochs", "0.01"]])
def test_other_budgets_choose_no_size(
    budget: list[str], speed: Callable[[float | None], None], toy_corpus: Path, tmp_path: Path
) -> None:
    speed(None)
    assert run(["train", str(toy_corpus), str(tmp_path / "m"), *budget, *QUICK, *FEW, "--quiet"]) == 0
    assert hidden_size(tmp_path / "m") == 512


def test_printed_settings_say_what_is_open(
    speed: Callable[[float | None], None], toy_corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    speed(None)
    command = ["train", str(toy_corpus), "--print-config", "--set", "model.dropout=0.25", "--minutes", "3"]
    assert run(command) == 0
    lines = {line.split(" = ")[0]: line.split("# ")[1] for line in capfd.readouterr().out.splitlines()}
    still_open = "preset small for now: chosen at the start, for the budget"
    for key in ("model.hidden_size", "model.embedding_size", "training.learning_rate"):
        assert lines[key] == still_open
    assert lines["model.dropout"] == "--set"
    assert lines["model.cell"] == "default"
    assert run([*command, "--preset", "small"]) == 0
    assert "chosen" not in capfd.readouterr().out


def test_a_signal_while_the_speed_is_measured(
    monkeypatch: pytest.MonkeyPatch, toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_arguments: object, **_options: object) -> Pace:
        os.kill(os.getpid(), signal.SIGTERM)
        return Pace(1.0, 1.0)

    monkeypatch.setattr(choosing, "pace_of", interrupted)
    assert run(words(toy_corpus, tmp_path / "m")) == ExitCode.TERMINATED
    assert "stopped while the size was chosen; nothing is written yet" in capfd.readouterr().err
    assert not (tmp_path / "m").exists()
