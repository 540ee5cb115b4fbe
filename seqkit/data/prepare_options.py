"""The options of `prepare`, and what cannot be meant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

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
        """The largest number of tokens of a side; 0: none."""
        return DEFAULT_MAX_TOKENS[self.tokenizer] if self.max_tokens is None else self.max_tokens

    def _check_inputs(self) -> None:
        if self.pairs and (self.source or self.target):
            raise ConfigError(
                "--pairs cannot be used with --source and --target", hint="give one or the other"
            )
        if not self.pairs and not (self.source and self.target):
            missing = "--target" if self.source else "--source" if self.target else "--source and --target"
            raise ConfigError(f"{missing} is missing", hint="or give one tab-separated file with --pairs")
        if bool(self.valid_source) != bool(self.valid_target):
            missing = "--valid-target" if self.valid_source else "--valid-source"
            raise ConfigError(f"{missing} is missing", hint="validation files come in pairs too")
        if self.valid_pairs and self.valid_source:
            raise ConfigError(
                "--valid-pairs cannot be used with --valid-source and --valid-target",
                hint="give one or the other",
            )
        if self.has_validation and self.valid_size is not None:
            raise ConfigError(
                "--valid-size cannot be used with validation files",
                hint="leave it out: the files are used whole",
            )
        inputs = (
            self.source,
            self.target,
            self.pairs,
            self.valid_source,
            self.valid_target,
            self.valid_pairs,
        )
        if [path for paths in inputs for path in paths].count("-") > 1:
            raise ConfigError("standard input (-) can be read only once", hint="use files for the others")

    def _check_tokenizer(self) -> None:
        for name, value, known in (
            ("--tokenizer", self.tokenizer, KINDS),
            ("--normalization", self.normalization, NORMALIZATIONS),
        ):
            if value not in known:
                hint = suggest(value, known) or "one of " + ", ".join(known)
                raise ConfigError(f"{name} {value} is not known", where=name, hint=hint)
        if self.tokenizer != "byte":
            return
        if self.vocabulary_size not in {None, SMALLEST_VOCABULARY}:
            raise ConfigError(
                f"--vocab-size {self.vocabulary_size} cannot be used with --tokenizer byte",
                hint=f"leave it out: a byte vocabulary has {SMALLEST_VOCABULARY} ids",
            )
        if self.separate_vocabularies:
            raise ConfigError(
                "--separate-vocabularies cannot be used with --tokenizer byte",
                hint="leave it out: all bytes are in one vocabulary",
            )

    def _check_numbers(self) -> None:
        size = self.valid_size
        if size is not None and not (size >= 1 if isinstance(size, int) else 0 < size < 1):
            raise ConfigError(
                f"--valid-size {size} is neither a number of pairs nor a share",
                where="--valid-size",
                hint="such as 1000, or 0.01 for one percent",
            )
        if not (self.max_ratio == 0 or 1 <= self.max_ratio < math.inf):
            raise ConfigError(
                f"--max-ratio {self.max_ratio} is below 1", where="--max-ratio", hint="0 turns it off"
            )
        for name, value, low in (
            ("--vocab-size", self.vocabulary_size, SMALLEST_VOCABULARY),
            ("--max-tokens", self.max_tokens, 0),
            ("--seed", self.seed, 0),
            ("--threads", self.threads, 1),
        ):
            if value is not None and value < low:
                raise ConfigError(f"{name} {value:,} is too small", where=name, hint=f"at least {low:,}")
