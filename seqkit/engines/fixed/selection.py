"""The best next tokens out of logits, with what a search forbids and forces."""

from __future__ import annotations

import numpy as np

from seqkit.data.tokenizers import END, PAD, START, UNKNOWN

NEVER = (PAD, UNKNOWN, START)  # tokens that a translation does not contain

_FOLD = 8  # values a class of the first and of the second level has
CLASSES = _FOLD * _FOLD  # what the number of columns must be divisible by


def log_normalizers(logits: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """log sum exp of every row. (N, V) -> (N, 1); `spare` (N, V) is memory to use."""
    largest = logits.max(axis=1, keepdims=True)  # (N, 1)
    np.subtract(logits, largest, out=spare)
    np.exp(spare, out=spare)
    sums = np.einsum("nv->n", spare)[:, None]  # (N, 1); faster than sum, and a row's order is its own
    normalizers: np.ndarray = largest + np.log(sums)
    return normalizers


def best_columns(values: np.ndarray, width: int) -> np.ndarray:
    """The columns (N, W) of each row's `width` largest values, largest first, of equal ones the first.

    The number of columns must be divisible by CLASSES. Columns that look alike modulo a divisor are classes;
    the `width` largest values of a row are at least as large as the `width` largest of its classes' maxima,
    which leaves few candidates.
    """
    rows, columns = values.shape
    if width == 1:
        best: np.ndarray = values.argmax(axis=1)[:, None]
        return best
    if width > columns // _FOLD:
        return np.argsort(-values, axis=1, kind="stable")[:, :width]
    maxima = values.reshape(rows, _FOLD, -1).max(axis=1)  # (N, C)
    if columns // CLASSES > 2 * width:  # fewer classes would leave more candidates
        maxima = maxima.reshape(rows, _FOLD, -1).max(axis=1)
    classes = maxima.shape[1]
    bounds = np.partition(maxima, classes - width, axis=1)[:, classes - width, None]  # (N, 1)
    if not np.isfinite(bounds).all():  # rows with fewer values than asked for
        return np.argsort(-values, axis=1, kind="stable")[:, :width]
    candidates = np.flatnonzero(values >= bounds)
    owners = candidates // columns
    order = np.lexsort((-values.ravel()[candidates], owners))  # stable: of equal ones the first
    firsts = np.searchsorted(owners, np.arange(rows))  # (N,)
    chosen: np.ndarray = candidates[order[firsts[:, None] + np.arange(width)]] % columns
    return chosen


def restrict(values: np.ndarray, forced: np.ndarray, may_end: bool) -> None:
    """Leave what a search allows, in place: nothing but its token in a row (N,) that is forced."""
    must = np.flatnonzero(forced >= 0)
    kept = values[must, forced[must]]
    values[:, NEVER] = -np.inf
    if not may_end:
        values[:, END] = -np.inf
    values[must] = -np.inf
    values[must, forced[must]] = kept
