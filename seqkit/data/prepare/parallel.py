"""Raw text to a corpus directory: two passes, in bounded memory.

The first pass counts, finds duplicates, holds pairs out and samples text for the tokenizer (`scan`); the
second encodes and filters what is left (`encode`). All of it follows from the text, the options and the seed.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from seqkit.data.forms import ROLES
from seqkit.data.manifest import SPLITS, FilterRecord, Manifest, fingerprint
from seqkit.data.prepare.dropped import refuse_great_losses
from seqkit.data.prepare.encode import (
    Encoder,
    LengthFilter,
    PairWriter,
    write_training,
    write_validation,
)
from seqkit.data.prepare.keys import KEY_TYPE
from seqkit.data.prepare.options import DEFAULT_VOCABULARY, PrepareOptions
from seqkit.data.prepare.scan import Progress, Scan, ScanOptions, scan, source_keys
from seqkit.data.prepare.targets import Plan, Targets, plan
from seqkit.data.prepare.writer import CorpusWriter, Counts
from seqkit.data.ragged import WrittenArray
from seqkit.data.store import create_corpus
from seqkit.data.text.mending import faults_of, mender, notice
from seqkit.data.text.pairs import Changed, ParallelText, Tabular, open_text
from seqkit.data.text.sources import text_files
from seqkit.data.tokenizers import (
    Tokenizer,
    TokenizerKind,
    clean_lines,
    cleans,
    symbols_in,
    train_tokenizer,
)
from seqkit.errors import DataError
from seqkit.kinds import TRANSLATION
from seqkit.processors import thread_count

__all__ = ["PrepareOptions", "PrepareReport", "prepare_parallel"]

logger = logging.getLogger("seqkit")


@dataclass(frozen=True)
class PrepareReport:
    """What was done. Tokens are counted without START and END; rates are shares of training tokens."""

    lines: int  # pairs read for training
    kept: int
    valid: int
    bad_rows: int  # skipped
    mended: int  # pairs read for training that --mend has changed
    cleaned: int  # pairs read for training that had invisible characters, which were taken out
    dropped: dict[str, int]  # by reason
    source_tokens: int
    target_tokens: int
    source_tokens_per_line: float
    target_tokens_per_line: float
    vocabulary_sizes: tuple[int, ...]  # joint, or source and target
    unknown_rate: float
    byte_rate: float  # encoded as bytes
    shared_sources: int  # training pairs whose source is in the validation files too
    targets: Targets
    decided: tuple[str, ...]  # what the targets decided, in words
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
        opened = _Opened((options.source, options.target, options.pairs), scratch, options)
        text = opened.text
        valid_text = None
        if options.has_validation:
            inputs = options.valid_source, options.valid_target, options.valid_pairs
            valid_text = _Opened(inputs, scratch, options).text
        settled = plan(text, options)
        found = _scan(text, valid_text, options, settled, scratch, on_progress)
        refuse_great_losses(found.dropped, found.lines, options, settled)
        notice(
            (side, [pair[place] for pair in found.sample]) for place, side in enumerate(("source", "target"))
        )
        on_progress("learning the vocabulary", 0, None)
        encoder = _tokenizers(found.sample, options, settled, scratch)
        fields = {"source": encoder.source, "target": encoder.target}
        with CorpusWriter(folder, TRANSLATION, fields) as corpus:
            train, valid = (PairWriter(corpus, split, encoder) for split in SPLITS)
            lengths = LengthFilter(settled.max_tokens, settled.max_ratio)
            dropped = write_training(text, found, encoder, lengths, train, valid, on_progress)
            if valid_text is not None:
                _warn_of_empty(write_validation(valid_text, encoder, valid))
            arrays = corpus.finish()
        shutil.rmtree(scratch)
        _check_result(arrays, dropped, found)
        lost = {reason: dropped[reason] for reason in ("too_long", "length_ratio")}
        refuse_great_losses(lost, found.lines, options, settled)
        manifest = corpus.describe(
            Counts(found.lines, arrays["train.target"].count, dropped),
            seed=options.seed,
            filters=FilterRecord(
                settled.max_tokens, settled.max_ratio, settled.keep_duplicates, settled.keep_identical
            ),
        )
    return _report(manifest, train, found, settled, opened.counts, time.monotonic() - started)


class _Opened:
    """The text in some inputs, with what the options have done to its lines."""

    def __init__(
        self,
        inputs: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
        scratch: Path,
        options: PrepareOptions,
    ) -> None:
        self._given = open_text(*inputs, scratch, columns=options.columns, skip_bad=options.skip_bad)
        faults = faults_of(options.mend) if options.mend else ()
        self._mended = Changed(self._given, mender(faults))
        self._cleaned = Changed(self._mended if faults else self._given, clean_lines)
        unclean = self._mended if faults else self._given
        self.text: ParallelText = self._cleaned if cleans(options.normalization) else unclean

    @property
    def counts(self) -> dict[str, int]:
        """Rows that were skipped, pairs that were mended and cleaned, in the last pass."""
        skipped = self._given.skipped if isinstance(self._given, Tabular) else 0
        return {"bad_rows": skipped, "mended": self._mended.changed, "cleaned": self._cleaned.changed}


def _scan(
    text: ParallelText,
    valid_text: ParallelText | None,
    options: PrepareOptions,
    settled: Plan,
    scratch: Path,
    on_progress: Progress,
) -> Scan:
    keys = np.empty(0, KEY_TYPE)
    if valid_text is not None:
        blocks = valid_text.blocks(warn=True)
        keys = np.concatenate([keys, *(source_keys(sources, options.seed) for sources, _ in blocks)])
    scan_options = ScanOptions(
        seed=options.seed,
        keep_duplicates=settled.keep_duplicates,
        keep_identical=settled.keep_identical,
        cut_valid=valid_text is None,
        valid_size=options.valid_size,
        spare_frequent=settled.targets != "text",
    )
    return scan(text, scan_options, keys, scratch, on_progress)


def _tokenizers(
    sample: list[tuple[str, str]], options: PrepareOptions, settled: Plan, scratch: Path
) -> Encoder:
    """Those that were given, or what the sample teaches."""
    threads = thread_count(options.threads)
    if options.tokenizers is not None:
        return Encoder(*options.tokenizers, threads)
    symbols = _symbols(options, scratch)

    def learn(kind: TokenizerKind, lines: Iterable[str], size: int | None) -> Tokenizer:
        size = size or options.vocabulary_size or DEFAULT_VOCABULARY
        return train_tokenizer(kind, lines, size, options.normalization, options.seed, symbols=symbols)

    source, target = settled.tokenizers
    if settled.joint:
        joint = learn(source, chain.from_iterable(sample), None)
        return Encoder(joint, joint, threads)
    return Encoder(
        learn(source, (pair[0] for pair in sample), options.source_vocabulary_size),
        learn(target, (pair[1] for pair in sample), options.target_vocabulary_size),
        threads,
    )


def _symbols(options: PrepareOptions, scratch: Path) -> tuple[str, ...]:
    if options.symbols is None:
        return ()
    (file,) = text_files((options.symbols,), scratch)
    return symbols_in(file.lines(warn=True), options.normalization, options.symbols)


def _warn_of_empty(count: int) -> None:
    if count:
        logger.warning("validation: %s pairs with an empty side are dropped", f"{count:,}")


def _check_result(arrays: dict[str, WrittenArray], dropped: dict[str, int], found: Scan) -> None:
    if arrays["train.target"].count == 0:
        reasons = ", ".join(
            f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items() if count
        )
        raise DataError(
            f"nothing is left to train on: of {found.lines:,} pairs all were dropped or held out ({reasons})",
            hint="check that source and target are the right files; the filters have options",
        )
    if arrays["valid.target"].count == 0:
        raise DataError(
            "no validation pair is left: each has an empty side",
            hint="check the validation files, or raise --valid-size",
        )
    if found.shared_sources:
        logger.warning(
            "%s a source that is also in the validation files; validation scores will be too high",
            "1 training pair has"
            if found.shared_sources == 1
            else f"{found.shared_sources:,} training pairs have",
        )


def _report(
    manifest: Manifest,
    train: PairWriter,
    found: Scan,
    settled: Plan,
    counts: dict[str, int],
    seconds: float,
) -> PrepareReport:
    source_tokens, target_tokens = (manifest.arrays[f"train.{role}"].total for role in ROLES)
    assert manifest.tokenizer is not None  # this is a corpus of text
    return PrepareReport(
        lines=manifest.lines,
        kept=manifest.kept,
        valid=manifest.arrays["valid.target"].count,
        **counts,
        dropped=manifest.dropped,
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        source_tokens_per_line=source_tokens / manifest.kept,
        target_tokens_per_line=target_tokens / manifest.kept,
        vocabulary_sizes=manifest.tokenizer.sizes,
        unknown_rate=train.unknown / (source_tokens + target_tokens),
        byte_rate=train.bytes / (source_tokens + target_tokens),
        shared_sources=found.shared_sources,
        targets=settled.targets,
        decided=settled.decided,
        fingerprint=fingerprint(manifest.files),
        seconds=seconds,
        lines_per_second=manifest.lines / max(seconds, 1e-9),
    )
