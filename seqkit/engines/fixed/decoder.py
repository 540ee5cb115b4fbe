"""The hand-written decoder on a CPU, with or without a source: exact, so the same for any batch.

Products are in whole numbers (see `grid`), everything else is done element by element. So a row's logits do
not depend, to the bit, on what else is decoded beside it.

All layers' activations lie side by side in one array. What a layer above the first reads is the sum of the
layers below, and (a + b) W is [a, b] [W; W]: every layer's input is then a prefix of that array, its product
with the recurrent weights is the same call, and nothing is added before it is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from seqkit.decoding.stepper import Allowed, Continuations, best_of_logits
from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.attention import FixedPointAttention, Memory
from seqkit.engines.fixed.cells import GROUPS, RecurrentWeights, Rounding, cell_step
from seqkit.engines.fixed.encoder import FixedPointEncoder
from seqkit.engines.fixed.grid import Grid, Precision
from seqkit.engines.fixed.selection import CLASSES
from seqkit.engines.fixed.tables import EmbeddedTable
from seqkit.errors import ModelError
from seqkit.network.blueprint import Blueprint
from seqkit.network.parts import (
    BridgePart,
    DecoderPart,
    DotAttentionPart,
    EncoderPart,
    Linear,
    ReadoutPart,
    TokenFrontendPart,
    TokenHeadPart,
)

_BLOCK_ROWS = 64  # whose logits fit into a CPU's cache
# What there is a step for. Any other part, whatever it will be, is one that the hand-written step lacks.
_PARTS = {
    *(TokenFrontendPart, EncoderPart, BridgePart, DecoderPart),
    *(DotAttentionPart, ReadoutPart, TokenHeadPart),
}


def unsupported(blueprint: Blueprint) -> str | None:
    """What brings a part into the network that the hand-written step lacks, as "model.attention = additive".

    None where it has all of them.
    """
    return next((part.title for part in blueprint.parts() if type(part) not in _PARTS), None)


class FixedPointDecoder:
    """One model's weights on the grid; behind `decoding.stepper.TextEngine` where it has no source.

    The first layer's product with the embedding is a table with a row per token, and so is the readout's;
    biases are in them.
    """

    def __init__(
        self, blueprint: Blueprint, parameters: Mapping[str, np.ndarray], precision: Precision = "int8"
    ) -> None:
        """The parameters, by their names, of a network that has a decoder and no part `unsupported`.

        `precision` is int8 or, without a source, fp32 (fixed point of the same accuracy). ModelError for
        weights that are not numbers.
        """
        _check_numbers(blueprint, parameters)
        decoder, head, target = blueprint.decoder, blueprint.head, blueprint.target
        assert decoder is not None
        assert target is not None
        assert isinstance(head, TokenHeadPart)
        layers, size = decoder.layer_count, decoder.hidden
        deepest = layers if blueprint.encoder is None else max(layers, blueprint.encoder.layer_count)
        self.cell, self.layer_count, self.hidden_size = decoder.cell, layers, size
        self.groups = GROUPS[decoder.cell]
        self.vocabulary_size = head.vocabulary_size
        self.grid = Grid.of(precision, size * deepest + head.inputs)
        self.round = Rounding(self.grid)
        self.encoder: FixedPointEncoder | None = None
        self.attention: FixedPointAttention | None = None
        self.bridge: Affine | None = None
        # A model is rounded as it always was, to the bit: behind a source from double precision.
        self._kind = np.float32 if blueprint.source is None else np.float64
        self._parameters = parameters
        embedding = parameters[target.weight]  # (V, E)
        weights = [RecurrentWeights.of(layer, parameters) for layer in decoder.layers]
        self._place_source(blueprint)
        self.table = EmbeddedTable(embedding, weights[0].inward, weights[0].bias, self.groups)
        self.layers = [self._layer(number, layer) for number, layer in enumerate(weights)]
        # The context goes to all layers above the first, and to the readout.
        self.contexts: list[Affine] = []
        if decoder.context_size:
            self.contexts = [
                Affine(layer.inward[:, size:], None, self.grid, self.groups) for layer in weights[1:]
            ]
        self.readout: Affine | None = None
        if decoder.readout is not None:
            self._place_readout(decoder.readout, decoder.context_size, embedding)
        output = self._weight(head.weight)
        if decoder.readout is None:  # the sum of all layers is read
            output = np.tile(output, layers)  # (V, L * H)
        missing = -len(output) % CLASSES
        self.output = Affine(
            np.pad(output, ((0, missing), (0, 0))),
            np.pad(self._weight(head.bias), (0, missing), constant_values=-np.inf),
            self.grid,
        )
        del self._parameters

    def _weight(self, name: str) -> np.ndarray:
        return self._parameters[name].astype(self._kind)

    def _linear(self, part: Linear) -> tuple[np.ndarray, np.ndarray]:
        """A map's weight and bias."""
        return self._weight(part.weight), self._weight(part.bias)

    def _place_source(self, blueprint: Blueprint) -> None:
        """The encoder, what its end makes the beginning, and attention, where there are such."""
        source, encoder, decoder = blueprint.source, blueprint.encoder, blueprint.decoder
        if source is None or encoder is None or decoder is None:
            return
        assert isinstance(source, TokenFrontendPart)
        embedding = self._parameters[source.weight]
        self.encoder = FixedPointEncoder(encoder, embedding, self._parameters, self.grid)
        if decoder.attention is not None:
            assert isinstance(decoder.attention, DotAttentionPart)
            self.attention = FixedPointAttention(
                decoder.attention, encoder.layer_count, self._parameters, self.grid
            )
        if blueprint.bridge is not None:
            self.bridge = Affine(*self._linear(blueprint.bridge.projection), self.grid, self.layer_count)

    def _layer(self, number: int, weights: RecurrentWeights) -> Affine:
        """A layer's product with all layers below and its own last output, (G, (number + 1) * H)."""
        below = np.tile(weights.inward[:, : self.hidden_size], number)
        weight = np.concatenate([below, weights.recurrent], axis=1)
        return Affine(weight, weights.bias if number else None, self.grid, self.groups)

    def _place_readout(self, part: ReadoutPart, context_size: int, embedding: np.ndarray) -> None:
        """The readout's products with the layers, the context and the input."""
        weight, bias = self._linear(part.projection)
        size = self.hidden_size
        ours, context, theirs = np.split(weight, [size, size + context_size], axis=1)
        self.readout = Affine(np.tile(ours, self.layer_count), None, self.grid)
        self.readout_table = EmbeddedTable(embedding, theirs, bias, 1)
        if context_size:
            self.contexts.append(Affine(context, None, self.grid))

    def complete_tables(self) -> None:
        """Compute what would be computed when it is first needed: before copies of this process share it."""
        self.table.complete()
        if self.readout is not None:
            self.readout_table.complete()
        if self.encoder is not None:
            self.encoder.complete_tables()

    def begin(self) -> Rows:
        """One row before its first step, of a network without a source."""
        return Rows(self, np.zeros((self.layer_count, 1, self.hidden_size), np.float32), None)

    def start(self, sources: Sequence[np.ndarray], rows: int) -> Rows:
        """So many rows for each sentence of ids that ends with END, before their first step."""
        assert self.encoder is not None
        encoded = self.encoder.encode(sources)
        memory = None if self.attention is None else self.attention.remember(encoded)
        first = np.zeros((self.layer_count, len(sources), self.hidden_size), np.float32)
        if self.bridge is not None:
            first = np.tanh(self.bridge.apply(encoded.final))
        return Rows(self, np.repeat(first, rows, axis=1), memory)


