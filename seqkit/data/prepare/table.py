"""Tables to a corpus directory: three passes over the rows, in bounded memory.

The first counts rows and decides which are held out, the second learns what the fields need from the training
rows alone, the third writes. All of it follows from the tables, the options and the seed.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seqkit import limits
from seqkit.data.field import Field
from seqkit.data.forms import tokenizer_of
from seqkit.data.forms.frames import FrameSums
from seqkit.data.forms.labels import Labels
from seqkit.data.manifest import SPLITS, Manifest, fingerprint
from seqkit.data.prepare.options import DEFAULT_VOCABULARY
from seqkit.data.prepare.scan import Progress
from seqkit.data.prepare.table_options import DEFAULT_VALID_SHARE, Column, PrepareTableOptions
from seqkit.data.prepare.writer import CorpusWriter, Counts
from seqkit.data.ragged import Array
from seqkit.data.store import create_corpus
from seqkit.data.tables.examples import Example, examples
from seqkit.data.tables.rows import read_rows, table_format
from seqkit.data.tables.timeseries import LABEL
from seqkit.data.text.sources import TextFile, text_files
from seqkit.data.tokenizers import Tokenizer, train_tokenizer
from seqkit.errors import DataError
from seqkit.kinds import CLASSIFICATION, Form
from seqkit.processors import thread_count
from seqkit.randomness import default_rng

__all__ = ["PrepareTableOptions", "PrepareTableReport", "prepare_table"]

_ROWS_TOGETHER = 4096
_SAMPLE_CHARACTERS = 1 << 23  # that a vocabulary is learnt from, about
_RARE = 5  # rows; a class with fewer is hardly learnt

logger = logging.getLogger("seqkit")


@dataclass(frozen=True)
class PrepareTableReport:
    """What was understood and done. Lengths are tokens or frames; classes are those of training rows."""

    source: dict[str, str]  # form by column
    target: dict[str, str]
    fields: dict[str, str]  # in words
    rows: int  # read for training
    kept: int
    valid: int
    train_on_all: bool  # the rows for validation are trained on as well
    dropped: dict[str, int]  # by reason
    mean_length: float
    longest: int
    classes: dict[str, int]
    fingerprint: str
    seconds: float
    rows_per_second: float


def prepare_table(options: PrepareTableOptions, on_progress: Progress) -> PrepareTableReport:
    """Make a corpus directory of tables.

    `on_progress(stage, done, total)` is called after every few thousand rows. Raises OutputError when the
    directory is taken, DataError for tables that cannot be used, InputMissing for files that are not there.
    """
    started = time.monotonic()
    with create_corpus(options.directory, overwrite=options.overwrite) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        tables = _Tables(
            options, text_files(options.table, scratch), text_files(options.valid_table, scratch)
        )
        found = tables.survey(on_progress)
        fields = tables.fit(found, on_progress)
        with CorpusWriter(folder, CLASSIFICATION, fields) as corpus:
            tables.write(corpus, fields, found, on_progress)
            corpus.finish()
        shutil.rmtree(scratch)
        columns = {"source": tables.names("source"), "target": tables.names("target")}
        kept = corpus.arrays["train", "target"].count
        manifest = corpus.describe(
            Counts(found.rows, kept, {"bad": found.bad}), seed=options.seed, columns=columns
        )
        report = _report(tables, manifest, fields, found, time.monotonic() - started)
    _warn(report)
    return report


@dataclass
class _Found:
    """What the first pass found in the tables for training, and the lengths that the third wrote."""

    rows: int = 0
    bad: int = 0
    held_out: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    characters: int = 0
    classes: Counter[str] = field(default_factory=Counter)  # of the rows that are not held out
    longest: int = 0


class _Tables:
    """The rows of the tables, as often as needed."""

    def __init__(
        self, options: PrepareTableOptions, train: tuple[TextFile, ...], valid: tuple[TextFile, ...]
    ) -> None:
        self.options, self._train, self._valid = options, train, valid
        if not options.source:
            source, target = _columns_of_timeseries(train, options)
            self.options = replace(options, source=source, target=target)

    @property
    def form(self) -> Form:
        """Of the sources."""
        return self.options.source[0].form

    def names(self, role: str) -> tuple[str, ...]:
        """The columns of a side."""
        columns = self.options.source if role == "source" else self.options.target
        return tuple(column.name for column in columns)

    def examples(self, files: tuple[TextFile, ...], bad: list[DataError] | None = None) -> Iterator[Example]:
        """The rows that can be read. Others are put into `bad`; without --skip-bad they are raised."""
        on_bad = None
        if self.options.skip_bad:
            on_bad = (lambda _error: None) if bad is None else bad.append
        rows = read_rows(files, self.options.reading, on_bad)
        return examples(rows, self.names("source"), self.form, self.names("target")[0], on_bad)

    def survey(self, on_progress: Progress) -> _Found:
        """Count the rows, and choose those that are held out."""
        found, bad = _Found(), list[DataError]()
        firsts: dict[str, int] = {}  # the first row of every class stays in training
        labels: list[str] = []
        known: dict[str, str] = {}  # one object for equal labels: there may be many rows
        groups: list[str] = []
        for number, example in enumerate(self.examples(self._train, bad)):
            firsts.setdefault(example.label, number)
            labels.append(known.setdefault(example.label, example.label))
            if self.options.split_by:
                groups.append(str(example.row[self.options.split_by]))
            if isinstance(example.source, str):
                found.characters += len(example.source)
            if not (number + 1) % _ROWS_TOGETHER:
                on_progress("reading", number + 1, None)
        found.bad, count = len(bad), len(labels)
        found.rows = count + found.bad
        if bad:
            logger.warning("%s rows are left out, the first: %s", f"{len(bad):,}", bad[0].message)
        if not count:
            raise DataError(
                "the tables have no rows that can be used", hint="check the files and the columns"
            )
        if not self.options.valid_table:
            found.held_out = self._held_out(count, groups, set(firsts.values()))
        else:
            found.held_out = np.zeros(count, bool)
        trained = self._trained_on(found.held_out)
        found.classes = Counter(label for label, ours in zip(labels, trained, strict=True) if ours)
        if len(firsts) < 2:
            raise DataError(
                f"all rows have the same class, {next(iter(firsts))!r}",
                where=self.names("target")[0],
                hint="name another column with --target",
            )
        return found

    def _trained_on(self, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows are trained on, of those some of which are for validation."""
        return np.ones_like(held_out) if self.options.train_on_all else ~held_out

    def _held_out(self, count: int, groups: list[str], needed: set[int]) -> NDArray[np.bool_]:
        size = DEFAULT_VALID_SHARE if self.options.valid_size is None else self.options.valid_size
        units = sorted(set(groups)) if groups else list(range(count))
        wanted = size if isinstance(size, int) else max(1, round(len(units) * size))
        if wanted >= len(units):
            what = f"values of {self.options.split_by!r}" if groups else "rows"
            raise DataError(
                f"holding out {wanted:,} of {len(units):,} {what} leaves nothing to train on",
                where="--valid-size",
                hint="ask for another number, or give a validation table with --valid-table",
            )
        order = default_rng(self.options.seed).permutation(len(units))
        if groups:
            chosen = {units[place] for place in order[:wanted]}
            return np.array([group in chosen for group in groups])
        held_out = np.zeros(count, bool)
        free = [place for place in order if place not in needed]
        held_out[free[:wanted]] = True
        if not held_out.any():
            raise DataError(
                "every class has one row alone, so that none can be held out",
                where="--valid-size",
                hint="give a validation table with --valid-table",
            )
        return held_out

    def fit(self, found: _Found, on_progress: Progress) -> dict[str, Field]:
        """What the fields need, learnt from the training rows."""
        on_progress("learning the fields", 0, None)
        labels = Labels.fitted(found.classes)
        if self.form == "text":
            return {"source": self._tokenizer(found), "target": labels}
        sums: FrameSums | None = None
        for example in self._training(found):
            assert isinstance(example.source, np.ndarray)
            size = example.source.shape[1]
            sums = sums or FrameSums(size)
            if size != sums.size:
                raise DataError(
                    f"a frame has {size:,} numbers, but those before have {sums.size:,}",
                    where=example.row.where,
                    hint="all frames of a corpus have one size",
                )
            sums.add(example.source)
        assert sums is not None  # there are rows
        return {"source": sums.frames(self.form), "target": labels}

    def _training(self, found: _Found) -> Iterator[Example]:
        rows = self.examples(self._train)
        trained = self._trained_on(found.held_out)
        return (row for row, ours in zip(rows, trained, strict=True) if ours)

    def _tokenizer(self, found: _Found) -> Tokenizer:
        share = _SAMPLE_CHARACTERS / max(found.characters, 1)
        random = default_rng((self.options.seed, 1))
        texts = (str(example.source) for example in self._training(found) if random.random() < share)
        return train_tokenizer(
            self.options.tokenizer,
            list(texts),
            self.options.vocabulary_size or DEFAULT_VOCABULARY,
            self.options.normalization,
            self.options.seed,
        )

    def write(
        self, corpus: CorpusWriter, fields: Mapping[str, Field], found: _Found, on_progress: Progress
    ) -> None:
        """Write all rows, those that are held out, or are of the validation tables, for validation."""
        done = 0
        for rows in _blocks(self.examples(self._train)):
            out = found.held_out[done : done + len(rows)]
            for split, chosen in zip(SPLITS, (self._trained_on(out), out), strict=True):
                ours = [row for row, wanted in zip(rows, chosen, strict=True) if wanted]
                self._append(corpus, split, fields, ours, found)
            done += len(rows)
            on_progress("writing", done, found.rows)
        for rows in _blocks(self.examples(self._valid)):
            self._append(corpus, "valid", fields, rows, found)
        if not corpus.arrays["valid", "target"].count:
            raise DataError(
                "the validation tables have no rows", where="--valid-table", hint="check the files"
            )

    def _append(
        self,
        corpus: CorpusWriter,
        split: str,
        fields: Mapping[str, Field],
        rows: list[Example],
        found: _Found,
    ) -> None:
        labels = fields["target"]
        assert isinstance(labels, Labels)
        targets = [_encoded(labels, row) for row in rows]
        sources: list[Array]
        if self.form == "text":
            threads = thread_count(self.options.threads)
            texts = [str(row.source) for row in rows]
            ids = tokenizer_of(fields, "source").encode(texts, threads=threads)
            sources = [each[: limits.SENTENCE_TOKENS] for each in ids]
        else:
            size = fields["source"].size
            for row in rows:
                if isinstance(row.source, np.ndarray) and row.source.shape[1] != size:
                    raise DataError(
                        f"a frame has {row.source.shape[1]:,} numbers, but those of training have {size:,}",
                        where=row.row.where,
                        hint="all frames of a corpus have one size",
                    )
            sources = [row.source for row in rows if isinstance(row.source, np.ndarray)]
        found.longest = max(found.longest, *map(len, sources)) if sources else found.longest
        corpus.append(split, {"source": sources, "target": targets})


