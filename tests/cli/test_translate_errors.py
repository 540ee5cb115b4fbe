"""How `seqkit translate` ends when something is wrong: a code, one block, no results."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from unittest import mock

import pytest

from seqkit import cli
from seqkit.errors import ExitCode
from tests.cli.test_translate import names, translate
from tests.conftest import Finished


def damaged(model: Path, kind: str) -> Path:
    """A copy of a model directory with something wrong."""
    copy = Path(f"model-{kind}")
    shutil.copytree(model, copy, ignore=shutil.ignore_patterns("training"))
    weights = copy / "weights.safetensors"
    if kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif kind == "flipped":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif kind == "weightless":
        weights.unlink()
    return copy


def assert_one_block(finished: Finished, code: ExitCode, fragment: str) -> None:
    assert finished.code == code
    assert finished.out == b""
    first, *rest = finished.err.splitlines()
    assert first.startswith("seqkit: error: ")
    assert all(line.startswith(("  where: ", "  try:   ")) for line in rest)
    assert fragment in finished.err


@pytest.mark.parametrize("kind", ["truncated", "flipped", "weightless"])
def test_a_damaged_model_is_bad_data(toy_model: Path, kind: str) -> None:
    assert_one_block(translate(damaged(toy_model, kind)), ExitCode.BAD_DATA, "weights.safetensors")


def test_what_is_no_model(toy_model: Path) -> None:
    Path("folder").mkdir()
    Path("file").write_text("")
    assert_one_block(translate(Path("nowhere")), ExitCode.INPUT_MISSING, "nowhere")
    assert_one_block(translate(Path("folder")), ExitCode.BAD_DATA, "manifest.json")
    assert_one_block(translate(Path("file")), ExitCode.BAD_DATA, "a file")
    assert_one_block(translate(toy_model, "--ensemble", "nowhere"), ExitCode.INPUT_MISSING, "nowhere")


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (["no-such-file"], ExitCode.INPUT_MISSING, "no-such-file"),
        (["."], ExitCode.INPUT_MISSING, "it is a directory"),
        (["--output", "no-such-folder/out"], ExitCode.CANNOT_CREATE, "no-such-folder/out"),
        (["--output", "."], ExitCode.CANNOT_CREATE, "cannot create ."),
        (["--beam-sise", "3"], ExitCode.USAGE, "--beam-size"),
        (["--beam-size", "many"], ExitCode.USAGE, "--beam-size"),
        (["--beam-size", "0"], ExitCode.USAGE, "--beam-size 0"),
        (["--n-best", "6"], ExitCode.USAGE, "--beam-size 6"),
        (["--batch-tokens", "0"], ExitCode.USAGE, "--batch-tokens"),
        (["--length-penalty", "nan"], ExitCode.USAGE, "--length-penalty nan"),
        (["--min-length", "4", "--max-length", "3"], ExitCode.USAGE, "--min-length 4"),
        (["--device", "gpu"], ExitCode.USAGE, "cpu, cuda"),
        (["--device", "cuda:99"], ExitCode.USAGE, "CUDA devices"),
        (["a", "b"], ExitCode.USAGE, "b"),
    ],
)
def test_errors_are_one_block(toy_model: Path, arguments: list[str], code: ExitCode, fragment: str) -> None:
    assert_one_block(translate(toy_model, *arguments), code, fragment)
    assert not [name for name in names() if name.startswith(".tmp")]


def test_utf16_is_refused_with_a_command(toy_model: Path) -> None:
    finished = translate(toy_model, stdin="ba di\n".encode("utf-16"))
    assert_one_block(finished, ExitCode.BAD_DATA, "iconv -f UTF-16 -t UTF-8")


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("stdout", "standard output is closed", ExitCode.CANNOT_CREATE),
        ("stdin", "standard input is closed", ExitCode.INPUT_MISSING),
    ],
)
def test_closed_standard_streams(toy_model: Path, name: str, said: str, code: ExitCode) -> None:
    err = io.StringIO()
    with mock.patch.multiple(sys, **{"stderr": err, name: None}):
        assert cli.run(["translate", str(toy_model), "--threads", "1"]) == code
    assert err.getvalue().startswith(f"seqkit: error: {said}\n")
