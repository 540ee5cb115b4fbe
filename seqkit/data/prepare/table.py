"""Tables to a corpus directory: three passes over the rows, in bounded memory.

The first counts rows and decides which are held out, the second learns what the fields need from the training
rows alone, the third writes. All of it follows from the tables, the options and the seed.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seqkit import limits
from seqkit.data.field import Field
from seqkit.data.forms import tokenizer_of
from seqkit.data.forms.frames import FrameSums
from seqkit.data.forms.labels import Labels
from seqkit.data.manifest import SPLITS, Manifest, fingerprint
from seqkit.data.prepare.scan import Progress
from seqkit.data.prepare.table_options import Column, PrepareTableOptions
from seqkit.data.prepare.table_split import Codes, hold_out
from seqkit.data.prepare.writer import CorpusWriter, Counts
from seqkit.data.ragged import Array
from seqkit.data.store import create_corpus
from seqkit.data.tables.blocks import blocks
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
    dropped: dict[str, int]  # rows for training, by reason
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
        written = _Written()
        with CorpusWriter(folder, CLASSIFICATION, fields) as corpus:
            tables.write(corpus, fields, found, written, on_progress)
            corpus.finish()
        shutil.rmtree(scratch)
        columns = {"source": tables.names("source"), "target": tables.names("target")}
        kept = corpus.arrays["train", "target"].count
        dropped = {"unreadable": found.bad, "empty": written.empty["train"]}
        manifest = corpus.describe(Counts(found.rows, kept, dropped), seed=options.seed, columns=columns)
        report = _report(tables, manifest, fields, found, written, time.monotonic() - started)
    _warn(report, found, written)
    return report


@dataclass
class _Found:
    """What the first pass found in the tables for training."""

    train_on_all: bool = False  # those held out, too
    labels: Codes = field(default_factory=Codes)  # of the rows that can be read
    bad: int = 0
    first_bad: str = ""
    characters: int = 0
    held_out: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def rows(self) -> int:
        """How many rows there are, those that cannot be read among them."""
        return len(self.labels) + self.bad

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Which rows are trained on."""
        return np.ones_like(self.held_out) if self.train_on_all else ~self.held_out

    @property
    def classes(self) -> Counter[str]:
        """How many rows of each class are for training."""
        return self.labels.counts(self.trained)

    def add_bad(self, error: DataError) -> None:
        """A row that cannot be read."""
        self.bad += 1
        self.first_bad = self.first_bad or error.message


