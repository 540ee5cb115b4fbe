"""A row of a table, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seqkit.errors import DataError, suggest

Cell = str | int | float | list[object]


class MissingColumn(DataError):
    """A row does not have a column."""


@dataclass(frozen=True)
class Row:
    """Cells by column; text, or the numbers and lists of a format that has such."""

    cells: Mapping[str, Cell]
    file: str
    line: int

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file}:{self.line}"

    def __getitem__(self, column: str) -> Cell:
        """A cell. Raises MissingColumn, with the nearest name, for a column that the row lacks."""
        try:
            return self.cells[column]
        except KeyError as error:
            raise MissingColumn(
                f"there is no column {column!r}",
                where=self.where,
                hint=suggest(column, self.cells) or f"the columns are {', '.join(self.cells)}",
            ) from error


def bad_row(file: str, line: int, reason: str) -> DataError:
    """The error of a line that is no row."""
    return DataError(
        f"line {line:,} of {file} cannot be read: {reason}",
        where=f"{file}:{line}",
        hint="correct the line; prepare leaves out such rows with --skip-bad",
    )
