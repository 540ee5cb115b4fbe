"""Frames: vectors of numbers, a sequence of them per row, standardised by the training rows."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqkit import limits
from seqkit.data.ragged import RaggedArray
from seqkit.errors import ModelError
from seqkit.files import parse_json, sha256, to_json
from seqkit.kinds import Form

FRAMES_NAME = "frames.json"

FORMS: tuple[Form, ...] = ("number", "array")  # that are frames

_FORMAT, _VERSION = "seqkit frames", 1
_FLAT = 1e-8  # a deviation below it is that of a column that always says the same


class FrameSums:
    """Running count, mean and squared deviation of each number of a frame (Chan et al. 1983)."""

    def __init__(self, size: int) -> None:
        self.count, self.size = 0, size
        self._mean = np.zeros(size)
        self._squares = np.zeros(size)

    def add(self, frames: NDArray[Any]) -> None:
        """Take in frames (T, F)."""
        if not len(frames):
            return
        mean = frames.mean(axis=0, dtype=np.float64)
        squares = np.square(frames - mean).sum(axis=0, dtype=np.float64)
        total, difference = self.count + len(frames), mean - self._mean
        self._squares += squares + np.square(difference) * self.count * len(frames) / total
        self._mean += difference * len(frames) / total
        self.count = total

    def frames(self, form: Form = "array") -> Frames:
        """The field of what was taken in."""
        deviation = np.sqrt(self._squares / max(self.count, 1))
        return Frames(self._mean, np.where(deviation < _FLAT, 1.0, deviation), form)


class Frames:
    """Frames of `size` numbers. On disk they are as they were given; a network reads them standardised."""

    file_name: ClassVar[str] = FRAMES_NAME
    dtype: ClassVar[np.dtype[Any]] = np.dtype("<f4")

    def __init__(self, mean: NDArray[Any], deviation: NDArray[Any], form: Form = "array") -> None:
        """Of each number of a frame: mean and standard deviation, (F,) each; `form` is of the column."""
        self.form = form
        self.mean, self.deviation = mean.astype(np.float32), deviation.astype(np.float32)

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> Frames:
        """Read back `to_bytes`. Raises ModelError, which names the file, for anything else."""
        value = parse_json(content, name, ModelError)
        keys = {"format", "version", "form", "mean", "deviation"}
        if not isinstance(value, dict) or value.keys() != keys:
            raise ModelError(f"{name} does not describe frames", where=name)
        if (value["format"], value["version"]) != (_FORMAT, _VERSION):
            raise ModelError(f"{name} does not describe frames that this version reads", where=name)
        mean, deviation = value["mean"], value["deviation"]
        if not (_are_numbers(mean) and _are_numbers(deviation) and len(mean) == len(deviation)):
            raise ModelError(f"{name} is damaged: it has no mean and deviation per number", where=name)
        if min(deviation) <= 0:
            raise ModelError(f"{name} is damaged: a deviation is not above 0", where=name)
        if value["form"] not in FORMS:
            raise ModelError(f"{name} is damaged: its form is unknown", where=name)
        return cls(np.array(mean), np.array(deviation), value["form"])

    @property
    def size(self) -> int:
        """How many numbers a frame has."""
        return len(self.mean)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one value."""
        return (self.size,)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""
        return sha256(self.to_bytes())

    @property
    def summary(self) -> str:
        """As "frames of 12 numbers"."""
        return f"frames of {self.size:,} number{'' if self.size == 1 else 's'}"

    def standardised(self, frames: NDArray[Any]) -> NDArray[np.float32]:
        """Frames (T, F) with the training rows' mean 0 and deviation 1."""
        values: NDArray[np.float32] = ((frames - self.mean) / self.deviation).astype(np.float32)
        return values

    def to_bytes(self) -> bytes:
        """The content of the file."""
        values = {"form": self.form, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
        return to_json({"format": _FORMAT, "version": _VERSION, **values})

    def check(self, array: RaggedArray) -> str | None:
        """See `Field`."""
        return array.check() or array.check_finite()

    def self_test(self) -> Any:
        """A frame of zeros, standardised."""
        return self.standardised(np.zeros((1, self.size))).tolist()


def _are_numbers(values: object) -> bool:
    return (
        isinstance(values, list)
        and 0 < len(values) <= limits.FRAME_NUMBERS
        and all(type(value) in {int, float} and math.isfinite(value) for value in values)
    )
