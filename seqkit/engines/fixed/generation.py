"""The hand-written step of a generator on a CPU: exact, and therefore the same for any batch.

Matrix products are computed in whole numbers (see `grid`), everything else element by element. Hence a
row's logits are the same, to the bit, whatever else is in its batch.

All layers' activations lie side by side in one array. What a layer above the first reads is the sum of the
layers below, and (a + b) W is [a, b] [W; W]: every layer's input is then a prefix of that array, its product
with the recurrent weights is the same call, and nothing is added before it is multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.cells import GROUPS, RecurrentWeights, Rounding, cell_step
from seqkit.engines.fixed.grid import Grid, Precision
from seqkit.engines.fixed.tables import EmbeddedTable
from seqkit.errors import ModelError
from seqkit.network.blueprint import Blueprint
from seqkit.network.parts import TokenHeadPart


class FixedPointStepper:
    """The hand-written step; see the top of this file. Cells are lstm, gru or rnn.

    The first layer's product with the embedding is a table with a row a token, and biases are in it.
    """

    def __init__(
        self, blueprint: Blueprint, parameters: Mapping[str, np.ndarray], precision: Precision
    ) -> None:
        """The parameters, by their names, of a network without an encoder.

        `precision` is int8 or fp32 (fixed point of the same accuracy). ModelError for weights that are not
        numbers.
        """
        if not all(bool(np.isfinite(values).all()) for values in parameters.values()):
            raise ModelError(
                "the model's weights contain NaN or infinity, so nothing can be generated",
                hint="training diverged: train again with a lower training.learning_rate",
            )
        decoder, head = blueprint.decoder, blueprint.head
        assert decoder is not None  # of a generator
        assert blueprint.target is not None
        assert isinstance(head, TokenHeadPart)
        self.cell = decoder.cell
        self.hidden_size, self.layer_count = decoder.hidden, decoder.layer_count
        embedding = parameters[blueprint.target.weight]  # (V, E)
        output = parameters[head.weight]  # (V, R)
        self.grid = Grid.of(precision, self.hidden_size * self.layer_count + output.shape[1])
        weights = [RecurrentWeights.of(layer, parameters) for layer in decoder.layers]
        self.table = EmbeddedTable(embedding, weights[0].inward, weights[0].bias, GROUPS[self.cell])
        self.layers = [self._recurrent(number, layer) for number, layer in enumerate(weights)]
        self.readout: Affine | None = None
        if decoder.readout is not None:
            projection = decoder.readout.projection
            weight, bias = parameters[projection.weight], parameters[projection.bias]
            ours, theirs = np.split(weight, [self.hidden_size], axis=1)  # (R, H), (R, E)
            self.readout_table = EmbeddedTable(embedding, theirs, bias, 1)
            self.readout = Affine(np.tile(ours, self.layer_count), None, self.grid)
        else:
            output = np.tile(output, self.layer_count)  # (V, L * H)
        self._round = Rounding(self.grid)
        self.output = Affine(output, parameters[head.bias], self.grid)

    def _recurrent(self, number: int, weights: RecurrentWeights) -> Affine:
        weight = np.concatenate([weights.inward] * number + [weights.recurrent], axis=1)  # (G, (number+1)*H)
        return Affine(weight, weights.bias if number else None, self.grid, GROUPS[self.cell])

    def complete_tables(self) -> None:
        """Compute what would be computed when it is first needed: before copies of this process share it."""
        self.table.complete()
        if self.readout is not None:
            self.readout_table.complete()

    def read(self, tokens: np.ndarray) -> Rows:
        """The state, of one row, after a text of tokens (T,)."""
        state = Rows(self, 1)
        for place in range(len(tokens)):
            self._recur(tokens[place : place + 1], state)
        return state

    def begin(self, state: Rows, rows: int) -> Rows:
        """`rows` copies of a state of one row."""
        return self.select(state, np.zeros(rows, np.int64))

    def step(self, tokens: np.ndarray, state: Rows) -> tuple[np.ndarray, Rows]:
        """See `decoding.sampling.LanguageStepper`: both results are memory that the next step writes to."""
        self._recur(tokens, state)
        return self._predict(tokens, state), state

    def follow(self, tokens: np.ndarray, state: Rows) -> tuple[np.ndarray, Rows]:
        """Read a text of tokens (T,) with a state of one row, which goes on with it.

        Returns the logits behind each token, (T, V), computed at once, and the states there, of T rows.
        """
        states = Rows(self, len(tokens))
        for place in range(len(tokens)):
            self._recur(tokens[place : place + 1], state)
            states.activations[place] = state.activations[0]
            states.memories[:, place] = state.memories[:, 0]
        return self._predict(tokens, states), states

    def _predict(self, tokens: np.ndarray, state: Rows) -> np.ndarray:
        """The logits (N, V) behind tokens (N,) that were read last; the state stays."""
        if self.readout is not None:
            state.map_readout()
            self.readout_table.add_to(state.readouts, tokens, state.readout_rows)
            np.tanh(state.readouts, state.readouts)
            self._round(state.readouts[0], state.rounded_readouts)
        state.map_output()
        logits: np.ndarray = state.logits[0]
        return logits

    def cells(self, state: Rows) -> np.ndarray:
        """What each layer's cells say: tanh(c) of an lstm, h of the others. (L, N, H), float32"""
        if self.cell == "rnn":  # nothing but the rounded output is kept
            hidden: np.ndarray = state.activations.astype(np.float32) - self.grid.offset
            hidden /= self.grid.activation_levels
            return np.stack(np.split(hidden, self.layer_count, axis=1))
        return np.array(np.tanh(state.memories) if self.cell == "lstm" else state.memories)

    def _recur(self, tokens: np.ndarray, state: Rows) -> None:
        """All layers take a step."""
        gates, cell, first = state.gates, state.cell, True
        for map_layer, memory, hidden in state.layers:
            map_layer()
            if first:
                self.table.add_to(gates, tokens, state.gate_rows)
                first = False
            cell(memory, hidden)

    def select(self, state: Rows, rows: np.ndarray) -> Rows:
        """See `decoding.sampling.LanguageStepper`."""
        chosen = Rows(self, len(rows))
        chosen.activations[:] = state.activations[rows]
        chosen.memories[:] = state.memories[:, rows]
        return chosen


