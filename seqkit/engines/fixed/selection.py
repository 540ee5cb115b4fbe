"""The best next tokens out of logits: normalisers, the mean of an ensemble, the largest of a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FOLD = 8  # values a class of the first and of the second level has
CLASSES = _FOLD * _FOLD  # what the number of columns must be divisible by
_EXPONENTIALS = np.float32(1 << 24)  # the largest term of an exact softmax


def log_normalizers(logits: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """log sum exp of every row. (N, V) -> (N, 1); `spare` (N, V) is memory to use."""
    largest = logits.max(axis=1, keepdims=True)  # (N, 1)
    np.subtract(logits, largest, out=spare)
    np.exp(spare, out=spare)
    sums = np.einsum("nv->n", spare)[:, None]  # (N, 1); faster than sum, and a row's order is its own
    normalizers: np.ndarray = largest + np.log(sums)
    return normalizers


def exact_log_normalizers(logits: np.ndarray) -> np.ndarray:
    """log sum exp of every row, (N, C) -> (N, 1) in fp64: the same however many columns hold -inf."""
    largest = logits.max(axis=1, keepdims=True)  # (N, 1)
    terms = logits - largest
    np.exp(terms, out=terms)
    terms *= _EXPONENTIALS
    np.rint(terms, out=terms)
    sums = terms.sum(axis=1, dtype=np.float64, keepdims=True)  # of whole numbers: exact
    normalizers: np.ndarray = largest + np.log(sums / float(_EXPONENTIALS))
    return normalizers


def mean_log_probabilities(
    members: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of an ensemble's mean probabilities, of each member's logits (N, V) and normalisers.

    Both are (N, V) less (N, 1): the second is subtracted where it is wanted.
    """
    if len(members) == 1:
        return members[0]
    means = np.logaddexp.reduce([logits - normalizers for logits, normalizers in members], axis=0)
    return means, np.full((len(means), 1), np.log(len(members)), members[0][1].dtype)


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
