"""Real processes that are killed, interrupted, finished or told something else."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.cli import run
from seqkit.errors import ExitCode
from tests.conftest import make_toy_corpus
from tests.laws.processes import command, first_line, process_of, start, train_through_kills, wait
from tests.laws.runs import assert_same, left_behind


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
