"""What a report tells: plain values, wherever they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.inference.translation import Translation
from seqkit.kinds import Kind
from seqkit.training.record import Row


@dataclass(frozen=True)
class Setting:
    """A setting of the run, as TOML writes its value, and where that came from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class TextSide:
    """The training text of one side: the lengths of its sequences and how often each token occurs."""

    name: str  # source, target or text
    lengths: NDArray[np.int64]  # (N,) tokens
    counts: NDArray[np.int64]  # (V,)
    frequent: Sequence[tuple[str, int]]  # the most frequent tokens and how often they occur


@dataclass(frozen=True)
class Statistics:
    """The training text in numbers."""

    facts: Sequence[tuple[str, str]]
    sides: Sequence[TextSide]


@dataclass(frozen=True)
class ColouredText:
    """A text and what one cell of a generator did while it read it."""

    title: str
    pieces: Sequence[str]
    activations: NDArray[np.float32]  # (T,), -1 to 1


@dataclass(frozen=True)
class Contents:
    """Everything on the page; what is not known is empty."""

    title: str
    kind: Kind
    rows: Sequence[Row]
    facts: Sequence[tuple[str, str]] = ()
    settings: Sequence[Setting] = ()
    statistics: Statistics | None = None
    translations: Sequence[Translation] = ()  # with attention
    cells: Sequence[ColouredText] = ()

    @property
    def best(self) -> Row | None:
        """The row whose weights the model has: the last that was better than all before it."""
        return next((row for row in reversed(self.rows) if row.best), None)

    def part_names(self) -> Mapping[str, None]:
        """The parts of the network whose gradients were measured, in the order of the network."""
        return dict.fromkeys(name for row in self.rows for name in row.parts)
