"""Rows of named columns from CSV, TSV, JSON Lines and time-series files, a row at a time."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seqkit import limits
from seqkit.data.tables.row import Cell, Row, bad_row
from seqkit.data.tables.timeseries import read_timeseries
from seqkit.data.text.reading import read_raw_lines
from seqkit.data.text.sources import TextFile
from seqkit.errors import ConfigError, DataError, SeqkitError
from seqkit.files import parse_json

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".ts": "timeseries"}

_SURROGATES = re.compile("[\ud800-\udfff]")  # that JSON may have, and UTF-8 may not


@dataclass(frozen=True)
class TableOptions:
    """How tables are read; `delimiter` of None is the comma of .csv and the tab of .tsv.

    Without a `header` columns are named by their number, from 1.
    """

    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ConfigError(
                f"--delimiter {self.delimiter!r} cannot separate cells",
                where="--delimiter",
                hint="give one character, such as ';', or $'\\t' for a tab",
            )


def table_format(name: str) -> str:
    """The format that a file's name tells: csv, tsv, jsonl or timeseries; standard input is tsv.

    Raises ConfigError for other names.
    """
    if name == "standard input" or name.startswith("/dev/"):
        return "tsv"
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if ending not in FORMATS:
        raise ConfigError(
            f"{name} is no table that seqkit reads",
            where=name,
            hint=f"a table's name ends in {', '.join(FORMATS)}, also with .gz behind it",
        )
    return FORMATS[ending]


def read_rows(
    files: Sequence[TextFile], options: TableOptions, on_bad: Callable[[DataError], None] | None = None
) -> Iterator[Row]:
    """The rows of tables, one table after the other.

    A line that is no row goes to `on_bad`, or is raised, as DataError with file and line.
    """
    for file in files:
        for row in _rows_of(file, options):
            if isinstance(row, Row):
                yield row
            elif on_bad is None:
                raise row
            else:
                on_bad(row)


def _rows_of(file: TextFile, options: TableOptions) -> Iterator[Row | DataError]:
    form = table_format(file.name)
    raw = read_raw_lines(file.path, name=file.name, longest=limits.TABLE_LINE)
    lines = (line.decode("utf-8", "replace") for line in raw)
    if form == "csv":
        cells = _quoted_cells(lines, options.delimiter or ",")
        return _separated_rows(cells, file.name, header=options.header)
    if form == "tsv":
        cells = _cells_of_lines(lines, options.delimiter or "\t")
        return _separated_rows(cells, file.name, header=options.header)
    if options.delimiter is not None or not options.header:
        option = "--no-header" if options.delimiter is None else "--delimiter"
        raise ConfigError(
            f"{option} has no effect on {file.name}", where=option, hint="it is for .csv and .tsv"
        )
    return _json_rows(lines, file.name) if form == "jsonl" else read_timeseries(lines, file.name)


Cells = tuple[int, list[str] | csv.Error]  # the number of the line where a row begins, and the row's cells


def _quoted_cells(lines: Iterator[str], delimiter: str) -> Iterator[Cells]:
    """Rows of CSV (RFC 4180), whose quoted cells may have newlines. Spaces behind a delimiter are skipped."""
    csv.field_size_limit(limits.TABLE_LINE)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter != " ")
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, error


def _cells_of_lines(lines: Iterable[str], delimiter: str) -> Iterator[Cells]:
    """Rows of TSV: a line each. A quote that does not close in its line is a character like any other."""
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        cells = text.split(delimiter) if text else []
        if any(cell.startswith('"') for cell in cells):
            with suppress(csv.Error):  # not quoted
                (cells,) = csv.reader([text], delimiter=delimiter, strict=True)
        yield number, cells


def _separated_rows(lines: Iterable[Cells], name: str, *, header: bool) -> Iterator[Row | DataError]:
    columns: Sequence[str] = ()
    for line, cells in lines:
        if isinstance(cells, csv.Error):
            yield bad_row(name, line, _reason(cells))
        elif not cells:
            continue
        elif not columns:
            columns = cells if header else [str(number) for number in range(1, len(cells) + 1)]
            _check_names(columns, f"{name}:{line}")
            if not header:
                yield Row(dict(zip(columns, cells, strict=True)), name, line)
        elif len(cells) != len(columns):
            yield bad_row(name, line, f"it has {len(cells):,} cells; the table has {len(columns):,} columns")
        else:
            yield Row(dict(zip(columns, cells, strict=True)), name, line)


def _reason(error: csv.Error) -> str:
    """Why a line is no row of CSV; the parser's own words speak to programmers."""
    if "new-line" in str(error):
        return "a carriage return stands outside quotes"
    if "limit" in str(error):
        return f"a cell has more than {limits.TABLE_LINE:,} characters; a quote may not be closed"
    return f"its quotes are not in order ({error})"


def _check_names(columns: Sequence[str], where: str) -> None:
    if len(set(columns)) != len(columns):
        double = next(column for column in columns if columns.count(column) > 1)
        raise DataError(
            f"two columns are called {double!r}",
            where=where,
            hint="rename one; if this line is a row, --no-header names columns by number",
        )


def _json_rows(lines: Iterable[str], name: str) -> Iterator[Row | DataError]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = parse_json(line.encode(), f"{name}:{number}")
        except SeqkitError:
            yield bad_row(name, number, "it is no valid JSON")
            continue
        if isinstance(value, dict):
            yield Row({_clean(key): cell_of(each) for key, each in value.items()}, name, number)
        else:
            yield bad_row(name, number, "it is no JSON object")


def cell_of(value: object) -> Cell:
    """A value of JSON as a cell: null is an empty one, true and false are texts, as are objects."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list | int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value)


def _clean(text: str) -> str:
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
