"""A small install: where there is no torch all but training works, and the rest says what to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqkit.errors import LEFT_OUT, ConfigError, ExitCode, left_out
from tests.conftest import Finished, toy_pairs, toy_text, write_lines

ROOT = Path(__file__).parents[2]
# Python runs this before anything else: no finder knows the hidden modules, as where they are not installed.
HIDING = """
import os, sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in os.environ["HIDDEN"].split(",")
        return None if hidden else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""
TORCH = 'PyTorch, which is not installed\n  try:   pip install "torch>=2.6,<3"\n'

Run = Callable[..., Finished]


@pytest.fixture(scope="session")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process for which torch is not installed."""
    folder = tmp_path_factory.mktemp("hiding")
    (folder / "sitecustomize.py").write_text(HIDING)
    return {"PYTHONPATH": str(folder), "HIDDEN": "torch"}


@pytest.fixture(scope="session")
def files(
    toy_model: Path, toy_generator: Path, toy_corpus: Path, toy_text_corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:  # fmt: skip
    """What the commands below name."""
    folder = tmp_path_factory.mktemp("small-install")
    pairs = toy_pairs(60, 5)
    write_lines(folder / "source", [source for source, _ in pairs])
    write_lines(folder / "target", [target for _, target in pairs])
    write_lines(folder / "pairs", ["\t".join(pair) for pair in pairs])
    (folder / "text").write_text(toy_text(30, 3), encoding="utf-8")
    models = {"MODEL": toy_model, "GENERATOR": toy_generator, "CORPUS": toy_corpus, "BOOK": toy_text_corpus}
    return {**models, **{name.upper(): folder / name for name in ("source", "target", "pairs", "text")}}


def words(line: str, files: dict[str, Path]) -> list[str]:
    """A command line with the files' names in it."""
    return [str(files.get(word, word)) for word in line.split()]


def test_torch_is_hidden(hidden: dict[str, str]) -> None:
    program = (
        "from seqkit.device import torch_is_installed, wants_processor\n"
        "print(torch_is_installed(), wants_processor('auto'))\nimport torch"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **hidden},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "False True\n")
    assert "ModuleNotFoundError: No module named 'torch'" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "translate MODEL SOURCE",
        "translate MODEL SOURCE --json --scores --alignments --n-best 2 --threads 2",
        "generate GENERATOR --seed 1 --length 60 --json --log-probabilities",
        "generate GENERATOR --seed 1 --length 60 --precision fp32 --samples 3",
        "generate GENERATOR --length 20 --beam-size 3",
        "generate GENERATOR --seed 2 --length 60 --show-cells 1:1",
        "evaluate --reference TARGET SOURCE",
        "evaluate --model MODEL --source SOURCE --reference TARGET --show-worst 2",
        "evaluate --model GENERATOR",
        "evaluate --ngram BOOK --text TEXT",
        "evaluate --novelty BOOK TEXT",
        "train --print-config",
        "train --help",
    ],
)
def test_the_same_with_and_without(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path], line: str
) -> None:
    arguments = words(line, files)
    small, whole = seqkit(*arguments, **hidden), seqkit(*arguments)
    assert (small.code, whole.code) == (0, 0), small.err
    assert small.out == whole.out != b""


@pytest.mark.parametrize(
    "line",
    [
        "--source SOURCE --target TARGET --vocab-size 290",
        "--pairs PAIRS --tokenizer char --separate-vocabularies",
        "--text TEXT",
        "--text TEXT --tokenizer bpe --vocab-size 300 --documents line",
    ],
)
def test_the_same_corpus(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path], line: str, tmp_path: Path
) -> None:
    for name, environment in (("small", hidden), ("whole", {})):
        done = seqkit("prepare", tmp_path / name, *words(line, files), "--valid-size", "10", **environment)
        assert done.code == 0, done.err
    small, whole = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("small", "whole")
    )
    assert small == whole
    assert len(small) > 3


