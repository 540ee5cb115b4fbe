"""The recipes of time series run from start to end on tiny made-up series, in a folder with spaces."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqkit.randomness import default_rng

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
HEADER = "@problemName {name}\n@timeStamps false\n@classLabel true up down\n@data\n"


def series(name: str, rows: int, seed: int) -> str:
    """Two dimensions of 6 to 9 values that rise or fall, with a little noise."""
    random = default_rng(seed)
    lines = []
    for row in range(rows):
        length = int(random.integers(6, 10))
        slope = np.linspace(-1, 1, length) * (1 if row % 2 else -1)
        values = slope + random.normal(scale=0.1, size=(2, length))
        cells = [",".join(f"{value:.3f}" for value in dimension) for dimension in values]
        lines.append(":".join([*cells, "up" if row % 2 else "down"]))
    return HEADER.format(name=name) + "\n".join(lines) + "\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "the data"
    for name in ("Ramps", "JapaneseVowels"):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}_TRAIN.ts").write_text(series(name, 24, seed=1))
        (folder / name / f"{name}_TEST.ts.gz").write_bytes(gzip.compress(series(name, 10, seed=2).encode()))
    return folder


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A copy of the recipes that uses the package as it is, and installs nothing."""
    folder = tmp_path / "the recipes"
    for name in ("time-series", "speakers"):
        (folder / name).mkdir(parents=True)
        for file in (*(RECIPES / name).glob("*.sh"), *(RECIPES / name).glob("*.py")):
            shutil.copy(file, folder / name)
    setup, call = (RECIPES / "setup.sh").read_text().rsplit("\n", 2)[:2]
    assert call == "seqkit_setup"
    (folder / "setup.sh").write_text(setup + "\n")
    return folder


def run(recipe: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe in the environment that runs the tests."""
    return subprocess.run(
        ["bash", str(recipe / "run.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "VIRTUAL_ENV": sys.prefix,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SEEDS": "1 2",
            "SETTINGS": "--preset tiny --steps 60",
            **variables,
        },
    )


@pytest.mark.timeout(1800)
def test_the_recipe_of_time_series_runs_and_runs_again(tmp_path: Path, data: Path, recipes: Path) -> None:
    work = tmp_path / "a folder with spaces"
    first = run(recipes / "time-series", "Ramps", TIME_SERIES=str(data), WORK=str(work))
    assert first.returncode == 0, first.stderr
    titles, figures = first.stdout.splitlines()
    assert titles.split() == ["set", "mean", "sd", "best", "errors", "per", "seed"]
    assert re.fullmatch(r"Ramps +100\.00 +0\.00 +100\.00 +0 0 of 10", figures)
    weights = (work / "Ramps/seed-2/weights.safetensors").read_bytes()
    again = run(recipes / "time-series", "Ramps", TIME_SERIES=str(data), WORK=str(work), SEEDS="2")
    assert again.returncode == 0, again.stderr
    assert re.search(r"^Ramps +100\.00 +0\.00 +100\.00 +0 of 10$", again.stdout, re.MULTILINE)
    assert "there already" in again.stderr
    assert (work / "Ramps/seed-2/weights.safetensors").read_bytes() == weights


def test_the_recipe_of_speakers_is_that_of_time_series(tmp_path: Path, data: Path, recipes: Path) -> None:
    done = run(recipes / "speakers", TIME_SERIES=str(data), WORK=str(tmp_path / "work"), SEEDS="3")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^JapaneseVowels +100\.00 +0\.00 +100\.00 +0 of 10$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("recipe", ["time-series", "speakers"])
def test_data_that_are_not_there(recipe: str, tmp_path: Path, recipes: Path) -> None:
    done = run(recipes / recipe, TIME_SERIES=str(tmp_path / "nowhere"), WORK=str(tmp_path / "work"))
    assert done.returncode == 66
    assert "run.sh: error: no " in done.stderr
    assert "try:   TIME_SERIES=FOLDER" in done.stderr
    assert done.stdout == ""
