"""The recipes of words and symbols run from start to end on a few pairs, and score as they say."""

from __future__ import annotations

import gzip
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from seqkit.data.corpus import Corpus

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
LEMMAS = [
    f"{a}{b}{c}" for a in ("ba", "di", "fu", "ge") for b in ("ho", "ka", "li") for c in ("mo", "nu", "pa")
]
SMALL = "--steps 3 --threads 1 --precision fp32 --set model.hidden_size=16 --set model.embedding_size=8"
ROWS: dict[str, dict[str, list[list[str]]]] = {
    "dates": {"dates": [[f"the {number} of {lemma}", f"{number}-05"] for number, lemma in enumerate(LEMMAS)]},
    "inflection": {
        "german": [[lemma, f"{lemma}t", "V;PRS;3"] for lemma in LEMMAS],
    },
    "transliteration": {"en-arabic": [[lemma, " ".join(lemma[::-1]), "1"] for lemma in LEMMAS]},
    "pronunciation": {"": [[lemma, " ".join(lemma.upper())] for lemma in [*LEMMAS, *LEMMAS[9:12]]]},
}
FOLDERS = {
    "dates": "DATES",
    "inflection": "INFLECTION",
    "transliteration": "NAMES",
    "pronunciation": "CMUDICT",
}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables(folder: Path, tasks: dict[str, list[list[str]]]) -> None:
    """Three splits of each task, one of them packed."""
    for task, rows in tasks.items():
        for split, part in (("train", rows[8:]), ("dev", rows[:4]), ("test", rows[4:8])):
            name = f"{task}.{split}.tsv" if task else f"{split}.tsv"
            content = "".join("\t".join(row) + "\n" for row in part).encode()
            if split == "dev":
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


def run(recipe: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe in the environment that runs the tests."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "PATH": path, **variables}
    command = ["bash", str(RECIPES / recipe / "run.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("recipe", ROWS)
def test_a_recipe_from_data_to_scores(recipe: str, tmp_path: Path) -> None:
    data, work = tmp_path / "some data", tmp_path / "work"
    data.mkdir()
    tables(data, ROWS[recipe])
    tasks = [task for task in ROWS[recipe] if task]
    seeds = "1 2" if recipe == "pronunciation" else "1"
    variables = {FOLDERS[recipe]: str(data), "WORK": str(work), "BUDGET": SMALL, "SEEDS": seeds}
    done = run(recipe, *tasks, **variables)
    assert done.returncode == 0, done.stderr
    for task in tasks or ["cmudict"]:
        folder = work / task
        corpus = Corpus.open(folder / "corpus", verify=True)
        assert len((folder / "test.source").read_text().splitlines()) == 4
        outputs = ["test-1.output", "test-2.output", "test-ensemble.output"][: 3 if " " in seeds else 1]
        for name in outputs:
            assert len((folder / name).read_text().splitlines()) == 4
            assert f"{task}/{name}" in (folder / "scores.txt").read_text()
        kinds = [side.kind for side in corpus.manifest.tokenizer.sides]
        assert (
            kinds
            == {
                "dates": ["char"],
                "inflection": ["char,tags", "char"],
                "transliteration": ["char", "word"],
                "pronunciation": ["char", "word"],
            }[recipe]
        )


def test_a_recipe_goes_on_where_it_was(tmp_path: Path) -> None:
    tables(tmp_path, ROWS["dates"])
    variables = {"DATES": str(tmp_path), "WORK": str(tmp_path / "work"), "BUDGET": SMALL}
    assert run("dates", **variables).returncode == 0
    again = run("dates", **variables)
    assert again.returncode == 0, again.stderr
    assert "there already" in again.stderr
    assert "The run was finished already" in again.stderr


@pytest.mark.parametrize("recipe", ROWS)
def test_without_data_it_says_what_to_give(recipe: str, tmp_path: Path) -> None:
    done = run(recipe, WORK=str(tmp_path), **{FOLDERS[recipe]: ""})
    assert done.returncode == 2
    assert f"{FOLDERS[recipe]}=FOLDER bash recipes/{recipe}/run.sh" in done.stderr


def test_a_table_that_is_not_there_or_too_narrow_is_named(tmp_path: Path) -> None:
    words = load(RECIPES / "words.py")
    tables(tmp_path, {"dates": [["a", "b"]] * 9})
    with pytest.raises(SystemExit, match=r"neither .*numbers\.train\.tsv nor"):
        words.main([str(tmp_path / "numbers"), str(tmp_path / "out"), "--source", "1", "--target", "2"])
    with pytest.raises(SystemExit, match="has 2 columns in row 1, not 3"):
        words.main([str(tmp_path / "dates"), str(tmp_path / "out"), "--source", "1", "--target", "3"])


def test_unseen_words_and_all_their_answers(tmp_path: Path) -> None:
    words = load(RECIPES / "words.py")
    rows = {
        "train": [["a", "A"], ["b", "B"]],
        "dev": [["b", "X"], ["c", "C"]],
        "test": [["d", "1"], ["e", "2"], ["d", "3"]],
    }
    for split, part in rows.items():
        (tmp_path / f"x.{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in part))
    columns = ["--source", "1", "--target", "2", "--unseen", "--references"]
    words.main([str(tmp_path / "x"), str(tmp_path / "out"), *columns])
    assert (tmp_path / "out" / "valid.source").read_text() == "c\n"
    assert (tmp_path / "out" / "test.source").read_text() == "d\ne\n"
    assert (tmp_path / "out" / "test.target").read_text() == "1\t3\n2\n"


@pytest.mark.parametrize(
    ("outputs", "references", "wer", "per"),
    [
        (["A B C"], [["A B C"]], 0.0, 0.0),
        (["A B C", "A"], [["A X C"], ["B", "A"]], 50.0, 25.0),
        (["A B"], [["A B C D", "A B X"]], 100.0, 100 / 3),
        ([""], [["A B"]], 100.0, 100.0),
    ],
)
def test_error_rates_of_pronunciations(
    outputs: Sequence[str], references: Sequence[Sequence[str]], wer: float, per: float
) -> None:
    score = load(RECIPES / "pronunciation" / "score.py")
    assert score.rates(outputs, references) == pytest.approx((wer, per))


def test_outputs_of_another_length_are_refused(tmp_path: Path) -> None:
    score = load(RECIPES / "pronunciation" / "score.py")
    (tmp_path / "references").write_text("A\tB\nC\n")
    (tmp_path / "output").write_text("A\n")
    with pytest.raises(SystemExit, match="has 1 lines, not 2"):
        score.main([str(tmp_path / "references"), str(tmp_path / "output")])
