"""Token arrays on disk to padded batches.

Every epoch is a plan, a list of index arrays that follows from (seed, epoch) alone: to resume in the middle
of an epoch nothing has to be restored but the number of the next batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit.data.batch import Batch, Padded
from seqkit.data.corpus import Corpus, Split
from seqkit.data.ragged import RaggedArray
from seqkit.data.tokenizers import END, PAD, START, Tokenizer
from seqkit.randomness import default_rng

# Pairs that are sorted by length together: sorting all of a large corpus would make batches predictable
# and cost memory; within so many pairs hardly any padding is left.
SORT_WINDOW = 200_000
_CASE = 1  # beside a batch's seed: the draws of its letter case
ROW_MULTIPLE = 8  # matrix kernels like row counts that are multiples of this


def grid_length(length: int | np.ndarray) -> NDArray[np.int64]:
    """A length rounded up to the shape grid: multiples of 4 up to 32, of 8 above.

    oneDNN builds a primitive for every shape that it meets, so few distinct shapes are wanted.
    """
    lengths = np.maximum(np.asarray(length, dtype=np.int64), 1)
    rounded: NDArray[np.int64] = np.where(lengths <= 32, -(-lengths // 4) * 4, -(-lengths // 8) * 8)
    return rounded


def length_batches(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    batch_tokens: int,
    batch_rows: int = 0,
    seed: int,
    epoch: int,
) -> list[np.ndarray]:
    """One epoch's batches: index arrays of pairs of about equal length, in random order.

    A batch has about `batch_tokens` target positions, padding included, and at most `batch_rows` pairs unless
    that is 0. Every pair is in one batch.
    Both kinds of lengths include the end token: what a batch is padded to is what it is sorted by.
    """
    random = default_rng((seed, epoch))
    order = random.permutation(len(target_lengths))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), SORT_WINDOW):
        window = order[start : start + SORT_WINDOW]
        target, source = grid_length(target_lengths[window]), grid_length(source_lengths[window])
        # Longest first, so that the first pair of a batch says how many rows fit. lexsort is stable:
        # pairs of one shape stay in the random order.
        window = window[np.lexsort((source, target))[::-1]]
        batches.extend(_cut(window, grid_length(target_lengths[window]), batch_tokens, batch_rows))
    return [batches[index] for index in random.permutation(len(batches))]


def _cut(
    ordered: np.ndarray, lengths: np.ndarray, batch_tokens: int, batch_rows: int = 0
) -> list[np.ndarray]:
    """Cut pairs that are sorted from long to short into batches of about `batch_tokens` positions."""
    batches, position = [], 0
    while position < len(ordered):
        rows = max(1, batch_tokens // int(lengths[position]))
        if rows > ROW_MULTIPLE:
            rows -= rows % ROW_MULTIPLE
        if batch_rows:
            rows = min(rows, batch_rows)
        batches.append(ordered[position : position + rows])
        position += rows
    return batches


def pad(sequences: Sequence[np.ndarray], *, on_grid: bool = True) -> Padded:
    """Ids (T,) or frames (T, F) to one right-padded tensor (B, T) or (B, T, F), T on the shape grid.

    Ids become int64, and numbers float32; padding is `PAD`, which is 0, or zeros.
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    time = int(lengths.max(initial=1))
    first = sequences[0] if sequences else np.empty(0, np.int64)
    values = np.full(
        (len(sequences), int(grid_length(time)) if on_grid else max(time, 1), *first.shape[1:]),
        PAD,
        dtype=np.float32 if first.dtype.kind == "f" else np.int64,
    )
    for row, sequence in zip(values, sequences, strict=True):
        row[: len(sequence)] = sequence
    return Padded(torch.from_numpy(values), torch.from_numpy(lengths))


