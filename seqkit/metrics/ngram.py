"""An n-gram model over ids: what a network must beat to be worth its training.

Witten–Bell smoothing (Witten and Bell 1991, method C), interpolated (Chen and Goodman 1998): after the
context h, of which c(h) continuations of T(h) kinds were seen,

    p(w | h) = (c(hw) + T(h) p(w | h')) / (c(h) + T(h)),

where h' is h without its first id, and the empty context's h' is a base distribution over all ids.

The n-grams of all orders are a tree in arrays: an n-gram is the index of its first n - 1 ids among the
n-grams one shorter, and its last id, packed into one integer. So no order and no vocabulary is too large for
the packing, and counting is sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IdArray = NDArray[Any]  # (n,) of any integer type
Keys = NDArray[np.int64]
Floats = NDArray[np.float64]

TOKEN_LIMIT = 8_000_000  # of a training text: counting takes 60 bytes each, and 110 of the adaptive model
_BLOCK = 1 << 20  # positions scored together


@dataclass(frozen=True)
class _Level:
    """The distinct n-grams of one length, sorted by key; each array is (D,).

    `counts` says how often each was seen, `totals` how often it was seen with an id after it, c(h), and
    `kinds` with how many different ones, T(h).
    """

    keys: Keys
    counts: Keys
    totals: Keys
    kinds: Keys

    def find(self, keys: Keys) -> Keys:
        """The index of every key, -1 for those not seen."""
        places = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


class NgramModel:
    """A Witten–Bell model of a fixed order, trained once."""

    def __init__(self, ids: IdArray, order: int, base: Floats) -> None:
        """Count all n-grams of `ids` (n,) up to `order`; `base` (V,) is the distribution of order 0."""
        if order < 1 or not len(ids):
            raise ValueError("an n-gram model needs an order of at least 1 and a text")
        self.order = order
        self.base = base
        self.tokens = len(ids)
        self._levels = list(_levels(ids, order, len(base)))

    def nats(self, ids: IdArray, context: IdArray) -> Floats:
        """The surprise of every one of `ids` (n,) after those before it; `context` stands before the first.

        (n,), in nats; infinite where the base distribution excludes an id that was never seen.
        """
        whole = np.concatenate([context, ids]).astype(np.int64)
        blocks = []
        for start in range(len(context), len(whole), _BLOCK):
            reach = max(start - self.order + 1, 0)
            part = self._probabilities(whole[reach : start + _BLOCK])[start - reach :]
            with np.errstate(divide="ignore"):
                blocks.append(-np.log(part))
        return np.concatenate(blocks) if blocks else np.zeros(0)

    def _probabilities(self, ids: Keys) -> Floats:
        """p(id | up to order - 1 ids before it) at every position. (n,)"""
        size = len(self.base)
        probabilities = self.base[ids]
        contexts = np.zeros(len(ids), np.int64)  # by first position: index of the context, -1 if never seen
        for length, (above, level) in enumerate(zip(self._levels, self._levels[1:], strict=False), 1):
            contexts = contexts[: max(len(ids) - length + 1, 0)]
            last = ids[length - 1 :]
            found = np.where(contexts >= 0, level.find(contexts * size + last), -1)
            counts = np.where(found >= 0, level.counts[found], 0)
            totals = np.where(contexts >= 0, above.totals[contexts], 0)
            kinds = np.where(contexts >= 0, above.kinds[contexts], 0)
            lower = probabilities[length - 1 :]
            probabilities[length - 1 :] = _interpolate(counts, totals, kinds, lower)
            contexts = found
        return probabilities


def adaptive_nats(training: IdArray, ids: IdArray, order: int, base: Floats) -> Floats:
    """The surprise of every one of `ids` (n,) for a model that goes on counting: each id after it is scored.

    It begins with the counts of `training`. What a network under dynamic evaluation is to be compared with.
    """
    whole = np.concatenate([training, ids]).astype(np.int64)
    size, first = len(base), len(training)
    probabilities = base[whole]
    contexts = np.zeros(len(whole), np.int64)
    for length in range(1, min(order, len(whole)) + 1):
        contexts = contexts[: len(whole) - length + 1]
        ngrams = np.unique(contexts * size + whole[length - 1 :], return_inverse=True)[1]
        counts = _earlier(ngrams, np.ones(len(ngrams), np.int64))
        totals = _earlier(contexts, np.ones(len(ngrams), np.int64))
        kinds = _earlier(contexts, (counts == 0).astype(np.int64))
        lower = probabilities[length - 1 :]
        probabilities[length - 1 :] = _interpolate(counts, totals, kinds, lower)
        contexts = ngrams
    with np.errstate(divide="ignore"):
        return -np.log(probabilities[first:])


def _levels(ids: IdArray, order: int, size: int) -> Iterator[_Level]:
    """The levels 0 (the empty context) to `order`; the last one's totals and kinds are not needed."""
    keys, counts = np.zeros(1, np.int64), np.array([len(ids)])
    contexts = np.zeros(len(ids), np.int64)  # by first position
    for length in range(1, min(order, len(ids)) + 1):
        contexts = contexts[: len(ids) - length + 1]
        packed = contexts * size + ids[length - 1 :]
        longer, ngrams, longer_counts = np.unique(packed, return_inverse=True, return_counts=True)
        above = longer // size
        totals = np.bincount(above, weights=longer_counts, minlength=len(keys)).astype(np.int64)
        yield _Level(keys, counts, totals, np.bincount(above, minlength=len(keys)))
        keys, counts, contexts = longer, longer_counts, ngrams
    yield _Level(keys, counts, np.zeros(0, np.int64), np.zeros(0, np.int64))


def _interpolate(counts: Keys, totals: Keys, kinds: Keys, lower: Floats) -> Floats:
    """The formula above; after a context that was never seen, what the shorter one says."""
    return np.where(totals > 0, (counts + kinds * lower) / np.maximum(totals + kinds, 1), lower)


def _earlier(groups: Keys, amounts: Keys) -> Keys:
    """At every position the sum of `amounts` at the earlier positions of the same group (below n). (n,)"""
    count = len(groups)
    order: Keys = np.sort(groups * count + np.arange(count)) % count  # several times faster than argsort
    sums = np.cumsum(amounts[order]) - amounts[order]
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))  # of the groups, in their order
    lengths = np.diff(starts, append=count)
    result: Keys = np.empty_like(sums)
    result[order] = sums - np.repeat(sums[starts], lengths)
    return result
