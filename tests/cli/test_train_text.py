"""`seqkit train` on a text: what it shows, what it refuses, what it leaves."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqkit import model_directory
from seqkit.cli import run
from tests.conftest import TOY_TEXT_SETTINGS

SETTINGS = [part for key, value in TOY_TEXT_SETTINGS.items() for part in ("--set", f"{key}={value}")]


def train(corpus: Path, model: Path, *options: str) -> int:
    return run(["train", str(corpus), str(model), "--threads", "1", *SETTINGS, *options])


def test_a_log_says_how_it_goes(
    toy_text_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        train(toy_text_corpus, tmp_path / "model", "--steps", "4", "--set", "training.validate_every=2") == 0
    )
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert " train parameters=" in lines[0]
    assert " kind=generation characters=" in lines[0]
    validations = [line for line in lines if " validation step=" in line]
    assert len(validations) == 2
    assert all("bits_per_character=" in line and "bleu" not in line for line in validations)
    assert any("under-fitting: validation loss was still falling" in line for line in lines)
    assert lines[-1] == f"next: seqkit generate {tmp_path / 'model'} --length 1000"
    assert [line.split()[0] for line in lines if "protocol:stream|" in line] == ["signature"]
    loaded = model_directory.load(tmp_path / "model")
    assert loaded.facts.kind == "generation"
    assert {score["metric"] for score in loaded.facts.scores} == {
        "nats_per_character",
        "bits_per_character",
        "perplexity",
    }


def test_a_terminal_shows_a_table_and_samples(toy_text_corpus: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "seqkit", "train", str(toy_text_corpus), str(tmp_path / "model")]
    command += ["--threads", "1", "--steps", "4", "--set", "training.validate_every=2", *SETTINGS]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:
            break
        shown += block
        if not block:
            break
    assert process.wait() == 0
    text = shown.decode()
    assert "bits/char" in text
    assert "BLEU" not in text
    assert "│ " in text, "a sample"


def test_json_has_a_summary_last(
    toy_text_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(toy_text_corpus, tmp_path / "model", "--steps", "2", "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert err == ""
    assert (summary["schema"], summary["best_metric"], summary["step"]) == (1, "loss", 2)
    scores = {score["metric"]: score for score in summary["scores"]}
    assert scores["bits_per_character"]["signature"].startswith("protocol:stream|state:carried")


def test_print_config_shows_the_settings_of_the_corpus_s_kind(
    toy_text_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(toy_text_corpus), "--print-config"]) == 0
    shown = capsys.readouterr().out
    assert "data.streams = 16" in shown
    assert "training.minutes = 3.0" in shown
    assert "batch_tokens" not in shown
    assert run(["train", "--print-config"]) == 0
    assert "data.streams" not in capsys.readouterr().out


def test_a_setting_of_translators_is_refused(
    toy_text_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(toy_text_corpus, tmp_path / "model", "--set", "training.batch_tokens=100") == 2
    assert "training.batch_tokens has no meaning for generation" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_finished_run_says_so(toy_generator: Path, toy_text_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_generator, model)
    before = (model / "weights.safetensors").read_bytes()
    assert train(toy_text_corpus, model, "--steps", "60", "--quiet") == 0
    assert (model / "weights.safetensors").read_bytes() == before
    assert train(toy_text_corpus, model, "--steps", "61", "--quiet") == 2