def pair_batch(sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Batch:
    """Sentence pairs to a batch: START before the inputs, END behind targets and source."""
    return Batch(
        inputs=pad([np.concatenate(([START], target)) for target in targets]),
        targets=pad([np.concatenate((target, [END])) for target in targets]),
        source=pad([np.concatenate((source, [END])) for source in sources]),
    )


@dataclass(frozen=True)
class PairBatches:
    """The training batches of a translation corpus.

    `case_noise` is the share of sources whose letters are made all capital, or all small, half each.
    """

    corpus: Corpus
    batch_tokens: int
    seed: int
    subword_sampling: float = 0.0
    case_noise: float = 0.0

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The index arrays of one epoch, in order."""
        split = self.corpus.train
        return length_batches(
            _source(split).lengths + 1,
            split.target.lengths + 1,
            batch_tokens=self.batch_tokens,
            seed=self.seed,
            epoch=epoch,
        )

    def load(self, index: np.ndarray, *, seed: int) -> Batch:
        """The batch of the given pairs; `seed` draws its letter case and its segmentation."""
        split = self.corpus.train
        sources = [_source(split)[int(row)] for row in index]
        targets = [split.target[int(row)] for row in index]
        if self.case_noise:
            sources = self._recase(sources, seed)
        if self.subword_sampling:
            sources = self._resegment(self.corpus.source_tokenizer, sources, seed)
            targets = self._resegment(self.corpus.target_tokenizer, targets, seed + 1)
        return pair_batch(sources, targets)

    def _recase(self, sources: list[np.ndarray], seed: int) -> list[np.ndarray]:
        draws = default_rng((seed, _CASE)).random(len(sources))
        rows = np.flatnonzero(draws < self.case_noise).tolist()
        tokenizer = self.corpus.source_tokenizer
        texts = [
            text.upper() if draws[row] < self.case_noise / 2 else text.lower()
            for row, text in zip(rows, tokenizer.decode([sources[row] for row in rows]), strict=True)
        ]
        recased = dict(zip(rows, tokenizer.encode(texts), strict=True))
        return [recased.get(row, source) for row, source in enumerate(sources)]

    def _resegment(self, tokenizer: Tokenizer, sequences: list[np.ndarray], seed: int) -> list[np.ndarray]:
        # Ids are lossless, so the text need not be kept in the corpus to be segmented anew.
        return tokenizer.encode_sampled(tokenizer.decode(sequences), self.subword_sampling, seed)


def validation_batches(split: Split, *, batch_tokens: int) -> list[Batch]:
    """The validation pairs, sorted by length, in batches."""
    source, target = _source(split), split.target
    order = np.lexsort((source.lengths, grid_length(target.lengths + 1)))[::-1]
    batches = _cut(order, grid_length(target.lengths[order] + 1), batch_tokens)
    return [
        pair_batch([source[int(row)] for row in index], [target[int(row)] for row in index])
        for index in batches
    ]


@dataclass(frozen=True)
class Slice:
    """A step's part of every stream: `length` tokens from `start` on; `offset` is where the first begins.

    With `continues` it goes on where the slice before it ended.
    """

    offset: int
    start: int
    length: int
    continues: bool


@dataclass(frozen=True)
class StreamBatches:
    """The training batches of a generation corpus: one text, read at `streams` places side by side.

    The text is a ring. Every epoch cuts it at another place, so that streams and slices begin elsewhere
    and what a last slice leaves over is not always the same.
    """

    values: np.ndarray  # (tokens,): ids, a memory map
    streams: int
    slice_length: int
    seed: int

    @property
    def stream_length(self) -> int:
        """Tokens of a stream."""
        return len(self.values) // self.streams

    def plan(self, epoch: int) -> list[Slice]:
        """The slices of one epoch, in order."""
        offset = int(default_rng((self.seed, epoch)).integers(len(self.values)))
        starts = range(0, self.stream_length - self.slice_length + 1, self.slice_length)
        return [Slice(offset, start, self.slice_length, start > 0) for start in starts]

    def load(self, piece: Slice, *, seed: int) -> Batch:  # noqa: ARG002 - nothing is drawn
        """The batch of a slice, (streams, slice_length)."""
        first = piece.offset + piece.start + np.arange(self.streams)[:, None] * self.stream_length
        places = (first + np.arange(piece.length + 1)) % len(self.values)  # (B, T + 1)
        ids = torch.from_numpy(self.values[places].astype(np.int64))
        lengths = torch.full((self.streams,), piece.length)
        return Batch(
            Padded(ids[:, :-1].contiguous(), lengths),
            Padded(ids[:, 1:].contiguous(), lengths),
            continues=piece.continues,
            carries=True,
        )


def fitting_streams(tokens: int, streams: int, slice_length: int) -> int:
    """At most `streams`, so that each has at least one slice; 0 when not even one fits."""
    return min(streams, tokens // (slice_length + 1))


def _source(split: Split) -> RaggedArray:
    assert split.source is not None  # a translation corpus has both sides
    return split.source
