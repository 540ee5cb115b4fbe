"""The hand-written step of a generator on a processor: exact, and therefore the same for any batch.

Matrix products are computed in whole numbers: an activation, which lies between -1 and 1, is rounded to a
fixed grid, and so is each row of a weight matrix. Such sums are exact, so they do not depend on the order in
which a library adds them up; everything else is done element by element. Hence a row's logits are the same,
to the bit, whatever else is in its batch. Floating-point products are not: libraries choose kernels, and with
them the order of summation, by the number of rows.

All layers' activations lie side by side in one array. What a layer above the first reads is the sum of the
layers below, and (a + b) W is [a, b] [W; W]: every layer's input is then a prefix of that array, its product
with the recurrent weights is the same call, and nothing is added before it is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from seqkit.errors import ModelError
from seqkit.models import SequenceModel
from seqkit.nn.frontends import TokenFrontend
from seqkit.nn.heads import TokenHead
from seqkit.nn.recurrent import Cell, DecoderState, RecurrentLayer

_ONE, _HALF = np.float32(1), np.float32(0.5)


@dataclass(frozen=True)
class _Grid:
    """The whole numbers that activations and weights are rounded to, and the types that hold them.

    An activation of 1 is `activation_levels`, a row's largest weight `weight_levels`. `value_type` holds
    activations and weights, `sum_type` their products' sums, all of them exactly.
    """

    activation_levels: int
    weight_levels: int
    value_type: type[np.generic]
    sum_type: type[np.generic]

    @classmethod
    def of(cls, precision: Literal["int8", "fp32"], terms: int) -> _Grid:
        """The grid of a precision for sums of at most `terms` products."""
        if precision == "int8":
            if torch.cpu._is_vnni_supported():
                return cls(127, 127, np.int8, np.int32)
            # The same numbers: floats hold whole numbers exactly while they are small enough.
            kind = np.float32 if 127 * 127 * terms < 1 << 24 else np.float64
            return cls(127, 127, kind, kind)
        return cls(1 << 20, 1 << (32 - terms.bit_length()), np.float64, np.float64)


class _Product:
    """A matrix product with weights (M, K), in whole numbers; `scale` (M,) makes real ones of the sums."""

    def __init__(self, weight: np.ndarray, grid: _Grid) -> None:
        largest = np.abs(weight).max(axis=1)  # (M,)
        step = np.where(largest > 0, largest, 1) / grid.weight_levels  # (M,)
        whole = np.ascontiguousarray(np.rint(weight / step[:, None]).astype(grid.value_type))  # (M, K)
        self.scale = (step / grid.activation_levels).astype(np.float32)
        self.outputs = len(weight)
        self._whole = whole

    def bind(self, values: np.ndarray, sums: np.ndarray) -> Callable[[], object]:
        """The call that multiplies what is in `values` (N, K) then, into `sums` (N, M)."""
        if self._whole.dtype == np.int8:
            transposed = torch.from_numpy(self._whole).t()
            return partial(torch._int_mm, torch.from_numpy(values), transposed, out=torch.from_numpy(sums))
        return partial(np.matmul, values, self._whole.T, out=sums)


@dataclass(frozen=True)
class _Layer:
    """A product, and what is added to it: a row a token where `table` (V, G) is, else `bias` (G,)."""

    product: _Product
    bias: np.ndarray
    table: np.ndarray | None = None


class FixedPointStepper:
    """The hand-written step; see the top of this file. Cells are lstm, gru or rnn.

    The first layer's product with the embedding is a table with a row a token, and biases are in it. The
    sigmoid is (1 + tanh(x / 2)) / 2: with the halves in the weights, all gates are one call of tanh.
    """

    def __init__(self, model: SequenceModel, precision: Literal["int8", "fp32"]) -> None:
        """`precision` is int8 or fp32 (fixed point of the same accuracy). ModelError for weights that are
        not numbers."""
        decoder = model.decoder
        layers = decoder.recurrent_layers()
        assert isinstance(model.target_frontend, TokenFrontend)
        assert isinstance(model.head, TokenHead)
        embedding = _array(model.target_frontend.embedding.weight)  # (V, E)
        output_weight, output_bias = (_array(part) for part in model.head.output.parameters())
        if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
            raise ModelError(
                "the model's weights are not numbers, so nothing can be generated",
                hint="it diverged in training: train it again with a lower training.learning_rate",
            )
        self.cell: Cell = layers[0].cell
        self.hidden_size = layers[0].hidden_size
        self.layer_count = len(layers)
        self.grid = _Grid.of(precision, self.hidden_size * len(layers) + output_weight.shape[1])
        self.layers = [self._recurrent(number, layer, embedding) for number, layer in enumerate(layers)]
        self.readout: _Layer | None = None
        if decoder.readout is None:
            output_weight = np.tile(output_weight, len(layers))  # (V, L * H)
        else:
            weight, bias = (_array(part) for part in decoder.readout.parameters())
            ours, theirs = np.split(weight, [self.hidden_size], axis=1)  # (R, H), (R, E)
            table = (embedding @ theirs.T + bias).astype(np.float32)  # (V, R)
            self.readout = _Layer(_Product(np.tile(ours, len(layers)), self.grid), table[0], table)
        self.output = _Layer(_Product(output_weight, self.grid), output_bias.astype(np.float32))

    def _recurrent(self, number: int, layer: RecurrentLayer, embedding: np.ndarray) -> _Layer:
        inward, recurrent, bias = _arranged(layer)
        table = None
        if number == 0:
            table = (embedding @ inward.T + bias).astype(np.float32)  # (V, G)
        weight = np.concatenate([inward] * number + [recurrent], axis=1)  # (G, (number + 1) * H)
        return _Layer(_Product(weight, self.grid), bias.astype(np.float32), table)

    def begin(self, state: DecoderState, rows: int) -> Rows:
        """`rows` copies of a state of one row."""
        begun = Rows(self, rows)
        for number, layer in enumerate(state.layers):
            hidden = _array(layer[0]) * self.grid.activation_levels  # (1, H)
            np.rint(hidden, out=begun.hidden[number], casting="unsafe")
            begun.memories[number][:] = _array(layer[-1])
        return begun

    def step(self, tokens: np.ndarray, state: Rows) -> tuple[np.ndarray, Rows]:
        """See `decoding.sampling.LanguageStepper`: both results are memory that the next step writes to."""
        for layer, product, hidden, memory in zip(
            self.layers, state.products, state.hidden, state.memories, strict=True
        ):
            _finish(layer, product, tokens, state.sums, state.gates, state.added)
            state.cell(memory, hidden)
        if self.readout is not None and state.readout_product is not None:
            _finish(
                self.readout,
                state.readout_product,
                tokens,
                state.readout_sums,
                state.readouts,
                state.readout_added,
            )
            np.tanh(state.readouts, out=state.readouts)
            np.multiply(state.readouts, state.cell.levels, out=state.readouts)
            np.rint(state.readouts, out=state.rounded_readouts, casting="unsafe")
        _finish(self.output, state.output_product, tokens, state.output_sums, state.logits, state.logits)
        return state.logits, state

    def select(self, state: Rows, rows: np.ndarray) -> Rows:
        """See `decoding.sampling.LanguageStepper`."""
        chosen = Rows(self, len(rows))
        chosen.activations[:] = state.activations[rows]
        for memory, before in zip(chosen.memories, state.memories, strict=True):
            memory[:] = before[rows]
        return chosen


def _finish(
    layer: _Layer,
    product: Callable[[], object],
    tokens: np.ndarray,
    sums: np.ndarray,
    values: np.ndarray,
    added: np.ndarray,
) -> None:
    """One affine map, into `values` (N, M): whole numbers multiplied, made real ones again and shifted."""
    product()
    np.multiply(sums, layer.product.scale, out=values, dtype=np.float32, casting="unsafe")
    if layer.table is None:
        np.add(values, layer.bias, out=values)
    else:
        layer.table.take(tokens, axis=0, out=added, mode="clip")  # clip: the other modes copy
        np.add(values, added, out=values)


class Rows:
    """The state of N texts, and the memory that their steps use: a step allocates nothing."""

    def __init__(self, stepper: FixedPointStepper, count: int) -> None:
        size, grid = stepper.hidden_size, stepper.grid
        widths = [(number + 1) * size for number in range(stepper.layer_count)]
        gates = stepper.layers[0].product.outputs
        vocabulary = stepper.output.product.outputs

        def memory(width: int, kind: type[np.generic] = np.float32) -> np.ndarray:
            return np.zeros((count, width), kind)

        self.activations = memory(widths[-1], grid.value_type)  # (N, L * H), whole numbers
        self.hidden = [self.activations[:, end - size : end] for end in widths]
        self.memories = [memory(size) for _ in widths]  # an lstm's cell, a gru's unrounded output
        self.gates, self.added, self.sums = memory(gates), memory(gates), memory(gates, grid.sum_type)
        self.cell = _CELLS[stepper.cell](self.gates, memory(size), grid.activation_levels)
        self.products = [
            layer.product.bind(self.activations[:, :width], self.sums)
            for layer, width in zip(stepper.layers, widths, strict=True)
        ]
        self.logits, self.output_sums = memory(vocabulary), memory(vocabulary, grid.sum_type)
        read = self.activations
        self.readout_product = None
        if stepper.readout is not None:
            width = stepper.readout.product.outputs
            self.readouts, self.readout_added = memory(width), memory(width)
            self.readout_sums = memory(width, grid.sum_type)
            self.rounded_readouts = read = memory(width, grid.value_type)
            self.readout_product = stepper.readout.product.bind(self.activations, self.readout_sums)
        self.output_product = stepper.output.product.bind(read, self.output_sums)


def _arranged(layer: RecurrentLayer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A layer's weights for the input (G, I) and for its own last output (G, H), and its bias (G,).

    Gates are in the order that the cells below read, with the halves of sigmoids in them.
    """
    parts = [_array(parameter) for parameter in layer.recurrence.parameters()]
    size = layer.hidden_size
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
        bias = np.concatenate([parts[2][: 2 * size] + parts[3][: 2 * size], parts[2][2 * size :], nothing[2]])
        bias[3 * size :] = parts[3][2 * size :]
        factors = [0.5, 0.5, 1.0, 0.5]
    else:
        inward, recurrent, bias = parts[0], parts[1], parts[2] + parts[3]
        factors = [1.0]
    rows = np.repeat(factors, size)  # (G,)
    return inward * rows[:, None], recurrent * rows[:, None], bias * rows


