"""Rows of tables, in any of their formats, one after the other: memory does not grow with the table.

Tab-separated values, CSV, JSON Lines, TMX and the xml of WMT. A row that cannot be read is an error with its
file and line, or, where bad rows are to be skipped, counted.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from seqkit.data.text.markup import Unit, markup_of, tmx_units, wmt_units
from seqkit.data.text.opening import DAMAGE, open_bytes, split_member
from seqkit.data.text.reading import read_lines
from seqkit.data.text.sources import TextFile
from seqkit.data.tokenizers import normal_form
from seqkit.errors import ConfigError, DataError, SeqkitError, suggest
from seqkit.files import parse_json

Format = Literal["tsv", "csv", "jsonl", "tmx", "wmt"]
Record = Sequence[str] | Mapping[str, Any]

_START = 1 << 12  # bytes by which a format is recognised
_SUFFIXES: dict[str, Format] = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tmx": "tmx",
}
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")
_DELIMITERS = ",;|\t"  # of CSV, the first of them that the first line has
_SHOWN = 12  # columns named in an error
_SPACES = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029]+")

logger = logging.getLogger("seqkit")


@dataclass(frozen=True)
class Row:
    """One row: cells in order, or by key; or else what is wrong with it."""

    line: int  # where it begins, from 1
    record: Record
    problem: str | None = None


class _Versions(Mapping[str, str]):
    """The versions of a unit by name, where "en" is also the only one of "en-US", "EN" and the like."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def __getitem__(self, name: str) -> str:
        found = self._unit.version(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._unit.versions)

    def __len__(self) -> int:
        return len(self._unit.versions)


@dataclass(frozen=True)
class Columns:
    """Which columns make a row's texts: a tuple of names, or of numbers from 1, per text, joined by tabs."""

    texts: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, option: str, count: int) -> Columns:
        """From `SOURCE,TARGET`, where `A+B` are two columns of one text. ConfigError for another count."""
        texts = tuple(tuple(name.strip() for name in text.split("+")) for text in option.split(","))
        if len(texts) != count or not all(name for text in texts for name in text):
            wanted = "SOURCE,TARGET" if count == 2 else "one column"
            raise ConfigError(
                f"--columns {option} is not {wanted}",
                where="--columns",
                hint="names, or numbers from 1; A+B joins two columns with a tab: --columns lemma+tags,form",
            )
        return cls(texts)

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        return list(chain.from_iterable(self.texts))

    @property
    def numbered(self) -> bool:
        """Whether they are numbers, so that the first row is data and no header."""
        return all(name.isascii() and name.isdecimal() for name in self.names)


@dataclass
class BadRows:
    """Rows that cannot be read: an error, or skipped and counted if `skip`."""

    skip: bool
    count: int = 0
    first: str = ""

    def add(self, file: TextFile, row: Row, hint: str) -> None:
        """DataError unless they are skipped."""
        where = f"{file.name}:{row.line}"
        if not self.skip:
            raise DataError(f"{file.name}: {row.problem} in line {row.line:,}", where=where, hint=hint)
        self.count += 1
        self.first = self.first or f"{where}: {row.problem}"

    def report(self) -> None:
        """A warning, if there were any."""
        if self.count:
            rows = "1 bad row is" if self.count == 1 else f"{self.count:,} bad rows are"
            logger.warning("%s skipped, the first at %s", rows, self.first)


