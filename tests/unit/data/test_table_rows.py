"""Rows of CSV, TSV, JSON Lines and .ts files, and what their cells hold."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit import limits
from seqkit.data.tables.blocks import blocks
from seqkit.data.tables.cells import BadCell, frames_of, series_of, text_of
from seqkit.data.tables.examples import Example, examples, label_of, source_of
from seqkit.data.tables.row import MissingColumn, Row
from seqkit.data.tables.rows import TableOptions, read_rows, table_format
from seqkit.data.text.sources import TextFile
from seqkit.errors import ConfigError, DataError


def table(folder: Path, name: str, content: str | bytes) -> TextFile:
    raw = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return TextFile(folder / name, name)


def cells(*files: TextFile, **options: Any) -> list[dict[str, object]]:
    return [dict(row.cells) for row in read_rows(files, TableOptions(**options))]


def bad(*files: TextFile, **options: Any) -> tuple[list[dict[str, object]], list[DataError]]:
    """The good rows, and the errors of the others."""
    errors: list[DataError] = []
    return [dict(row.cells) for row in read_rows(files, TableOptions(**options), errors.append)], errors


# Formats ---------------------------------------------------------------------------------------------


def test_quoted_cells_of_csv_have_commas_quotes_and_newlines(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", '\ufefftext,label\r\n"a, ""b""\nc",x\r\n\r\nd , y\r\ne\u2028f,z')
    assert cells(file) == [
        {"text": 'a, "b"\nc', "label": "x"},
        {"text": "d ", "label": "y"},
        {"text": "e\u2028f", "label": "z"},
    ]
    assert [row.line for row in read_rows([file], TableOptions())] == [2, 5, 6]


def test_a_quote_that_does_not_close_is_a_character_of_tsv(tmp_path: Path) -> None:
    content = 'text\tlabel\n"Hello" she said\tx\n"Well\ty\n"a ""b""\tc"\tz\n 5" wide \tw\n'
    found = cells(table(tmp_path, "t.tsv", content))
    assert found == [
        {"text": '"Hello" she said', "label": "x"},
        {"text": '"Well', "label": "y"},
        {"text": 'a "b"\tc', "label": "z"},
        {"text": ' 5" wide ', "label": "w"},
    ]


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "T.JSONL.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    content = (
        '{"text": "a\\u2028", "n": 1.5, "on": true, "no": null, "list": [1, 2]}\r\n\n{"text": "\\ud800"}\n'
    )
    assert cells(table(tmp_path, name, content)) == [
        {"text": "a\u2028", "n": 1.5, "on": "true", "no": "", "list": [1, 2]},
        {"text": "\N{REPLACEMENT CHARACTER}"},
    ]


def test_a_lone_carriage_return_ends_no_line_of_json(tmp_path: Path) -> None:
    assert cells(table(tmp_path, "t.jsonl", '{"a":\r1}\n{"a": 2}\n')) == [{"a": 1}, {"a": 2}]


def test_time_series(tmp_path: Path) -> None:
    content = "# notes\n@problemName Two\n@classLabel true up down\n@data\n1,2,3:4,5,6:up\n7,8:9,10: down \n"
    assert cells(table(tmp_path, "t.ts", content)) == [
        {"dimension_1": "1,2,3", "dimension_2": "4,5,6", "label": "up"},
        {"dimension_1": "7,8", "dimension_2": "9,10", "label": "down"},
    ]
    content = "@targetlabel true\n@data\n1,2:0.5\n"
    assert cells(table(tmp_path, "v.ts", content)) == [{"dimension_1": "1,2", "value": "0.5"}]
    content = "@classLabel false\n@data\n1,2\n"
    assert cells(table(tmp_path, "n.ts", content)) == [{"dimension_1": "1,2"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3\n", "this is no .ts file"),
        ("@timestamps true\n@data\n", "series with timestamps are not read"),
    ],
)
def test_other_time_series_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        cells(table(tmp_path, "t.ts", content))
    assert caught.value.where == "t.ts:1"


def test_dimensions_that_differ_are_a_bad_line(tmp_path: Path) -> None:
    file = table(tmp_path, "t.ts", "@classLabel true\n@data\n1:2:x\n1:x\n3:4:y\n")
    rows, (error,) = bad(file)
    assert [row["label"] for row in rows] == ["x", "y"]
    assert "it has 1 dimensions; the first has 2" in error.message
    assert error.where == "t.ts:4"


def test_several_tables_follow_each_other(tmp_path: Path) -> None:
    one = table(tmp_path, "one.csv", "a,b\n1,2\n")
    two = table(tmp_path, "two.tsv.gz", "b\ta\n4\t3\n")
    assert cells(one, two) == [{"a": "1", "b": "2"}, {"b": "4", "a": "3"}]


def test_the_delimiter_and_the_lack_of_a_header(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", "1;2\n3;4\n")
    assert cells(file, delimiter=";", header=False) == [{"1": "1", "2": "2"}, {"1": "3", "2": "4"}]
    spaces = table(tmp_path, "s.csv", "a b\n1 2\n")
    assert cells(spaces, delimiter=" ") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "\r"])
def test_delimiters_that_cannot_be(delimiter: str) -> None:
    with pytest.raises(ConfigError, match="cannot separate cells"):
        TableOptions(delimiter)


@pytest.mark.parametrize("options", [{"delimiter": ";"}, {"header": False}])
def test_options_of_other_formats_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"has no effect on t\.jsonl"):
        cells(table(tmp_path, "t.jsonl", "{}\n"), **options)


def test_a_format_is_told_by_the_name() -> None:
    assert [table_format(name) for name in ("a.CSV", "b.ts.gz", "standard input", "/dev/fd/63")] == [
        *("csv", "timeseries", "tsv", "tsv")
    ]
    with pytest.raises(ConfigError, match=r"x\.xlsx is no table that seqkit reads"):
        table_format("x.xlsx")


# Bad lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("t.csv", "1", "it has 1 cells; the table has 2 columns"),
        ("t.csv", "1,2,3", "it has 3 cells; the table has 2 columns"),
        ("t.csv", '"1"2,3', "its quotes are not in order"),
        ("t.csv", "1\r2,3", "a carriage return stands outside quotes"),
        ("t.tsv", "1,2", "it has 1 cells; the table has 2 columns"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, name: str, line: str, reason: str) -> None:
    mark = "\t" if name == "t.tsv" else ","
    content = f"a{mark}b\n5{mark}6\n{line}\n7{mark}8\n"
    file = table(tmp_path, name, content)
    rows, (error,) = bad(file)
    assert [row["a"] for row in rows] == ["5", "7"]
    assert error.message.startswith(f"line 3 of {name} cannot be read: {reason}")
    assert error.where == f"{name}:3"
    with pytest.raises(DataError, match="line 3"):
        cells(file)


@pytest.mark.parametrize(("line", "reason"), [("[1]", "no JSON object"), ("{", "no valid JSON")])
def test_lines_that_are_no_objects(tmp_path: Path, line: str, reason: str) -> None:
    rows, (error,) = bad(table(tmp_path, "t.jsonl", f'{{"a": 1}}\n{line}\n{{"a": 2}}\n'))
    assert [row["a"] for row in rows] == [1, 2]
    assert reason in error.message


def test_a_quote_that_is_never_closed_ends_the_table(tmp_path: Path) -> None:
    rows, errors = bad(table(tmp_path, "t.csv", 'a,b\n1,2\n"3,4\n5,6\n'))
    assert len(rows) == 1
    assert [error.where for error in errors] == ["t.csv:3"]


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two columns are called 'a'"):
        cells(table(tmp_path, "t.csv", "a,b,a\n1,2,3\n"))


def test_bytes_that_are_no_utf8_become_a_mark(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", b"a\xff,b\n\xfe,\x00\n")
    assert cells(file) == [{"a\N{REPLACEMENT CHARACTER}": "\N{REPLACEMENT CHARACTER}", "b": "\0"}]


@pytest.mark.parametrize("place", [20, -6])
def test_a_damaged_gzip_file_is_no_bug(tmp_path: Path, place: int) -> None:
    random = np.random.default_rng(1)
    content = "a,b\n" + "".join(f"{one},{two}\n" for one, two in random.integers(1 << 30, size=(2000, 2)))
    file = table(tmp_path, "t.csv.gz", content)
    raw = bytearray(file.path.read_bytes())
    raw[place] ^= 255
    file.path.write_bytes(raw)
    with pytest.raises(DataError, match=r"damaged gzip file|cannot be read"):
        cells(file)


@pytest.mark.parametrize(
    ("content", "told"),
    [("a,b\n1,2\n".encode("utf-16"), "not UTF-8 text"), (b"PK\x03\x04rest", "damaged zip file")],
)
def test_what_is_no_utf8_text_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(DataError, match=told):
        cells(table(tmp_path, "t.csv", content))


def test_a_huge_line_is_an_error_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_LINE", 1 << 16)
    file = table(tmp_path, "t.csv", b"a,b\n" + b"x" * (1 << 24))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"line 2 of t\.csv has more than 65,536 bytes"):
            cells(file)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_huge_quoted_cell_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_LINE", 1 << 12)
    _, errors = bad(table(tmp_path, "t.csv", 'a,b\n"' + "x\n" * (1 << 13)))
    assert "a cell has more than 4,096 characters; a quote may not be closed" in errors[0].message


# Cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("1.5", [1.5]),
        (" 1, 2;3 -4e1 ", [1, 2, 3, -40]),
        ("[1, 2.5]", [1, 2.5]),
        (7, [7]),
        ([1, "2"], [1, 2]),
    ],
)
def test_series(cell: Any, numbers: list[float]) -> None:
    found = series_of(cell)
    assert found.dtype == np.float32
    assert found.tolist() == numbers


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "is empty"),
        ("[]", "is empty"),
        ("one", "has 'one', which is no number"),
        ("1_000", "has '1_000', which is no number"),
        ("1 NaN", "lacks a number"),
        ("?", "lacks a number"),
        ([1, None], "lacks a number"),
        ([1, True], "has something that is no number"),
        ([[1]], "has something that is no number"),
        ("inf", "NaN, infinite or beyond single precision"),
        ("[NaN]", "NaN, infinite or beyond single precision"),
        (10**400, "NaN, infinite or beyond single precision"),
        ("1e39", "NaN, infinite or beyond single precision"),
        ("[1, 2", "is not a JSON list of numbers"),
        ("[" * 5000, "is not a JSON list of numbers"),
    ],
)
def test_what_is_no_series(cell: Any, reason: str) -> None:
    with pytest.raises(BadCell, match=reason.replace("[", r"\[")):
        series_of(cell)


def test_series_and_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FRAMES", 3)
    with pytest.raises(BadCell, match="has 4 numbers, more than 3"):
        series_of("1 2 3 4")
    with pytest.raises(BadCell, match="has 4 frames of 1 numbers, too many"):
        frames_of("[1, 2, 3, 4]")


def test_frames() -> None:
    assert frames_of("[[1, 2], [3, 4], [5, 6]]").tolist() == [[1, 2], [3, 4], [5, 6]]
    assert frames_of([1, 2]).shape == (2, 1)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("[[1, 2], [3]]", "has frames of different sizes"),
        ("[[]]", "has frames of different sizes"),
        ("[]", "is not a list of frames"),
        ("1 2", "is not a JSON list"),
        ('{"a": 1}', "is not a list of frames"),
        ("[[1, null]]", "lacks a number"),
    ],
)
def test_what_is_no_list_of_frames(cell: str, reason: str) -> None:
    with pytest.raises(BadCell, match=reason):
        frames_of(cell)


def test_texts_are_one_line() -> None:
    assert text_of("a\r\nb\nc") == "a b c"
    assert (text_of(7), text_of(["é", 1])) == ("7", '["é", 1]')


# Examples --------------------------------------------------------------------------------------------

ROW = Row({"a": "x", "b": "y", "n": "1 2", "m": "3 4", "k": "5", "label": " up "}, "t.csv", 9)


def test_sources_of_several_columns() -> None:
    joined = source_of(ROW, ["a", "b"], "text")
    assert isinstance(joined, str)
    assert joined.startswith("x ")
    assert joined.endswith(" y")
    blank = Row({"a": "", "b": " "}, "t.csv", 1)
    assert source_of(blank, ["a", "b"], "text") == ""
    frames = source_of(ROW, ["n", "m"], "number")
    assert isinstance(frames, np.ndarray)
    assert frames.tolist() == [[1, 3], [2, 4]]
    assert label_of(ROW, "label") == "up"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["n", "k"], "its series have different lengths: 1, 2"),
        (["a"], "column 'a' has 'x', which is no number"),
    ],
)
def test_rows_that_cannot_be_read_say_where(columns: Sequence[str], reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        source_of(ROW, columns, "number")
    assert caught.value.where == "t.csv:9"


def test_a_missing_column_is_named_with_its_neighbour() -> None:
    with pytest.raises(MissingColumn, match="there is no column 'labels'") as caught:
        label_of(ROW, "labels")
    assert caught.value.hint is not None
    assert "label" in caught.value.hint


def test_later_rows_may_lack_a_column_and_the_first_may_not() -> None:
    rows = [Row({"t": "a", "y": "1"}, "t.jsonl", 1), Row({"t": "b"}, "t.jsonl", 2)]
    errors: list[DataError] = []
    assert [each.label for each in examples(rows, ["t"], "text", "y", errors.append)] == ["1"]
    assert [error.where for error in errors] == ["t.jsonl:2"]
    with pytest.raises(MissingColumn):
        list(examples(rows[::-1], ["t"], "text", "y", errors.append))
    with pytest.raises(DataError, match="column 'y' is empty"):
        list(examples([Row({"t": "a", "y": " "}, "t.jsonl", 1)], ["t"], "text", "y"))


def test_blocks_end_where_memory_does() -> None:
    assert [len(block) for block in blocks(range(10), lambda _: 1, 4)] == [4, 4, 2]
    assert [len(block) for block in blocks([1 << 21] * 5, lambda size: size)] == [2, 2, 1]
    assert list(blocks([], len)) == []
    weights = Example("abc", "x", ROW).weight, Example(np.zeros((4, 5), np.float32), "x", ROW).weight
    assert weights == (3, 20)
