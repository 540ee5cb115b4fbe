"""Parallel text: two lists of files, line by line, or tab-separated files; read as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import ne
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqkit.data.text.reading import estimated_lines, refuse_line_ends
from seqkit.data.text.rows import BadRows, Columns, Row, Table, column_hint, default_columns
from seqkit.data.text.sources import TextFile, text_files, total
from seqkit.errors import DataError, SeqkitError

PairLines = tuple[list[str], list[str]]

_ROWS = 1024  # of a table that are read together
_BATCH_PAIRS = 8192
_BATCH_CHARACTERS = 1 << 23

# Two sides whose lengths in characters differ by more than this factor from what is usual between the two
# languages look like a wrong pair.
_SUSPICIOUS = 1.5
_ROUNDING = 1e-3
_SUSPICIOUS_WITHIN = 20  # lines after the place where the files come apart


class ParallelText(Protocol):
    """Pairs of lines that can be read more than once."""

    def blocks(self, *, warn: bool) -> Iterator[PairLines]:
        """Sources and targets, some pairs at a time, from the start; warns of odd bytes if `warn`."""

    def estimated_pairs(self) -> int | None:
        """About how many there are, where that can be known before they are read."""


@dataclass(frozen=True)
class TwoSided:
    """A list of files per side. As many targets as sources are matched file by file, else as one text."""

    source: tuple[TextFile, ...]
    target: tuple[TextFile, ...]

    def blocks(self, *, warn: bool) -> Iterator[PairLines]:
        """See `ParallelText`; DataError where the sides differ in length."""
        if len(self.source) == len(self.target):
            for source, target in zip(self.source, self.target, strict=True):
                yield from _matched((source,), (target,), warn=warn)
        else:
            yield from _matched(self.source, self.target, warn=warn)

    def estimated_pairs(self) -> int | None:
        """See `ParallelText`."""
        return total(estimated_lines(file.path) for file in self.source)


@dataclass
class Tabular:
    """Tables with a source and a target in every row: two columns of them, by default the only two."""

    files: tuple[TextFile, ...]
    columns: Columns | None = None
    skip_bad: bool = False
    skipped: int = 0  # bad rows in the last pass

    def blocks(self, *, warn: bool) -> Iterator[PairLines]:
        """See `ParallelText`; DataError at a bad row."""
        self.skipped = 0
        for file in self.files:
            table, bad = Table(file), BadRows(self.skip_bad)
            columns = self.columns or default_columns(table)
            if columns is None:
                yield from _two_columns(file, bad, warn=warn)
            else:
                texts = (text for _, text in table.texts(columns, bad, warn=warn))
                while some := list(islice(texts, _ROWS)):
                    yield [row[0] for row in some], [row[1] for row in some]
            self.skipped += bad.count
            if warn:
                bad.report()

    def estimated_pairs(self) -> int | None:
        """See `ParallelText`."""
        return total(estimated_lines(file.path) for file in self.files)


def _two_columns(file: TextFile, bad: BadRows, *, warn: bool) -> Iterator[PairLines]:
    """The two columns of tab-separated values without a header."""
    before = 0
    for lines in file.blocks(warn=warn):
        rows = [line.split("\t") for line in lines]
        for number, row in enumerate(rows, before + 1):
            if len(row) != 2:
                _refuse_columns(file, number, row, bad)
        before += len(rows)
        rows = [row for row in rows if len(row) == 2]
        yield [row[0] for row in rows], [row[1] for row in rows]


@dataclass
class Changed:
    """Parallel text whose lines are changed, each for itself, as they are read."""

    text: ParallelText
    change: Callable[[Sequence[str]], list[str]]
    changed: int = 0  # pairs that became others, in the last pass

    def blocks(self, *, warn: bool) -> Iterator[PairLines]:
        """See `ParallelText`."""
        self.changed = 0
        for given in self.text.blocks(warn=warn):
            sources, targets = (self.change(side) for side in given)
            if (sources, targets) != given:
                self.changed += sum(map(ne, zip(sources, targets, strict=True), zip(*given, strict=True)))
            yield sources, targets

    def estimated_pairs(self) -> int | None:
        """See `ParallelText`."""
        return self.text.estimated_pairs()


def batches(text: ParallelText, *, warn: bool) -> Iterator[PairLines]:
    """Sources and targets of thousands of pairs at a time, fewer where lines are long."""
    sources: list[str] = []
    targets: list[str] = []
    characters = 0
    for block in text.blocks(warn=warn):
        sources += block[0]
        targets += block[1]
        characters += sum(map(len, chain(*block)))
        if len(sources) >= _BATCH_PAIRS or characters > _BATCH_CHARACTERS:
            for start in range(0, len(sources), _BATCH_PAIRS):
                end = start + _BATCH_PAIRS
                yield sources[start:end], targets[start:end]
            sources, targets, characters = [], [], 0
    if sources:
        yield sources, targets


def open_text(
    source: Sequence[str],
    target: Sequence[str],
    pairs: Sequence[str],
    spool: Path,
    *,
    columns: str | None = None,
    skip_bad: bool = False,
) -> ParallelText:
    """The parallel text in the named files; what can be read once only is copied into the folder `spool`.

    `columns` are the two of tables, as in `rows.Columns.parse`; with `skip_bad` bad rows are
    counted. Raises InputMissing for a file that is not there.
    """
    if pairs:
        chosen = None if columns is None else Columns.parse(columns, 2)
        return Tabular(text_files(pairs, spool), chosen, skip_bad)
    return TwoSided(text_files(source, spool), text_files(target, spool))


def _matched(
    source: tuple[TextFile, ...], target: tuple[TextFile, ...], *, warn: bool
) -> Iterator[PairLines]:
    """The pairs of two texts that must have the same number of lines."""
    sides = [chain.from_iterable(file.blocks(warn=warn) for file in files) for files in (source, target)]
    waiting: PairLines = ([], [])  # lines whose partners are still to be read: one side has none
    counts = [0, 0]
    while True:
        short = 0 if len(waiting[0]) <= len(waiting[1]) else 1
        block = next(sides[short], None)
        if block is None:
            break
        counts[short] += len(block)
        waiting[short].extend(block)
        if common := min(map(len, waiting)):
            yield waiting[0][:common], waiting[1][:common]
            del waiting[0][:common], waiting[1][:common]
    left, right = (count + sum(map(len, side)) for count, side in zip(counts, sides, strict=True))
    if left != right:
        raise _misaligned(source, target, (left, right))


def _refuse_columns(file: TextFile, number: int, row: list[str], bad: BadRows) -> None:
    count = "one column" if len(row) == 1 else f"{len(row)} columns"
    if bad.skip:
        bad.add(file, Row(number, row, count), "")
        return
    refuse_line_ends(file.name, number, "\t".join(row))
    raise DataError(
        f"{file.name} has {count} in line {number:,}; a source, one tab and a target are expected",
        where=f"{file.name}:{number}",
        hint=column_hint(row),
    )


def _misaligned(
    source: tuple[TextFile, ...], target: tuple[TextFile, ...], counts: tuple[int, int]
) -> SeqkitError:
    left, right = _side_name(source, "source"), _side_name(target, "target")
    return DataError(
        f"source and target differ in length: {left} has {counts[0]:,} lines, {right} has {counts[1]:,}",
        where=_first_suspicious(source, target, (left, right)),
        hint="check that both files were cut from the same corpus; "
        "--pairs reads one tab-separated file instead",
    )


def _side_name(files: tuple[TextFile, ...], side: str) -> str:
    return Path(files[0].name).name if len(files) == 1 else f"the {side} ({len(files)} files)"


def _first_suspicious(
    source: tuple[TextFile, ...], target: tuple[TextFile, ...], names: tuple[str, str]
) -> str:
    """Where the two sides come apart, in words."""
    lengths = _lengths(source), _lengths(target)
    index = first_misaligned(*lengths)
    if index is None:
        shorter = names[0] if len(lengths[0]) < len(lengths[1]) else names[1]
        return f"no suspicious pair before the end of {shorter}: its last lines are missing"
    words = [len(_line(files, index).split()) for files in (source, target)]
    return f"first suspicious pair at line {index + 1:,} (source {words[0]} words, target {words[1]} words)"


def _lengths(files: tuple[TextFile, ...]) -> NDArray[np.float32]:
    lines = chain.from_iterable(file.lines(warn=False) for file in files)
    return np.fromiter(map(len, lines), np.float32)


def _line(files: tuple[TextFile, ...], index: int) -> str:
    lines = chain.from_iterable(file.lines(warn=False) for file in files)
    return next(islice(lines, index, None))


def first_misaligned(source: NDArray[np.float32], target: NDArray[np.float32]) -> int | None:
    """The index of the first pair that looks wrong in sides of different length, from their line lengths.

    If d lines are missing at one place, pairs match before it as they stand and after it shifted by d. So
    the place is where the running sum of (mismatch as they stand − mismatch if shifted) is least. None when
    the pairs match up to the end of the shorter side.
    """
    if len(source) < len(target):
        source, target = target, source
    shift, count = len(source) - len(target), len(target)
    if count == 0:
        return None
    long, short = (np.log1p(side) - np.log1p(side).mean() for side in (source, target))
    standing = np.abs(long[:count] - short)
    gain = standing - np.abs(long[shift:] - short)
    running = np.concatenate(([0.0], np.cumsum(gain, dtype=np.float64)))
    # The last of the places that fit best: lines of one length tell nothing, and are not suspected.
    place = int(np.flatnonzero(running <= running.min() + _ROUNDING)[-1])
    if place == count:
        return None
    near = standing[place : place + _SUSPICIOUS_WITHIN] > np.log(_SUSPICIOUS)
    return place + int(np.argmax(near))
