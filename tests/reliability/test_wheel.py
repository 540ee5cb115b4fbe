"""The wheel: every file of the package is in it, and pages are made from what it installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip builds it, with the setuptools that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "seqkit", folder / "seqkit", ignore=shutil.ignore_patterns("__pycache__"))
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."]
    subprocess.run([sys.executable, *words], cwd=folder, check=True)
    (found,) = (folder / "dist").iterdir()
    return found


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "seqkit").rglob("*")
        if path.is_file() and path.suffix not in {".md", ".pyc"}
    }
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if name.startswith("seqkit/")} == there
    assert "seqkit/pages/templates/cells.js" in there


def test_pages_are_made_from_what_the_wheel_installs(
    wheel: Path, toy_model: Path, toy_generator: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    for name, place in (("installed", tmp_path / "installed"), ("here", ROOT)):
        for words in (
            ["evaluate", "--model", toy_model, "--report", f"{name}-report.html"],
            [
                "generate",
                toy_generator,
                "--length",
                "30",
                "--seed",
                "1",
                "--cells-html",
                f"{name}-cells.html",
            ],
        ):
            subprocess.run(
                [sys.executable, "-m", "seqkit", *map(str, words)],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(place)},
                check=True,
                capture_output=True,
            )
    for page in ("report.html", "cells.html"):
        assert (tmp_path / f"installed-{page}").read_bytes() == (tmp_path / f"here-{page}").read_bytes()