def test_nats_step_by_step_are_those_of_whole_slices(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path]
) -> None:
    arguments = words("evaluate --model GENERATOR --text TEXT --window 16 --window 5000 --json", files)

    def results(**environment: str) -> list[dict[str, Any]]:
        done = seqkit(*arguments, **environment)
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]

    small, whole = results(**hidden), results()
    assert len(small) == 9
    for ours, theirs in zip(small, whole, strict=True):
        assert ours["signature"] == theirs["signature"]
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-5)


def test_python_translates_and_writes(hidden: dict[str, str], files: dict[str, Path]) -> None:
    program = (
        "import sys, seqkit\n"
        "print(seqkit.Translator.load(sys.argv[1]).translate(['ba di fu'])[0].text)\n"
        "print(seqkit.TextGenerator.load(sys.argv[2]).generate('ba', length=9, seed=1)[0].text)\n"
        "assert {'torch', 'jinja2', 'markupsafe', 'matplotlib'}.isdisjoint(sys.modules)"
    )
    command = [sys.executable, "-c", program, str(files["MODEL"]), str(files["GENERATOR"])]
    outputs = [
        subprocess.run(command, capture_output=True, env={**os.environ, **more}, check=True).stdout
        for more in (hidden, {})
    ]
    assert outputs[0] == outputs[1] != b""


def test_the_tab_key(seqkit: Run, hidden: dict[str, str]) -> None:
    asked = {
        "_SEQKIT_COMPLETE": "complete_zsh",
        "_TYPER_COMPLETE_ARGS": "seqkit train --preset t",
    }
    assert b"tiny" in seqkit(**asked, **hidden).out


def test_a_page_needs_no_torch(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path], tmp_path: Path
) -> None:
    for name, environment in (("small.html", hidden), ("whole.html", {})):
        for model in ("MODEL", "GENERATOR"):
            page = tmp_path / f"{model}-{name}"
            done = seqkit(*words(f"evaluate --model {model} --report", files), page, **environment)
            assert done.code == 0, done.err
    for model in ("MODEL", "GENERATOR"):
        small, whole = (tmp_path / f"{model}-{name}.html" for name in ("small", "whole"))
        assert small.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train CORPUS new", "seqkit train needs "),
        ("train CORPUS new --dry-run", "seqkit train needs "),
        ("translate MODEL SOURCE --precision fp32", "what seqkit translate is asked for needs "),
        ("translate MODEL SOURCE --device cuda", "what seqkit translate is asked for needs "),
        ("generate GENERATOR --precision bf16 --seed 1", "what seqkit generate is asked for needs "),
        ("evaluate --model GENERATOR --text TEXT --dynamic", "what seqkit evaluate is asked for needs "),
    ],
)
def test_what_needs_torch_says_so(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path], line: str, said: str, tmp_path: Path
) -> None:
    done = seqkit(*words(line, files), **hidden)
    assert (done.code, done.out) == (ExitCode.USAGE, b"")
    assert done.err == f"seqkit: error: {said}{TORCH}"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_is_the_first_thing_to_mend(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path]
) -> None:
    assert (
        "--device 'gpu' is not known" in seqkit("translate", files["MODEL"], "--device", "gpu", **hidden).err
    )


def test_a_page_needs_matplotlib(
    seqkit: Run, hidden: dict[str, str], files: dict[str, Path], tmp_path: Path
) -> None:
    record = files["MODEL"] / "metrics.jsonl"
    done = seqkit("evaluate", "--model", record, "--report", "page.html", **hidden | {"HIDDEN": "matplotlib"})
    assert (done.code, list(tmp_path.iterdir())) == (ExitCode.USAGE, [])
    assert done.err == (
        "seqkit: error: what seqkit evaluate is asked for needs matplotlib, which is not installed\n"
        '  try:   pip install "matplotlib>=3.9"\n'
    )


def test_what_is_left_out_can_be_installed_as_it_is_said() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {requirement for _, requirement in LEFT_OUT.values()} <= set(project["dependencies"])


def test_another_module_that_is_missing_is_a_bug() -> None:
    assert left_out(ModuleNotFoundError("No module named 'numpy'", name="numpy"), "translate") is None
    assert left_out(ModuleNotFoundError("nameless"), "translate") is None
    part = left_out(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), "generate")
    assert isinstance(part, ConfigError)
