"""Many inputs divided among processes: copies of this one, or fresh ones where it cannot be copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Generic, Protocol, TypeVar

from seqkit.inference.fresh_workers import FreshWorkers, can_start
from seqkit.inference.workers import can_fork, in_processes
from seqkit.processors import single_threaded_blas

Task = TypeVar("Task")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Worth:
    """How much work is worth being shared, in the caller's unit: by `copies`, and by `fresh` processes.

    What is less is done before the processes are there.
    """

    copies: int
    fresh: int


class Tables(Protocol):
    """An engine, as far as copies of the process need it."""

    def complete_tables(self) -> None:
        """Compute what all copies would compute, each for itself."""
        ...


class Sharing(Generic[Task]):
    """The processes among which one translator or generator may divide its tasks."""

    def __init__(self, workers: FreshWorkers, told: Callable[[Task], bytes]) -> None:
        """`told` is a task as one of `workers` is told of it."""
        self._workers, self._told = workers, told

    def count(self, most: int, size: int, worth: Worth) -> int:
        """In how many processes, `most` or 1, work of a size is done."""
        if can_fork():
            return most if size >= worth.copies else 1
        worth_it = (self._workers.started or size >= worth.fresh) and can_start()
        return most if worth_it else 1

    def records(
        self,
        tasks: Sequence[Task],
        processes: int,
        done: Callable[[Task], Iterable[bytes]],
        engine: Tables,
    ) -> Iterator[bytes]:
        """Do the tasks in so many processes; their records, which `done` gives, as they come.

        Copies are dealt the tasks in turn, so that their shares end together where long ones come first.
        """
        if not can_fork():
            return self._workers.records([self._told(task) for task in tasks], processes)
        with single_threaded_blas():
            engine.complete_tables()
        shares = [tasks[first::processes] for first in range(processes)]
        return in_processes([partial(_share, done, share) for share in shares])

    def dismiss(self) -> None:
        """End the fresh workers: the models have changed."""
        self._workers.dismiss()


def _share(done: Callable[[Task], Iterable[bytes]], tasks: Sequence[Task]) -> Iterator[bytes]:
    """What one of the copies does."""
    return chain.from_iterable(map(done, tasks))


def in_order(items: Iterable[tuple[int, Item, bool]]) -> Iterator[Item]:
    """Items in the order of their numbers, from 1, each as soon as it is due.

    Of one number there may be several, in order; with the last one comes True.
    """
    waiting: dict[int, list[Item]] = {}
    ended: set[int] = set()
    due = 1
    for number, item, last in items:
        waiting.setdefault(number, []).append(item)
        if last:
            ended.add(number)
        while due in waiting:
            yield from waiting.pop(due)
            if due not in ended:
                break
            due += 1
