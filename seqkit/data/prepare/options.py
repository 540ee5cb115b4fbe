"""The options of `prepare`, and what cannot be meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from seqkit import limits
from seqkit.data.manifest import Documents
from seqkit.data.tokenizers import (
    COLUMN_KINDS,
    KINDS,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    TEXT_KINDS,
    Normalization,
    Tokenizer,
    TokenizerKind,
    columns_of,
)
from seqkit.errors import ConfigError, suggest

DEFAULT_VOCABULARY = 8000
DEFAULT_MAX_TOKENS: dict[TokenizerKind, int] = {
    "bpe": 200,
    "unigram": 200,
    "char": 1000,
    "byte": 1000,
    "word": 200,
    "tags": 200,
}
DEFAULT_MAX_RATIO = 9.0
DEFAULT_VALID_SHARE = 0.1  # of a plain text
DEFAULT_MIN_COUNT = 2
DOCUMENTS: tuple[Documents, ...] = get_args(Documents)


@dataclass(frozen=True)
class PrepareOptions:
    """Everything that `prepare` is told about parallel text; ConfigError for what cannot be meant.

    What is None is left to the tokenizers (`vocabulary_size`, `max_tokens`) or to what the targets are
    (`tokenizer`, `max_ratio`, `keep_duplicates`, `keep_identical`: see `targets.plan`). `valid_size` is a
    number (int) or a share (float) of pairs to hold out; 0 turns a filter off. `symbols` is a file of pieces
    that stay whole. `tokenizers` are those of another corpus or model, source and target, to be used again.
    """

    directory: Path
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    valid_source: tuple[str, ...] = ()
    valid_target: tuple[str, ...] = ()
    valid_pairs: tuple[str, ...] = ()
    columns: str | None = None
    skip_bad: bool = False
    mend: str | None = None
    valid_size: int | float | None = None
    tokenizer: TokenizerKind | None = None
    source_tokenizer: TokenizerKind | None = None
    target_tokenizer: TokenizerKind | None = None
    vocabulary_size: int | None = None
    source_vocabulary_size: int | None = None
    target_vocabulary_size: int | None = None
    symbols: str | None = None
    tokenizers: tuple[Tokenizer, Tokenizer] | None = None
    separate_vocabularies: bool = False
    normalization: Normalization = "clean-nfc"
    max_tokens: int | None = None
    max_ratio: float | None = None
    keep_duplicates: bool | None = None
    keep_identical: bool | None = None
    seed: int = 1
    threads: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        self._check_inputs()
        self._check_tokenizer()
        self._check_numbers()

    @property
    def has_validation(self) -> bool:
        """Whether validation files are given."""
        return bool(self.valid_source or self.valid_pairs)

    @property
    def is_joint(self) -> bool:
        """Whether one vocabulary may serve both sides."""
        if self.tokenizers is not None:
            return self.tokenizers[0] is self.tokenizers[1]
        by_side = (
            self.source_tokenizer,
            self.target_tokenizer,
            self.source_vocabulary_size,
            self.target_vocabulary_size,
        )
        if self.source_tokenizer == self.target_tokenizer == "byte":
            return True
        return not self.separate_vocabularies and all(value is None for value in by_side)

    def _check_inputs(self) -> None:
        if self.pairs and (self.source or self.target):
            raise ConfigError(
                "--pairs cannot be used with --source and --target", hint="give one or the other"
            )
        if not self.pairs and not (self.source and self.target):
            missing = "--target" if self.source else "--source"
            raise ConfigError(
                f"{missing} is missing",
                hint="or give one tab-separated file with --pairs; plain text for a generator with --text",
            )
        for name, value in (("--columns", self.columns), ("--skip-bad", self.skip_bad)):
            if value and not self.pairs:
                raise ConfigError(
                    f"{name} needs --pairs", where=name, hint="--source and --target read lines, not rows"
                )
        if bool(self.valid_source) != bool(self.valid_target):
            missing = "--valid-target" if self.valid_source else "--valid-source"
            raise ConfigError(f"{missing} is missing", hint="validation files come in pairs too")
        if self.valid_pairs and self.valid_source:
            raise ConfigError(
                "--valid-pairs cannot be used with --valid-source and --valid-target",
                hint="give one or the other",
            )
        if self.has_validation:
            _check_size_unused(self.valid_size)
        _check_standard_input(
            self.source, self.target, self.pairs, self.valid_source, self.valid_target, self.valid_pairs
        )

    def _check_tokenizer(self) -> None:
        _check_known("--normalization", self.normalization, NORMALIZATIONS)
        sides = {
            "--tokenizer": (self.tokenizer, "--vocab-size", self.vocabulary_size),
            "--source-tokenizer": (
                self.source_tokenizer,
                "--source-vocab-size",
                self.source_vocabulary_size,
            ),
            "--target-tokenizer": (
                self.target_tokenizer,
                "--target-vocab-size",
                self.target_vocabulary_size,
            ),
        }
        for name, (kind, size_name, size) in sides.items():
            if kind is not None:
                _check_tokenizer(kind, size, name, size_name)
            _check_range(size_name, size, SMALLEST_VOCABULARY, limits.VOCABULARY)
        if self.tokenizer == "byte" and self.separate_vocabularies:
            raise ConfigError(
                "--separate-vocabularies cannot be used with --tokenizer byte",
                hint="leave it out: all bytes are in one vocabulary",
            )

    def _check_numbers(self) -> None:
        _check_valid_size(self.valid_size, "pairs")
        if self.max_ratio is not None and not (self.max_ratio == 0 or 1 <= self.max_ratio < math.inf):
            raise ConfigError(
                f"--max-ratio {self.max_ratio} is below 1", where="--max-ratio", hint="0 turns it off"
            )
        _check_range("--max-tokens", self.max_tokens, 0, limits.SENTENCE_TOKENS)
        _check_range("--seed", self.seed, 0, 2**63 - 1)
        _check_range("--threads", self.threads, 1, limits.THREADS)


@dataclass(frozen=True)
class PrepareTextOptions:
    """Everything that `prepare` is told about plain text; ConfigError for what cannot be meant.

    `valid_size` is a number (int) or a share (float) of characters to hold out, None for the last tenth;
    `vocabulary_size` and `min_count` of None are the tokenizer's default.
    """

    directory: Path
    text: tuple[str, ...]
    valid_text: tuple[str, ...] = ()
    valid_size: int | float | None = None
    documents: Documents = "none"
    tokenizer: TokenizerKind = "char"
    vocabulary_size: int | None = None
    min_count: int | None = None
    normalization: Normalization = "identity"
    seed: int = 1
    threads: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not self.text:
            raise ConfigError("--text is missing", hint="name a file, or - for standard input")
        if self.valid_text:
            _check_size_unused(self.valid_size)
        _check_standard_input(self.text, self.valid_text)
        _check_known("--documents", self.documents, DOCUMENTS)
        self._check_tokenizer()
        _check_valid_size(self.valid_size, "characters")
        _check_range("--vocab-size", self.vocabulary_size, SMALLEST_VOCABULARY, limits.VOCABULARY)
        _check_range("--min-count", self.min_count, 1, 2**63 - 1)
        _check_range("--seed", self.seed, 0, 2**63 - 1)
        _check_range("--threads", self.threads, 1, limits.THREADS)

    @property
    def needed_count(self) -> int:
        """How often a character must occur to be in the vocabulary; 0 where that does not decide."""
        if self.tokenizer != "char":
            return 0
        return DEFAULT_MIN_COUNT if self.min_count is None else self.min_count

    def _check_tokenizer(self) -> None:
        if self.tokenizer in KINDS and self.tokenizer not in TEXT_KINDS:
            raise ConfigError(
                f"--tokenizer {self.tokenizer} cannot be used with --text",
                where="--tokenizer",
                hint=f"{', '.join(TEXT_KINDS)}: these keep the spaces and newlines of a text",
            )
        _check_known("--tokenizer", self.tokenizer, TEXT_KINDS)
        _check_known("--normalization", self.normalization, NORMALIZATIONS)
        _check_tokenizer(self.tokenizer, self.vocabulary_size)
        if self.tokenizer != "char" and self.min_count is not None:
            raise ConfigError(
                f"--min-count cannot be used with --tokenizer {self.tokenizer}",
                hint="leave it out: it decides which characters are in a vocabulary of characters",
            )
        if self.tokenizer == "byte" and self.normalization != "identity":
            raise ConfigError(
                f"--normalization {self.normalization} cannot be used with --tokenizer byte",
                hint="leave it out: the bytes of a text are kept as they are",
            )


def _check_standard_input(*inputs: Sequence[str]) -> None:
    if [path for paths in inputs for path in paths].count("-") > 1:
        raise ConfigError("standard input (-) can be read only once", hint="use files for the others")


def _check_size_unused(valid_size: int | float | None) -> None:
    if valid_size is not None:
        raise ConfigError(
            "--valid-size cannot be used with validation files",
            hint="leave it out: the files are used whole",
        )


def _check_tokenizer(
    kind: TokenizerKind, vocabulary_size: int | None, name: str = "--tokenizer", size: str = "--vocab-size"
) -> None:
    columns = columns_of(kind)
    for rule in columns:
        _check_known(name, rule, KINDS)
        if len(columns) > 1 and rule not in COLUMN_KINDS:
            raise ConfigError(
                f"{name} {kind}: {rule} cannot be one column of several",
                where=name,
                hint=f"{', '.join(COLUMN_KINDS)}, one for each column that a TAB ends",
            )
    if kind == "byte" and vocabulary_size not in {None, SMALLEST_VOCABULARY}:
        raise ConfigError(
            f"{size} {vocabulary_size} cannot be used with {name} byte",
            hint=f"leave it out: a byte vocabulary has {SMALLEST_VOCABULARY} ids",
        )


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        hint = suggest(value, known) or "one of " + ", ".join(known)
        raise ConfigError(f"{name} {value} is not known", where=name, hint=hint)


def _check_valid_size(size: int | float | None, unit: str) -> None:
    if size is not None and not (size >= 1 if isinstance(size, int) else 0 < size < 1):
        raise ConfigError(
            f"--valid-size {size} is neither a number of {unit} nor a share",
            where="--valid-size",
            hint="such as 1000, or 0.01 for one percent",
        )


def _check_range(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        size = "small" if value < low else "large"
        raise ConfigError(f"{name} {value:,} is too {size}", where=name, hint=f"from {low:,} to {high:,}")
