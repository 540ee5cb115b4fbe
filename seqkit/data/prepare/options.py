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
    KINDS,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    Normalization,
    TokenizerKind,
)
from seqkit.errors import ConfigError, suggest

DEFAULT_VOCABULARY = 8000
DEFAULT_MAX_TOKENS: dict[TokenizerKind, int] = {"bpe": 200, "unigram": 200, "char": 1000, "byte": 1000}
DEFAULT_MAX_RATIO = 9.0
DEFAULT_VALID_SHARE = 0.1  # of a plain text
DEFAULT_MIN_COUNT = 2
DOCUMENTS: tuple[Documents, ...] = get_args(Documents)


@dataclass(frozen=True)
class PrepareOptions:
    """Everything that `prepare` is told about parallel text; ConfigError for what cannot be meant.

    `vocabulary_size` and `max_tokens` of None are the tokenizer's default, `valid_size` is a number (int) or
    a share (float) of pairs to hold out; 0 turns a filter off.
    """

    directory: Path
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    valid_source: tuple[str, ...] = ()
    valid_target: tuple[str, ...] = ()
    valid_pairs: tuple[str, ...] = ()
    valid_size: int | float | None = None
    tokenizer: TokenizerKind = "bpe"
    vocabulary_size: int | None = None
    separate_vocabularies: bool = False
    normalization: Normalization = "nfc"
    max_tokens: int | None = None
    max_ratio: float = DEFAULT_MAX_RATIO
    keep_duplicates: bool = False
    keep_identical: bool = False
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
    def token_limit(self) -> int:
        """The largest number of tokens of a side."""
        if self.max_tokens is None:
            return DEFAULT_MAX_TOKENS[self.tokenizer]
        return self.max_tokens or limits.SENTENCE_TOKENS

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
        if bool(self.valid_source) != bool(self.valid_target):
            missing = "--valid-target" if self.valid_source else "--valid-source"
            raise ConfigError(f"{missing} is missing", hint="validation files come in pairs too")
        if self.valid_pairs and self.valid_source:
            raise ConfigError(
                "--valid-pairs cannot be used with --valid-source and --valid-target",
                hint="give one or the other",
            )
        if self.has_validation:
            check_size_unused(self.valid_size)
        check_standard_input(
            self.source, self.target, self.pairs, self.valid_source, self.valid_target, self.valid_pairs
        )

    def _check_tokenizer(self) -> None:
        check_tokenizer(self.tokenizer, self.normalization, self.vocabulary_size)
        if self.tokenizer == "byte" and self.separate_vocabularies:
            raise ConfigError(
                "--separate-vocabularies cannot be used with --tokenizer byte",
                hint="leave it out: all bytes are in one vocabulary",
            )

    def _check_numbers(self) -> None:
        check_valid_size(self.valid_size, "pairs")
        if not (self.max_ratio == 0 or 1 <= self.max_ratio < math.inf):
            raise ConfigError(
                f"--max-ratio {self.max_ratio} is below 1", where="--max-ratio", hint="0 turns it off"
            )
        check_range("--vocab-size", self.vocabulary_size, SMALLEST_VOCABULARY, limits.VOCABULARY)
        check_range("--max-tokens", self.max_tokens, 0, limits.SENTENCE_TOKENS)
        check_range("--seed", self.seed, 0, 2**63 - 1)
        check_range("--threads", self.threads, 1, limits.THREADS)


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
            check_size_unused(self.valid_size)
        check_standard_input(self.text, self.valid_text)
        check_known("--documents", self.documents, DOCUMENTS)
        self._check_tokenizer()
        check_valid_size(self.valid_size, "characters")
        check_range("--vocab-size", self.vocabulary_size, SMALLEST_VOCABULARY, limits.VOCABULARY)
        check_range("--min-count", self.min_count, 1, 2**63 - 1)
        check_range("--seed", self.seed, 0, 2**63 - 1)
        check_range("--threads", self.threads, 1, limits.THREADS)

    @property
    def needed_count(self) -> int:
        """How often a character must occur to be in the vocabulary; 0 where that does not decide."""
        if self.tokenizer != "char":
            return 0
        return DEFAULT_MIN_COUNT if self.min_count is None else self.min_count

    def _check_tokenizer(self) -> None:
        check_tokenizer(self.tokenizer, self.normalization, self.vocabulary_size)
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


def check_standard_input(*inputs: Sequence[str]) -> None:
    if [path for paths in inputs for path in paths].count("-") > 1:
        raise ConfigError("standard input (-) can be read only once", hint="use files for the others")


def check_size_unused(valid_size: int | float | None) -> None:
    if valid_size is not None:
        raise ConfigError(
            "--valid-size cannot be used with validation files",
            hint="leave it out: the files are used whole",
        )


def check_tokenizer(kind: str, normalization: str, vocabulary_size: int | None) -> None:
    check_known("--tokenizer", kind, KINDS)
    check_known("--normalization", normalization, NORMALIZATIONS)
    if kind == "byte" and vocabulary_size not in {None, SMALLEST_VOCABULARY}:
        raise ConfigError(
            f"--vocab-size {vocabulary_size} cannot be used with --tokenizer byte",
            hint=f"leave it out: a byte vocabulary has {SMALLEST_VOCABULARY} ids",
        )


def check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        hint = suggest(value, known) or "one of " + ", ".join(known)
        raise ConfigError(f"{name} {value} is not known", where=name, hint=hint)


def check_valid_size(size: int | float | None, unit: str) -> None:
    if size is not None and not (size >= 1 if isinstance(size, int) else 0 < size < 1):
        raise ConfigError(
            f"--valid-size {size} is neither a number of {unit} nor a share",
            where="--valid-size",
            hint="such as 1000, or 0.01 for one percent",
        )


def check_range(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        size = "small" if value < low else "large"
        raise ConfigError(f"{name} {value:,} is too {size}", where=name, hint=f"from {low:,} to {high:,}")
