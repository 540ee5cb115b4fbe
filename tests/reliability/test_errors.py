"""Every way to go wrong and what is said: errors.txt lists commands, their exit codes and their words.

    SEQKIT_WRITE_ERRORS=1 python -m pytest tests/reliability/test_errors.py

writes it anew; read the difference. Each command runs in a folder of its own with the same things in it. What
comes before `seqkit` sets the scene, where `vouch MODEL FILE` and `vouch MODEL -c STATEMENT` make a manifest
fit what was changed (see hostile.py); SETTINGS stands for those of the toy models.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from seqkit import cli
from tests.conftest import (
    make_toy_text_corpus,
    silence_logger,
    toy_assignments,
    toy_pairs,
    write_lines,
)

LIST = Path(__file__).with_name("errors.txt")
WRITE = "SEQKIT_WRITE_ERRORS" in os.environ
ROOT = str(LIST.parents[2])
VOUCH = f"vouch() {{ {sys.executable} -m tests.reliability.hostile $@; }}; ".replace("$@", '"$@"')
CODES = {0, 1, 2, 65, 66, 73, 74, 75}
# What a person may see: a place is where the error points to, a remedy is what to try.
SHAPE = re.compile(r"(seqkit: warning: .+\n)*seqkit: error: .+\n(  where: .+\n)?(  try:   .+\n)?")


def quietly(*words: object) -> None:
    assert cli.run([*map(str, words), "--quiet"]) == 0


@pytest.fixture(scope="module")
def scene(
    toy_corpus: Path,
    toy_model: Path,
    toy_text_corpus: Path,
    toy_generator: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder that the commands start in."""
    folder = tmp_path_factory.mktemp("scene")
    for name, original in (
        ("corpus", toy_corpus),
        ("model", toy_model),
        ("text-corpus", toy_text_corpus),
        ("generator", toy_generator),
    ):
        shutil.copytree(original, folder / name)
    pairs = toy_pairs(400)
    write_lines(folder / "s", [source for source, _ in pairs])
    write_lines(folder / "t", [target for _, target in pairs])
    write_lines(folder / "t-short", [target for _, target in pairs[1:]])
    write_lines(folder / "one", ["ba"])
    write_lines(folder / "two", ["di"])
    write_lines(folder / "blank", ["", " ", ""])
    write_lines(folder / "pairs.tsv", ["\t".join(pair) for pair in pairs])
    write_lines(folder / "three.tsv", ["ba\tdi", "ba\tdi\tfu"])
    (folder / "empty").write_bytes(b"")
    (folder / "utf16").write_bytes("ba di\n".encode("utf-16") * 3)
    (folder / "full").mkdir()
    write_lines(folder / "full" / "letter", ["mine"])
    make_toy_text_corpus(folder / "full", "other words\n" * 50)
    (folder / "full" / "text-corpus").rename(folder / "other-text")
    (folder / "full" / "text.txt").unlink()
    sides = ["--source", folder / "s", "--target", folder / "t"]
    quietly("prepare", folder / "separate", *sides, "--vocab-size", 280, "--separate-vocabularies")
    quietly("prepare", folder / "characters", *sides, "--tokenizer", "char")
    few = ["--steps", 2, "--threads", 1, *toy_assignments()]
    two = ["--set", "model.tied_embeddings=target"]
    quietly("train", folder / "separate", folder / "separate-model", *few, *two)
    quietly("train", folder / "corpus", folder / "rnn", *few, "--set", "model.attention=additive")
    return folder


def cases() -> Iterator[tuple[str, str]]:
    """Each command of the list, with what is expected of it."""
    command, said = "", ""
    for line in [*LIST.read_text().splitlines(), "$ "]:
        if line.startswith("$ "):
            if command:
                yield command, said
            command, said = line[2:], ""
        elif line and not line.startswith("#"):
            said += f"{line}\n"


CASES = dict(cases())


def parts(command: str) -> tuple[str, list[str]]:
    """What sets the scene, and the words of the command itself."""
    setting, _, words = command.rpartition("seqkit")
    settings = shlex.join(["--threads", "1", *toy_assignments()])
    return setting.removesuffix(" && "), shlex.split(words.replace("SETTINGS", settings))


def outcome(words: list[str]) -> str:
    """The exit code and the lines of the error that a command ends with."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    standard_input = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"")))  # type: ignore[type-var]
    with mock.patch.multiple(sys, stdin=standard_input, stdout=out, stderr=err):
        code = cli.run(words)
    silence_logger()
    lines = [
        line for line in err.getvalue().splitlines() if line.startswith(("seqkit: ", "  where: ", "  try: "))
    ]
    said = "".join(f"{line}\n" for line in lines).replace(f"{Path.cwd()}/", "")
    said = re.sub(r"has \d+ CUDA", "has 0 CUDA", said)  # machines differ
    said = re.sub(r"sentencepiece [\d.]+", "sentencepiece 0", said)
    return f"exit {int(code)}\n{said}"


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_size) for path in folder.rglob("*"))


def tried(command: str, scene: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a command of the list; one that must not change anything is held to that."""
    setting, words = parts(command)
    changes = bool(setting) or words[:1] == ["train"]
    folder = Path(shutil.copytree(scene, work / "scene", symlinks=True)) if changes else scene
    monkeypatch.chdir(folder)
    if setting:
        subprocess.run(
            ["bash", "-e", "-c", VOUCH + setting], check=True, env={**os.environ, "PYTHONPATH": ROOT}
        )
    before = listing(folder)
    found = outcome(words)
    if not changes:
        assert listing(folder) == before, "a command that failed left something behind"
    return found


@pytest.mark.parametrize("command", CASES)
def test_what_is_said(command: str, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(command, scene, tmp_path, monkeypatch)
    code, _, said = found.partition("\n")
    assert int(code.removeprefix("exit ")) in CODES - {0}, found
    assert SHAPE.fullmatch(said), found
    if WRITE:
        text = LIST.read_text()
        block = re.compile(rf"^\$ {re.escape(command)}\n(?:[^\n$#][^\n]*\n)*", re.MULTILINE)
        assert block.search(text)
        LIST.write_text(block.sub(lambda _: f"$ {command}\n{found}\n".replace("\n\n", "\n"), text, count=1))
        return
    assert found == CASES[command]


@pytest.mark.parametrize("command", CASES)
def test_each_names_a_place_and_a_remedy(command: str) -> None:
    said = CASES[command]
    first = next(line for line in said.splitlines() if line.startswith("seqkit: error: "))
    _, words = parts(command)
    named = any(word.strip("-") and word.lstrip("-") in first for word in [*words, "CORPUS", "MODEL"])
    assert "\n  where: " in said or named, "it does not say where"
    assert "\n  try:   " in said, "it does not say what to try"
