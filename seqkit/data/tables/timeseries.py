"""The .ts files of the UEA, UCR and TSER archives: a header, then a line per series.

Dimensions are separated by ":", values by ",", and the last field is the label. The format is described at
the archives' pages; timestamps are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seqkit.data.tables.row import Cell, Row, bad_row
from seqkit.errors import DataError

LABEL, VALUE = "label", "value"


def dimension(number: int) -> str:
    """The column of a dimension, from 1."""
    return f"dimension_{number}"


def read_timeseries(lines: Iterable[str], name: str) -> Iterator[Row | DataError]:
    """The rows of a file; a dimension is a cell with its numbers. Raises DataError for another header."""
    answer, count, in_data = None, 0, False
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not in_data:
            answer, in_data = _header(line, answer, f"{name}:{number}")
            continue
        *dimensions, label = line.split(":") if answer else (*line.split(":"), "")
        count = count or len(dimensions)
        if len(dimensions) != count or not count:
            yield bad_row(name, number, f"it has {len(dimensions):,} dimensions; the first has {count:,}")
            continue
        cells: dict[str, Cell] = {dimension(place): part for place, part in enumerate(dimensions, 1)}
        if answer:
            cells[answer] = label.strip()
        yield Row(cells, name, number)


def _header(line: str, answer: str | None, where: str) -> tuple[str | None, bool]:
    """The column of the answer, where a line of the header names it, and whether the data follow the line."""
    word, *rest = line.lower().split()
    if word == "@data":
        return answer, True
    if not word.startswith("@"):
        raise DataError(
            "this is no .ts file: its data do not begin with @data",
            where=where,
            hint="such a file has a header of lines that begin with @; other tables are .csv or .tsv",
        )
    if word == "@timestamps" and rest[:1] == ["true"]:
        raise DataError("series with timestamps are not read", where=where, hint="give the values alone")
    if word in {"@classlabel", "@targetlabel"} and rest[:1] == ["true"]:
        return (LABEL if word == "@classlabel" else VALUE), False
    return answer, False
