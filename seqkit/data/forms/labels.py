"""Classes: a label is stored as its number in the sorted list of the training rows' labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqkit import limits
from seqkit.data.ragged import RaggedArray, id_type
from seqkit.errors import DataError, ModelError, suggest
from seqkit.files import parse_json, sha256, to_json
from seqkit.kinds import Form

LABELS_NAME = "labels.json"

_FORMAT, _VERSION = "seqkit labels", 1
_NAMED = 12  # classes in a message


class Labels:
    """The classes of a column. An id is the place of a label in `names`."""

    form: ClassVar[Form] = "class"
    file_name: ClassVar[str] = LABELS_NAME
    shape: ClassVar[tuple[int, ...]] = ()

    def __init__(self, names: Sequence[str]) -> None:
        """Labels without repetition."""
        self.names = tuple(names)
        self._id_of = {name: number for number, name in enumerate(self.names)}

    @classmethod
    def fitted(cls, labels: Iterable[str]) -> Labels:
        """The classes that occur, sorted. Raises DataError for more than `limits.CLASSES`."""
        names = set(labels)
        if len(names) > limits.CLASSES:
            raise DataError(
                f"a column of classes has {len(names):,} different labels, more than {limits.CLASSES:,}",
                hint="give it another form, as text",
            )
        return cls(sorted(names))

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> Labels:
        """Read back `to_bytes`. Raises ModelError, which names the file, for anything else."""
        value = parse_json(content, name, ModelError)
        names = value.get("labels") if isinstance(value, dict) else None
        if not isinstance(names, list) or value != {
            "format": _FORMAT,
            "version": _VERSION,
            "labels": names,
        }:
            raise ModelError(f"{name} is not a list of labels", where=name)
        known = [label for label in names if isinstance(label, str)]
        if len(set(known)) != len(names) or not 0 < len(names) <= limits.CLASSES:
            raise ModelError(f"{name} is damaged: its labels are not different texts", where=name)
        return cls(known)

    @property
    def size(self) -> int:
        """How many classes there are."""
        return len(self.names)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of ids on disk."""
        return id_type(self.size)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""
        return sha256(self.to_bytes())

    @property
    def summary(self) -> str:
        """As "9 classes"."""
        return f"{self.size:,} classes"

    @property
    def _some_names(self) -> str:
        """The first of the classes, for messages."""
        return ", ".join(self.names[:_NAMED]) + (" …" if self.size > _NAMED else "")

    def encode(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """The ids of labels, (N,). Raises DataError for a label that the training rows do not have."""
        unknown = next((label for label in labels if label not in self._id_of), None)
        if unknown is not None:
            raise DataError(
                f"there is no class {unknown!r} among the {self.size:,} of the training rows",
                hint=suggest(unknown, self.names) or f"the classes are {self._some_names}",
            )
        return np.array([self._id_of[label] for label in labels], np.int64)

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return to_json({"format": _FORMAT, "version": _VERSION, "labels": list(self.names)})

    def check(self, array: RaggedArray) -> str | None:
        """See `Field`."""
        reason = array.check(self.size)
        return reason and reason.replace("vocabulary", "classes")

    def self_test(self) -> Any:
        """The ids of the first and the last label."""
        return self.encode([self.names[0], self.names[-1]]).tolist()
