"""`seqkit train --dry-run` says what a run needs, and writes nothing."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from seqkit import cli, model_directory
from seqkit.errors import ExitCode
from seqkit.kinds import KINDS
from seqkit.training.sizing import better_preset
from tests.conftest import toy_assignments

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_what_it_says_is_what_a_run_needs(
    kind: str, toy_corpus: Path, toy_text_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus, model = toy_corpus if kind == "translation" else toy_text_corpus, tmp_path / "some/model"
    small = ["--set", "model.hidden_size=32", "--set", "model.embedding_size=16", "--threads", "1"]
    words = ["train", str(corpus), str(model), "--steps", "20", *small]
    assert cli.run([*words, "--dry-run", "--json"]) == ExitCode.OK
    found = json.loads(capfd.readouterr().out)
    assert not model.parent.exists()
    assert found["schema"] == 1
    assert found["kind"] == kind
    assert found["steps"] == 20
    assert found["better_preset"] == "tiny"
    assert found["seconds"] > 0
    assert found["tokens_per_second"] > 0
    assert found["peak_memory"] > 50e6  # of this process, whatever it did before
    assert cli.run([*words, "--quiet"]) == ExitCode.OK
    loaded = model_directory.load(model)
    assert found["parameters"] == sum(array.size for array in loaded.parameters.values())
    used = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    assert used / 3 < found["disk_needed"] < 3 * used


def test_for_people(toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(toy_corpus), str(tmp_path / "m"), *toy_assignments(), "--threads", "1", "--dry-run"]
    assert cli.run([*words, "--minutes", "2"]) == ExitCode.OK
    said = capfd.readouterr()
    rows = dict(line.split("  ", 1) for line in said.out.splitlines())
    assert rows.keys() == {
        *("parameters", "training text", "computes", "speed", "budget", "time", "memory", "disk"),
    }
    assert rows["time"].strip() == "2:00, in all"
    assert "suits --preset tiny" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_full(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(1000, 900, 100))
    words = ["train", str(toy_corpus), str(tmp_path / "m"), *toy_assignments(), "--threads", "1", "--dry-run"]
    assert cli.run(words) == ExitCode.OK
    said = capfd.readouterr()
    assert "100 bytes are free" in said.out
    assert "not enough disk space" in said.err


@pytest.mark.parametrize(
    ("kind", "preset", "size", "better"),
    [
        ("translation", "small", 29_000, None),
        ("translation", "base", 29_000, "small"),
        ("translation", "small", 5_000_000, "large"),
        ("translation", "tiny", 5_000_000, "large"),
        ("generation", "small", 1_000_000, None),
        ("generation", "large", 1_000_000, "base"),
        ("generation", "tiny", 20_000_000, "base"),
    ],
)
def test_presets_that_suit(kind: str, preset: str, size: int, better: str | None) -> None:
    assert better_preset(KINDS[kind], preset, size) == better
