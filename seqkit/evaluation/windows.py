"""A text cut into windows that lie side by side, each to be predicted for itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqkit.evaluation.encoded_text import IdStream


def windows(ids: IdStream, boundary: int, window: int, rows: int) -> Iterator[tuple[IdStream, IdStream]]:
    """Windows (R, window) of `ids` (n,), `rows` of them together, and the ids before them (R,).

    The last may be shorter: then it comes alone. `boundary` stands before the first.
    """
    whole = len(ids) - len(ids) % window
    for start in range(0, whole, rows * window):
        targets = ids[start : min(start + rows * window, whole)].reshape(-1, window)
        yield targets, _before(ids, boundary, start, window, len(targets))
    if whole < len(ids):
        yield ids[whole:][None], _before(ids, boundary, whole, window, 1)


def _before(ids: IdStream, boundary: int, start: int, window: int, rows: int) -> IdStream:
    """The ids before the windows from `start` on. (R,)"""
    places = start + window * np.arange(rows) - 1
    return np.where(places < 0, boundary, ids[places]).astype(np.int64)
