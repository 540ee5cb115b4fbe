"""Real processes that are killed, interrupted, finished or told something else."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.cli import run
from seqkit.errors import ExitCode
from tests.conftest import make_toy_corpus, toy_assignments
from tests.laws.runs import assert_same, left_behind, state_of


def command(corpus: Path, model: Path, *more: str, **changes: object) -> list[str]:
    settings = {"training__checkpoint_every": 5, "training__validate_every": 20, **changes}
    return ["train", str(corpus), str(model), "--threads", "1", *toy_assignments(**settings), *more]


@contextmanager
def process_of(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with its test at the latest: a failed one shall not wait for it, nor leave it."""
    with subprocess.Popen(words, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def start(arguments: list[str], log: Path) -> int:
    """A process that runs a command line; it is forked, so that it needs no time to import."""
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # the test's own handlers are none of the child's
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return child
    code = ExitCode.BUG  # pragma: no cover - from here on it is the child
    for number in signals:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
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
            code = wait(child, 60)
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
    for number in range(5):  # on a machine that gets faster meanwhile one run may not last for seven
        model = tmp_path / f"killed{number}"
        within = (duration * generator.uniform(0.02, 0.25) for _ in range(8))
        delays = itertools.chain([0.0], within, [120.0])  # 0.0: there is nothing on the disk yet
        kills += train_through_kills(command(toy_corpus, model, "--steps", "40"), log, model, delays)
        assert_same(whole, model)
        if kills >= 7:
            break
    assert kills >= 7


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
        with process_of([sys.executable, "-m", "seqkit", *arguments], stderr=subprocess.PIPE) as process:
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


def test_another_corpus_is_refused(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_run(toy_corpus, tmp_path / "model")
    other = make_toy_corpus(tmp_path, pairs=100, longest=4)
    assert run(command(other, tmp_path / "model", "--steps", "6")) == ExitCode.BAD_DATA == 65
    assert "was trained on another corpus" in capfd.readouterr().err


def test_a_diverging_run_fails_with_advice_and_no_bug(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = {"training__learning_rate": 1e30, "training__validate_every": 1, "training__warmup": 0.0}
    code = run(command(toy_corpus, tmp_path / "model", "--steps", "20", **changes))
    err = capfd.readouterr().err
    assert code == ExitCode.RUN_FAILED, err
    assert "lower training.learning_rate" in err
    assert "bug" not in err
