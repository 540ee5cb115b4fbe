"""`seqkit translate` with a classifier: lines or rows in, classes out, one each."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import destination, json_line, one_line
from seqkit.errors import ConfigError, DataError, ExitCode, SeqkitError
from seqkit.files import parse_json

if TYPE_CHECKING:
    from seqkit.data.tables.row import Row
    from seqkit.inference.classifier import Classification, Classifier

_ROWS_TOGETHER = 1000

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What the command is asked: lines of a file, or the rows of a table, and how the answers are written."""

    file: str | None
    table: str | None
    delimiter: str | None
    header: bool
    n_best: int
    scores: bool
    json_lines: bool
    output: Path | None
    quiet: bool


def classify(model: Path, request: Request, *, device: str, threads: int | None, precision: str) -> int:
    """Answer every line or row; the exit code says whether some could not be read."""
    from seqkit.inference.classifier import Classifier

    if request.table is not None and request.file is not None:
        raise ConfigError("--table and FILE exclude each other", hint="leave one of them out")
    if not request.n_best >= 1:
        raise ConfigError(f"--n-best {request.n_best} must be 1 or more", where="--n-best")
    classifier = Classifier.load(model, device=device, threads=threads, precision=precision)
    answers = Answers(classifier, request)
    with destination(request.output) as stream:
        if request.table is not None:
            answers.of_table(request.table, stream)
        else:
            answers.of_lines(request.file or "-", stream)
    if answers.unread:
        _LOG.warning("%s could not be read; their answers are empty", f"{answers.unread:,}")
        return ExitCode.BAD_DATA
    return ExitCode.OK


class Answers:
    """The answers to lines or rows, in order; `unread` counts what could not be read."""

    def __init__(self, classifier: Classifier, request: Request) -> None:
        self._classifier, self._request = classifier, request
        facts, self._form = classifier.loaded.facts, classifier.source.form
        self._columns = tuple(facts.columns.get("source", ()))
        (self._target,) = facts.columns.get("target", ["class"])
        self.unread = 0

    def of_lines(self, file: str, stream: BinaryIO) -> None:
        """A line is a text, a cell of the source's column or, with --json, an object with the columns."""
        from seqkit.data.tables.row import Row
        from seqkit.data.text.reading import read_blocks

        if self._form != "text" and len(self._columns) > 1 and not self._request.json_lines:
            raise ConfigError(
                f"this model reads {len(self._columns):,} columns: {', '.join(self._columns)}",
                hint="give a table with them: --table FILE, or JSON objects with --json",
            )
        console.announce_input(file, "lines")
        done = 0
        for block in read_blocks(file):
            for start in range(0, len(block), _ROWS_TOGETHER):
                rows = [
                    Row(self._cells(line), file, number)
                    for number, line in enumerate(block[start : start + _ROWS_TOGETHER], done + 1)
                ]
                for row, answer in zip(rows, self._answered(rows), strict=True):
                    done += 1
                    stream.write(self._line(done, row, answer))
                stream.flush()

    def of_table(self, table: str, stream: BinaryIO) -> None:
        """The rows of a table with the predicted column behind them, in the table's own format."""
        import tempfile

        from seqkit.data.tables.rows import TableOptions, read_rows, table_format
        from seqkit.data.text.sources import text_files

        with tempfile.TemporaryDirectory() as spool:
            files = text_files([table], Path(spool))
            form = "jsonl" if self._request.json_lines else table_format(files[0].name)
            options = TableOptions(self._request.delimiter, self._request.header)
            rows, first = read_rows(files, options), True
            while block := list(islice(rows, _ROWS_TOGETHER)):
                delimiter = self._request.delimiter or ("\t" if form == "tsv" else ",")
                for row, answer in zip(block, self._answered(block), strict=True):
                    if form == "jsonl":
                        values = (
                            dict(row.cells) | {"schema": 1} if self._request.json_lines else dict(row.cells)
                        )
                        stream.write((json_line({**values, **self._record(answer)}) + "\n").encode())
                        continue
                    if first and self._request.header:
                        stream.write(_separated([*row.cells, *self._names()], delimiter))
                    cells = ["" if cell is None else str(cell) for cell in self._values(answer)]
                    stream.write(_separated([*map(str, row.cells.values()), *cells], delimiter))
                    first = False
                stream.flush()

    def _cells(self, line: str) -> dict[str, Any]:
        column = self._columns[0] if self._columns else "text"
        if self._request.json_lines and line.lstrip().startswith("{"):
            try:
                value = parse_json(line.encode(), "line")
            except (SeqkitError, ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                if column not in value and "text" in value:
                    value[column] = value.pop("text")
                return value
        return {column: line}

    def _answered(self, rows: Sequence[Row]) -> list[Classification | None]:
        """The classification of each row; None for an empty text, and for what cannot be read."""
        from seqkit.data.tables.examples import source_of

        sources, places = [], []
        for place, row in enumerate(rows):
            try:
                source = source_of(row, self._columns, self._form)
                if isinstance(source, str) and not source.strip():
                    continue
                reads = self._classifier.source
                if not isinstance(source, str) and source.shape[1] != reads.size:
                    raise DataError(
                        f"a frame has {source.shape[1]:,} numbers; this model reads {reads.summary}",
                        where=row.where,
                    )
            except DataError as error:
                if row.cells.keys().isdisjoint(self._columns):
                    raise  # no row has the column
                if not self.unread:
                    _LOG.warning("%s", error.message)
                self.unread += 1
                continue
            sources.append(source)
            places.append(place)
        answers: list[Classification | None] = [None] * len(rows)
        for place, found in zip(places, self._classifier.classify(sources), strict=True):
            answers[place] = found
        return answers

    def _names(self) -> tuple[str, str]:
        return f"predicted_{self._target}", f"probability_{self._target}"

    def _values(self, answer: Classification | None) -> tuple[str | None, float | None]:
        return (None, None) if answer is None else (answer.label, round(answer.probability, 6))

    def _record(self, answer: Classification | None) -> dict[str, Any]:
        return dict(zip(self._names(), self._values(answer), strict=True))

    def _line(self, number: int, row: Row, answer: Classification | None) -> bytes:
        """The output for one input line: one line, or one for each of the n best."""
        best: Sequence[tuple[str, float]] = [("", 0.0)]
        if answer is not None:
            best = answer.best(self._request.n_best)
        lines = []
        for rank, (label, share) in enumerate(best, 1):
            if self._request.json_lines:
                record = {**row.cells, "schema": 1, "line": number}
                if answer is None:
                    record |= self._record(None)
                else:
                    record |= dict(zip(self._names(), (label, round(share, 6)), strict=True))
                lines.append(json_line(record | ({"rank": rank} if self._request.n_best > 1 else {})))
                continue
            lines.append("\t".join(self._fields(number, rank, one_line(label), share)))
        return "".join(line + "\n" for line in lines).encode("utf-8", "replace")

    def _fields(self, number: int, rank: int, label: str, share: float) -> Iterator[str]:
        if self._request.n_best > 1:
            yield from (str(number), str(rank))
        if self._request.scores:
            yield f"{share:.6f}"
        yield label


def _separated(cells: Sequence[str], delimiter: str) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode("utf-8", "replace")
