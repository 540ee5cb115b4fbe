"""Random choices that come out the same on every platform and under every version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Choices from a seed.

    Only `random()` is used: of it alone the standard library promises the same sequence for the same seed in
    every version (https://docs.python.org/3/library/random.html#notes-on-reproducibility).
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def weighted(self, weights: Sequence[tuple[T, float]]) -> T:
        """One of the items, each as often as its weight says."""
        rest = self._random() * sum(weight for _, weight in weights)
        for item, weight in weights:
            rest -= weight
            if rest < 0:
                return item
        return weights[-1][0]
