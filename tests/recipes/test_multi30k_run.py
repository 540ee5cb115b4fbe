"""The recipe's script with a stand-in for seqkit that writes down what it is asked to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "recipes" / "multi30k"

SEQKIT = """#!/usr/bin/env bash
printf '%s|' "$@" >> "$CALLS"; echo >> "$CALLS"
[ "$1" != "${FAIL:-}" ] || exit 75
case $1 in
    prepare) mkdir -p "$2"; touch "$2/corpus.json" ;;
    train) mkdir -p "$3" ;;
    translate) while [ "$1" != --output ]; do shift; done; touch "$2" ;;
    evaluate) echo "bleu 40.00 signature" ;;
esac
"""

DOWNLOAD = """import pathlib, sys
source, target, _, folder = sys.argv[1:]
pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
for name in ("train", "val", "test_2016_flickr", "test_2017_flickr"):
    for language in (source, target):
        (pathlib.Path(folder) / f"{name}.{language}").write_text("text")
(pathlib.Path(folder) / f"test_2018_flickr.{target}").write_text("no source for it")
"""


class Recipe:
    """A copy of the recipe in a folder with spaces in its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a folder with spaces" / "recipes"
        self.calls = folder / "calls"
        self.script = self.folder / "multi30k" / "run.sh"
        self.script.parent.mkdir(parents=True)
        shutil.copy(RECIPE / "run.sh", self.script)
        (self.folder / "multi30k" / "download.py").write_text(DOWNLOAD)
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "seqkit").write_text(SEQKIT)
        (programs / "seqkit").chmod(0o755)
        setup, call = (RECIPE.parent / "setup.sh").read_text().rsplit("\n", 2)[:2]
        assert call == "seqkit_setup"
        stub = f"[ $# -eq 0 ]\nexport VIRTUAL_ENV=/venv PATH='{programs}':\"$PATH\"\n"
        (self.folder / "setup.sh").write_text(f"{setup}\n{stub}")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        names = ("MINUTES", "SEED", "PRESET", "WORK", "MULTI30K")
        environment = {name: value for name, value in os.environ.items() if name not in names}
        return subprocess.run(
            ["bash", str(self.script), *arguments],
            env=environment | {"CALLS": str(self.calls)} | variables,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self) -> list[list[str]]:
        lines = self.calls.read_text().splitlines()
        self.calls.unlink()
        return [line.rstrip("|").split("|") for line in lines]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


def test_the_steps_in_order(recipe: Recipe) -> None:
    done = recipe.run("en", "de")
    assert done.returncode == 0, done.stderr
    work = recipe.folder / "multi30k" / "work"
    data, corpus, run = "data", "en-de/corpus-4000", "en-de/small-20-minutes-seed-1"
    prepare, train, *tests = recipe.called()
    assert prepare == [
        *["prepare", corpus, "--overwrite", "--vocab-size", "4000"],
        *["--source", f"{data}/train.en", "--target", f"{data}/train.de"],
        *["--valid-source", f"{data}/val.en", "--valid-target", f"{data}/val.de"],
    ]
    settings = ["--preset", "small", "--minutes", "20", "--seed", "1"]
    assert train == ["train", corpus, f"{run}/model", *settings]
    assert [call[0] for call in tests] == ["translate", "evaluate"] * 2
    assert tests[2][:3] == ["translate", f"{run}/model", f"{data}/test_2017_flickr.en"]
    assert f"{run}/test_2017_flickr.de" in tests[2]
    assert tests[3][:4] == [
        *["evaluate", f"{run}/test_2017_flickr.de", "--reference", f"{data}/test_2017_flickr.de"]
    ]
    scores = "test_2016_flickr\nbleu 40.00 signature\ntest_2017_flickr\nbleu 40.00 signature\n"
    assert done.stdout == scores
    assert (work / run / "scores.txt").read_text() == scores
    folder = str(work).replace(" ", "\\ ")
    assert f"   $ cd {folder}\n" in done.stderr
    assert f"   $ seqkit train {' '.join(train[1:])}\n" in done.stderr
    assert done.stderr.endswith(
        f"   $ . /venv/bin/activate\n   $ cd {folder}\n   $ seqkit translate {run}/model\n"
    )


def test_settings_from_the_environment(recipe: Recipe, tmp_path: Path) -> None:
    work = tmp_path / "other work"
    variables = {"MINUTES": "0.5", "SEED": "7", "PRESET": "tiny", "VOCABULARY": "900", "WORK": str(work)}
    assert recipe.run("fr", "cs", **variables).returncode == 0
    train = recipe.called()[1]
    assert (work / "fr-cs/tiny-0.5-minutes-seed-7/model").is_dir()
    assert train == [
        *["train", "fr-cs/corpus-900", "fr-cs/tiny-0.5-minutes-seed-7/model"],
        *["--preset", "tiny", "--minutes", "0.5", "--seed", "7"],
    ]


def test_a_second_run_does_not_prepare_again(recipe: Recipe) -> None:
    recipe.run("en", "de")
    recipe.called()
    assert recipe.run("en", "de", SEED="2").returncode == 0
    assert [call[0] for call in recipe.called()][:2] == ["train", "translate"]


STEPS = ["prepare", "train", "translate", "evaluate"]


@pytest.mark.parametrize("failing", STEPS)
def test_a_failure_ends_the_script_with_its_code(recipe: Recipe, failing: str) -> None:
    done = recipe.run("en", "de", FAIL=failing)
    assert done.returncode == 75
    assert [call[0] for call in recipe.called()] == STEPS[: STEPS.index(failing) + 1]
    assert "That is all" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "two languages are needed, 0 given"),
        (["en"], "two languages are needed, 1 given"),
        (["en", "de", "fr"], "two languages are needed, 3 given"),
        (["en", "xx"], "Multi30k has no language 'xx'"),
        (["", "de"], "Multi30k has no language ''"),
        (["en de", "fr"], "Multi30k has no language 'en de'"),
        (["de", "de"], "source and target are both de"),
    ],
)
def test_wrong_languages(recipe: Recipe, arguments: list[str], said: str) -> None:
    done = recipe.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"run.sh: error: {said}\n  try:   bash recipes/multi30k/run.sh en de")
    assert done.stdout == ""
    assert not recipe.calls.exists()
