"""Which rows of a table are held out for validation."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import DataError
from seqkit.randomness import default_rng

DEFAULT_VALID_SHARE = 0.1


@dataclass
class Codes:
    """Texts of many rows by number: a few different ones take little memory."""

    names: dict[str, int] = field(default_factory=dict)
    _numbers: array[int] = field(default_factory=lambda: array("i"))

    def append(self, name: str) -> None:
        """The text of the next row."""
        self._numbers.append(self.names.setdefault(name, len(self.names)))

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._numbers)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """For each row, the place of its text in `names`. (N,)"""
        return np.array(self._numbers, np.int64)

    def counts(self, chosen: NDArray[np.bool_]) -> Counter[str]:
        """How often each text occurs in the chosen rows, where it does."""
        found = np.bincount(self.numbers[chosen], minlength=len(self.names))
        return Counter({name: int(found[number]) for name, number in self.names.items() if found[number]})


def hold_out(
    labels: Codes, groups: Codes | None, size: int | float | None, seed: int, split_by: str | None
) -> NDArray[np.bool_]:
    """Which rows are for validation, (N,): a number or a share of the rows, or of their groups.

    Without groups the first row of each class stays in training. Raises DataError where nothing would be left
    for one of both.
    """
    size = DEFAULT_VALID_SHARE if size is None else size
    units = len(labels) if groups is None else len(groups.names)
    wanted = size if isinstance(size, int) else max(1, round(units * size))
    if wanted >= units:
        what = "rows" if groups is None else f"values of {split_by!r}"
        raise DataError(
            f"holding out {wanted:,} of {units:,} {what} leaves nothing to train on",
            where="--valid-size",
            hint="ask for less, or give a validation table with --valid-table",
        )
    random = default_rng(seed)
    if groups is not None:
        # By name, so that the order of the rows decides nothing.
        names = np.array(sorted(groups.names))
        chosen = [groups.names[name] for name in names[random.permutation(units)[:wanted]]]
        return np.isin(groups.numbers, chosen)
    _, firsts = np.unique(labels.numbers, return_index=True)
    held_out = np.zeros(units, bool)
    order = random.permutation(units)
    held_out[order[~np.isin(order, firsts)][:wanted]] = True
    if not held_out.any():
        raise DataError(
            "no class has two rows, so that none can be held out",
            where="--valid-size",
            hint="give a validation table with --valid-table",
        )
    return held_out
