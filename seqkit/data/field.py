"""What a column of a corpus is, once it is fitted to the training rows: its field."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from seqkit.data.ragged import RaggedArray
from seqkit.kinds import Form


class Field(Protocol):
    """A side of a corpus: its values on disk, and what a new input needs to become such values.

    The field of text is its `Tokenizer`. A corpus has a ragged array per split and field, of `dtype` and with
    `shape` per value: () for ids, (F,) for frames. A field is written to one file, in the corpus and in each
    model that is trained on it; `file_name` is the end of that file's name.
    """

    @property
    def form(self) -> Form: ...

    @property
    def file_name(self) -> str: ...

    @property
    def size(self) -> int:
        """How many ids there are, or how many numbers one value has."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""
        ...

    @property
    def summary(self) -> str:
        """What people read of it: "4,000 tokens of kind bpe", "9 classes"."""
        ...

    def to_bytes(self) -> bytes:
        """The content of the file."""
        ...

    def check(self, array: RaggedArray) -> str | None:
        """What is wrong with stored values, as "an id beyond the vocabulary", or None. Reads all of them."""
        ...

    def self_test(self) -> Any:
        """What the field makes of a few fixed inputs, as JSON: a library that reads differently shows."""
        ...
