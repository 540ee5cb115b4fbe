"""Many sequences of different lengths as one flat array and its offsets, memory-mapped from raw files.

`STEM.values.bin` holds all values one after the other, little-endian; `STEM.offsets.bin` holds N + 1 uint64:
sequence i is values[offsets[i]:offsets[i + 1]]. Values are ids of shape () or frames of shape (F, …).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqkit.errors import DataError, output_error
from seqkit.files import sync_file

Array = NDArray[Any]

VALUES_SUFFIX = ".values.bin"
OFFSETS_SUFFIX = ".offsets.bin"
_OFFSET_TYPE = np.dtype("<u8")


def id_type(vocabulary_size: int) -> np.dtype[Any]:
    """The smallest type on disk that holds every id of a vocabulary."""
    return np.dtype("<u2") if vocabulary_size <= 1 << 16 else np.dtype("<u4")


@dataclass(frozen=True)
class WrittenFile:
    """One finished file: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class WrittenArray:
    """A finished ragged array: what a reader must know, and its two files."""

    stem: str
    dtype: str
    shape: tuple[int, ...]  # of one value: () for ids, (F,) for frames
    count: int  # sequences
    total: int  # values
    files: tuple[WrittenFile, WrittenFile]


class RaggedArray:
    """Sequences of values of shape (N, *): `array[i]` is (T_i, *), without a copy."""

    def __init__(self, values: Array, offsets: NDArray[np.uint64]) -> None:
        """`values` is (total, *), `offsets` is (N + 1,), rising from 0 to total."""
        self.values = values
        self.offsets = offsets

    @classmethod
    def open(
        cls,
        directory: Path,
        stem: str,
        *,
        dtype: DTypeLike,
        shape: tuple[int, ...] = (),
        count: int,
        total: int,
    ) -> RaggedArray:
        """Map the two files of an array; DataError when their sizes or ends do not fit."""
        values = _map(directory / (stem + VALUES_SUFFIX), np.dtype(dtype), (total, *shape))
        offsets = _map(directory / (stem + OFFSETS_SUFFIX), _OFFSET_TYPE, (count + 1,))
        if int(offsets[0]) != 0 or int(offsets[-1]) != total:
            raise _damaged(directory / (stem + OFFSETS_SUFFIX), "its offsets do not span the values")
        return cls(values, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def first(self, count: int) -> RaggedArray:
        """The first `count` sequences, or all where there are fewer, without a copy."""
        return RaggedArray(self.values, self.offsets[: count + 1])

    def __getitem__(self, index: int) -> Array:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sequence {index} of {len(self)}")
        index %= len(self)
        return self.values[int(self.offsets[index]) : int(self.offsets[index + 1])]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The length of every sequence. (N,)"""
        return np.diff(self.offsets).astype(np.int64)

    def gather(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> list[Array]:
        """The sequences at `indices`, in that order, each (T_i, *)."""
        return [self[int(index)] for index in indices]

    def check(self, limit: int | None = None) -> str | None:
        """What is wrong with offsets or ids (each below `limit`), or None. Reads everything, in slices."""
        step = 1 << 20
        for start in range(0, len(self), step):
            part = self.offsets[start : start + step + 1]
            if bool(np.any(part[1:] < part[:-1])):
                return "offsets that fall"
        if limit is not None:
            for start in range(0, len(self.values), step):
                if int(np.max(self.values[start : start + step])) >= limit:
                    return f"an id beyond the vocabulary of {limit:,}"
        return None

    def check_finite(self) -> str | None:
        """What is wrong with numbers: one that is NaN or infinite, or None. Reads everything, in slices."""
        step = 1 << 20
        for start in range(0, len(self.values), step):
            if not bool(np.isfinite(self.values[start : start + step]).all()):
                return "a number that is NaN or infinite"
        return None


class RaggedWriter:
    """Appends sequences to the two files of an array, in bounded memory.

    Use as a context manager; `finish` makes the files durable. Errors of the disk are StorageError.
    """

    def __init__(self, directory: Path, stem: str, dtype: DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self.stem = stem
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shape = shape
        self.count = 0
        self.total = 0
        self._values = HashedFile(directory / (stem + VALUES_SUFFIX))
        self._offsets = HashedFile(directory / (stem + OFFSETS_SUFFIX))
        self._offsets.write(np.zeros(1, _OFFSET_TYPE).tobytes())

    def __enter__(self) -> RaggedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._values.close()
        self._offsets.close()

    def append(self, sequences: Sequence[Array]) -> None:
        """Write a batch of sequences, each (T, *); values that the type cannot hold are an OverflowError."""
        if sequences:
            lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
            self.extend(np.concatenate(sequences), np.cumsum(lengths))

    def extend(self, flat: Array, ends: NDArray[np.integer[Any]]) -> None:
        """Write values (T, *) of sequences of any length; one ends before each index in `ends`, rising.

        What is behind the last index belongs to a sequence that the next call continues.
        """
        if flat.shape[1:] != self.shape:
            raise ValueError(f"{self.stem}: values of shape {flat.shape[1:]}, expected {self.shape}")
        stored = flat.astype(self.dtype)
        if self.dtype.kind in "ui" and not np.array_equal(stored, flat):
            raise OverflowError(f"{self.stem}: a value does not fit {self.dtype}")
        self._values.write(stored.tobytes())
        self._offsets.write((self.total + ends).astype(_OFFSET_TYPE).tobytes())
        self.count += len(ends)
        self.total += len(flat)

    def finish(self) -> WrittenArray:
        """Flush to the disk and describe what was written."""
        files = (self._values.finish(), self._offsets.finish())
        return WrittenArray(self.stem, self.dtype.str, self.shape, self.count, self.total, files)


class HashedFile:
    """A new file whose SHA-256 is computed while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        try:
            self._stream: BinaryIO = open(path, "xb")  # noqa: SIM115 - closed by finish or close
        except OSError as error:
            raise output_error(path, error) from error

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, content: bytes) -> None:
        """Append bytes."""
        try:
            self._stream.write(content)
        except OSError as error:
            raise output_error(self.path, error) from error
        self._hash.update(content)
        self.size += len(content)

    def finish(self) -> WrittenFile:
        """Flush to the disk, close, and describe the file."""
        try:
            sync_file(self._stream)
            self._stream.close()
        except OSError as error:
            raise output_error(self.path, error) from error
        return WrittenFile(self.path.name, self.size, self._hash.hexdigest())

    def close(self) -> None:
        """Close without a word: what is wrong with the disk was said by the write that failed."""
        try:
            self._stream.close()
        except OSError:
            return


def _map(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _damaged(path, "it is missing") from error
    if size != expected:
        raise _damaged(path, f"it has {size:,} bytes, expected {expected:,}")
    if expected == 0:
        return np.empty(shape, dtype)  # an empty file cannot be mapped
    return np.memmap(path, dtype, mode="r", shape=shape)


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path.name} is damaged: {reason}", where=str(path), hint="prepare the corpus again with --overwrite"
    )
