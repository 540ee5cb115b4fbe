"""A row of a table, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seqkit.errors import DataError, suggest

Cell = str | int | float | list[object]


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
        """A cell. Raises DataError, with the nearest name, for a column that the table lacks."""
        try:
            return self.cells[column]
        except KeyError as error:
            raise DataError(
                f"the table has no column {column!r}",
                where=self.file,
                hint=suggest(column, self.cells) or f"it has {', '.join(self.cells)}",
            ) from error


def bad_row(file: str, line: int, reason: str) -> DataError:
    """The error of a row that cannot be read."""
    return DataError(
        f"line {line:,} of {file} is not like the others: {reason}",
        where=f"{file}:{line}",
        hint="mend the line, or leave such rows out with --skip-bad",
    )
