"""A classifier at the shell: from a table to labels, and to scores."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqkit
from seqkit.cli import run
from seqkit.cli.evaluate.table import _check_frames, _examples
from seqkit.data.tables.examples import Example
from seqkit.data.tables.row import Row
from seqkit.errors import ConfigError, DataError, ExitCode, ModelError
from seqkit.inference.classifier import Classification, Classifier
from seqkit.model_directory import load
from tests.conftest import Finished, toy_rows, write_lines, write_table

Capture = pytest.CaptureFixture[str]
Seqkit = Callable[..., Finished]


def translate(model: Path, *words: object) -> ExitCode | int:
    return run(["translate", str(model), *map(str, words)])


def output(capsys: Capture) -> list[str]:
    return capsys.readouterr().out.split("\n")[:-1]


# Lines -----------------------------------------------------------------------------------------------


def test_a_label_for_each_line(seqkit: Seqkit, toy_classifier: Path) -> None:
    lines = b"up high\n\ndown low less\r\n \t\n\xff more\nup\xe2\x80\xa8up up"
    found = seqkit("translate", toy_classifier, stdin=lines)
    assert found.code == 0
    assert found.out == b"rises\n\nfalls\n\nrises\nrises\n"


def test_a_line_is_answered_as_it_arrives(toy_classifier: Path) -> None:
    """What is asked alone is answered before anything else is."""
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, "-m", "seqkit", "translate", str(toy_classifier)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(100, process.kill)
    watchdog.start()
    try:
        for line, answer in ((b"up\n", b"rises\n"), (b"down\n", b"falls\n")):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == answer
        process.stdin.close()
        assert process.wait() == 0
    finally:
        watchdog.cancel()
        process.stdout.close()


def test_scores_and_the_n_best(toy_classifier: Path, capsys: Capture, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "lines", ["up high more", "", "low"])
    assert translate(toy_classifier, file, "--scores") == ExitCode.OK
    (first, rises), (nothing, empty), (_, falls) = [line.split("\t") for line in output(capsys)]
    assert (rises, empty, falls) == ("rises", "", "falls")
    assert float(first) > 0.5
    assert float(nothing) == 0
    assert translate(toy_classifier, file, "--n-best", 5, "--scores") == ExitCode.OK
    rows = [line.split("\t") for line in output(capsys)]
    assert [row[:2] + row[3:] for row in rows] == [
        ["1", "1", "rises"],
        ["1", "2", "falls"],
        ["2", "1", ""],
        ["3", "1", "falls"],
        ["3", "2", "rises"],
    ]
    assert float(rows[0][2]) + float(rows[1][2]) == pytest.approx(1, abs=2e-6)


def test_json_lines_pass_other_keys_through(toy_classifier: Path, capsys: Capture, tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "lines", ['{"text": "up high", "id": 7}', "low less", '{"text": null}', '{"id": 1}', "[1]"]
    )
    assert translate(toy_classifier, file, "--json") == ExitCode.OK
    records = [json.loads(line) for line in output(capsys)]
    assert [record["line"] for record in records] == [1, 2, 3, 4, 5]
    assert all(record["schema"] == 1 for record in records)
    assert (records[0]["id"], records[0]["text"], records[0]["predicted_class"]) == (7, "up high", "rises")
    assert (records[1]["text"], records[1]["predicted_class"]) == ("low less", "falls")
    assert 0.5 < records[1]["probability_class"] <= 1
    assert records[2]["predicted_class"] is records[2]["probability_class"] is None
    assert translate(toy_classifier, file, "--json", "--n-best", 2) == ExitCode.OK
    assert [json.loads(line)["rank"] for line in output(capsys)][:4] == [1, 2, 1, 2]


def test_text_is_the_source_of_any_model_that_reads_one(
    toy_series_classifier: Path, capsys: Capture, tmp_path: Path
) -> None:
    lines = ['{"series": "1 2 3", "other": [100, 100, 100]}', '{"series": "3 2 1"}', "x"]
    file = write_lines(tmp_path / "lines", lines)
    assert translate(toy_series_classifier, file, "--json") == ExitCode.BAD_DATA
    captured = capsys.readouterr()
    first, *others = [json.loads(line) for line in captured.out.splitlines()]
    assert first["predicted_class"] == "rises"
    assert [other["predicted_class"] for other in others] == [None, None]
    assert "there is no column 'other'" in captured.err
    assert "unreadable, so that the answer is empty: 2 in all" in captured.err


def test_several_columns_are_not_one_line(
    toy_series_classifier: Path, capsys: Capture, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "lines", ["1 2 3"])
    assert translate(toy_series_classifier, file) == ExitCode.USAGE
    assert "this model reads 2 columns: series, other" in capsys.readouterr().err


# Tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.tsv", "\t")])
def test_rows_come_back_with_the_predicted_column(
    toy_series_classifier: Path, capsys: Capture, tmp_path: Path, name: str, delimiter: str
) -> None:
    rows = toy_rows(30, seed=5)
    rows[3]["text"] = 'a "quoted", cell'
    table = write_table(tmp_path / name, rows, delimiter)
    assert translate(toy_series_classifier, "--table", table) == ExitCode.OK
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter=delimiter))
    assert [{key: row[key] for key in rows[0]} for row in found] == rows
    assert list(found[0])[-2:] == ["predicted_class", "probability_class"]
    right = sum(row["predicted_class"] == row["class"] for row in found)
    assert right >= 22, "chance is 15"
    assert all(0.5 <= float(row["probability_class"]) <= 1 for row in found)


def test_rows_of_json_lines(toy_series_classifier: Path, capsys: Capture, tmp_path: Path) -> None:
    rows = [{"series": [1, 2, 3], "other": [100, 99, 100], "more": {"a": 1}}, {"series": 2, "other": 100}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert translate(toy_series_classifier, "--table", "t.jsonl") == ExitCode.OK
    first, second = [json.loads(line) for line in output(capsys)]
    assert first["series"] == [1, 2, 3]
    assert first["predicted_class"] == "rises"
    assert second["predicted_class"] in {"rises", "falls"}
    table = write_table(tmp_path / "t.csv", toy_rows(2))
    assert translate(toy_series_classifier, "--table", table, "--json") == ExitCode.OK
    record = json.loads(output(capsys)[0])
    assert (record["schema"], record["id"]) == (1, "0")


def test_predicted_columns_replace_those_of_before(
    toy_classifier: Path, capsys: Capture, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "t.csv", toy_rows(4))
    assert translate(toy_classifier, "--table", table, "--output", "once.csv") == ExitCode.OK
    assert translate(toy_classifier, "--table", "once.csv") == ExitCode.OK
    assert capsys.readouterr().out == Path("once.csv").read_text()


def test_a_table_without_a_header(toy_classifier: Path, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("up;x\n")
    words = ("--table", "t.csv", "--no-header", "--delimiter", ";")
    assert translate(toy_classifier, *words) == ExitCode.BAD_DATA  # it was trained with names
    assert "there is no column 'text'" in capsys.readouterr().err


def test_cells_that_cannot_be_read_get_an_empty_answer(
    toy_series_classifier: Path, capsys: Capture, tmp_path: Path
) -> None:
    rows = toy_rows(10)
    rows[2]["series"], rows[5]["other"], rows[7]["series"] = "x", "1", ""
    table = write_table(tmp_path / "t.csv", rows)
    assert translate(toy_series_classifier, "--table", table) == ExitCode.BAD_DATA
    captured = capsys.readouterr()
    found = list(csv.DictReader(io.StringIO(captured.out)))
    assert len(found) == 10
    assert [row["id"] for row in found if not row["predicted_class"]] == ["2", "5", "7"]
    assert "column 'series' has 'x', which is no number" in captured.err
    assert f"({table}:4)" in captured.err
    assert "unreadable, so that the answer is empty: 3 in all" in captured.err


def test_the_answer_of_a_row_does_not_depend_on_its_neighbours(
    toy_series_classifier: Path, capsys: Capture, tmp_path: Path
) -> None:
    rows = toy_rows(40, seed=3)
    assert translate(toy_series_classifier, "--table", write_table(tmp_path / "t.csv", rows)) == ExitCode.OK
    together = output(capsys)
    alone = []
    for row in rows[:8]:
        assert (
            translate(toy_series_classifier, "--table", write_table(tmp_path / "o.csv", [row])) == ExitCode.OK
        )
        alone.append(output(capsys)[1])
    assert alone == together[1:9]


# Scores ----------------------------------------------------------------------------------------------


def test_scores_of_a_table(toy_series_classifier: Path, capsys: Capture, tmp_path: Path) -> None:
    rows = toy_rows(50, seed=8)
    table = write_table(tmp_path / "t.csv", rows)
    assert translate(toy_series_classifier, "--table", table) == ExitCode.OK
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    right = sum(row["predicted_class"] == row["class"] for row in found)
    words = ["evaluate", "--model", str(toy_series_classifier), "--table", str(table), "--confusion"]
    assert run([*words, "--json"]) == ExitCode.OK
    *scores, confusion = [json.loads(line) for line in output(capsys)]
    assert [score["metric"] for score in scores] == ["accuracy", "macro_f1", "log_loss"]
    assert scores[0]["score"] == pytest.approx(100 * right / 50)
    assert (scores[0]["rows"], scores[0]["errors"], scores[0]["majority"]) == (50, 50 - right, 50)
    assert confusion["confusion"]["classes"] == ["falls", "rises"]
    assert np.trace(np.array(confusion["confusion"]["table"])) == right
    assert run(words) == ExitCode.OK
    text = capsys.readouterr().out
    assert f"{50 - right} errors of 50 rows" in text
    assert "true \\ predicted" in text
    assert run([*words, "--format", "markdown"]) == ExitCode.OK
    assert "| accuracy |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class": "riser"}, "there is no class 'riser' among the 2"),
        ({"series": "x"}, "column 'series' has 'x'"),
        ({"class": ""}, "column 'class' is empty"),
    ],
)
def test_rows_that_cannot_be_scored_are_named(
    toy_series_classifier: Path, capsys: Capture, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    rows = toy_rows(6)
    rows[3] = {**rows[3], **change}
    table = write_table(tmp_path / "t.csv", rows)
    assert (
        run(["evaluate", "--model", str(toy_series_classifier), "--table", str(table)]) == ExitCode.BAD_DATA
    )
    said = capsys.readouterr().err
    assert message in said
    assert f"{table}:5" in said


# From a table to a model -----------------------------------------------------------------------------


def test_what_prepare_and_train_say(tmp_path: Path, capsys: Capture) -> None:
    table = write_table(tmp_path / "t.csv", toy_rows(60))
    words = ["prepare", "c", "--table", str(table), "--source", "text", "--target", "class:class"]
    assert run([*words, "--vocab-size", "280"]) == ExitCode.OK
    said = capsys.readouterr().err.splitlines()
    assert "  kind             classification" in said
    assert "  rows read        60" in said
    assert any(line.startswith("  classes          ") and "rises 27" in line for line in said)
    assert said[-1] == "next: seqkit train c MODEL"
    assert run([*words, "--vocab-size", "280", "--overwrite", "--json"]) == ExitCode.OK
    summary = json.loads(capsys.readouterr().out)
    assert (summary["schema"], summary["rows"], summary["source"]) == (1, 60, {"text": "text"})
    assert run(["train", "c", "m", "--preset", "tiny", "--dry-run", "--threads", "1"]) == ExitCode.OK
    dry = capsys.readouterr().out
    assert "54 rows" in dry
    assert " rows/s" in dry
    assert not Path("m").exists()
    few = ["--preset", "tiny", "--steps", "6", "--threads", "1", "--report"]
    assert run(["train", "c", "m", *few]) == ExitCode.OK
    assert "next: seqkit evaluate --model m --table FILE" in capsys.readouterr().err
    page = Path("m/report.html").read_text()
    assert "report of a classifier" in page
    assert "macro F1" in page
    assert run(["evaluate", "--model", "m"]) == ExitCode.OK
    card = capsys.readouterr().out
    assert "# A classifier" in card
    assert "280 of kind bpe |" in card
    assert "2 classes" in card
    assert "54 rows" in card


def test_the_other_commands_say_what_it_is(toy_classifier: Path, capsys: Capture, tmp_path: Path) -> None:
    file = str(write_lines(tmp_path / "lines", ["up"]))
    for words in (
        ["generate", str(toy_classifier)],
        ["evaluate", "--model", str(toy_classifier), "--text", file],
        ["evaluate", "--model", str(toy_classifier), "--source", file, "--reference", file],
    ):
        assert run(words) == ExitCode.BAD_DATA, words
        assert "holds a classifier, not a" in capsys.readouterr().err


# Python ----------------------------------------------------------------------------------------------


def test_load_opens_a_classifier(toy_classifier: Path) -> None:
    classifier = seqkit.load(toy_classifier, device="cpu", threads=1)
    assert isinstance(classifier, seqkit.Classifier)
    up, down = classifier.classify(["up high more", "down low"])
    assert (up.label, down.label) == ("rises", "falls")
    assert up.probability == max(up.probabilities.values()) == up.best(1)[0][1]
    assert sum(up.probabilities.values()) == pytest.approx(1)
    assert [label for label, _ in up.best(9)] == ["rises", "falls"]
    assert classifier.classify([]) == []
    assert classifier.shares(["up", "low"]).shape == (2, 2)


def test_a_batch_gives_what_each_gives_alone(toy_series_classifier: Path) -> None:
    classifier = Classifier.load(toy_series_classifier, device="cpu", threads=1)
    random = np.random.default_rng(1)
    sources: list[Any] = [random.normal(size=(length, 2)).astype(np.float32) for length in range(1, 300, 7)]
    together = classifier.classify(sources)
    for source, found in zip(sources, together, strict=True):
        (alone,) = classifier.classify([source])
        assert alone.probability == pytest.approx(found.probability, abs=1e-5)
    assert all(isinstance(found, Classification) for found in together)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((0, 2), np.float32), "source 2 has no frames"),
        (np.zeros((3, 1), np.float32), "source 2 is not frames of 2 numbers"),
        (np.zeros(3, np.float32), "source 2 is not frames of 2 numbers"),
        ("1 2 3", "source 2 is not frames of 2 numbers"),
    ],
)
def test_sources_that_cannot_be(toy_series_classifier: Path, source: Any, message: str) -> None:
    classifier = Classifier.load(toy_series_classifier, device="cpu", threads=1)
    with pytest.raises(DataError, match=message):
        classifier.classify([np.zeros((1, 2), np.float32), source])


def test_other_models_and_precisions_are_refused(toy_classifier: Path, toy_model: Path) -> None:
    with pytest.raises(ModelError, match="this is a translator, not a classifier"):
        Classifier(load(toy_model))
    with pytest.raises(ConfigError, match="--precision int8 is not available for a classifier"):
        Classifier.load(toy_classifier, precision="int8")


def test_weights_that_diverged_are_told(toy_classifier: Path) -> None:
    classifier = Classifier.load(toy_classifier, device="cpu")
    import torch

    with torch.no_grad():
        next(classifier.loaded.model.parameters()).fill_(float("nan"))
    with pytest.raises(
        ModelError, match="the model's weights contain NaN or infinity, so nothing can be classified"
    ):
        classifier.classify(["up"])


def test_frames_of_another_size_and_models_without_columns(toy_series_classifier: Path) -> None:
    classifier = Classifier.load(toy_series_classifier, device="cpu", threads=1)
    example = Example(np.zeros((1, 3), np.float32), "rises", Row({}, "t.jsonl", 7))
    with pytest.raises(DataError, match="a frame has 3 numbers; this model reads frames of 2") as caught:
        _check_frames(classifier, [example])
    assert caught.value.where == "t.jsonl:7"
    facts = replace(classifier.loaded.facts, columns={})
    nameless = Classifier(replace(classifier.loaded, facts=facts))
    with pytest.raises(ModelError, match="this model does not say which columns it reads"):
        next(_examples(nameless, ["t.csv"], None, header=True))
