"""Rows to examples: what a model reads of a row, and what it is to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.data.tables.cells import BadCell, frames_of, series_of, text_of
from seqkit.data.tables.row import Cell, MissingColumn, Row, bad_row
from seqkit.errors import DataError
from seqkit.kinds import Form

MARK = " ␟ "  # between the texts of several columns

Source = str | NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A row's source, a text or frames (T, F), and its label; `row` is where both come from."""

    source: Source
    label: str
    row: Row

    @property
    def weight(self) -> int:
        """Characters or numbers of the source, by which blocks of examples are measured."""
        return len(self.source) if isinstance(self.source, str) else self.source.size


def source_of(row: Row, columns: Sequence[str], form: Form) -> Source:
    """What is read of a row: a text, which is empty where all cells are blank, or frames (T, F).

    Raises BadRow, with file, line and column, for a cell that is no such thing.
    """
    if form == "text":
        texts = [text_of(row[column]) for column in columns]
        return MARK.join(texts) if any(text.strip() for text in texts) else ""
    if form == "array":
        return _cell(row, columns[0], frames_of)
    series = [_cell(row, column, series_of) for column in columns]
    lengths = {len(each) for each in series}
    if len(lengths) > 1:
        raise _bad(row, f"its series have different lengths: {', '.join(map(str, sorted(lengths)))}")
    return np.stack(series, axis=1)


def label_of(row: Row, column: str) -> str:
    """The class of a row. Raises BadRow for an empty one."""
    label = text_of(row[column]).strip()
    if not label:
        raise _bad(row, f"column {column!r} is empty")
    return label


def examples(
    rows: Iterable[Row],
    source: Sequence[str],
    form: Form,
    target: str,
    on_bad: Callable[[DataError], None] | None = None,
) -> Iterator[Example]:
    """The examples of rows. Those that cannot be read go to `on_bad`, or are raised.

    A column that the very first row lacks is not in the table at all, which is always raised.
    """
    for number, row in enumerate(rows):
        try:
            example = Example(source_of(row, source, form), label_of(row, target), row)
        except (BadRow, MissingColumn) as error:
            if on_bad is None or (number == 0 and isinstance(error, MissingColumn)):
                raise
            on_bad(error)
            continue
        yield example


class BadRow(DataError):
    """A row whose cells cannot be read."""


def _cell(row: Row, column: str, read: Callable[[Cell], NDArray[np.float32]]) -> NDArray[np.float32]:
    try:
        return read(row[column])
    except BadCell as error:
        raise _bad(row, f"column {column!r} {error}") from error


def _bad(row: Row, reason: str) -> BadRow:
    error = bad_row(row.file, row.line, reason)
    return BadRow(error.message, where=error.where, hint=error.hint)
