"""`seqkit evaluate --model MODEL` and nothing else, and the README.md of a model directory."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seqkit import cli, model_directory
from seqkit.errors import ExitCode
from seqkit.model_directory.card import CARD, ModelCard, write_card
from tests.laws.runs import train
from tests.reliability.hostile import read_manifest, write_manifest
from tests.reliability.pseudo_terminal import everything_sent_to


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_a_card_says_what_a_model_is(
    kind: str, toy_model: Path, toy_generator: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = toy_model if kind == "translation" else toy_generator
    assert cli.run(["evaluate", "--model", str(model)]) == ExitCode.OK
    text = capfd.readouterr().out
    loaded = model_directory.load(model)
    assert f"{sum(array.size for array in loaded.parameters.values()):,} parameters" in text
    assert f"{loaded.target_tokenizer.size:,} of kind" in text
    assert f"{loaded.facts.step:,} steps" in text
    unit = "pairs" if kind == "translation" else "characters"
    assert loaded.facts.size > 100
    assert f"| text | {loaded.facts.size:,} {unit}, corpus with the fingerprint" in text
    assert ("seqkit translate MODEL" in text) == (kind == "translation")
    assert ("seqkit generate MODEL" in text) == (kind == "generation")
    for score in loaded.facts.scores:
        assert score["signature"] in text.replace("\\|", "|")
    # Training wrote the same page into the directory, behind a line of its own.
    assert (model / CARD).read_text().split("\n", 1)[1] == text
    assert cli.run(["evaluate", "--model", str(model), "--json"]) == ExitCode.OK
    card = json.loads(capfd.readouterr().out)
    assert card["kind"] == kind
    assert card["scores"] == list(loaded.facts.scores)
    assert card["settings"]["model.hidden_size"] == loaded.config.model.hidden_size
    assert card["versions"].keys() >= {"seqkit", "torch"}


@pytest.mark.parametrize(
    ("cell", "words"), [("lstm", "An LSTM"), ("gru", "A GRU"), ("rnn", "A tanh network")]
)
def test_a_generator_s_kind_of_network_is_named(toy_generator: Path, cell: str, words: str) -> None:
    card = ModelCard.of(toy_generator)
    page = replace(card, settings={**card.settings, "model.cell": cell}).to_markdown()
    assert f"\n{words} that writes text" in page


def test_every_table_of_the_page_is_whole(toy_model: Path) -> None:
    rows = [line for line in ModelCard.of(toy_model).to_markdown().splitlines() if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert bars == {3, 4}


def test_the_examples_of_the_page_work(toy_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", ModelCard.of(toy_model).to_markdown(), re.DOTALL)
    assert code is not None
    exec(code[1].replace('"MODEL"', repr(str(toy_model))).replace("your sentence", "ba di"), {})
    assert capsys.readouterr().out.strip()


def test_a_page_of_somebody_else_stays(toy_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_model, model)
    write_card(model)
    ours = (model / CARD).read_bytes()
    (model / CARD).write_text("My notes.\n")
    write_card(model)
    assert (model / CARD).read_text() == "My notes.\n"
    (model / CARD).unlink()
    (model / CARD).symlink_to(tmp_path / "elsewhere")
    write_card(model)
    assert not (tmp_path / "elsewhere").exists()
    (model / CARD).unlink()
    write_card(model)
    assert (model / CARD).read_bytes() == ours


def test_a_finished_run_mends_its_page(toy_corpus: Path, tmp_path: Path) -> None:
    from tests.laws.runs import tiny_config

    config = tiny_config(training__steps=6, training__validate_every=3)
    model = tmp_path / "model"
    train(toy_corpus, model, config)
    page = (model / CARD).read_bytes()
    (model / CARD).unlink()
    train(toy_corpus, model, config)
    assert (model / CARD).read_bytes() == page


def test_scores_that_are_none(toy_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_model, model, ignore=shutil.ignore_patterns("training"))
    manifest = read_manifest(model)
    manifest["facts"]["scores"] = [5]
    write_manifest(model, manifest)
    assert cli.run(["evaluate", "--model", str(model)]) == ExitCode.BAD_DATA
    assert "the manifest's facts are damaged" in capfd.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_terminal_gets_drawn_tables_and_this_models_name(
    toy_model: Path, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "MY MODEL ä").symlink_to(toy_model)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "seqkit", "evaluate", "--model", "MY MODEL ä"],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": encoding},
    )
    os.close(theirs)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", everything_sent_to(ours).decode())
    assert process.wait() == 0
    assert "seqkit translate 'MY MODEL ä'" in shown
    assert 'seqkit.Translator.load("MY MODEL ä")' in shown
    assert shown.count("MODEL") == shown.count("MY MODEL ä")
    assert "───" in shown or "---" in shown  # a table's line
    assert "| --- |" not in shown
    assert "An encoder–decoder LSTM" in shown  # in UTF-8, as all results
