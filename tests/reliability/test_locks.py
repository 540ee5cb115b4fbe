"""Two trainers never share a directory; a reader beside a trainer always sees a whole model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from seqkit import Translator, model_directory
from seqkit.cli import run
from seqkit.errors import ExitCode, ModelError
from tests.laws.processes import command, first_line, process_of, start, wait
from tests.laws.runs import assert_same


def trainer(corpus: Path, model: Path, **changes: object) -> AbstractContextManager[subprocess.Popen[str]]:
    """A run that validates often and lasts long."""
    often = {"training__validate_every": 3, "training__checkpoint_every": 2, **changes}
    words = command(corpus, model, "--steps", "100000", **often)
    return process_of(
        [sys.executable, "-m", "seqkit", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def test_the_second_leaves_and_names_the_first(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    with trainer(toy_corpus, model) as first:
        first_line(first, " train ")
        for more in ([], ["--restart"]):
            assert run(command(toy_corpus, model, "--steps", "100000", *more)) == ExitCode.LOCKED == 75
            said = capfd.readouterr().err
            assert f"another run is training {model}" in said
            place = (
                rf"where: process {first.pid} on {re.escape(os.uname().nodename)} since \d{{4}}-\d\d-\d\d "
            )
            assert re.search(place, said)
        assert first.poll() is None
        first.send_signal(signal.SIGKILL)
        first.wait()
    # The lock died with its owner, although its file is still there.
    assert (model / "training" / "lock").exists()
    code = run(command(toy_corpus, model, "--steps", "4", "--restart", "--quiet"))
    assert code == ExitCode.OK


def test_of_many_that_start_together_one_runs(toy_corpus: Path, tmp_path: Path) -> None:
    log, words = tmp_path / "log", command(toy_corpus, tmp_path / "model", "--steps", "60")
    children = [start(words, log) for _ in range(6)]
    codes = [wait(child, 120) for child in children]
    for child, code in zip(children, codes, strict=True):
        if code is None:
            os.kill(child, signal.SIGKILL)
    assert set(codes) <= {ExitCode.OK, ExitCode.LOCKED}
    # One that came when the run was over finds it finished.
    assert codes.count(ExitCode.OK) >= 1
    assert codes.count(ExitCode.LOCKED) >= 1
    assert wait(start(command(toy_corpus, tmp_path / "alone", "--steps", "60"), log), 120) == 0
    assert_same(tmp_path / "alone", tmp_path / "model")


def test_readers_always_find_a_whole_model(toy_corpus: Path, tmp_path: Path) -> None:
    model, seen, loads = tmp_path / "model", set(), 0
    # Of losses: that a toy's BLEU rises eight times is not certain.
    with trainer(toy_corpus, model, training__best_metric="loss") as process:
        first_line(process, " validation ")
        threading.Thread(target=process.communicate, daemon=True).start()  # or it would wait to be heard
        deadline = time.monotonic() + 120
        while len(seen) < 8 or loads < 100:
            assert time.monotonic() < deadline, (len(seen), loads)
            assert process.poll() is None
            loaded = model_directory.load(model)
            seen.add(loaded.facts.step)
            loads += 1
        translator = Translator.load(model, threads=1)
        assert len(translator.translate(["ba di", "go"])) == 2
    assert max(seen) >= 3


def test_before_the_first_validation_a_reader_is_told_so(toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    words = command(toy_corpus, model, "--steps", "100000", training__validate_every=100000)
    with process_of([sys.executable, "-m", "seqkit", *words], stderr=subprocess.PIPE) as process:
        first_line(process, " train ")
        while not (model / "manifest.json").exists():
            assert process.poll() is None
        with pytest.raises(ModelError, match="holds no trained model yet"):
            model_directory.load(model)