def diverged(blueprint: Blueprint) -> ModelError:
    """The error for a model whose weights are NaN or infinite, or all that it says."""
    message = (
        "the model's weights contain NaN or infinity, so nothing can be generated"
        if blueprint.source is None
        else "the model's probabilities are NaN or infinite, so nothing can be translated"
    )
    return ModelError(message, hint="training diverged: train again with a lower training.learning_rate")


def _check_numbers(blueprint: Blueprint, parameters: Mapping[str, np.ndarray]) -> None:
    if not all(bool(np.isfinite(values).all()) for values in parameters.values()):
        raise diverged(blueprint)


class Rows:
    """N sequences that a decoder extends, behind `decoding.stepper.Reader`.

    `memories` (L, N, H) are an lstm's cells or a gru's unrounded outputs; `attention` (B, A, k, S) is that of
    the last step, where there is a source.
    """

    def __init__(self, decoder: FixedPointDecoder, first: np.ndarray, memory: Memory | None) -> None:
        """Rows whose layers' last outputs were `first` (L, N, H), overwritten, over a source's `memory`."""
        self.decoder = decoder
        self.workspace = Workspace(decoder, first.shape[1])
        self.memory = memory
        self.attention: np.ndarray | None = None
        self._tokens = np.zeros(first.shape[1], np.int64)
        # An lstm's memory begins at zero.
        self._remember(np.zeros_like(first) if decoder.cell == "lstm" else first.copy())
        for one, hidden in zip(first, self.workspace.hidden, strict=True):
            decoder.round(one, hidden)

    def _remember(self, memories: np.ndarray) -> None:
        """Take (L, N, H) for the layers' memories."""
        self.memories = memories
        self._layers = list(zip(self.workspace.layers, memories, self.workspace.hidden, strict=True))

    def step(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Stepper`; what is computed from the layers comes with the logits."""
        work, memory = self.workspace, self.memory
        gates, cell = work.gates, work.cell
        self._tokens = tokens
        first = True
        for number, (map_layer, cells, hidden) in enumerate(self._layers):
            map_layer()
            if first:
                self.decoder.table.add_to(gates, tokens, work.gate_rows)
            elif memory is not None:
                np.add(gates, work.additions[number - 1], gates)
            cell(cells, hidden)
            if first and memory is not None:
                self._attend(memory)
            first = False

    def _attend(self, memory: Memory) -> None:
        """Attention's weights; what the context adds elsewhere goes to the workspace's `additions`."""
        decoder, work = self.decoder, self.workspace
        assert decoder.attention is not None
        work.query()
        contexts = work.contexts
        self.attention = decoder.attention.attend(work.queries[0], memory, contexts)
        # A context is no output of a tanh: each row has a scale of its own.
        largest = np.maximum(contexts.max(axis=1, keepdims=True), -contexts.min(axis=1, keepdims=True))
        largest[largest == 0] = 1
        np.divide(contexts, largest, out=contexts)
        decoder.round(contexts, work.rounded_contexts)
        for add, addition in zip(work.add_contexts, work.additions, strict=True):
            add()
            np.multiply(addition, largest, out=addition)

    def read_out(self) -> np.ndarray:
        """Compute what the output layer reads after a step, (N, R), on the grid."""
        decoder, work = self.decoder, self.workspace
        if decoder.readout is None:
            return work.activations
        work.map_readout()
        readouts = work.readouts
        decoder.readout_table.add_to(readouts, self._tokens, work.readout_rows)
        if self.memory is not None:
            np.add(readouts, work.additions[-1], readouts)
        np.tanh(readouts, readouts)
        decoder.round(readouts[0], work.read)
        return work.read

    def logits(self) -> np.ndarray:
        """See `decoding.stepper.Stepper`."""
        self.read_out()
        map_output, logits = self.workspace.output
        map_output()
        return logits

    def best(self, width: int, allowed: Allowed) -> Continuations:
        """See `decoding.stepper.Stepper`."""
        return best_of_logits(self.logits(), width, allowed)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        """See `decoding.stepper.Stepper`."""
        before = work = self.workspace
        if len(rows) != before.count:
            work = self.workspace = Workspace(self.decoder, len(rows))
        work.take(before, rows)
        self._remember(self.memories[:, rows])
        if sentences is not None and self.memory is not None:
            self.memory = self.memory.select(sentences)

    def copied(self, rows: np.ndarray) -> Rows:
        """See `decoding.stepper.Reader`."""
        assert self.memory is None
        size = self.decoder.hidden_size
        copied = Rows(self.decoder, np.zeros((len(self.memories), len(rows), size), np.float32), None)
        copied.workspace.take(self.workspace, rows)
        copied._remember(self.memories[:, rows])
        return copied

    def read(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Reader`."""
        for place in range(len(tokens)):
            self.step(tokens[place : place + 1])

    def follow(self, tokens: np.ndarray) -> Rows:
        """Read a text of tokens (T,) with the one row of a network without a source, which goes on with it.

        Returns the states behind each token, T rows, whose logits are those behind each token.
        """
        states = self.copied(np.zeros(len(tokens), np.int64))
        activations, memories = states.workspace.activations, states.memories
        for place in range(len(tokens)):
            self.step(tokens[place : place + 1])
            activations[place] = self.workspace.activations[0]
            memories[:, place] = self.memories[:, 0]
        states._tokens = tokens
        return states

    def cells(self) -> np.ndarray:
        """What each layer's cells say: tanh(c) of an lstm, h of the others. (L, N, H), float32"""
        decoder = self.decoder
        if decoder.cell == "rnn":  # nothing but the rounded output is kept
            hidden: np.ndarray = self.workspace.activations.astype(np.float32) - decoder.grid.offset
            hidden /= decoder.grid.activation_levels
            return np.stack(np.split(hidden, decoder.layer_count, axis=1))
        return np.array(np.tanh(self.memories) if decoder.cell == "lstm" else self.memories)


class Workspace:
    """The memory that the steps of N rows use, and the maps bound to it: a step allocates little."""

    def __init__(self, decoder: FixedPointDecoder, count: int) -> None:
        size, layers = decoder.hidden_size, decoder.layer_count
        self.count, self._decoder = count, decoder
        self.activations = self._rounded(layers * size)  # layers side by side
        ends = [(number + 1) * size for number in range(layers)]
        self.hidden = [self.activations[:, end - size : end] for end in ends]
        self.gates, self.gate_rows = (self._memory(decoder.groups, size) for _ in range(2))
        self.cell = cell_step(decoder.cell, self.gates, self._memory(1, size)[0], decoder.grid)
        self.layers = [
            layer.bind(self.activations[:, :end], self.gates)
            for layer, end in zip(decoder.layers, ends, strict=True)
        ]
        self.read = self.activations  # what the output layer reads
        if decoder.readout is not None:
            width = decoder.readout.outputs
            self.readouts, self.readout_rows = (self._memory(1, width) for _ in range(2))
            self.map_readout = decoder.readout.bind(self.activations, self.readouts)
            self.read = self._rounded(width)
        if decoder.attention is not None:
            self._make_contexts(decoder, decoder.attention)

    def _make_contexts(self, decoder: FixedPointDecoder, attention: FixedPointAttention) -> None:
        """Memory for what attention is asked, what it says, and what that adds elsewhere."""
        size = decoder.hidden_size
        self.queries = self._memory(1, size)
        self.query = attention.query.bind(self.hidden[0], self.queries)
        self.contexts, self.rounded_contexts = self._memory(1, size)[0], self._rounded(size)
        self.additions = [self._memory(part.groups, part.outputs // part.groups) for part in decoder.contexts]
        self.add_contexts = [
            part.bind(self.rounded_contexts, addition)
            for part, addition in zip(decoder.contexts, self.additions, strict=True)
        ]

    def _memory(self, groups: int, width: int) -> np.ndarray:
        return np.empty((groups, self.count, width), np.float32)

    def _rounded(self, width: int) -> np.ndarray:
        return np.empty((self.count, width), self._decoder.grid.value_type)

    def take(self, other: Workspace, rows: np.ndarray) -> None:
        """Take over the given rows' activations of another workspace, or of this one."""
        if other is self:
            np.take(self.activations, rows, axis=0, out=self._chosen)
            np.copyto(self.activations, self._chosen)
        else:
            np.take(other.activations, rows, axis=0, out=self.activations)

    @cached_property
    def _chosen(self) -> np.ndarray:
        return np.empty_like(self.activations)

    @cached_property
    def output(self) -> tuple[Callable[[], None], np.ndarray]:
        """The call that makes all rows' logits, and those, (N, V)."""
        logits = self._memory(1, self._decoder.output.outputs)
        map_output = self._decoder.output.bind(self.read, logits)
        return map_output, logits[0, :, : self._decoder.vocabulary_size]

    @cached_property
    def blocks(self) -> list[tuple[slice, Callable[[], None], np.ndarray, np.ndarray]]:
        """The rows in blocks: their numbers, the call that makes their logits, those, and memory like them.

        The logits (N', V rounded up) of all blocks are in the same memory, which a cache holds.
        """
        width, rows = self._decoder.output.outputs, min(self.count, _BLOCK_ROWS)
        logits, spare = (np.empty((1, rows, width), np.float32) for _ in range(2))
        found = []
        for start in range(0, self.count, _BLOCK_ROWS):
            block = slice(start, min(start + _BLOCK_ROWS, self.count))
            values = logits[:, : block.stop - start]
            call = self._decoder.output.bind(self.read[block], values)
            found.append((block, call, values[0], spare[0, : block.stop - start]))
        return found
