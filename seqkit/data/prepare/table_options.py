"""What `prepare` is told about tables, and what cannot be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from seqkit import limits
from seqkit.data.prepare.options import (
    DEFAULT_VOCABULARY,
    check_known,
    check_range,
    check_size_unused,
    check_standard_input,
    check_tokenizer,
    check_valid_size,
)
from seqkit.data.tables.rows import TableOptions
from seqkit.data.tokenizers import NORMALIZATIONS, SMALLEST_VOCABULARY, Normalization, TokenizerKind
from seqkit.errors import ConfigError
from seqkit.kinds import Form

FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class Vocabulary:
    """How the texts of a table are cut into tokens, as PrepareTableOptions says."""

    tokenizer: TokenizerKind
    size: int
    normalization: Normalization


@dataclass(frozen=True)
class Column:
    """A column of a table, and the form of its cells."""

    name: str
    form: Form

    @classmethod
    def parsed(cls, text: str, option: str) -> Column:
        """`NAME` or `NAME:FORM`; text without a form. Raises ConfigError for an empty name."""
        name, colon, form = text.rpartition(":")
        column = cls(name, form) if colon and form in FORMS else cls(text, "text")
        if not column.name:
            raise ConfigError(
                f"{option} {text!r} names no column", where=option, hint=f"{option} COLUMN[:FORM]"
            )
        return column


@dataclass(frozen=True)
class PrepareTableOptions:
    """Everything that `prepare` is told about tables; ConfigError for what cannot be meant.

    Without any column the tables are .ts files, whose header names them. `valid_size` is a number (int) or a
    share (float) of rows to hold out, or of the values of `split_by`, a tenth if None; with `train_on_all`
    they are trained on as well. A vocabulary is for sources of text; None is bpe, 8,000 and clean-nfc.
    """

    directory: Path
    table: tuple[str, ...]
    source: tuple[Column, ...] = ()
    target: tuple[Column, ...] = ()
    valid_table: tuple[str, ...] = ()
    valid_size: int | float | None = None
    split_by: str | None = None
    train_on_all: bool = False
    reading: TableOptions = field(default_factory=TableOptions)
    skip_bad: bool = False
    tokenizer: TokenizerKind | None = None
    vocabulary_size: int | None = None
    normalization: Normalization | None = None
    seed: int = 1
    threads: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if bool(self.source) != bool(self.target):
            missing = "--target" if self.source else "--source"
            raise ConfigError(f"{missing} is missing", where=missing, hint=f"{missing} COLUMN[:FORM]")
        check_standard_input(self.table, self.valid_table)
        if self.valid_table:
            check_size_unused(self.valid_size)
            if self.train_on_all:
                raise ConfigError(
                    "--train-on-all cannot be used with --valid-table",
                    where="--train-on-all",
                    hint="leave it out, or give those tables with --table",
                )
            if self.split_by:
                raise ConfigError(
                    "--split-by cannot be used with --valid-table",
                    where="--split-by",
                    hint="leave it out: the tables are used whole",
                )
        check_valid_size(self.valid_size, "rows")
        self._check_vocabulary()
        check_range("--vocab-size", self.vocabulary_size, SMALLEST_VOCABULARY, limits.VOCABULARY)
        check_range("--seed", self.seed, 0, 2**63 - 1)
        check_range("--threads", self.threads, 1, limits.THREADS)
        _check_sides(self.source, self.target)

    @property
    def vocabulary(self) -> Vocabulary:
        """The options of the vocabulary with their defaults."""
        return Vocabulary(
            self.tokenizer or "bpe",
            self.vocabulary_size or DEFAULT_VOCABULARY,
            self.normalization or "clean-nfc",
        )

    def _check_vocabulary(self) -> None:
        given = {
            "--tokenizer": self.tokenizer,
            "--vocab-size": self.vocabulary_size,
            "--normalization": self.normalization,
        }
        named = next((name for name, value in given.items() if value is not None), None)
        if named and not any(column.form == "text" for column in self.source):
            raise ConfigError(
                f"{named} has no effect: no column of text is read", where=named, hint="leave it out"
            )
        vocabulary = self.vocabulary
        check_known("--normalization", vocabulary.normalization, NORMALIZATIONS)
        check_tokenizer(vocabulary.tokenizer, self.vocabulary_size)


def _check_sides(source: Sequence[Column], target: Sequence[Column]) -> None:
    """What one model can read and predict."""
    forms = {column.form for column in source}
    if "class" in forms:
        raise ConfigError(
            "a column of classes cannot be a source", where="--source", hint="give it the form text"
        )
    if len(forms) > 1:
        raise ConfigError(
            f"sources of different forms ({' and '.join(sorted(forms))}) cannot be read together",
            where="--source",
            hint="give all of them one form",
        )
    if forms == {"array"} and len(source) > 1:
        raise ConfigError("only one source can be an array", where="--source", hint="name one column")
    if not target:
        return
    if len(target) > 1 or target[0].form != "class":
        raise ConfigError(
            "the target is one column of classes, and nothing else yet",
            where="--target",
            hint=f"--target {target[0].name}:class",
        )
