"""Raw text to a corpus directory: two passes, in bounded memory.

The first pass counts, finds duplicates, holds pairs out and samples text for the tokenizer (`scan`); the
second encodes and filters what is left (`encode`). All of it follows from the text, the options and the seed.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from seqkit import __version__
from seqkit.data.corpus import create_corpus, tokenizer_files
from seqkit.data.encode import (
    Encoder,
    LengthFilter,
    SplitWriter,
    WrittenSplit,
    write_training,
    write_validation,
)
from seqkit.data.keys import KEY_TYPE
from seqkit.data.manifest import (
    FORMAT,
    MANIFEST_NAME,
    VERSION,
    ArrayRecord,
    FileRecord,
    FilterRecord,
    Manifest,
    TokenizerRecord,
    fingerprint,
)
from seqkit.data.pairs import ParallelText, open_text
from seqkit.data.ragged import HashedFile, WrittenFile
from seqkit.data.scan import Progress, Scan, ScanOptions, scan, source_key
from seqkit.data.tokenizers import (
    KINDS,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    Normalization,
    Tokenizer,
    TokenizerKind,
    train_tokenizer,
)
from seqkit.errors import ConfigError, DataError, suggest

DEFAULT_VOCABULARY = 8000
DEFAULT_MAX_TOKENS: dict[TokenizerKind, int] = {"bpe": 200, "unigram": 200, "char": 1000, "byte": 1000}
DEFAULT_MAX_RATIO = 9.0
_MANY_DROPPED = 0.5  # a share of unequal pairs that speaks of misaligned files

logger = logging.getLogger("seqkit")


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


@dataclass(frozen=True)
class PrepareReport:
    """What was done. Tokens are counted without START and END; rates are shares of training tokens."""

    lines: int  # pairs read for training
    kept: int
    valid: int
    dropped: dict[str, int]  # by reason
    source_tokens: int
    target_tokens: int
    source_tokens_per_line: float
    target_tokens_per_line: float
    vocabulary_sizes: tuple[int, ...]  # joint, or source and target
    unknown_rate: float
    byte_rate: float  # spelt in bytes
    shared_sources: int  # training pairs whose source is in the validation files too
    fingerprint: str
    seconds: float
    lines_per_second: float


def prepare_parallel(options: PrepareOptions, on_progress: Progress) -> PrepareReport:
    """Make a corpus directory of parallel text.

    `on_progress(stage, done, total)` is called after every few thousand pairs. Raises OutputError when the
    directory is taken, DataError for text that cannot be used, InputMissing for files that are not there.
    """
    started = time.monotonic()
    with create_corpus(options.directory, overwrite=options.overwrite) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        text = open_text(options.source, options.target, options.pairs, scratch)
        valid_text = None
        if options.has_validation:
            valid_text = open_text(options.valid_source, options.valid_target, options.valid_pairs, scratch)
        found = _scan(text, valid_text, options, scratch, on_progress)
        on_progress("learning the vocabulary", 0, None)
        encoder = _train_tokenizers(found.sample, options)
        with SplitWriter(folder, "train", encoder) as train, SplitWriter(folder, "valid", encoder) as valid:
            lengths = LengthFilter(options.token_limit, options.max_ratio)
            dropped = write_training(text, found, encoder, lengths, train, valid, on_progress)
            if valid_text is not None:
                write_validation(valid_text, encoder, valid)
            splits = {"train": train.finish(), "valid": valid.finish()}
        shutil.rmtree(scratch)
        _check_result(splits, dropped, found)
        manifest = _write_manifest(folder, options, encoder, splits, dropped, found.lines)
    return _report(manifest, splits, found, time.monotonic() - started)


def _scan(
    text: ParallelText,
    valid_text: ParallelText | None,
    options: PrepareOptions,
    scratch: Path,
    on_progress: Progress,
) -> Scan:
    keys = np.empty(0, KEY_TYPE)
    if valid_text is not None:
        pairs = valid_text.pairs(warn=True)
        keys = np.fromiter((source_key(source, options.seed) for source, _ in pairs), KEY_TYPE)
    scan_options = ScanOptions(
        seed=options.seed,
        keep_duplicates=options.keep_duplicates,
        keep_identical=options.keep_identical,
        cut_valid=valid_text is None,
        valid_size=options.valid_size,
    )
    return scan(text, scan_options, keys, scratch, on_progress)


def _train_tokenizers(sample: list[tuple[str, str]], options: PrepareOptions) -> Encoder:
    def learn(lines: Iterable[str]) -> Tokenizer:
        size = options.vocabulary_size or DEFAULT_VOCABULARY
        return train_tokenizer(options.tokenizer, lines, size, options.normalization, options.seed)

    threads = options.threads or len(os.sched_getaffinity(0))
    if options.separate_vocabularies:
        return Encoder(learn(source for source, _ in sample), learn(target for _, target in sample), threads)
    joint = learn(chain.from_iterable(sample))
    return Encoder(joint, joint, threads)


def _check_result(splits: dict[str, WrittenSplit], dropped: dict[str, int], found: Scan) -> None:
    if splits["train"].count == 0:
        reasons = ", ".join(
            f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items() if count
        )
        raise DataError(
            f"nothing is left to train on: of {found.lines:,} pairs all were dropped or held out ({reasons})",
            hint="check that source and target are the right files; the filters have options",
        )
    if splits["valid"].count == 0:
        raise DataError(
            "no validation pair is left: each has an empty side",
            hint="check the validation files, or raise --valid-size",
        )
    if dropped["length_ratio"] > _MANY_DROPPED * found.lines:
        logger.warning(
            "%s of %s pairs have sides of very different length: are the files aligned line by line?",
            f"{dropped['length_ratio']:,}",
            f"{found.lines:,}",
        )
    if found.shared_sources:
        logger.warning(
            "%s training pairs have a source that is also in the validation files; scores there will flatter",
            f"{found.shared_sources:,}",
        )


def _write_manifest(
    folder: Path,
    options: PrepareOptions,
    encoder: Encoder,
    splits: dict[str, WrittenSplit],
    dropped: dict[str, int],
    lines: int,
) -> Manifest:
    files = [file for split in splits.values() for file in split.files]
    for name, content in tokenizer_files(encoder.source, encoder.target).items():
        files.append(_write(folder / name, content))
    tokenizers = [encoder.source] if encoder.source is encoder.target else [encoder.source, encoder.target]
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        seqkit=__version__,
        kind="translation",
        seed=options.seed,
        tokenizer=TokenizerRecord(
            options.tokenizer, options.normalization, tuple(tokenizer.size for tokenizer in tokenizers)
        ),
        filters=FilterRecord(
            options.token_limit, options.max_ratio, options.keep_duplicates, options.keep_identical
        ),
        lines=lines,
        kept=splits["train"].count,
        dropped=dropped,
        arrays={
            array.stem: ArrayRecord(array.dtype, array.shape, array.count, array.total)
            for split in splits.values()
            for array in split.arrays
        },
        files={file.name: FileRecord(file.size, file.sha256) for file in files},
    )
    _write(folder / MANIFEST_NAME, manifest.to_bytes())
    return manifest


def _write(path: Path, content: bytes) -> WrittenFile:
    with HashedFile(path) as file:
        file.write(content)
        return file.finish()


def _report(
    manifest: Manifest, splits: dict[str, WrittenSplit], found: Scan, seconds: float
) -> PrepareReport:
    train = splits["train"]
    source_tokens, target_tokens = (array.total for array in train.arrays)
    return PrepareReport(
        lines=manifest.lines,
        kept=manifest.kept,
        valid=splits["valid"].count,
        dropped=manifest.dropped,
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        source_tokens_per_line=source_tokens / train.count,
        target_tokens_per_line=target_tokens / train.count,
        vocabulary_sizes=manifest.tokenizer.sizes,
        unknown_rate=train.unknown / (source_tokens + target_tokens),
        byte_rate=train.bytes / (source_tokens + target_tokens),
        shared_sources=found.shared_sources,
        fingerprint=fingerprint(manifest.files),
        seconds=seconds,
        lines_per_second=manifest.lines / max(seconds, 1e-9),
    )
