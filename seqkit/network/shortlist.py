"""A lexical shortlist: which target tokens a source token brings into a translation, and which any may have.

A translation that may use its sentence's candidates alone needs a small part of the output layer (L'Hostis et
al. 2016, arXiv:1610.00072). `training.shortlist` learns it from attention, as Sankaran et al. 2017 do
(arXiv:1706.03824).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import safetensors
from safetensors.numpy import load as deserialize
from safetensors.numpy import save as serialize

from seqkit.errors import ModelError
from seqkit.network.arrays import check_header, header_of, unreadable


@dataclass(frozen=True)
class Shortlist:
    """Target tokens, int32: `partners` (V, N) of every source token, and the `frequent` (M,) of all.

    A source token with fewer partners has a frequent token in their place.
    """

    partners: np.ndarray
    frequent: np.ndarray

    @property
    def size(self) -> int:
        """N: the partners of a source token."""
        return int(self.partners.shape[1])

    def candidates(self, source: np.ndarray, required: np.ndarray) -> np.ndarray:
        """A sentence's candidates (C,): rising ids; `required` tokens are among them."""
        ids = np.concatenate([self.frequent, self.partners[source].ravel(), required])
        wanted = np.zeros(int(ids.max()) + 1, bool)
        wanted[ids] = True
        return np.flatnonzero(wanted)  # a fifth of the time of `np.unique`

    def to_bytes(self) -> bytes:
        """The file; the same shortlist gives the same bytes."""
        content: bytes = serialize({"frequent": self.frequent, "partners": self.partners})
        return content

    @classmethod
    def from_bytes(cls, content: bytes, source_size: int, target_size: int, where: str) -> Shortlist:
        """Parse the file of a model with vocabularies of the given sizes.

        Raises `ModelError` when the arrays are not what their header says, or an id is no target token's.
        """
        header = header_of(content, where)
        shapes = [_shape(header.get(name)) for name in ("partners", "frequent")]
        size, count = (shape[-1] if shape else 0 for shape in shapes)
        # Sizes are a file's own choice, within bounds that keep what is allocated small.
        if not (1 <= size <= target_size and 1 <= count <= target_size):
            raise ModelError(
                f"a shortlist of {size:,} tokens per source token and {count:,} frequent ones "
                f"does not fit a vocabulary of {target_size:,}",
                where=where,
            )
        expected = {"partners": ("I32", (source_size, size)), "frequent": ("I32", (count,))}
        check_header(header, expected, where)
        try:
            arrays: dict[str, np.ndarray] = deserialize(content)
        except (safetensors.SafetensorError, ValueError) as error:
            raise unreadable(error, where) from error
        for name, ids in sorted(arrays.items()):
            if ids.min() < 0 or ids.max() >= target_size:
                raise ModelError(
                    f"the shortlist's {name!r} has an id outside the vocabulary of {target_size:,}",
                    where=where,
                )
        return cls(arrays["partners"], arrays["frequent"])


def _shape(entry: dict[str, object] | None) -> list[int]:
    """An array's shape as its header has it, or nothing where that makes no sense."""
    shape = (entry or {}).get("shape")
    whole = isinstance(shape, list) and all(type(size) is int for size in shape)
    return shape if whole else []  # type: ignore[return-value]
