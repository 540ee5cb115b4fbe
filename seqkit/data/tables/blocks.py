"""Rows in blocks that fit into memory, however large a row is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_ROWS = 4096
_WEIGHT = 1 << 22

Item = TypeVar("Item")


def blocks(items: Iterable[Item], weight: Callable[[Item], int], rows: int = _ROWS) -> Iterator[list[Item]]:
    """Lists of at most `rows` items, which end as soon as their summed weight is large."""
    block: list[Item] = []
    weighed = 0
    for item in items:
        block.append(item)
        weighed += weight(item)
        if len(block) == rows or weighed >= _WEIGHT:
            yield block
            block, weighed = [], 0
    if block:
        yield block
