"""What recurrent cells do between two affine maps: element by element, in memory that their caller gives.

So a row's result is the same, to the bit, whatever else is in its batch.

The sigmoid is (1 + tanh(x / 2)) / 2: with the halves in the weights, all gates are one call of tanh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seqkit.config import Cell
from seqkit.engines.fixed.grid import Grid
from seqkit.network.parts import Recurrence

# G / H, as the cells below read them: a gru's candidate in two parts.
GROUPS: dict[Cell, int] = {"lstm": 4, "gru": 4, "rnn": 1}

_ZERO = 128  # of bytes; other types round around it too, for the same numbers, and take it away again
_ONE, _HALF = np.array(1, np.float32), np.array(0.5, np.float32)  # arrays: a scalar is made one in each call


@dataclass(frozen=True)
class RecurrentWeights:
    """A layer's weights for its input, (G, I), and for its own last output, (G, H), and its bias (G,).

    Gates are in the order that the cells below read, with the halves of sigmoids in them.
    """

    inward: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, layer: Recurrence, parameters: Mapping[str, np.ndarray]) -> RecurrentWeights:
        """The weights of a layer, among a model's parameters."""
        names = (layer.inward_weight, layer.recurrent_weight, layer.inward_bias, layer.recurrent_bias)
        parts = [parameters[name] for name in names]
        size = layer.hidden
        if layer.cell == "lstm":  # torch has input, forget, candidate, output
            inward, recurrent, bias = (
                np.concatenate([part[: 2 * size], part[3 * size :], part[2 * size : 3 * size]])
                for part in (parts[0], parts[1], parts[2] + parts[3])
            )
            factors = [0.5, 0.5, 0.5, 1.0]
        elif layer.cell == "gru":  # the candidate's recurrent part is multiplied before it is added: own rows
            nothing = [np.zeros_like(part[:size]) for part in parts]
            inward = np.concatenate([parts[0], nothing[0]])
            recurrent = np.concatenate([parts[1][: 2 * size], nothing[1], parts[1][2 * size :]])
            both = parts[2][: 2 * size] + parts[3][: 2 * size]
            bias = np.concatenate([both, parts[2][2 * size :], parts[3][2 * size :]])
            factors = [0.5, 0.5, 1.0, 0.5]
        else:
            inward, recurrent, bias = parts[0], parts[1], parts[2] + parts[3]
            factors = [1.0]
        rows = np.repeat(factors, size).astype(bias.dtype)  # (G,)
        return cls(inward * rows[:, None], recurrent * rows[:, None], bias * rows)


class Rounding:
    """Rounds activations, times a factor, to the grid.

    Halves go up. The sums are the same whatever type holds the whole numbers, to the bit.
    """

    def __init__(self, grid: Grid, factor: float = 1.0) -> None:
        self._levels = np.array(grid.activation_levels * factor, np.float32)
        self._zero = np.array(_ZERO, np.float32)
        self._half_up = np.array(_ZERO + 0.5, np.float32)
        self._is_bytes = grid.offset == _ZERO

    def __call__(self, values: np.ndarray, out: np.ndarray) -> None:
        """Float32 `values` are overwritten; `out` is of the grid's type."""
        np.multiply(values, self._levels, values)
        np.add(values, self._half_up, values)
        if self._is_bytes:
            out[...] = values  # cut off: all are positive
        else:
            np.floor(values, values)
            np.subtract(values, self._zero, out)


class CellStep(Protocol):
    """What a cell does between two affine maps."""

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:
        """Gates to new memory and to the output, rounded to the grid, in place. (N, H) each

        The memory is an lstm's cell or a gru's unrounded output; an rnn leaves it alone. `hidden` is of the
        grid's type. The gates are overwritten.
        """
        ...


def cell_step(cell: Cell, gates: np.ndarray, spare: np.ndarray, grid: Grid) -> CellStep:
    """The step of a cell that reads `gates`, what a layer's affine maps add up to: (G / H, N, H), or (N, G).

    The first shape is the faster one. All float32; `spare` (N, H) is memory to use.
    """
    if gates.ndim == 2:
        gates = gates.reshape(len(gates), GROUPS[cell], -1).transpose(1, 0, 2)
    return _CELLS[cell](gates, spare, grid)


# Outputs are given by position: that is a tenth of a microsecond faster than by name, and rows may be few.


class _LstmStep:
    """Gates in the order input, forget, output, candidate."""

    def __init__(self, gates: np.ndarray, spare: np.ndarray, grid: Grid) -> None:
        self._round = Rounding(grid, 0.5)  # of an output that is doubled
        self._gates, self._sigmoids, self._spare = gates, gates[:3], spare
        self._input, self._forget, self._output, self._candidate = gates

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:
        spare = self._spare
        np.tanh(self._gates, self._gates)
        np.add(self._sigmoids, _ONE, self._sigmoids)  # twice the sigmoids
        np.multiply(self._input, self._candidate, spare)
        np.multiply(self._forget, memory, memory)
        np.add(memory, spare, memory)
        np.multiply(memory, _HALF, memory)
        np.tanh(memory, spare)
        np.multiply(spare, self._output, spare)
        self._round(spare, hidden)


class _GruStep:
    """Gates in the order reset, update, candidate from the input, candidate from the output."""

    def __init__(self, gates: np.ndarray, spare: np.ndarray, grid: Grid) -> None:
        self._round = Rounding(grid)
        self._sigmoids, self._spare = gates[:2], spare
        self._reset, self._update, self._candidate, self._recurrent = gates

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:
        spare, candidate = self._spare, self._candidate
        np.tanh(self._sigmoids, self._sigmoids)
        np.add(self._sigmoids, _ONE, self._sigmoids)  # twice the sigmoids
        np.multiply(self._reset, self._recurrent, spare)
        np.add(candidate, spare, candidate)
        np.tanh(candidate, candidate)
        np.subtract(memory, candidate, memory)
        np.multiply(memory, self._update, memory)
        np.multiply(memory, _HALF, memory)
        np.add(memory, candidate, memory)
        np.copyto(spare, memory)
        self._round(spare, hidden)


class _TanhStep:
    """One gate, the output before its tanh; nothing is remembered."""

    def __init__(self, gates: np.ndarray, spare: np.ndarray, grid: Grid) -> None:  # noqa: ARG002
        self._round = Rounding(grid)
        (self._gate,) = gates

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:  # noqa: ARG002
        np.tanh(self._gate, self._gate)
        self._round(self._gate, hidden)


_CELLS: dict[Cell, type[_LstmStep] | type[_GruStep] | type[_TanhStep]] = {
    "lstm": _LstmStep,
    "gru": _GruStep,
    "rnn": _TanhStep,
}
