"""The small install: its list of packages is exact and enough, and what its page says to type works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from seqkit.errors import LEFT_OUT

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "recipes/deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = re.findall(r"```sh\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
(INSTALL,) = [command for command in COMMANDS if "pip install" in command]


def required() -> list[str]:
    """The lines of the list."""
    lines = (DEPLOY / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def closure() -> set[str]:
    """The packages that are listed, and all that they need on this machine, as pip finds them."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in required()]
    while waiting:
        one = waiting.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        if one.name.lower() not in found:
            found.add(one.name.lower())
            waiting += map(Requirement, distribution(one.name).requires or ())
    return found


def test_the_list_is_the_projects_without_what_is_left_out() -> None:
    left_out = {requirement for _, requirement in LEFT_OUT.values()}
    assert left_out < set(PROJECT["dependencies"])
    assert required() == sorted(set(PROJECT["dependencies"]) - left_out)


def test_nothing_that_is_left_out_comes_in_by_another_way() -> None:
    assert closure() & {*LEFT_OUT, "pydantic", "pillow"} == set()


def test_the_list_is_enough(tmp_path: Path, toy_model: Path, toy_generator: Path) -> None:
    """A Python that finds the listed packages, what they need, and nothing else."""
    (tmp_path / "seqkit").symlink_to(ROOT / "seqkit")
    for name in closure():
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in {"..", "__pycache__"}}:
            (tmp_path / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    lines = "ba di fu\ngo ke\n"

    def run(*arguments: object, text: str = "") -> str:
        return subprocess.run(
            [sys.executable, "-S", "-m", "seqkit", *map(str, arguments)],  # -S: no site-packages
            input=text,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            check=True,
        ).stdout

    assert run("translate", toy_model, text=lines).count("\n") == 2
    assert len(run("generate", toy_generator, "--seed", 1, "--length", 40)) >= 40
    run("generate", toy_generator, "--length", 40, "--cells-html", "cells.html")
    assert Path("cells.html").read_bytes().startswith(b"<!DOCTYPE html>")
    Path("reference").write_text(lines)
    assert (
        "BLEU"
        in run("evaluate", "--model", toy_model, "--source", "reference", "--reference", "reference").upper()
    )
    assert "bits_per_character" in run("evaluate", "--model", toy_generator, "--text", "reference")
    arguments = ["prepare", "corpus", "--text", "reference", "--valid-size", "1", "--quiet"]
    assert run(*arguments) == ""
    assert Path("corpus/corpus.json").exists()


def test_the_container_is_made_of_files_that_exist_as_the_page_installs() -> None:
    instructions = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text())
    copied = [
        source
        for words in re.findall(r"^COPY (?!--from)(.*)$", instructions, re.MULTILINE)
        for source in words.split()[:-1]
    ]
    assert {"seqkit", "pyproject.toml", "constraints.txt"} < set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
    for named in (PROJECT["readme"], *PROJECT["license-files"]):
        assert named in copied  # the build reads them
    options = re.findall(r"pip \S+ \S+ install --no-cache-dir (.*)$", instructions, re.MULTILINE)
    assert [f"pip install {each}" for each in options] == [part.strip() for part in INSTALL.split("&&")]
    assert re.search(r"^USER \d+:\d+$", instructions, re.MULTILINE)
    assert 'ENTRYPOINT ["/opt/seqkit/bin/seqkit"]' in instructions


@pytest.mark.slow
def test_the_page_installs_what_decodes(tmp_path: Path, toy_model: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "small"], check=True)
    activated = f". {tmp_path / 'small'}/bin/activate\n"
    subprocess.run(["bash", "-euc", activated + INSTALL], cwd=ROOT, check=True, timeout=900)
    script = f"{activated}echo ba di | seqkit translate {toy_model} && seqkit train a b"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stderr
    assert "seqkit train needs PyTorch, which is not installed" in done.stderr
    packages = subprocess.run(
        [tmp_path / "small/bin/python", "-m", "pip", "list"], capture_output=True, text=True, check=True
    ).stdout
    assert not re.search(r"^(torch|matplotlib|pydantic) ", packages, re.MULTILINE)
