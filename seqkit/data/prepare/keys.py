"""Files of 64-bit keys, one a line of text: what repeats, and which are the smallest, in bounded memory.

A key of 0 stands for a line that takes no part. Among 5 million lines two different ones have the same key
with a probability of less than one in a million.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

KEY_TYPE = np.dtype("<u8")
_CHUNK = 1 << 17  # keys read together
_PARTITION = 1 << 17  # keys compared together, about
_PARTITIONS_LIMIT = 256  # every partition reads the whole file, so beyond this they grow instead


def keys_of(texts: Iterable[str]) -> Keys:
    """The 64-bit key of every text, never 0. (N,)"""
    hashed = hashlib.blake2b
    digests = b"".join([hashed(text.encode(), digest_size=8).digest() for text in texts])
    return np.maximum(np.frombuffer(digests, KEY_TYPE), np.uint64(1))


def chunks(path: Path) -> Iterator[tuple[int, Keys]]:
    """The keys in a file in slices, each with the index of its first."""
    start = 0
    with open(path, "rb") as stream:
        while len(chunk := np.fromfile(stream, KEY_TYPE, _CHUNK)):
            yield start, chunk
            start += len(chunk)


def repeats(path: Path) -> Iterator[NDArray[np.int64]]:
    """The indices of keys that occurred before in the file, in slices, in no order."""
    count = path.stat().st_size // KEY_TYPE.itemsize
    partitions = np.uint64(min(-(-count // _PARTITION), _PARTITIONS_LIMIT))
    for partition in range(int(partitions)):
        indices, keys = [], []
        for start, chunk in chunks(path):
            chosen = np.flatnonzero((chunk % partitions == np.uint64(partition)) & (chunk != 0))
            indices.append(chosen + start)
            keys.append(chunk[chosen])
        index = np.concatenate(indices)
        _, first = np.unique(np.concatenate(keys), return_index=True)
        yield np.delete(index, first)


def smallest(path: Path, count: int) -> Keys:
    """The `count` smallest different keys in a file, in order; fewer when there are no more."""
    found = np.empty(0, KEY_TYPE)
    for _, chunk in chunks(path):
        found = np.unique(np.concatenate((found, chunk[chunk != 0])))[:count]
    return found
