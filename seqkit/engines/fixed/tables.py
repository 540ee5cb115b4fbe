"""What an affine map makes of every embedding: a row is looked up instead of a product per step."""

from __future__ import annotations

import numpy as np

_TOGETHER = 64  # rows that are computed at once


class EmbeddedTable:
    """A row per token of the vocabulary, computed with others when one of them is first needed.

    So a process that translates one line computes, and holds in memory, the few rows that the line needs. All
    products have the same shape: a row is the same, to the bit, whenever it is computed.
    """

    def __init__(self, embedding: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int) -> None:
        """An embedding (V, E), and a map's weight (groups * M, E) and bias (groups * M,)."""
        self._embedding = embedding
        self._maps = [
            (part.T.astype(np.float32), shift.astype(np.float32))
            for part, shift in zip(np.split(weight, groups), np.split(bias, groups), strict=True)
        ]
        self._rows = np.empty((groups, len(embedding), len(weight) // groups), np.float32)
        self._has = np.zeros(len(embedding), bool)
        self._complete = False

    def take(self, tokens: np.ndarray) -> np.ndarray:
        """The rows for tokens of any shape, int64 -> (groups, *shape, M)"""
        self._need(tokens)
        return self._rows.take(tokens, axis=1)

    def add_to(self, values: np.ndarray, tokens: np.ndarray, spare: np.ndarray) -> None:
        """Add the rows for tokens (N,), int64, to `values` (groups, N, M), in place.

        `spare` is memory of the same shape to use.
        """
        self._need(tokens)
        self._rows.take(tokens, 1, spare, "clip")  # clip: the other modes copy
        np.add(values, spare, values)

    def complete(self) -> None:
        """Compute all rows: before copies of this process share them."""
        self._need(np.arange(len(self._has)))

    def _need(self, tokens: np.ndarray) -> None:
        if self._complete:
            return
        missing = tokens[~self._has[tokens]]
        if missing.size:
            self._compute(missing)

    def _compute(self, tokens: np.ndarray) -> None:
        """The blocks that tokens (N,) are in."""
        wanted = np.zeros(-(-len(self._has) // _TOGETHER), bool)
        wanted[tokens // _TOGETHER] = True
        blocks = np.flatnonzero(wanted)  # np.unique would import numpy.ma, which takes 14 ms
        last = max(len(self._has) - _TOGETHER, 0)  # where the last block starts: it overlaps the one before
        for start in np.minimum(blocks * _TOGETHER, last):
            rows = slice(start, start + _TOGETHER)
            for values, (weight, shift) in zip(self._rows, self._maps, strict=True):
                np.matmul(self._embedding[rows], weight, out=values[rows])
                np.add(values[rows], shift, out=values[rows])
            self._has[rows] = True
        self._complete = bool(self._has.all())
