"""Rows of named columns from CSV, TSV, JSON Lines and time-series files, a row at a time."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from seqkit import limits
from seqkit.data.tables.row import Cell, Row, bad_row
from seqkit.data.tables.timeseries import read_timeseries
from seqkit.data.text.sources import TextFile
from seqkit.errors import ConfigError, DataError, SeqkitError, input_error
from seqkit.files import parse_json

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".ts": "timeseries"}


@dataclass(frozen=True)
class TableOptions:
    """How tables are read; `delimiter` of None is the comma of .csv and the tab of .tsv.

    Without a `header` columns are named by their number, from 1.
    """

    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigError(
                f"--delimiter {self.delimiter!r} is not one character",
                where="--delimiter",
                hint="such as ';', or $'\\t' for a tab",
            )


def table_format(name: str) -> str:
    """What a file's name says of its format; standard input is TSV. Raises ConfigError for other names."""
    if name == "standard input":
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

    A row that cannot be read goes to `on_bad`, or is raised, as DataError with file and line. All tables have
    the columns of the first, in any order.
    """
    known: tuple[str, ...] | None = None
    for file in files:
        for row in _rows_of(file, options):
            if isinstance(row, DataError):
                if on_bad is None:
                    raise row
                on_bad(row)
                continue
            if known is None:
                known = tuple(row.cells)
            elif set(row.cells) != set(known):
                missing = sorted(set(known) ^ set(row.cells))
                raise DataError(
                    f"the tables have different columns: {missing[0]!r} is not in all of them",
                    where=row.where,
                    hint="prepare them separately, or give them the same header",
                )
            yield row


def _rows_of(file: TextFile, options: TableOptions) -> Iterator[Row | DataError]:
    form = table_format(file.name)
    try:
        with open(file.path, "rb") as raw, _plain(raw) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
            if form == "jsonl":
                yield from _json_rows(text, file.name)
            elif form == "timeseries":
                yield from read_timeseries(text, file.name)
            else:
                delimiter = options.delimiter or ("," if form == "csv" else "\t")
                yield from _separated_rows(text, file.name, delimiter, header=options.header)
    except (OSError, EOFError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise input_error(file.name, error) from error
        raise DataError(f"{file.name} is damaged: {error}", where=file.name) from error


def _plain(raw: BinaryIO) -> BinaryIO:
    """The stream, decompressed where it is gzip."""
    magic = raw.read(2)
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if magic == b"\x1f\x8b" else raw  # type: ignore[return-value]


def _separated_rows(text: TextIO, name: str, delimiter: str, *, header: bool) -> Iterator[Row | DataError]:
    csv.field_size_limit(limits.CELL)
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    columns: tuple[str, ...] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield bad_row(name, line, f"it is no row of a table ({error})")
            continue
        if not cells:
            continue
        if columns is None:
            columns = tuple(cells) if header else tuple(map(str, range(1, len(cells) + 1)))
            if len(set(columns)) != len(columns):
                double = next(column for column in columns if columns.count(column) > 1)
                raise DataError(f"two columns are called {double!r}", where=f"{name}:{line}")
            if header:
                continue
        if len(cells) != len(columns):
            yield bad_row(name, line, f"it has {len(cells):,} cells, and the table {len(columns):,} columns")
            continue
        yield Row(dict(zip(columns, map(_clean, cells), strict=True)), name, line)


def _json_rows(text: TextIO, name: str) -> Iterator[Row | DataError]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            value = parse_json(line.encode("utf-8", "surrogateescape"), f"{name}:{number}")
        except SeqkitError as error:
            yield bad_row(name, number, error.message)
            continue
        if not isinstance(value, dict):
            yield bad_row(name, number, "it is no JSON object")
            continue
        yield Row({key: _cell(each) for key, each in value.items()}, name, number)


def _cell(value: object) -> Cell:
    """JSON's null is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list | int | float) and not isinstance(value, bool):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _clean(text: str) -> str:
    """Bytes that are no UTF-8, and lone surrogates, as U+FFFD."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def columns_of(row: Mapping[str, Cell]) -> str:
    """The columns of a table, for messages."""
    return ", ".join(row)
