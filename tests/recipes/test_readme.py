"""The pages keep their word: examples run, what they show is true, tables agree with the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seqkit.config import preset_layer, resolve
from seqkit.errors import ExitCode
from seqkit.kinds import CLASSIFICATION, GENERATION, TRANSLATION, Kind
from seqkit.model_directory import load
from tests.recipes.pages import COMMANDS, FRONT_PAGE, PACKAGE, PAGES, ROOT

README = FRONT_PAGE.read_text()
# Those of a page use what those of the pages before it have made.
WITH_EXAMPLES = [FRONT_PAGE, COMMANDS, PACKAGE]
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```(sh|python)\n(.*?)```", re.DOTALL)
EXAMPLES = [example for page in WITH_EXAMPLES for example in EXAMPLE.findall(page.read_text())]
FRONT_LINES = 230  # a front page is read in two minutes


def shortened(example: str) -> str:
    """The example with a budget for a test; everything else is as the page shows it."""
    shorter = example.replace("--minutes 2", "--steps 12 --set training.validation_sentences=10")
    return shorter.replace("--minutes 1", "--steps 12 --set training.validate_every=6")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the caption files that the examples name."""
    folder = tmp_path_factory.mktemp("readme examples")
    subprocess.run(
        [
            sys.executable,
            ROOT / "data/captions/make.py",
            folder,
            "--train",
            "600",
            "--valid",
            "20",
            "--test",
            "12",
        ],
        check=True,
        capture_output=True,
    )
    return folder


def test_the_examples_are_found() -> None:
    assert [name for name, _, _ in EXAMPLES] == [
        *(
            "prepare",
            "prepare-text",
            "train",
            "train-text",
            "translate",
            "evaluate-model",
            "generate",
            "classifier",
            "python",
        ),
        *("prepare-table", "train-report", "translate-table", "evaluate", "evaluate-systems"),
        *("evaluate-text", "evaluate-table", "evaluate-card", "cells"),
        *("python-generator", "python-classifier", "python-attention"),
    ]
    assert {page for page in PAGES if EXAMPLE.search(page.read_text())} == set(WITH_EXAMPLES)


def test_the_front_page_is_short_and_has_an_example_of_every_command() -> None:
    assert README.count("\n") <= FRONT_LINES
    shown = "".join(example for _, _, example in EXAMPLE.findall(README))
    for command in ("prepare", "train", "translate", "generate", "evaluate"):
        assert f"seqkit {command} " in shown, command


def test_every_example_runs_in_order(workplace: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name, language, example in EXAMPLES:
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        result = subprocess.run(
            [*command, shortened(example)],
            cwd=workplace,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{name}: {result.stderr}"
        if name == "translate":
            assert result.stdout.count("\n") == 1
        if name in {"evaluate", "evaluate-model"}:
            assert re.search(r"bleu", result.stdout, re.IGNORECASE)
            assert "tok:13a" in result.stdout
        if name == "evaluate-systems":
            assert "| bleu | beam.de |" in result.stdout
            assert result.stdout.count("  hypothesis ") == 3
        if name == "classifier":
            assert result.stdout == "de\n"
        if name == "translate-table":
            assert result.stdout.startswith(
                "text,language,predicted_language,probability_language\na dog,en,en,"
            )
            assert re.search(r"\n0\.\d+\ten\n0\.\d+\tde\n$", result.stdout)
        if name == "evaluate-table":
            assert re.search(r"^accuracy +100\.00 ", result.stdout, re.MULTILINE)
            assert "true \\ predicted" in result.stdout
        if name == "evaluate-card":
            assert "# A translator made with seqkit" in result.stdout
        if name == "evaluate-text":
            for protocol in ("stream", "window-64", "dynamic", "ngram"):
                assert protocol in result.stdout, protocol
        if name == "generate":
            assert result.stdout.startswith("A man ")
            assert 200 <= len(result.stdout) <= 210
        if name == "python-attention":
            assert (workplace / "attention.html").read_text(encoding="utf-8").startswith("<div><bdi>")
        if name == "train-report":
            for page in ("model/report.html", "page.html"):
                assert "report of a translator</title>" in (workplace / page).read_text(encoding="utf-8")
        if name == "cells":
            assert (workplace / "cells.html").read_text().startswith("<!DOCTYPE html>")


def test_presets_are_documented_with_their_sizes() -> None:
    rows = re.findall(
        r"^\| `(\w+)`(?: \(default\))? \| (\d+) \| (\d+) \| (\d) \+ (\d) \|",
        COMMANDS.read_text(),
        re.MULTILINE,
    )
    described = {name: tuple(map(int, sizes)) for name, *sizes in rows}
    for name in TRANSLATION.presets:
        model = resolve([preset_layer(name, TRANSLATION)], TRANSLATION).config.model
        assert described[name] == (
            model.embedding_size,
            model.hidden_size,
            model.encoder_layers,
            model.decoder_layers,
        )


def documented_presets(before: str) -> dict[str, tuple[float, ...]]:
    """The first table of presets behind the given words: sizes, dropout and budget."""
    rows = re.findall(
        r"^\| `(\w+)`(?: \(default\))? \| (\d+) \| (\d+) \| (\d) \| ([\d.]+) \| (\d+) (\w+) \|",
        COMMANDS.read_text().split(before, 1)[1],
        re.MULTILINE,
    )
    return {name: tuple(map(float, rest[:-1])) for name, *rest in rows[:4]}


@pytest.mark.parametrize(
    ("kind", "before", "layers"),
    [
        (GENERATION, "A generator has presets of its own", "decoder_layers"),
        (CLASSIFICATION, "A classifier's presets", "encoder_layers"),
    ],
)
def test_presets_with_a_budget_are_documented(kind: Kind, before: str, layers: str) -> None:
    described = documented_presets(before)
    assert described.keys() == kind.presets.keys()
    for name, values in described.items():
        config = resolve([preset_layer(name, kind)], kind).config
        model, budget = config.model, config.training.minutes or config.training.epochs
        sizes = (model.embedding_size, model.hidden_size, getattr(model, layers))
        assert values == (*sizes, model.dropout, budget), name


def test_exit_codes_are_documented() -> None:
    documented = {
        int(code) for code in re.findall(r"\b(\d+) [a-zI]", README.split("Exit codes:")[1].split("##")[0])
    }
    assert documented == {int(code) for code in ExitCode}


def test_the_files_of_a_model_directory_are_documented(toy_model: Path) -> None:
    load(toy_model)
    for entry in toy_model.iterdir():
        assert f"`{entry.name}" in README


def test_the_output_that_is_shown_for_prepare_is_true(tmp_path: Path) -> None:
    """The first session of the commands' page, whole, on a terminal's words: all but the time."""
    page = COMMANDS.read_text()
    block = page[page.index("$ seqkit prepare corpus") :].split("\n```", 1)[0]
    command, _, shown = block.partition("\ncorpus corpus\n")
    assert shown.count("\n") == 8
    subprocess.run([sys.executable, ROOT / "data" / "captions" / "make.py", "."], cwd=tmp_path, check=True)
    words = command.removeprefix("$ seqkit ").replace("\\\n", " ").split()
    done = subprocess.run(
        [sys.executable, "-m", "seqkit", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    title, *rows = done.stderr.splitlines()
    assert title == "corpus corpus"
    expected = [" ".join(line.split()) for line in shown.splitlines() if not line.startswith("time ")]
    assert [" ".join(row.split()) for row in rows if not row.strip().startswith("time ")] == expected