@dataclass(frozen=True)
class Table:
    """A table in a file; it can be read as often as the file."""

    file: TextFile
    format: Format = field(init=False)
    delimiter: str = field(init=False)

    def __post_init__(self) -> None:
        start = _start(self.file)
        first, _, _ = start.partition(b"\n")
        line = first.decode("utf-8", "replace")
        found = _format(self.file.name, start)
        if found == "csv" and "\t" in line and len(_cells(line, ",")) < 2:
            found = "tsv"  # by another name
        object.__setattr__(self, "format", found)
        delimiter = next((mark for mark in _DELIMITERS if mark in line), ",") if found == "csv" else "\t"
        object.__setattr__(self, "delimiter", delimiter)

    def rows(self, *, warn: bool) -> Iterator[Row]:
        """All rows from the start, headers among them; warns of odd bytes if `warn`."""
        if self.format in {"tmx", "wmt"}:
            read = tmx_units if self.format == "tmx" else wmt_units
            with open_bytes(self.file.path, self.file.name, any_encoding=True) as stream:
                for unit in read(stream, self.file.name):
                    yield Row(unit.line, _Versions(unit))
            return
        lines = read_lines(self.file.path, name=self.file.name, warn=warn)
        if self.format == "jsonl":
            yield from _json_rows(lines)
        elif self.format == "csv":
            yield from _csv_rows(lines, self.delimiter)
        else:
            yield from (Row(number, line.split("\t")) for number, line in enumerate(lines, 1))

    def texts(self, columns: Columns, bad: BadRows, *, warn: bool) -> Iterator[tuple[int, list[str]]]:
        """Line number and texts of each row; DataError for a bad row, or a column that there is not."""
        rows = self.rows(warn=warn)
        if self.format in {"tsv", "csv"}:
            yield from self._cell_texts(rows, columns, bad)
            return
        for row in rows:
            row = _with_problem(row, columns)
            if row.problem is None:
                assert isinstance(row.record, Mapping)
                record = row.record
                yield (
                    row.line,
                    ["\t".join(_value(record, name) or "" for name in text) for text in columns.texts],
                )
            else:
                bad.add(self.file, row, self._hint(row))

    def _cell_texts(
        self, rows: Iterator[Row], columns: Columns, bad: BadRows
    ) -> Iterator[tuple[int, list[str]]]:
        width: int | None = None
        places: list[list[int]] = []
        for row in rows:
            if width is None and row.problem is None:
                width = len(row.record)
                places = self._places(row, columns)
                if not columns.numbered:
                    continue  # the header
            if row.problem is None and len(row.record) != width:
                row = Row(
                    row.line, row.record, f"{_columns(len(row.record))} where {width or 0:,} are expected"
                )
            if row.problem is not None:
                bad.add(self.file, row, "--skip-bad leaves such rows out")
                continue
            cells = row.record
            assert isinstance(cells, Sequence)
            yield row.line, ["\t".join(_SPACES.sub(" ", cells[place]) for place in text) for text in places]

    def _places(self, first: Row, columns: Columns) -> list[list[int]]:
        """The index of each column, by the first row."""
        cells = first.record
        assert isinstance(cells, Sequence)
        names = [str(number) for number in range(1, len(cells) + 1)] if columns.numbered else list(cells)
        for name in columns.names:
            wanted = name.lstrip("0") if columns.numbered else name
            if wanted not in names:
                raise DataError(
                    f"{self.file.name} has no column {name}",
                    where=f"{self.file.name}:{first.line}",
                    hint=suggest(name, names) or _named(names),
                )
        return [
            [names.index(n.lstrip("0") if columns.numbered else n) for n in text] for text in columns.texts
        ]

    def _hint(self, row: Row) -> str:
        assert isinstance(row.record, Mapping)
        keys = list(_keys(row.record))
        shown = ", ".join(keys[:_SHOWN]) + (", …" if len(keys) > _SHOWN else "")
        return f"--skip-bad leaves such rows out; this one has {shown or 'nothing'}"


def default_columns(table: Table) -> Columns | None:
    """The columns of a table with two, in their order; None for a TSV, whose every row tells.

    DataError, which names the columns, where there are more.
    """
    if table.format == "tsv":
        return None
    if table.format == "wmt":
        return Columns((("src",), ("ref",)))
    row = next((row for row in table.rows(warn=False) if row.problem is None), Row(1, ()))
    record = row.record
    names = [str(number) for number in range(1, len(record) + 1)]
    if isinstance(record, Mapping):
        names = [name for name in _keys(record) if _value(record, name) is not None]
    if len(names) == 2:
        return Columns(((names[0],), (names[1],)))
    raise DataError(
        f"{table.file.name} has {_columns(len(names))}; a source and a target are expected",
        where=f"{table.file.name}:{row.line}",
        hint=column_hint(record),
    )


