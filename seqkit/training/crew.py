"""Who computes a training step: this process alone, or several that must act alike.

Processes that train one model have to sum their gradients and agree on everything that changes what is
computed next: in two of them the first disagreement is a deadlock, or two models. The loop asks its crew at
each of these places, and computes the same however many processes answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

Said = TypeVar("Said")


@dataclass(frozen=True)
class Votes:
    """What a process has met that all of them must act upon; agreed, it is the maximum of each.

    `short_of_memory` is the number of rows of the largest batch of a step that did not fit into memory, or 0;
    `signal` is the number of a signal that asks the run to end, or 0; `save` asks for a checkpoint.
    """

    short_of_memory: int = 0
    not_finite: bool = False
    signal: int = 0
    save: bool = False


class Crew(Protocol):
    """The processes that train one model; every one of them calls the same methods in the same order."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0; the first one decides, and alone writes to the disk."""
        ...

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place and everywhere to the same bits."""
        ...

    def agree(self, votes: Votes) -> Votes:
        """What any of the processes has met."""
        ...

    def word(self, speak: Callable[[], Said]) -> Said:
        """What the first process says, plain data that can be sent; `speak` is called there alone."""
        ...


@dataclass(frozen=True)
class Alone:
    """One process: nothing to sum, nobody to ask."""

    rank: int = 0
    size: int = 1

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """See `Crew`; the tensors stay as they are."""

    def agree(self, votes: Votes) -> Votes:
        """See `Crew`; the votes are this process's."""
        return votes

    def word(self, speak: Callable[[], Said]) -> Said:
        """See `Crew`."""
        return speak()


ALONE = Alone()
