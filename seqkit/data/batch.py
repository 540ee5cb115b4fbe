"""Padded tensors, and the training batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor


@dataclass(frozen=True)
class Padded:
    """Sequences of different lengths in one tensor, right-padded.

    `values` is (B, T) for ids and (B, T, F) for frames; `lengths` is (B,), int64.
    """

    values: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """True where a position holds data. (B, T)"""
        positions = torch.arange(self.values.shape[1], device=self.values.device)  # (T,)
        return positions < self.lengths[:, None]  # (B, T)

    def select(self, rows: Tensor) -> Padded:
        """Some of the sequences; `rows` (B',) are their numbers."""
        return Padded(self.values[rows], self.lengths[rows])

    def to(self, device: torch.device) -> Padded:
        """The same sequences on another device."""
        return Padded(self.values.to(device, non_blocking=True), self.lengths.to(device, non_blocking=True))


@dataclass(frozen=True)
class Batch:
    """One training batch with the decoder's inputs and targets spelled out.

    For the target sentence `7 8 9`, with 2 for <s> and 3 for </s>:

        inputs   2 7 8 9
        targets  7 8 9 3

    A generator has no `source`, a model without a decoder no `inputs`. The loss is a sum over `weight`
    predictions, one per token of the targets: counted when the batch is made, while they are on the host. The
    state after a batch that `carries` is the state before the next one that `continues`.
    """

    inputs: Padded | None
    targets: Padded
    source: Padded | None = None
    continues: bool = False
    carries: bool = False
    weight: int = -1

    def __post_init__(self) -> None:
        if self.weight < 0:
            object.__setattr__(self, "weight", int(self.targets.lengths.sum()))

    @property
    def rows(self) -> int:
        """How many examples there are."""
        return len(self.targets.lengths)

    def split(self, parts: int) -> Iterator[tuple[Tensor, Batch]]:
        """The batch in at most so many parts, each with the numbers of its rows; itself when it is one."""
        for rows in torch.arange(self.rows).chunk(parts):
            yield rows, self if parts == 1 else self._map(partial(Padded.select, rows=rows), weight=-1)

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return self._map(partial(Padded.to, device=device), weight=self.weight)

    def _map(self, change: Callable[[Padded], Padded], weight: int) -> Batch:
        """The same of all sequences."""
        inputs, source = (None if part is None else change(part) for part in (self.inputs, self.source))
        return Batch(inputs, change(self.targets), source, self.continues, self.carries, weight)
