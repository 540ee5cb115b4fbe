"""The same input, seed, versions and threads give the same bytes, wherever and whenever they are run."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOY_SETTINGS, TOY_TEXT_SETTINGS, toy_pairs, toy_text, write_lines

# Where and how: working folder, locale, time zone, hash seed, age of the files, umask.
PLACES: list[dict[str, Any]] = [
    {"folder": "here", "LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0", "age": 0, "umask": 0o022},
    {
        "folder": "a place/with ünicode",
        "LC_ALL": "C.UTF-8",
        "TZ": "Pacific/Kiritimati",
        "PYTHONHASHSEED": "1",
        "age": 10**9,
        "umask": 0o077,
    },
    {
        "folder": "x" * 100,
        "LC_ALL": "POSIX",
        "TZ": "America/St_Johns",
        "PYTHONHASHSEED": "4294967295",
        "age": -(10**8),
        "umask": 0o002,
    },
]
# metrics.jsonl holds timings, state.json the seconds so far, manifests their hashes, the lock a process.
CLOCKS = {"metrics.jsonl", "state.json", "manifest.json", "lock"}


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a corpus, or those of a model that no clock goes into, by name."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name.split("/")[-1] not in CLOCKS}


def run_at(
    place: dict[str, Any], folder: Path, commands: list[list[str]], texts: dict[str, list[str]]
) -> Path:
    """Run commands with relative names in a folder, under an environment of its own."""
    work = folder / place["folder"]
    work.mkdir(parents=True)
    for name, lines in texts.items():
        write_lines(work / name, lines)
        os.utime(work / name, (10**9 + place["age"], 10**9 + place["age"]))
    environment = {**os.environ, **{key: place[key] for key in ("LC_ALL", "TZ", "PYTHONHASHSEED")}}
    for words in commands:
        subprocess.run(
            [sys.executable, "-m", "seqkit", *words, "--quiet"],
            cwd=work,
            env=environment,
            umask=place["umask"],
            check=True,
            capture_output=True,
        )
    return work


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_prepare_and_train(kind: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        **(TOY_SETTINGS if kind == "translation" else TOY_TEXT_SETTINGS),
        "model.dropout": 0.2,
        "training.checkpoint_every": 3,
        "training.validate_every": 4,
    }
    assignments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    pairs = toy_pairs(400)
    if kind == "translation":
        texts = {"s": [f"{source} é" for source, _ in pairs], "t": [target for _, target in pairs]}
        prepare = ["prepare", "corpus", "--source", "s", "--target", "t", "--vocab-size", "320"]
    else:
        texts = {"text": toy_text(300).split("\n")}
        prepare = ["prepare", "corpus", "--text", "text"]
    train = ["train", "corpus", "model", "--steps", "8", "--threads", "1", *assignments]
    works = [run_at(place, tmp_path, [prepare, train], texts) for place in PLACES]
    corpora, models = ([everything(work / name) for work in works] for name in ("corpus", "model"))
    assert len(corpora[0]) >= (12 if kind == "translation" else 5)
    assert {"weights.safetensors", "config.json"} <= models[0].keys()
    for one, other in [*product(corpora[:1], corpora[1:]), *product(models[:1], models[1:])]:
        assert one.keys() == other.keys()
        assert [name for name in one if one[name] != other[name]] == []
