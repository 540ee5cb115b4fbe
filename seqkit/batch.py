"""The currency between the data layer and the models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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

    A generator has no `source`; `continues` says that its slices go on where the last batch ended.
    """

    inputs: Padded
    targets: Padded
    source: Padded | None = None
    continues: bool = False

    def split(self, parts: int) -> Iterator[tuple[Tensor, Batch]]:
        """The batch in at most so many parts, each with the numbers of its rows; itself when it is one."""
        for rows in torch.arange(len(self.inputs.lengths)).chunk(parts):
            if parts == 1:
                yield rows, self
                continue
            source = None if self.source is None else self.source.select(rows)
            yield rows, Batch(self.inputs.select(rows), self.targets.select(rows), source, self.continues)

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        source = None if self.source is None else self.source.to(device)
        return Batch(self.inputs.to(device), self.targets.to(device), source, self.continues)
