"""Which cells of a generator follow what: quotes, brackets, indentation, the line's length.

With hundreds of cells one follows anything by chance. So a cell is picked on the first half of a text and
judged on the second, and beside it stands what the current character tells without any memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqkit.errors import DataError
from seqkit.inspection.cells import Array, CellActivations
from seqkit.inspection.text_features import Feature, text_features

FEWEST_POSITIONS = 400  # in which cells are looked for
_FEWEST_CHANGES = 10  # positions of each half that differ from a feature's usual value
_CLEAR, _MARGIN = 0.4, 0.1  # of correlations: of any interest; better than another


@dataclass(frozen=True)
class Relation:
    """How one cell follows one feature of a text: correlations on the half it was found in, and on the other.

    `character_alone` is what the current character tells of the feature without any memory: the correlation,
    on the second half, of the feature's mean for that character on the first.
    """

    feature: str
    description: str
    layer: int
    cell: int
    first_half: float
    second_half: float
    character_alone: float

    @property
    def remembers(self) -> bool:
        """Whether the cell says clearly more than the current character does."""
        return abs(self.second_half) >= max(_CLEAR, abs(self.character_alone) + _MARGIN)


@dataclass(frozen=True)
class View:
    """A cell to look at, and the feature that it follows, where the text was long enough to find out."""

    layer: int
    cell: int
    relation: Relation | None = None

    @property
    def title(self) -> str:
        """The cell's name and what is known of it."""
        if self.relation is None:
            return f"cell {self.layer}:{self.cell}"
        return (
            f"cell {self.layer}:{self.cell}, best at: {self.relation.description} "
            f"(correlation {self.relation.second_half:+.2f})"
        )


@dataclass(frozen=True)
class Relations:
    """Correlations of all cells with all features that vary: an array (F, H) a layer, for either half.

    `left_out` are the descriptions of the features that (nearly) do not vary in the text.
    """

    features: tuple[Feature, ...]
    left_out: tuple[str, ...]
    first: tuple[Array, ...]
    second: tuple[Array, ...]
    character_alone: Array

    def strongest(self) -> list[Relation]:
        """For each feature the cell that follows it best on the first half; best on the second half first."""
        found = []
        for row in range(len(self.features)):
            layer = max(
                range(len(self.first)), key=lambda number: float(np.abs(self.first[number][row]).max())
            )
            found.append(self._relation(row, layer, int(np.abs(self.first[layer][row]).argmax())))
        return sorted(found, key=lambda relation: -abs(relation.second_half))

    def telling(self, count: int) -> list[Relation]:
        """At most `count` cells that remember something, those first that say most beyond the character."""
        found = [relation for relation in self.strongest() if relation.remembers]
        found.sort(key=lambda relation: abs(relation.character_alone) - abs(relation.second_half))
        cells = {(relation.layer, relation.cell): relation for relation in reversed(found)}
        return [relation for relation in found if cells[relation.layer, relation.cell] is relation][:count]

    def of(self, layer: int, cell: int) -> Relation | None:
        """The feature that a given cell follows best on the first half."""
        if not self.features:
            return None
        row = int(np.abs(self.first[layer - 1][:, cell - 1]).argmax())
        return self._relation(row, layer - 1, cell - 1)

    def _relation(self, row: int, layer: int, cell: int) -> Relation:
        feature = self.features[row]
        return Relation(
            feature.name,
            feature.description,
            layer + 1,
            cell + 1,
            first_half=float(self.first[layer][row, cell]),
            second_half=float(self.second[layer][row, cell]),
            character_alone=float(self.character_alone[row]),
        )


def relate_cells(activations: CellActivations) -> Relations:
    """Correlate every cell with every feature of the text it has read.

    DataError when the text is too short for that.
    """
    count = len(activations.pieces)
    if count < FEWEST_POSITIONS:
        raise DataError(
            f"the text has {count:,} characters, too few to find out what cells track",
            hint=f"give at least {FEWEST_POSITIONS:,}, or name a cell: 1:42 is layer 1, cell 42",
        )
    ends = np.cumsum([len(piece) for piece in activations.pieces]) - 1  # a position's last character
    halves = slice(0, count // 2), slice(count // 2, count)
    kept, left_out = [], []
    for feature in text_features("".join(activations.pieces)):
        read = Feature(feature.name, feature.description, feature.values[ends])
        varies = all(_changes(read.values[half]) >= _FEWEST_CHANGES for half in halves)
        kept.append(read) if varies else left_out.append(read.description)
    values = (
        np.stack([feature.values for feature in kept], axis=1) if kept else np.zeros((count, 0), np.float32)
    )
    first, second = (
        tuple(_correlations(values[half], layer[half]) for layer in activations.layers) for half in halves
    )
    alone = _character_alone(activations.pieces, values, count // 2)
    return Relations(tuple(kept), tuple(left_out), first, second, alone)


def _changes(values: Array) -> int:
    """How many values differ from the most frequent one."""
    return len(values) - int(np.unique(values, return_counts=True)[1].max())


def _correlations(features: Array, cells: Array) -> Array:
    """Pearson's correlations (F, H) of (T, F) with (T, H); 0 where one of the two is constant."""
    return _standard(features).T @ _standard(cells)


def _standard(values: Array) -> Array:
    """Columns of mean 0 and length 1, or 0."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(length > 1e-6, length, np.inf)  # type: ignore[no-any-return]


def _character_alone(pieces: Sequence[str], values: Array, middle: int) -> Array:
    """Correlations (F,) on the second half of each feature with its mean for the same piece on the first."""
    _, kinds = np.unique(np.array(pieces), return_inverse=True)
    counts = np.bincount(kinds[:middle], minlength=kinds.max() + 1)
    found = []
    for column in values.T:
        sums = np.bincount(kinds[:middle], column[:middle], minlength=len(counts))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), column[:middle].mean())
        guess = means[kinds[middle:]].astype(np.float32)
        found.append(_correlations(column[middle:, None], guess[:, None])[0, 0])
    return np.array(found, np.float32)
