"""The encoder of a translation model in whole numbers: sentences in, rounded outputs of every layer out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.cells import GROUPS, RecurrentWeights, cell_step
from seqkit.engines.fixed.grid import Grid
from seqkit.engines.fixed.tables import EmbeddedTable
from seqkit.network.parts import EncoderPart


@dataclass(frozen=True)
class Encoded:
    """What was made of B sentences of at most S tokens; L layers, H numbers per position in both directions.

    `outputs` (B, S, L * H) are on the grid, and the layers' sum is what the decoder sees; `final` (B, H) are
    the last layer's last ones. `mask` (B, S) is True where there is a token.
    """

    outputs: np.ndarray
    final: np.ndarray
    mask: np.ndarray


class FixedPointEncoder:
    """Stacked bidirectional layers; what a layer reads is the sum of the outputs below it."""

    def __init__(
        self, part: EncoderPart, embedding: np.ndarray, parameters: Mapping[str, np.ndarray], grid: Grid
    ) -> None:
        """An encoder of tokens with an `embedding` (V, E)."""
        self._cell = part.cell
        self._grid = grid
        self._size = part.hidden // 2
        self._layers = [
            [
                _Direction(
                    RecurrentWeights.of(layer, parameters),
                    embedding if number == 0 else number,
                    GROUPS[part.cell],
                    grid,
                )
                for layer in both
            ]
            for number, both in enumerate(zip(part.forwards, part.backwards, strict=True))
        ]

    def complete_tables(self) -> None:
        """Compute what would be computed when it is first needed."""
        for direction in self._layers[0]:
            direction.table.complete()

    def encode(self, sources: Sequence[np.ndarray]) -> Encoded:
        """Sentences as arrays of ids, none of them empty."""
        lengths = np.array([len(source) for source in sources])
        count, longest = len(sources), int(lengths.max())
        tokens = np.zeros((count, longest), np.int64)
        for row, source in enumerate(sources):
            tokens[row, : len(source)] = source
        positions = np.arange(longest)
        mask = positions < lengths[:, None]  # (B, S)
        backward = np.where(mask, lengths[:, None] - 1 - positions, positions)  # (B, S), its own inverse
        rows = np.arange(count)
        width = 2 * self._size
        outputs = np.empty((count, longest, len(self._layers) * width), self._grid.value_type)
        for number, (onward, back) in enumerate(self._layers):
            if number == 0:
                read = tokens[rows[:, None], backward]
                inputs = [onward.table.take(tokens.T), back.table.take(read.T)]
            else:
                below = outputs[:, :, : number * width]
                inputs = [onward.projected(below), back.projected(below[rows[:, None], backward])]
            made = self._run((onward, back), inputs)  # (2, S, B, H/2)
            place = outputs[:, :, number * width : (number + 1) * width]
            place[:, :, : self._size] = made[0].transpose(1, 0, 2)
            place[:, :, self._size :] = made[1].transpose(1, 0, 2)[rows[:, None], backward]
        last = outputs[:, :, -width:]
        final = np.concatenate([last[rows, lengths - 1, : self._size], last[:, 0, self._size :]], axis=1)
        return Encoded(outputs, final, mask)

    def _run(self, directions: Sequence[_Direction], inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Both directions side by side over their inputs (G / H, S, B, H/2) -> outputs (2, S, B, H/2)."""
        groups, longest, count, size = inputs[0].shape
        gates = np.empty((groups, 2, count, size), np.float32)
        hidden = np.full((2, count, size), self._grid.offset, self._grid.value_type)
        memory = np.zeros((2 * count, size), np.float32)
        made = np.empty((2, longest, count, size), self._grid.value_type)
        both = hidden.reshape(2 * count, size)
        step = cell_step(
            self._cell, gates.reshape(groups, 2 * count, size), np.empty_like(memory), self._grid
        )
        sides = [
            (one.recurrent.bind(hidden[side], gates[:, side]), gates[:, side], inputs[side])
            for side, one in enumerate(directions)
        ]
        for position in range(longest):
            for recur, values, added in sides:
                recur()
                np.add(values, added[:, position], out=values)
            step(memory, both)
            made[:, position] = hidden
        return made


class _Direction:
    """A layer that reads one way: what it makes of its input, by a table or a product, and of its output."""

    def __init__(self, weights: RecurrentWeights, reads: np.ndarray | int, groups: int, grid: Grid) -> None:
        """What it `reads` is an embedding (V, E), or the sum of so many layers."""
        self.recurrent = Affine(weights.recurrent, None, grid, groups)
        if isinstance(reads, int):
            self._inward = Affine(np.tile(weights.inward, reads), weights.bias, grid, groups)
        else:
            self.table = EmbeddedTable(reads, weights.inward, weights.bias, groups)

    def projected(self, below: np.ndarray) -> np.ndarray:
        """The input's part of the gates, of outputs of the layers below. (B, S, I) -> (G / H, S, B, H)"""
        count, longest, width = below.shape
        rows = np.ascontiguousarray(below.transpose(1, 0, 2)).reshape(-1, width)
        gates = self._inward.apply(rows)
        return gates.reshape(len(gates), longest, count, -1)
