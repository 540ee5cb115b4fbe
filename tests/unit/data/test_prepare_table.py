"""Tables to a corpus: what is kept, held out, dropped and refused; bounded memory, the same bytes."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit import limits
from seqkit.data.corpus import Corpus
from seqkit.data.forms.frames import Frames
from seqkit.data.forms.labels import Labels
from seqkit.data.prepare.table import PrepareTableOptions, PrepareTableReport, prepare_table
from seqkit.data.prepare.table_options import Column
from seqkit.data.tables.rows import TableOptions
from seqkit.errors import ConfigError, DataError, InputMissing
from tests.conftest import make_toy_table_corpus, toy_rows, write_table

LABEL = (Column("class", "class"),)
TEXT, SERIES = (Column("text", "text"),), (Column("series", "number"), Column("other", "number"))


def prepare(*tables: str | Path, source: tuple[Column, ...] = TEXT, **options: Any) -> PrepareTableReport:
    if source == TEXT:
        options.setdefault("vocabulary_size", 280)
    options.setdefault("target", LABEL)
    return prepare_table(
        PrepareTableOptions(Path("corpus"), tuple(map(str, tables)), source, **options),
        lambda _stage, _done, _total: None,
    )


def labels_of(split: str) -> list[str]:
    corpus = Corpus.open(Path("corpus"), verify=True)
    labels, rows = corpus.fields["target"], corpus.train if split == "train" else corpus.valid
    assert isinstance(labels, Labels)
    return [labels.names[int(rows.target[row][0])] for row in range(len(rows))]


def texts_of(split: str) -> list[str]:
    corpus = Corpus.open(Path("corpus"), verify=True)
    source = (corpus.train if split == "train" else corpus.valid).source
    assert source is not None
    tokenizer: Any = corpus.fields["source"]
    return list(tokenizer.decode([source[row] for row in range(len(source))]))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_texts_with_a_class(tmp_path: Path) -> None:
    rows = toy_rows(100)
    report = prepare(write_table(tmp_path / "t.csv", rows))
    assert (report.rows, report.kept, report.valid) == (100, 90, 10)
    assert (report.source, report.target) == ({"text": "text"}, {"class": "class"})
    assert sum(report.classes.values()) == 90
    known = {(row["text"], row["class"]) for row in rows}
    for split, count in (("train", 90), ("valid", 10)):
        found = list(zip(texts_of(split), labels_of(split), strict=True))
        assert len(found) == count
        assert set(found) <= known
    described = json.loads(Path("corpus/corpus.json").read_text())
    assert described["fields"]["source"]["columns"] == ["text"]
    assert described["fields"]["target"]["columns"] == ["class"]


def test_series_side_by_side_are_frames_in_their_own_units(tmp_path: Path) -> None:
    rows = toy_rows(40)
    report = prepare(write_table(tmp_path / "t.csv", rows), source=SERIES, valid_size=5)
    corpus = Corpus.open(Path("corpus"), verify=True)
    frames, source = corpus.fields["source"], corpus.train.source
    assert isinstance(frames, Frames)
    assert source is not None
    assert (frames.form, frames.size, len(corpus.valid)) == ("number", 2, 5)
    values = np.concatenate([source[row] for row in range(35)])
    # What is learnt is of the rows for training alone.
    assert frames.mean == pytest.approx(values.mean(axis=0), rel=1e-5)
    assert frames.deviation == pytest.approx(values.std(axis=0), rel=1e-5)
    assert report.longest == max(len(row["series"].split()) for row in rows)
    assert report.mean_length == pytest.approx(len(values) / 35)


def test_arrays_are_lists_of_frames(tmp_path: Path) -> None:
    rows = [
        {"frames": [[n, 1, 2], [n, 3, 4]][: 1 + n % 2], "class": "odd" if n % 2 else "even"}
        for n in range(20)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare("t.jsonl", source=(Column("frames", "array"),), valid_size=2)
    corpus = Corpus.open(Path("corpus"), verify=True)
    assert corpus.train.source is not None
    assert corpus.train.source[1].tolist() in [row["frames"] for row in rows]


def test_time_series_name_their_own_columns(tmp_path: Path) -> None:
    lines = [f"{n},{n + 1}:{n * n},0:{'a' if n % 2 else 'b'}" for n in range(20)]
    (tmp_path / "t.ts").write_text("@classLabel true a b\n@data\n" + "\n".join(lines) + "\n")
    report = prepare("t.ts", source=(), target=())
    assert report.source == {"dimension_1": "number", "dimension_2": "number"}
    assert report.target == {"label": "class"}


def test_several_tables_gzip_and_standard_input_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = toy_rows(60)
    whole = write_table(tmp_path / "whole.csv", rows)
    expected = prepare(whole).fingerprint
    one, two = write_table(tmp_path / "1.csv", rows[:25]), write_table(tmp_path / "2.tsv", rows[25:], "\t")
    assert prepare(one, two, overwrite=True).fingerprint == expected
    packed = tmp_path / "whole.csv.gz"
    packed.write_bytes(gzip.compress(whole.read_bytes()))
    assert prepare(packed, overwrite=True).fingerprint == expected
    as_tsv = write_table(tmp_path / "whole.tsv", rows, "\t").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(as_tsv)))
    assert prepare("-", overwrite=True).fingerprint == expected
    semicolons = write_table(tmp_path / "semicolons.csv", rows, ";")
    assert prepare(semicolons, reading=TableOptions(";"), overwrite=True).fingerprint == expected
    (tmp_path / "bare.csv").write_bytes(whole.read_bytes().partition(b"\n")[2])
    bare = prepare(
        "bare.csv",
        source=(Column("2", "text"),),
        target=(Column("6", "class"),),
        vocabulary_size=280,
        reading=TableOptions(header=False),
        overwrite=True,
    )
    assert (bare.kept, bare.classes) == (54, prepare(whole, overwrite=True).classes)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", toy_rows(80))
    prepare(table, threads=1)
    first = contents(Path("corpus"))
    prepare(table, threads=2, overwrite=True)
    assert contents(Path("corpus")) == first
    prepare(table, seed=2, overwrite=True)
    assert contents(Path("corpus")) != first


# Validation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "count"), [(7, 7), (0.25, 15), (None, 6)])
def test_so_many_rows_are_held_out(tmp_path: Path, size: int | float | None, count: int) -> None:
    report = prepare(write_table(tmp_path / "t.csv", toy_rows(60)), valid_size=size)
    assert (report.valid, report.kept) == (count, 60 - count)


def test_no_value_of_split_by_is_in_both(tmp_path: Path) -> None:
    rows = [{**row, "text": f"{row['text']} {row['group']}"} for row in toy_rows(100)]
    report = prepare(
        write_table(tmp_path / "t.csv", rows), split_by="group", valid_size=3, vocabulary_size=300
    )
    assert (report.valid, report.kept) == (30, 70)
    groups = {split: {text.split()[-1] for text in texts_of(split)} for split in ("train", "valid")}
    assert not groups["train"] & groups["valid"]
    assert len(groups["valid"]) == 3


def test_every_class_keeps_a_row_for_training(tmp_path: Path) -> None:
    rows = [*toy_rows(20), *({**row, "class": f"rare {n}"} for n, row in enumerate(toy_rows(30)))]
    report = prepare(write_table(tmp_path / "t.csv", rows), valid_size=15)
    assert report.valid == 15
    assert len(report.classes) == 32
    assert set(labels_of("valid")) <= {"rises", "falls"}


def test_a_validation_table_is_used_whole(tmp_path: Path) -> None:
    train = write_table(tmp_path / "t.csv", toy_rows(40))
    valid = toy_rows(12, seed=9)
    report = prepare(train, valid_table=(str(write_table(tmp_path / "v.tsv", valid, "\t")),))
    assert (report.kept, report.valid) == (40, 12)
    assert labels_of("valid") == [row["class"] for row in valid]
    assert texts_of("valid") == [row["text"] for row in valid]


def test_an_unknown_class_of_the_validation_table_is_named(tmp_path: Path) -> None:
    train = write_table(tmp_path / "t.csv", toy_rows(40))
    rows = toy_rows(4)
    rows[2]["class"] = "riser"
    valid = write_table(tmp_path / "v.csv", rows)
    with pytest.raises(DataError, match="there is no class 'riser' among the 2") as caught:
        prepare(train, valid_table=(str(valid),))
    assert caught.value.where == f"{valid}:4"
    assert caught.value.hint is not None
    assert "rises" in caught.value.hint
    assert not Path("corpus").exists()


@pytest.mark.parametrize(
    ("size", "split_by", "message"),
    [
        (40, None, "holding out 40 of 40 rows leaves nothing to train on"),
        (4, "group", "holding out 4 of 4 values of 'group' leaves nothing"),
    ],
)
def test_too_much_is_held_out(tmp_path: Path, size: int, split_by: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(write_table(tmp_path / "t.csv", toy_rows(40)), valid_size=size, split_by=split_by)


def test_classes_of_one_row_each_cannot_be_held_out(tmp_path: Path) -> None:
    rows = [{**row, "class": row["id"]} for row in toy_rows(5)]
    with pytest.raises(DataError, match="no class has two rows"):
        prepare(write_table(tmp_path / "t.csv", rows), valid_size=1)


def test_groups_may_leave_one_class_for_training(tmp_path: Path) -> None:
    rows = [{**row, "class": row["group"]} for row in toy_rows(20)]
    with pytest.raises(DataError, match="all rows for training have the same class"):
        prepare(write_table(tmp_path / "t.csv", rows), split_by="group", valid_size=1)


# Bad tables ------------------------------------------------------------------------------------------


def test_bad_rows_are_errors_or_left_out_and_counted(tmp_path: Path, warnings: list[str]) -> None:
    rows = toy_rows(40)
    rows[3]["series"], rows[7]["series"], rows[9]["class"] = "1 x", "", " "
    table = write_table(tmp_path / "t.csv", rows)
    with open(table, "a") as stream:
        stream.write("1,2\n")
    with pytest.raises(DataError, match=r"line 5 of .*t\.csv cannot be read: column 'series' has 'x'"):
        prepare(table, source=SERIES[:1])
    report = prepare(table, source=SERIES[:1], skip_bad=True, valid_size=4)
    assert (report.rows, report.kept, report.valid) == (41, 33, 4)
    assert report.dropped == {"unreadable": 4, "empty": 0}
    assert [line for line in warnings if line.startswith("4 rows cannot be read, the first: line 5 of ")]


def test_bad_rows_of_validation_are_told(tmp_path: Path, warnings: list[str]) -> None:
    train, rows = write_table(tmp_path / "t.csv", toy_rows(40)), toy_rows(10)
    rows[3]["text"], rows[5]["class"] = " ", ""
    valid = write_table(tmp_path / "v.csv", rows)
    assert prepare(train, valid_table=(str(valid),), skip_bad=True).valid == 8
    assert "validation: 2 rows that cannot be read or are empty are dropped" in warnings


def test_empty_texts_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = toy_rows(40)
    rows[3]["text"], rows[8]["text"] = "", " \t "
    valid = str(write_table(tmp_path / "v.csv", toy_rows(10)))
    report = prepare(write_table(tmp_path / "t.csv", rows), valid_table=(valid,))
    assert report.dropped == {"unreadable": 0, "empty": 2}
    assert report.kept == 38
    corpus = Corpus.open(Path("corpus"))
    assert corpus.train.source is not None
    assert corpus.train.source.lengths.min() > 0


def test_long_texts_are_cut_and_that_is_told(
    tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SENTENCE_TOKENS", 5)
    rows = toy_rows(40)
    rows[0]["text"] = "zzzzzzzzzzzz"
    report = prepare(write_table(tmp_path / "t.csv", rows), valid_size=1)
    assert report.longest == 5
    assert any("texts are cut to 5 tokens" in line for line in warnings)


def test_a_rare_class_is_told(tmp_path: Path, warnings: list[str]) -> None:
    rows = [*toy_rows(40), {**toy_rows(1)[0], "class": "odd one"}]
    prepare(write_table(tmp_path / "t.csv", rows), valid_size=1)
    assert "1 class has fewer than 5 training rows; 'odd one' has 1" in warnings


@pytest.mark.parametrize(
    ("content", "source", "message"),
    [
        ("text,class\n", TEXT, "the tables have no rows that can be read"),
        ("", TEXT, "the tables have no rows that can be read"),
        ("text,class\na,x\nb,x\nc,x\n", TEXT, "all rows for training have the same class, 'x'"),
        ("txt,class\na,x\n", TEXT, "there is no column 'text'"),
        ("text,kind\na,x\n", TEXT, "there is no column 'class'"),
        (
            'f,class\n"[[1,2]]",x\n"[[1,2]]",y\n"[[1]]",x\n',
            (Column("f", "array"),),
            "a frame has 1 numbers, but those before have 2",
        ),
        ("text,class\na,x\n", (), "it is not said which columns to read and to predict"),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, content: str, source: tuple[Column, ...], message: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        prepare("t.csv", source=source, target=LABEL if source else (), valid_size=0.1)
    assert not Path("corpus").exists()


def test_frames_of_another_size_in_validation(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('f,class\n"[[1,2]]",x\n"[[1,3]]",y\n')
    (tmp_path / "v.csv").write_text('f,class\n"[[1]]",x\n')
    with pytest.raises(DataError, match="a frame has 1 numbers") as caught:
        prepare("t.csv", source=(Column("f", "array"),), valid_table=("v.csv",))
    assert caught.value.where == "v.csv:2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("@classLabel true a\n@data\n", "has no series"),
        ("@targetLabel true\n@data\n1,2:0.5\n", "has no classes"),
    ],
)
def test_time_series_without_classes(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.ts").write_text(content)
    with pytest.raises(DataError, match=message):
        prepare("t.ts", source=(), target=())


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        prepare(tmp_path / "none.csv")


# Options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a", Column("a", "text")),
        ("a:number", Column("a", "number")),
        ("a:b:class", Column("a:b", "class")),
        ("time:12", Column("time:12", "text")),
    ],
)
def test_a_column_has_a_form_behind_its_name(text: str, column: Column) -> None:
    assert Column.parsed(text, "--source") == column


@pytest.mark.parametrize("text", ["", ":class"])
def test_a_column_has_a_name(text: str) -> None:
    with pytest.raises(ConfigError, match="names no column"):
        Column.parsed(text, "--source")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": ()}, "--target is missing"),
        ({"source": ()}, "--source is missing"),
        ({"source": LABEL}, "a column of classes cannot be a source"),
        ({"source": (*TEXT, *SERIES)}, r"sources of different forms \(number and text\)"),
        ({"source": (Column("a", "array"), Column("b", "array"))}, "only one source can be an array"),
        ({"target": TEXT}, "the target is one column of classes"),
        ({"target": (*LABEL, Column("b", "class"))}, "the target is one column of classes"),
        ({"valid_table": ("v.csv",), "valid_size": 3}, "--valid-size cannot be used"),
        ({"valid_table": ("v.csv",), "split_by": "group"}, "--split-by cannot be used with --valid-table"),
        ({"table": ("-",), "valid_table": ("-",)}, "standard input"),
        ({"valid_size": 1.5}, "--valid-size 1.5 is neither"),
        ({"tokenizer": "words"}, "--tokenizer words is not known"),
        ({"vocabulary_size": 3}, "--vocab-size 3 is too small"),
        ({"seed": -1}, "--seed -1 is too small"),
        ({"source": SERIES, "tokenizer": "char"}, "--tokenizer has no effect: no column of text is read"),
        ({"source": SERIES, "vocabulary_size": 300}, "--vocab-size has no effect"),
        ({"source": (), "target": (), "normalization": "nfc"}, "--normalization has no effect"),
    ],
)
def test_what_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"table": ("t.csv",), "source": TEXT, "target": LABEL, **options}
    with pytest.raises(ConfigError, match=message):
        PrepareTableOptions(Path("corpus"), **given)


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram", "char", "byte"])
def test_every_tokenizer(tmp_path: Path, tokenizer: Any) -> None:
    size = None if tokenizer == "byte" else 280
    prepare(write_table(tmp_path / "t.csv", toy_rows(60)), tokenizer=tokenizer, vocabulary_size=size)
    assert set(texts_of("train")) <= {row["text"] for row in toy_rows(60)}


def test_memory_does_not_grow_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times the rows need hardly more: labels and groups by number, rows in blocks."""
    monkeypatch.setattr("seqkit.data.tables.blocks._ROWS", 256)
    peaks = []
    for count in (2000, 6000):
        rows = [{**row, "text": "word " * 30} for row in toy_rows(count)]
        table = write_table(tmp_path / f"{count}.csv", rows)
        del rows
        tracemalloc.start()
        try:
            prepare(table, tokenizer="byte", vocabulary_size=None, overwrite=True, split_by="group")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + (1 << 20)


def test_the_toy_corpus_holds_together(tmp_path: Path) -> None:
    corpus = Corpus.open(make_toy_table_corpus(tmp_path, "text:text"), verify=True)
    assert (corpus.kind.name, len(corpus.train), len(corpus.valid)) == ("classification", 108, 12)
