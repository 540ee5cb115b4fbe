"""Scoring text with a generator by the hand-written step: what `language` computes, without torch.

The protocols are those of `language`. Steps are exact, so that nothing depends on how the text is cut.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqkit.decoding.stepper import log_sums
from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.evaluation.encoded_text import IdStream
from seqkit.evaluation.windows import windows

Progress = Callable[[int], None]  # hears how many predictions are done

SLICE_LENGTH = 64  # positions whose logits are computed at once: with 32,000 tokens to predict, 8 MB
WINDOWS_TOGETHER = 256


def stream_nats(
    decoder: FixedPointDecoder,
    ids: IdStream,
    boundary: int,
    *,
    progress: Progress = lambda _done: None,
) -> float:
    """Nats of predicting every one of `ids` (n,) from all before it; `boundary` stands before the first."""
    rows, nats, before = decoder.begin(), 0.0, boundary
    for start in range(0, len(ids), SLICE_LENGTH):
        wanted = np.asarray(ids[start : start + SLICE_LENGTH], np.int64)  # (S,)
        logits = rows.follow(np.append(before, wanted[:-1])).logits()
        nats, before = nats + _nats(logits, wanted), int(wanted[-1])
        progress(start + len(wanted))
    return nats


def window_nats(
    decoder: FixedPointDecoder,
    ids: IdStream,
    boundary: int,
    window: int,
    *,
    progress: Progress = lambda _done: None,
) -> float:
    """Nats of predicting every one of `ids` (n,) from those before it in its window, and one before that."""
    empty, nats, done = decoder.begin(), 0.0, 0
    for targets, given in windows(ids, boundary, window, WINDOWS_TOGETHER):
        rows = empty.copied(np.zeros(len(targets), np.int64))
        for wanted in np.ascontiguousarray(targets.T, np.int64):  # (R,)
            rows.step(given)
            nats, given = nats + _nats(rows.logits(), wanted), wanted
            done += len(wanted)
            progress(done)
    return nats


def log_totals(logits: np.ndarray) -> np.ndarray:
    """The logarithms of the sums that logits (N, V) are normalised by: (N,), float64"""
    highest = logits.max(axis=1, keepdims=True).astype(np.float64)  # (N, 1)
    totals: np.ndarray = (highest + log_sums(logits - highest))[:, 0]
    return totals


def _nats(logits: np.ndarray, wanted: np.ndarray) -> float:
    """Of predicting tokens (N,) by logits (N, V)."""
    return float((log_totals(logits) - logits[np.arange(len(wanted)), wanted]).sum())
