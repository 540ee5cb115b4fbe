"""`seqkit evaluate --model MODEL` and nothing else, and the README.md of a model directory."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from seqkit import cli, model_directory
from seqkit.errors import ExitCode
from seqkit.model_directory.card import CARD, ModelCard, write_card
from seqkit.model_directory.front_matter import yaml_lines
from tests.conftest import toy_assignments
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
    # Training wrote the same page into the directory, behind its metadata.
    assert (model / CARD).read_text().split("\n---\n", 1)[1] == text
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


def metadata_of(page: str) -> dict[str, Any]:
    """What the Hub reads: the YAML between the first line and the next that is `---`."""
    assert page.startswith("---\n")
    found = yaml.safe_load(page.split("\n---\n")[0].removeprefix("---\n"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_the_page_begins_with_what_the_hub_files_it_by(
    kind: str, toy_model: Path, toy_generator: Path
) -> None:
    """The fields that https://huggingface.co/docs/hub/model-cards documents, each of its documented type."""
    model = toy_model if kind == "translation" else toy_generator
    found = metadata_of((model / CARD).read_text())
    task = {"translation": "translation", "generation": "text-generation"}[kind]
    assert found["library_name"] == "seqkit"
    assert found["pipeline_tag"] == task
    assert found["tags"] == ["recurrent", "lstm"]
    assert found.keys() == {"library_name", "pipeline_tag", "tags", "model-index"}  # the rest was not given
    (entry,) = found["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == f"seqkit-{kind}"
    assert result["task"] == {"type": task}
    assert result["dataset"].keys() == {"type", "name"}
    expected = model_directory.load(model).facts.scores
    assert [metric["type"] for metric in result["metrics"]] == [score["metric"] for score in expected]
    for metric, score in zip(result["metrics"], expected, strict=True):
        assert metric["value"] == pytest.approx(score["score"], abs=1e-4)
        assert metric["args"] == {"signature": score["signature"]}


def test_languages_and_a_license_that_are_given(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also to a run that is finished: they touch no weight."""
    model = tmp_path / "model"
    words = ["train", str(toy_corpus), str(model), "--steps", "2", "--threads", "1", *toy_assignments()]
    given = ["--set", "data.languages=en, zh-Hant", "--set", "data.license=CC-BY-4.0"]
    assert cli.run(words) == ExitCode.OK
    weights = (model / "weights.safetensors").read_bytes()
    assert cli.run([*words, *given]) == ExitCode.OK
    found = metadata_of((model / CARD).read_text())
    assert found["language"] == ["en", "zh-Hant"]
    assert found["license"] == "cc-by-4.0"
    assert "license_name" not in found
    assert (model / "weights.safetensors").read_bytes() == weights
    assert cli.run([*words, "--set", "data.license=our-own-1"]) == ExitCode.OK
    found = metadata_of((model / CARD).read_text())
    assert (found["license"], found["license_name"]) == ("other", "our-own-1")
    capfd.readouterr()
    for wrong in ("data.languages=english", "data.license=MIT or not", "data.languages=en;de"):
        assert cli.run([*words, "--set", wrong]) == ExitCode.USAGE
        assert wrong.partition("=")[0] in capfd.readouterr().err


@given(
    st.dictionaries(
        st.sampled_from(["a", "b-c"]), st.lists(st.text()) | st.text() | st.floats(allow_nan=False)
    )
)
def test_yaml_is_read_back_as_it_was(value: dict[str, Any]) -> None:
    """Whatever a signature or a name holds; what no YAML can hold, lone surrogates, is replaced."""
    assume(all(item not in (math.inf, -math.inf, []) for item in value.values()))
    assert yaml.safe_load("\n".join(yaml_lines({"x": [{"y": value, "z": 1}]}))) == {
        "x": [{"y": value or None, "z": 1}]
    }


@pytest.mark.parametrize(
    "text", ["no", "1e3", "2026-11-28", "# a", "a: b", "- x", "\u2028\x85", "\ufeff", "'", "\x00"]
)
def test_no_text_is_taken_for_something_else(text: str) -> None:
    assert yaml.safe_load("\n".join(yaml_lines({"x": [text], "y": text}))) == {"x": [text], "y": text}
    assert yaml.safe_load("\n".join(yaml_lines({"x": "\ud800", "y": 1e-7}))) == {"x": "?", "y": 1e-7}


def test_a_page_of_an_earlier_version_is_written_anew(toy_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_model, model)
    ours = (model / CARD).read_bytes()
    old = Path(__file__).parents[1] / "fixtures/0.7/translator" / CARD
    shutil.copy(old, model / CARD)
    write_card(model)
    assert (model / CARD).read_bytes() == ours