@dataclass
class _Written:
    """What the last pass found when it wrote the rows."""

    longest: int = 0
    cut: int = 0  # texts that are longer than a sequence may be
    empty: Counter[str] = field(default_factory=Counter)  # texts without a token, by split
    bad: int = 0  # rows of the validation tables that cannot be read

    def add_bad(self, _error: DataError) -> None:
        """A row that cannot be read."""
        self.bad += 1


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

    def examples(self, files: tuple[TextFile, ...], on_bad: Callable[[DataError], None]) -> Iterator[Example]:
        """The rows that can be read. Without --skip-bad the first of the others is raised."""
        chosen = on_bad if self.options.skip_bad else None
        rows = read_rows(files, self.options.reading, chosen)
        return examples(rows, self.names("source"), self.form, self.names("target")[0], chosen)

    def survey(self, on_progress: Progress) -> _Found:
        """Count the rows, and choose those that are held out."""
        options, found = self.options, _Found(self.options.train_on_all)
        groups = Codes() if options.split_by else None
        for example in self.examples(self._train, found.add_bad):
            found.labels.append(example.label)
            if groups is not None and options.split_by:
                groups.append(str(example.row[options.split_by]))
            found.characters += len(example.source) if isinstance(example.source, str) else 0
            if not len(found.labels) % _ROWS_TOGETHER:
                on_progress("reading", len(found.labels), None)
        self._check_classes(found.labels.names)
        if options.valid_table:
            found.held_out = np.zeros(len(found.labels), bool)
        else:
            found.held_out = hold_out(
                found.labels, groups, options.valid_size, options.seed, options.split_by
            )
            self._check_classes(found.classes)
        return found

    def _check_classes(self, labels: Mapping[str, int]) -> None:
        """DataError where there is nothing to tell apart."""
        if not labels:
            raise DataError(
                "the tables have no rows that can be read", where=self._train[0].name, hint="check the files"
            )
        if len(labels) == 1:
            raise DataError(
                f"all rows for training have the same class, {next(iter(labels))!r}",
                where=self.names("target")[0],
                hint="name another column with --target, or add rows of other classes",
            )

    def fit(self, found: _Found, on_progress: Progress) -> dict[str, Field]:
        """What the fields need, learnt from the training rows."""
        on_progress("learning the fields", 0, None)
        labels = Labels.fitted(found.classes)
        if self.form == "text":
            return {"source": self._tokenizer(found), "target": labels}
        sums: FrameSums | None = None
        for example in self._training(found):
            assert isinstance(example.source, np.ndarray)
            sums = sums or FrameSums(example.source.shape[1])
            _check_size(example, sums.size)
            sums.add(example.source)
        assert sums is not None  # there are rows
        return {"source": sums.frames(self.form), "target": labels}

    def _training(self, found: _Found) -> Iterator[Example]:
        rows = self.examples(self._train, lambda _error: None)  # counted by the survey
        return (row for row, ours in zip(rows, found.trained, strict=True) if ours)

    def _tokenizer(self, found: _Found) -> Tokenizer:
        share = _SAMPLE_CHARACTERS / max(found.characters, 1)
        random = default_rng((self.options.seed, 1))
        texts = (str(example.source) for example in self._training(found) if random.random() < share)
        vocabulary = self.options.vocabulary
        return train_tokenizer(
            vocabulary.tokenizer, list(texts), vocabulary.size, vocabulary.normalization, self.options.seed
        )

    def write(
        self,
        corpus: CorpusWriter,
        fields: Mapping[str, Field],
        found: _Found,
        written: _Written,
        on_progress: Progress,
    ) -> None:
        """Write all rows, those that are held out, or are of the validation tables, for validation."""
        done = 0
        for rows in blocks(self.examples(self._train, lambda _error: None), lambda row: row.weight):
            part = slice(done, done + len(rows))
            for split, chosen in zip(SPLITS, (found.trained[part], found.held_out[part]), strict=True):
                ours = [row for row, wanted in zip(rows, chosen, strict=True) if wanted]
                self._append(corpus, split, fields, ours, written)
            done += len(rows)
            on_progress("writing", done, len(found.labels))
        for rows in blocks(self.examples(self._valid, written.add_bad), lambda row: row.weight):
            self._append(corpus, "valid", fields, rows, written)
        for split, what, files in (
            ("train", "training", self._train),
            ("valid", "validation", self._valid or self._train),
        ):
            if not corpus.arrays[split, "target"].count:
                raise DataError(
                    f"there are no rows for {what} that can be used",
                    where=files[0].name,
                    hint="check the tables",
                )

    def _append(
        self,
        corpus: CorpusWriter,
        split: str,
        fields: Mapping[str, Field],
        rows: Sequence[Example],
        written: _Written,
    ) -> None:
        labels = fields["target"]
        assert isinstance(labels, Labels)
        targets = [_encoded(labels, row) for row in rows]
        if self.form == "text":
            threads = thread_count(self.options.threads)
            texts = [str(row.source) for row in rows]
            sources: list[Array] = tokenizer_of(fields, "source").encode(texts, threads=threads)
            written.cut += sum(len(source) > limits.SENTENCE_TOKENS for source in sources)
            sources = [source[: limits.SENTENCE_TOKENS] for source in sources]
        else:
            for row in rows:
                _check_size(row, fields["source"].size)
            sources = [np.asarray(row.source) for row in rows]
        kept = [place for place, source in enumerate(sources) if len(source)]
        written.empty[split] += len(rows) - len(kept)
        sources, targets = [sources[place] for place in kept], [targets[place] for place in kept]
        written.longest = max([written.longest, *map(len, sources)])
        corpus.append(split, {"source": sources, "target": targets})


def _check_size(row: Example, size: int) -> None:
    if isinstance(row.source, np.ndarray) and row.source.shape[1] != size:
        raise DataError(
            f"a frame has {row.source.shape[1]:,} numbers, but those before have {size:,}",
            where=row.row.where,
            hint="all frames of a corpus have one size",
        )


def _encoded(labels: Labels, row: Example) -> Array:
    try:
        return labels.encode([row.label])
    except DataError as error:
        error.where = row.row.where
        raise


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
            hint="a classifier needs a class for each series",
        )
    dimensions = tuple(Column(name, "number") for name in row.cells if name != LABEL)
    return dimensions, (Column(LABEL, "class"),)


def _report(
    tables: _Tables,
    manifest: Manifest,
    fields: Mapping[str, Field],
    found: _Found,
    written: _Written,
    seconds: float,
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
        longest=written.longest,
        classes=dict(sorted(found.classes.items())),
        fingerprint=fingerprint(manifest.files),
        seconds=seconds,
        rows_per_second=manifest.lines / max(seconds, 1e-9),
    )


def _warn(report: PrepareTableReport, found: _Found, written: _Written) -> None:
    if found.bad:
        logger.warning("%s rows cannot be read, the first: %s", f"{found.bad:,}", found.first_bad)
    if count := written.bad + written.empty["valid"]:
        logger.warning("validation: %s rows that cannot be read or are empty are dropped", f"{count:,}")
    if written.cut:
        logger.warning("%s texts are cut to %s tokens", f"{written.cut:,}", f"{limits.SENTENCE_TOKENS:,}")
    if rare := {label: count for label, count in report.classes.items() if count < _RARE}:
        label, count = min(rare.items(), key=lambda pair: pair[1])
        logger.warning(
            "%s fewer than %d training rows; %r has %d",
            "1 class has" if len(rare) == 1 else f"{len(rare):,} classes have",
            _RARE,
            label,
            count,
        )
