"""The first pass over parallel text: count, find duplicates, hold pairs out, sample for the tokenizer.

Memory does not grow with the text: what is known of every pair (two keys of 8 bytes, one byte for its fate)
lies in files beside the corpus that is being made.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqkit.data.prepare.keys import KEY_TYPE, Keys, chunks, keys_of, repeats, smallest
from seqkit.data.text.pairs import PairLines, ParallelText, batches
from seqkit.errors import DataError
from seqkit.randomness import default_rng

Progress = Callable[[str, int, int | None], None]
Fates = NDArray[np.uint8]

DEFAULT_VALID_PAIRS = 1000
DEFAULT_VALID_SHARE = 0.05  # at most, of a small text

_SAMPLE_PAIRS = 100_000
_SAMPLE_CHARACTERS = 1 << 24
_SAMPLE_LINE = 1000  # characters of a line that a tokenizer learns from


class Fate(IntEnum):
    """What becomes of a pair, as far as the first pass can tell."""

    KEEP = 0
    EMPTY = 1
    IDENTICAL = 2
    DUPLICATE = 3
    VALID = 4
    HELD_OUT = 5  # its source is in the validation set already


@dataclass(frozen=True)
class ScanOptions:
    """What the first pass needs to know.

    `cut_valid` says whether to hold pairs out: `valid_size` is their number (int), their share of the
    different sources (float), or None for 1,000 or 5 %, whichever is less. With `spare_frequent` a number of
    sources is taken from those that occur once, if there are enough: words are as frequent as they are, and
    one that is held out would be lost with all its pairs.
    """

    seed: int
    keep_duplicates: bool
    keep_identical: bool
    cut_valid: bool
    valid_size: int | float | None
    spare_frequent: bool = False


@dataclass(frozen=True)
class Scan:
    """What the first pass found."""

    lines: int
    fates: Fates  # (lines,), mapped from a file
    sample: list[tuple[str, str]]
    shared_sources: int  # training pairs whose source is in the validation files too

    @property
    def dropped(self) -> dict[str, int]:
        """How many pairs are dropped, by reason, as far as the first pass can tell."""
        counts = np.bincount(self.fates, minlength=len(Fate))
        reasons = (Fate.EMPTY, Fate.IDENTICAL, Fate.DUPLICATE, Fate.HELD_OUT)
        return {fate.name.lower(): int(counts[fate]) for fate in reasons}


def source_keys(sources: Iterable[str], seed: int) -> Keys:
    """The keys of sources, outer whitespace aside; with the seed they decide what is held out. (N,)"""
    return keys_of(f"{seed}\n{source.strip()}" for source in sources)


def scan(
    text: ParallelText, options: ScanOptions, valid_keys: Keys, folder: Path, progress: Progress
) -> Scan:
    """Read all pairs once. Working files go to `folder`; `valid_keys` are those of the validation files.

    Raises DataError for text that is misaligned, empty, or too short to hold pairs out.
    """
    fates_path, pairs_path, sources_path = (folder / name for name in ("fates", "pairs", "sources"))
    sample = PairSample(options.seed)
    lines, expected = 0, text.estimated_pairs()
    with ExitStack() as files:
        fates_file, pairs_file, sources_file = (
            files.enter_context(open(path, "wb")) for path in (fates_path, pairs_path, sources_path)
        )
        for batch in batches(text, warn=True):
            batch_fates, of_pairs, of_sources = _judge(batch, options)
            fates_file.write(batch_fates.tobytes())
            pairs_file.write(of_pairs.tobytes())
            sources_file.write(of_sources.tobytes())
            sample.add(of_sources, batch)
            lines += len(batch[0])
            progress("reading", lines, expected)
    if lines == 0:
        raise DataError("there are no lines to prepare", hint="check the input files")
    fates = np.memmap(fates_path, np.uint8, mode="r+")
    if fates.all():
        counts = np.bincount(fates, minlength=len(Fate))
        raise DataError(
            f"nothing is left to train on: of {lines:,} pairs {counts[Fate.EMPTY]:,} have an empty side"
            f" and {counts[Fate.IDENTICAL]:,} a target that is their source",
            hint="check that source and target are the right files; --keep-identical keeps the latter",
        )
    if not options.keep_duplicates:
        for repeated in repeats(pairs_path):
            fates[repeated] = Fate.DUPLICATE
    limit = np.uint64(0)
    if options.cut_valid:
        limit, chosen_from = _valid_limit(sources_path, options, folder / "once")
        _hold_out(fates, chosen_from, limit)
    return Scan(
        lines,
        fates,
        sample.pairs(limit, _held_out(fates, sources_path) if options.spare_frequent else None),
        _count_shared(fates, sources_path, valid_keys),
    )


def _judge(batch: PairLines, options: ScanOptions) -> tuple[Fates, Keys, Keys]:
    """The fates that show at first sight, and the keys of pairs and sources, 0 where a pair is dropped."""
    sources, targets = ([line.strip() for line in side] for side in batch)
    pairs = list(zip(sources, targets, strict=True))
    fates = np.full(len(pairs), Fate.KEEP, np.uint8)
    if not options.keep_identical:
        fates[[source == target for source, target in pairs]] = Fate.IDENTICAL
    fates[[not source or not target for source, target in pairs]] = Fate.EMPTY
    keys = keys_of(f"{source}\n{target}" for source, target in pairs), source_keys(sources, options.seed)
    of_pairs, of_sources = (np.where(fates == Fate.KEEP, some, KEY_TYPE.type(0)) for some in keys)
    return fates, of_pairs, of_sources


def _valid_limit(sources_path: Path, options: ScanOptions, once_path: Path) -> tuple[np.uint64, Path]:
    """Sources of a file with keys below the limit are held out: of a number exactly so many different."""
    valid_size = options.valid_size
    if isinstance(valid_size, float):
        at_least_one = smallest(sources_path, 1)[0] + np.uint64(1)
        return max(np.uint64(int(valid_size * 2.0**64)), at_least_one), sources_path
    wanted = valid_size
    if wanted is None:
        share = max(1, int(sources_path.stat().st_size // KEY_TYPE.itemsize * DEFAULT_VALID_SHARE))
        wanted = min(DEFAULT_VALID_PAIRS, share)
    if options.spare_frequent:
        _write_those_once(sources_path, once_path)
        keys = smallest(once_path, wanted + 1)
        if len(keys) > wanted:
            return np.uint64(keys[wanted]), once_path
    keys = smallest(sources_path, wanted + 1)
    if len(keys) <= wanted:
        raise DataError(
            f"holding out {wanted:,} of {len(keys):,} different sources leaves nothing to train on",
            where="--valid-size",
            hint="ask for fewer, or give validation files with --valid-source and --valid-target",
        )
    return np.uint64(keys[wanted]), sources_path


def _write_those_once(sources_path: Path, once_path: Path) -> None:
    """Copy a file of keys with 0 for all that occur more than once."""
    shutil.copyfile(sources_path, once_path)
    keys = np.memmap(once_path, KEY_TYPE, mode="r+")
    for repeated in repeats(sources_path):
        frequent = np.unique(keys[repeated])  # of one partition: the next ones have other keys
        for start, chunk in chunks(sources_path):
            part = keys[start : start + len(chunk)]
            part[np.isin(chunk, frequent)] = 0
    keys.flush()


def _hold_out(fates: Fates, sources_path: Path, limit: np.uint64) -> None:
    """One pair of every source below the limit goes to the validation set, its others nowhere.

    Sources with key 0 are not held out.
    """
    for start, keys in chunks(sources_path):
        part = fates[start : start + len(keys)]
        part[(keys != 0) & (keys < limit) & (part == Fate.KEEP)] = Fate.VALID
    for repeated in repeats(sources_path):
        fates[repeated[fates[repeated] == Fate.VALID]] = Fate.HELD_OUT


def _held_out(fates: Fates, sources_path: Path) -> frozenset[int]:
    """The keys of the sources that are held out."""
    found: set[int] = set()
    for start, keys in chunks(sources_path):
        found.update(keys[fates[start : start + len(keys)] == Fate.VALID].tolist())
    return frozenset(found)


def _count_shared(fates: Fates, sources_path: Path, valid_keys: Keys) -> int:
    if not len(valid_keys):
        return 0
    return sum(
        int(np.count_nonzero(np.isin(keys, valid_keys) & (fates[start : start + len(keys)] == Fate.KEEP)))
        for start, keys in chunks(sources_path)
    )


class PairSample:
    """A random sample of pairs in bounded memory: whenever it is full, half of it is dropped.

    Every pair has drawn a number in [0, 1); those below a level stay, and the level is halved.
    """

    def __init__(self, seed: int, pairs: int = _SAMPLE_PAIRS, characters: int = _SAMPLE_CHARACTERS) -> None:
        self._random = default_rng(seed)
        self._limits = pairs, characters
        self._level = 1.0
        self._characters = 0
        self._kept: list[tuple[float, int, str, str]] = []

    def add(self, keys: Keys, batch: PairLines) -> None:
        """Consider a batch of pairs; those with key 0 take no part."""
        draws = self._random.random(len(keys))
        drawn = np.flatnonzero((draws < self._level) & (keys != 0))
        sources, targets = ([side[index][:_SAMPLE_LINE] for index in drawn.tolist()] for side in batch)
        self._kept += zip(draws[drawn].tolist(), keys[drawn].tolist(), sources, targets, strict=True)
        self._characters += sum(map(len, sources)) + sum(map(len, targets))
        while len(self._kept) > self._limits[0] or self._characters > self._limits[1]:
            self._level /= 2
            self._kept = [pair for pair in self._kept if pair[0] < self._level]
            self._characters = sum(len(pair[2]) + len(pair[3]) for pair in self._kept)

    def pairs(self, limit: np.uint64, held_out: frozenset[int] | None = None) -> list[tuple[str, str]]:
        """The sample, in input order, without pairs that are held out.

        Those have keys below the limit: all such keys, or those in `held_out` alone.
        """
        return [
            (source, target)
            for _, key, source, target in self._kept
            if key >= limit or (held_out is not None and key not in held_out)
        ]
