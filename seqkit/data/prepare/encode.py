"""The second pass over parallel text: encode, filter, write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import compress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from seqkit.data.forms import ROLES
from seqkit.data.prepare.scan import Fate, Progress, Scan
from seqkit.data.prepare.writer import CorpusWriter
from seqkit.data.text.pairs import PairLines, ParallelText, batches
from seqkit.data.tokenizers import UNKNOWN, Ids, Tokenizer

Mask = NDArray[np.bool_]
PairIds = tuple[list[Ids], list[Ids]]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Encoder:
    """The two tokenizers and the threads that they may use."""

    source: Tokenizer
    target: Tokenizer
    threads: int

    def encode(self, lines: PairLines) -> PairIds:
        """The ids of sources and targets."""
        return (
            self.source.encode(lines[0], threads=self.threads),
            self.target.encode(lines[1], threads=self.threads),
        )


@dataclass(frozen=True)
class LengthFilter:
    """Drops pairs with a side of more than `max_tokens`, or one `max_ratio` times the other; 0: off."""

    max_tokens: int
    max_ratio: float

    def masks(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> tuple[Mask, Mask]:
        """Which pairs are too long, and which of the others too unequal, from their lengths. (N,)"""
        longer, shorter = np.maximum(source, target), np.maximum(np.minimum(source, target), 1)
        too_long = (longer > self.max_tokens) & (self.max_tokens > 0)
        unequal = (longer > self.max_ratio * shorter) & (self.max_ratio > 0) & ~too_long
        return too_long, unequal


class PairWriter:
    """Writes the pairs of one split, and counts the ids that are no whole piece."""

    def __init__(self, corpus: CorpusWriter, split: str, encoder: Encoder) -> None:
        self._corpus, self._split, self._encoder = corpus, split, encoder
        self.unknown = 0
        self.bytes = 0

    def append(self, lines: PairLines, ids: PairIds) -> None:
        """Write pairs, their text and their ids."""
        if not ids[0]:
            return
        for tokenizer, sequences in zip((self._encoder.source, self._encoder.target), ids, strict=True):
            flat = np.concatenate(sequences)
            self.unknown += int(np.count_nonzero(flat == UNKNOWN))
            self.bytes += tokenizer.byte_count(flat)
        rows, texts = dict(zip(ROLES, ids, strict=True)), dict(zip(ROLES, lines, strict=True))
        self._corpus.append(self._split, rows, texts)


def write_training(
    text: ParallelText,
    found: Scan,
    encoder: Encoder,
    lengths: LengthFilter,
    train: PairWriter,
    valid: PairWriter,
    progress: Progress,
) -> dict[str, int]:
    """Write what the first pass left, held-out pairs to `valid`; how many were dropped, by reason."""
    dropped = Counter({"too_long": 0, "length_ratio": 0})
    start = 0
    for batch in batches(text, warn=False):
        fates = found.fates[start : start + len(batch[0])]
        start += len(batch[0])
        lines = _chosen(batch, fates == Fate.KEEP)
        ids = encoder.encode(lines)
        too_long, unequal = lengths.masks(_lengths(ids[0]), _lengths(ids[1]))
        dropped["too_long"] += int(np.count_nonzero(too_long))
        dropped["length_ratio"] += int(np.count_nonzero(unequal))
        fit = ~(too_long | unequal)
        train.append(_chosen(lines, fit), _chosen(ids, fit))
        held_out = _chosen(batch, fates == Fate.VALID)
        valid.append(held_out, encoder.encode(held_out))
        progress("encoding", start, found.lines)
    return {**dropped, **found.dropped}


def write_validation(text: ParallelText, encoder: Encoder, valid: PairWriter) -> int:
    """Write the validation files; the number of pairs dropped because a side is empty."""
    empty = 0
    for batch in batches(text, warn=False):
        full = np.array(
            [bool(source.strip() and target.strip()) for source, target in zip(*batch, strict=True)]
        )
        empty += int(np.count_nonzero(~full))
        lines = _chosen(batch, full)
        valid.append(lines, encoder.encode(lines))
    return empty


def _lengths(ids: list[Ids]) -> NDArray[np.int64]:
    return np.fromiter(map(len, ids), np.int64, len(ids))


def _chosen(pair: tuple[list[_T], list[_T]], mask: Mask) -> tuple[list[_T], list[_T]]:
    if mask.all():
        return pair
    return list(compress(pair[0], mask)), list(compress(pair[1], mask))
