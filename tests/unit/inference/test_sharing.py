"""Work divided among processes: whether it is worth it, and what comes back in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from seqkit.inference import sharing
from seqkit.inference.fresh_workers import FreshWorkers
from seqkit.inference.sharing import Sharing, Worth, in_order

WORTH = Worth(copies=10, fresh=100)
ITEMS = [(1, "a", False), (1, "b", True), (2, "c", True), (3, "d", False), (3, "e", True)]


def shared() -> Sharing[int]:
    return Sharing(FreshWorkers("nobody", lambda: []), lambda task: bytes([task]))


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_items_come_in_order_whoever_is_first(order: tuple[int, ...]) -> None:
    mixed = [item for number in order for item in ITEMS if item[0] == number]
    assert "".join(in_order(mixed)) == "abcde"


def test_an_item_comes_as_soon_as_it_is_due() -> None:
    asked: list[str] = []

    def watched() -> Iterator[tuple[int, str, bool]]:
        for item in (ITEMS[0], ITEMS[2], ITEMS[1], ITEMS[3], ITEMS[4]):
            asked.append(item[1])
            yield item

    items = in_order(watched())
    assert [next(items) for _ in range(3)] == ["a", "b", "c"]
    assert asked == ["a", "c", "b"]


def test_little_work_is_done_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "can_fork", lambda: True)
    assert [shared().count(4, size, WORTH) for size in (9, 10, 100)] == [1, 4, 4]
    monkeypatch.setattr(sharing, "can_fork", lambda: False)
    monkeypatch.setattr(sharing, "can_start", lambda: True)
    assert [shared().count(4, size, WORTH) for size in (9, 99, 100)] == [1, 1, 4]
    monkeypatch.setattr(sharing, "can_start", lambda: False)
    assert shared().count(4, 1000, WORTH) == 1


class Tables:
    """An engine whose tables count how often they are completed."""

    completed = 0

    def complete_tables(self) -> None:
        self.completed += 1


def test_every_task_is_done_once_and_tables_before_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "can_fork", lambda: True)
    engine = Tables()

    def done(task: int) -> list[bytes]:
        assert engine.completed == 1  # in a copy of this process an error would end it
        return [bytes([task]), bytes([task + 100])]

    records = list(shared().records(range(7), 3, done, engine))
    assert sorted(records) == sorted(bytes([n]) for task in range(7) for n in (task, task + 100))
    assert engine.completed == 1