def column_hint(record: Record) -> str:
    """Which option makes pairs of such a row: its two columns of text, where they can be told."""
    if isinstance(record, Mapping):
        names = [name for name in _keys(record) if _is_text(_value(record, name) or "")]
        told = names if len(names) == 2 else []
        listed = ", ".join(list(_keys(record))[:_SHOWN]) or "nothing"
        return f"--columns {','.join(told)}" if told else f"--columns SOURCE,TARGET; it has {listed}"
    if len(record) < 2:
        return "--source and --target read a file for each side"
    places = [str(number) for number, cell in enumerate(record, 1) if _is_text(cell)]
    if all(_HEADING.fullmatch(cell) for cell in record):
        places = [cell for cell in record if _is_text(cell)]
    if len(places) == 2:
        return f"--columns {','.join(places)} reads these two"
    return "--columns SOURCE,TARGET names two of them, by name or number"


# No sentences: numbers, times, codes of languages, addresses, names of files.
_NO_TEXT = re.compile(
    r"[\d\W_]*|[a-z]{2,3}([-_]\w{2,8})?|\w+://\S*|\S*\.\w{1,5}:\S+|[0-9a-f-]{32,}", re.IGNORECASE
)


_HEADING = re.compile(r"[A-Za-z]\w{0,30}")  # what a column is called, rather than a sentence


def _is_text(cell: str) -> bool:
    return _NO_TEXT.fullmatch(cell.strip()) is None


def _start(file: TextFile) -> bytes:
    with open_bytes(file.path, file.name, any_encoding=True) as stream:
        try:
            return stream.read(_START)
        except (OSError, *DAMAGE):
            return b""  # whoever reads on will say why


def _format(name: str, start: bytes) -> Format:
    markup = markup_of(start)
    if markup in {"tmx", "wmt"}:
        return "tmx" if markup == "tmx" else "wmt"
    file, member = split_member(name)
    path = Path((member or file).lower())
    while path.suffix in _COMPRESSED:
        path = path.with_suffix("")
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    return "jsonl" if start.lstrip().startswith(b"{") else "tsv"


def _json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        try:
            value = parse_json(line.encode(), "the line")
        except SeqkitError:
            value = None
        if isinstance(value, dict):
            yield Row(number, value)
        elif line.strip():
            yield Row(number, {}, "no JSON object")


def _csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, [], str(error))
            continue
        if cells:
            yield Row(line, cells)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _with_problem(row: Row, columns: Columns) -> Row:
    """The row of a record by keys, with what it lacks."""
    if row.problem is None:
        assert isinstance(row.record, Mapping)
        for name in columns.names:
            if _value(row.record, name) is None:
                return Row(row.line, row.record, f"no text {name}")
    return row


def _value(record: Mapping[str, Any], name: str) -> str | None:
    """The text of a key, or of a key within keys: "translation.en". None where there is no text."""
    value: Any = record.get(name)
    if value is None:
        value = record
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _SPACES.sub(" ", normal_form(str(value), "identity"))


def _keys(record: Mapping[str, Any]) -> Iterator[str]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key


def _named(names: list[str]) -> str:
    """The columns of a table, if its first row names them."""
    if not all(_HEADING.fullmatch(name) or name.isdecimal() for name in names):
        return "the first row names no columns; number them from 1, as in --columns 1,2"
    return f"its columns are {', '.join(names[:_SHOWN])}" + (", …" if len(names) > _SHOWN else "")


def _columns(count: int) -> str:
    return "one column" if count == 1 else f"{count:,} columns"
