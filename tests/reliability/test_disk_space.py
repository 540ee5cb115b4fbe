"""Quotas, full file systems, full outputs, in real processes: exit 74, nothing lost, and it goes on."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from seqkit.errors import ExitCode
from seqkit.training.checkpoints import load_newest
from tests.laws.processes import command
from tests.laws.runs import assert_same

SIZE = 1 << 20  # bytes that there are, for a run that needs several times as much


def mounts() -> bool:
    """Whether this machine lets us mount a file system of our own."""
    words = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def arguments(corpus: Path, model: Path) -> list[str]:
    return command(corpus, model, "--steps", "20", training__checkpoint_every=5)


def test_a_quota_for_files(toy_corpus: Path, tmp_path: Path) -> None:
    model, whole = tmp_path / "model", tmp_path / "whole"
    run = [sys.executable, "-m", "seqkit"]
    subprocess.run([*run, *arguments(toy_corpus, whole)], check=True, capture_output=True)
    failed = subprocess.run(
        [*run, *arguments(toy_corpus, model)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_files,
    )
    assert failed.returncode == ExitCode.IO_ERROR, failed.stderr
    assert "File too large" in failed.stderr
    assert "Traceback" not in failed.stderr
    subprocess.run([*run, *arguments(toy_corpus, model)], check=True, capture_output=True)
    assert_same(whole, model)


@pytest.mark.parametrize("mounted", [True] if mounts() else [], ids=["tmpfs"])
def test_a_small_file_system(toy_corpus: Path, tmp_path: Path, mounted: bool) -> None:
    """What it has is named; a checkpoint that was whole before is whole still."""
    assert mounted
    place = tmp_path / "place"
    place.mkdir()
    script = (
        f'mount -t tmpfs -o size={SIZE} tmpfs "$1" || exit 99; shift; '
        '"$@" 2> "$ERRORS"; code=$?; cp -r "$PLACE/model" "$KEPT"; exit $code'
    )
    words = [sys.executable, "-m", "seqkit", *arguments(toy_corpus, place / "model")]
    places = {"ERRORS": str(tmp_path / "err"), "PLACE": str(place), "KEPT": str(tmp_path / "kept")}
    failed = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(place), *words],
        env={**os.environ, **places},
        check=False,
    )
    said = (tmp_path / "err").read_text()
    assert failed.returncode == ExitCode.IO_ERROR, said
    assert "No space left on device" in said
    assert str(place / "model") in said
    if "checkpoint-" in said:
        assert re.search(r"needs [\d,]+ bytes, [\d,]+ are free", said)
    training = tmp_path / "kept" / "training"
    if list(training.glob("checkpoint-*")):
        assert load_newest(training) is not None
    run = [sys.executable, "-m", "seqkit"]
    subprocess.run([*run, *arguments(toy_corpus, tmp_path / "kept")], check=True, capture_output=True)
    subprocess.run([*run, *arguments(toy_corpus, tmp_path / "whole")], check=True, capture_output=True)
    assert_same(tmp_path / "whole", tmp_path / "kept")


@pytest.mark.parametrize("name", ["translate", "generate", "evaluate", "prepare", "train", "print-config"])
def test_a_full_standard_output(
    name: str, toy_model: Path, toy_generator: Path, toy_corpus: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text("".join(f"ba di {number}\n" for number in range(60)))
    words = {
        "translate": ["translate", str(toy_model), str(text), "--threads", "1"],
        "generate": ["generate", str(toy_generator), "--length", "20000", "--threads", "1"],
        "evaluate": ["evaluate", "--reference", str(text), str(text)],
        "prepare": ["prepare", "c", "--text", str(text), "--json"],
        "train": [*command(toy_corpus, tmp_path / "model", "--steps", "2"), "--json"],
        "print-config": ["train", "--print-config"],
    }[name]
    with open("/dev/full", "wb") as full:
        failed = subprocess.run(
            [sys.executable, "-m", "seqkit", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert failed.returncode == ExitCode.IO_ERROR, failed.stderr
    assert "seqkit: error: cannot write standard output: No space left on device" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "Exception ignored" not in failed.stderr
