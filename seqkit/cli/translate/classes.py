"""`seqkit translate` with a classifier: lines or rows in, classes out, one each."""

from __future__ import annotations

import csv
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import destination, json_line, one_line
from seqkit.errors import ConfigError, DataError, ExitCode, SeqkitError
from seqkit.files import parse_json

if TYPE_CHECKING:
    from seqkit.data.tables.examples import Source
    from seqkit.data.tables.row import Row
    from seqkit.data.tables.rows import TableOptions
    from seqkit.inference.classifier import Classification, Classifier

_ROWS_TOGETHER = 1000

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What the command is asked: lines of a file, or the rows of a table, and how the answers are written."""

    file: str | None
    table: str | None
    reading: TableOptions
    n_best: int
    scores: bool
    json_lines: bool
    output: Path | None

    def __post_init__(self) -> None:
        if self.n_best < 1:
            raise ConfigError(f"--n-best {self.n_best} is too small", where="--n-best", hint="give 1 or more")
        if self.table is None:
            return
        if self.file is not None:
            raise ConfigError("--table and FILE exclude each other", hint="leave one of them out")
        for option, given in (("--n-best", self.n_best > 1), ("--scores", self.scores)):
            if given:
                raise ConfigError(
                    f"{option} cannot be used with --table",
                    where=option,
                    hint="leave it out: a row gets one class with its probability",
                )


def refuse_search(options: Mapping[str, object]) -> None:
    """ConfigError for the first option that is given, since a classifier searches for nothing."""
    for name, value in options.items():
        if value:
            raise ConfigError(f"{name} has no effect on a classifier", where=name, hint="leave it out")


def classify(model: Path, request: Request, *, device: str, threads: int | None, precision: str) -> int:
    """Answer every line or row; the exit code says whether some could not be read."""
    from seqkit.inference.classifier import Classifier

    classifier = Classifier.load(model, device=device, threads=threads, precision=precision)
    answers = Answers(classifier, request)
    with destination(request.output) as stream:
        if request.table is not None:
            answers.of_table(request.table, stream)
        else:
            answers.of_lines(request.file or "-", stream)
    if not answers.unread:
        return ExitCode.OK
    _LOG.warning("unreadable, so that the answer is empty: %s in all", f"{answers.unread:,}")
    return ExitCode.BAD_DATA


@dataclass(frozen=True)
class _Line:
    """An input line: what is read of it, and the keys of its JSON object that are passed through."""

    row: Row
    keys: Mapping[str, Any]


class Answers:
    """The answers to lines or rows, in order; `unread` counts what could not be read."""

    def __init__(self, classifier: Classifier, request: Request) -> None:
        self._classifier, self._request = classifier, request
        facts, self._form = classifier.loaded.facts, classifier.source.form
        self._columns = tuple(facts.columns.get("source", ("text",)))
        (target,) = facts.columns.get("target", ["class"])
        self._names = (f"predicted_{target}", f"probability_{target}")
        self.unread = 0

    def of_lines(self, file: str, stream: BinaryIO) -> None:
        """A line is a text, a cell of the source's column or, with --json, an object with the columns."""
        from seqkit.data.text.reading import read_blocks

        if len(self._columns) > 1 and not self._request.json_lines:
            raise ConfigError(
                f"this model reads {len(self._columns):,} columns: {', '.join(self._columns)}",
                hint="give a table with them: --table FILE, or JSON objects with --json",
            )
        console.announce_input(file, "lines")
        done = 0
        for block in read_blocks(file):
            for start in range(0, len(block), _ROWS_TOGETHER):
                part = block[start : start + _ROWS_TOGETHER]
                lines = [self._line(line, file, number) for number, line in enumerate(part, done + 1)]
                for line, answer in zip(lines, self._answered([line.row for line in lines]), strict=True):
                    done += 1
                    stream.write(self._output(done, line, answer))
                stream.flush()

    def of_table(self, table: str, stream: BinaryIO) -> None:
        """The rows of a table with the predicted column behind them, in the table's own format."""
        from seqkit.data.tables.blocks import blocks
        from seqkit.data.tables.rows import read_rows, table_format
        from seqkit.data.text.sources import text_files

        reading = self._request.reading
        with tempfile.TemporaryDirectory() as spool:
            files = text_files([table], Path(spool))
            form = "jsonl" if self._request.json_lines else table_format(files[0].name)
            write = _Separated(reading.delimiter or ("\t" if form == "tsv" else ","), header=reading.header)
            schema = {"schema": 1} if self._request.json_lines else {}
            for block in blocks(read_rows(files, reading), _weight, _ROWS_TOGETHER):
                self._check_columns(block[0])
                for row, answer in zip(block, self._answered(block), strict=True):
                    cells = {**row.cells, **schema, **self._predicted(answer)}
                    line = f"{json_line(cells)}\n" if form == "jsonl" else write.row(cells)
                    stream.write(line.encode("utf-8", "replace"))
                stream.flush()

    def _check_columns(self, row: Row) -> None:
        """MissingColumn for a row without any of the columns: it is of another table."""
        if row.cells.keys().isdisjoint(self._columns):
            row[self._columns[0]]

    def _line(self, line: str, file: str, number: int) -> _Line:
        """What is read of an input line; one that is no object with a column of the model is read whole."""
        from seqkit.data.tables.row import Row
        from seqkit.data.tables.rows import cell_of

        first = self._columns[0]
        if self._request.json_lines:
            keys = _json_object(line)
            values = {first: keys["text"], **keys} if "text" in keys else keys
            if not values.keys().isdisjoint(self._columns):
                return _Line(Row({name: cell_of(each) for name, each in values.items()}, file, number), keys)
        return _Line(Row({first: line}, file, number), {first: line})

    def _answered(self, rows: Sequence[Row]) -> list[Classification | None]:
        """The classification of each row; None for an empty text, and for what cannot be read."""
        sources: list[Source] = []
        places = []
        for place, row in enumerate(rows):
            try:
                source = self._source(row)
            except DataError as error:
                if not self.unread:
                    _LOG.warning("%s (%s)", error.message, row.where)
                self.unread += 1
                continue
            if source is not None:
                sources.append(source)
                places.append(place)
        answers: list[Classification | None] = [None] * len(rows)
        for place, found in zip(places, self._classifier.classify(sources), strict=True):
            answers[place] = found
        return answers

    def _source(self, row: Row) -> Source | None:
        """What the model reads of a row, None of an empty text. Raises DataError for what it cannot read."""
        from seqkit.data.tables.examples import source_of

        source, reads = source_of(row, self._columns, self._form), self._classifier.source
        if isinstance(source, str):
            return source or None
        if source.shape[1] != reads.size:
            raise DataError(f"a frame has {source.shape[1]:,} numbers; this model reads {reads.summary}")
        return source

    def _predicted(self, answer: Classification | None) -> dict[str, Any]:
        """The predicted columns."""
        if answer is None:
            return dict.fromkeys(self._names)
        return dict(zip(self._names, (answer.label, round(answer.probability, 6)), strict=True))

    def _output(self, number: int, line: _Line, answer: Classification | None) -> bytes:
        """The output for one input line: one line, or one for each of the n best."""
        n_best = self._request.n_best
        best = [("", 0.0)] if answer is None else answer.best(n_best)
        lines = []
        for rank, (label, share) in enumerate(best, 1):
            if self._request.json_lines:
                values = (None, None) if answer is None else (label, round(share, 6))
                record = {**line.keys, "schema": 1, "line": number}
                record |= dict(zip(self._names, values, strict=True))
                lines.append(json_line(record | ({"rank": rank} if n_best > 1 else {})))
            else:
                lines.append("\t".join(self._fields(number, rank, one_line(label), share)))
        return "".join(line + "\n" for line in lines).encode("utf-8", "replace")

    def _fields(self, number: int, rank: int, label: str, share: float) -> Iterator[str]:
        numbered, scores = self._request.n_best > 1, self._request.scores
        if numbered:
            yield from (str(number), str(rank))
        if scores:
            yield f"{share:.6f}"
        yield label.replace("\t", " ") if numbered or scores else label


def _json_object(line: str) -> dict[str, Any]:
    """The object that a line holds, or an empty one where it holds none that could be written again."""
    try:
        value = parse_json(line.encode(), "line")
        json_line(value)
    except (SeqkitError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _weight(row: Row) -> int:
    """How much a row is, in characters or values."""
    return sum(len(cell) if isinstance(cell, str | list) else 1 for cell in row.cells.values())


class _Separated:
    """Writes rows with a delimiter, and the names of their columns before the first."""

    def __init__(self, delimiter: str, *, header: bool) -> None:
        self._delimiter, self._header = delimiter, header

    def row(self, cells: Mapping[str, object]) -> str:
        """The lines of the next row; an empty cell for None."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self._delimiter, lineterminator="\n")
        if self._header:
            writer.writerow(cells)
            self._header = False
        writer.writerow(cells.values())
        return buffer.getvalue()