class _LstmCell:
    """Gates (N, 4 * H) in the order input, forget, output, candidate; the memory is the cell."""

    def __init__(self, gates: np.ndarray, spare: np.ndarray, levels: int) -> None:
        self.levels = np.float32(levels)
        self._half_levels = np.float32(levels / 2)
        self._gates, self._spare = gates, spare
        self._input, self._forget, self._output, self._candidate = np.split(gates, 4, axis=1)
        self._sigmoids = gates[:, : 3 * spare.shape[1]]

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:
        """One step: new memory and rounded output, in place. (N, H) each"""
        spare = self._spare
        np.tanh(self._gates, out=self._gates)
        np.add(self._sigmoids, _ONE, out=self._sigmoids)  # twice the sigmoids
        np.multiply(self._input, self._candidate, out=spare)
        np.multiply(self._forget, memory, out=memory)
        np.add(memory, spare, out=memory)
        np.multiply(memory, _HALF, out=memory)
        np.tanh(memory, out=spare)
        np.multiply(spare, self._output, out=spare)
        np.multiply(spare, self._half_levels, out=spare)
        np.rint(spare, out=hidden, casting="unsafe")


class _GruCell:
    """Gates (N, 4 * H): reset, update, candidate from the input, from the output; memory: the output."""

    def __init__(self, gates: np.ndarray, spare: np.ndarray, levels: int) -> None:
        self.levels = np.float32(levels)
        self._spare = spare
        self._reset, self._update, self._candidate, self._recurrent = np.split(gates, 4, axis=1)
        self._sigmoids = gates[:, : 2 * spare.shape[1]]

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:
        """One step: new memory and rounded output, in place. (N, H) each"""
        spare, candidate = self._spare, self._candidate
        np.tanh(self._sigmoids, out=self._sigmoids)
        np.add(self._sigmoids, _ONE, out=self._sigmoids)  # twice the sigmoids
        np.multiply(self._reset, self._recurrent, out=spare)
        np.add(candidate, spare, out=candidate)
        np.tanh(candidate, out=candidate)
        np.subtract(memory, candidate, out=memory)
        np.multiply(memory, self._update, out=memory)
        np.multiply(memory, _HALF, out=memory)
        np.add(memory, candidate, out=memory)
        np.multiply(memory, self.levels, out=spare)
        np.rint(spare, out=hidden, casting="unsafe")


class _TanhCell:
    """One gate (N, H), the output before its tanh; nothing else is remembered."""

    def __init__(self, gates: np.ndarray, spare: np.ndarray, levels: int) -> None:
        self.levels = np.float32(levels)
        self._gates, self._spare = gates, spare

    def __call__(self, memory: np.ndarray, hidden: np.ndarray) -> None:  # noqa: ARG002
        """One step: rounded output, in place. (N, H)"""
        np.tanh(self._gates, out=self._gates)
        np.multiply(self._gates, self.levels, out=self._spare)
        np.rint(self._spare, out=hidden, casting="unsafe")


_CELLS: dict[Cell, type[_LstmCell] | type[_GruCell] | type[_TanhCell]] = {
    "lstm": _LstmCell,
    "gru": _GruCell,
    "rnn": _TanhCell,
}


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().double().numpy()
    return array