class Rows:
    """The state of N texts, and the memory that their steps use: a step allocates nothing."""

    def __init__(self, stepper: FixedPointStepper, count: int) -> None:
        size, grid = stepper.hidden_size, stepper.grid
        ends = [(number + 1) * size for number in range(stepper.layer_count)]
        groups = GROUPS[stepper.cell]

        def memory(*shape: int) -> np.ndarray:
            return np.zeros(shape, np.float32)

        self.activations = np.full((count, ends[-1]), grid.offset, grid.value_type)  # whole numbers
        self.memories = memory(len(ends), count, size)  # of each layer: an lstm's cell, a gru's output
        self.gates, self.gate_rows = memory(groups, count, size), memory(groups, count, size)
        self.cell = cell_step(stepper.cell, self.gates, memory(count, size), grid)
        self.layers = [
            (
                layer.bind(self.activations[:, :end], self.gates),
                self.memories[number],
                self.activations[:, end - size : end],
            )
            for number, (layer, end) in enumerate(zip(stepper.layers, ends, strict=True))
        ]
        self.logits = memory(1, count, stepper.output.outputs)
        read = self.activations
        if stepper.readout is not None:
            width = stepper.readout.outputs
            self.readouts, self.readout_rows = memory(1, count, width), memory(1, count, width)
            self.rounded_readouts = read = np.empty((count, width), grid.value_type)
            self.map_readout = stepper.readout.bind(self.activations, self.readouts)
        self.map_output = stepper.output.bind(read, self.logits)