def _encoded(labels: Labels, row: Example) -> Array:
    try:
        return labels.encode([row.label])
    except DataError as error:
        error.where = row.row.where
        raise


def _blocks(rows: Iterator[Example]) -> Iterator[list[Example]]:
    while block := list(islice(rows, _ROWS_TOGETHER)):
        yield block


def _columns_of_timeseries(
    files: tuple[TextFile, ...], options: PrepareTableOptions
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The columns of .ts files, whose header says what is to be predicted."""
    first = files[0]
    if table_format(first.name) != "timeseries":
        raise DataError(
            "it is not said which columns to read and to predict",
            where=first.name,
            hint="--source COLUMN[:FORM] --target COLUMN:class",
        )
    row = next(read_rows(files, options.reading), None)
    if row is None:
        raise DataError(f"{first.name} has no series", where=first.name, hint="check the file")
    if LABEL not in row.cells:
        raise DataError(
            f"{first.name} has no classes: its header does not say @classLabel true",
            where=first.name,
            hint="one column of classes can be predicted, and nothing else yet",
        )
    dimensions = tuple(Column(name, "number") for name in row.cells if name != LABEL)
    return dimensions, (Column(LABEL, "class"),)


def _report(
    tables: _Tables, manifest: Manifest, fields: Mapping[str, Field], found: _Found, seconds: float
) -> PrepareTableReport:
    sources = manifest.arrays["train.source"]
    return PrepareTableReport(
        source={column.name: column.form for column in tables.options.source},
        target={column.name: column.form for column in tables.options.target},
        fields={role: each.summary for role, each in fields.items()},
        rows=manifest.lines,
        kept=manifest.kept,
        valid=manifest.arrays["valid.target"].count,
        train_on_all=tables.options.train_on_all,
        dropped=manifest.dropped,
        mean_length=sources.total / max(sources.count, 1),
        longest=found.longest,
        classes=dict(sorted(found.classes.items())),
        fingerprint=fingerprint(manifest.files),
        seconds=seconds,
        rows_per_second=manifest.lines / max(seconds, 1e-9),
    )


def _warn(report: PrepareTableReport) -> None:
    rare = {label: count for label, count in report.classes.items() if count < _RARE}
    if rare:
        label, count = min(rare.items(), key=lambda pair: pair[1])
        logger.warning(
            "%s fewer than %d training rows; %r has %d",
            "1 class has" if len(rare) == 1 else f"{len(rare):,} classes have",
            _RARE,
            label,
            count,
        )
