"""The hand-written step of a translation model on a CPU: exact, so the same for any batch.

Products are in whole numbers (see `grid`), everything else is done element by element. So a hypothesis's
scores do not depend, to the bit, on what else is translated beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqkit.decoding.beam import Continuations
from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.attention import FixedPointAttention, Memory
from seqkit.engines.fixed.cells import GROUPS, RecurrentWeights, Rounding, cell_step
from seqkit.engines.fixed.encoder import FixedPointEncoder
from seqkit.engines.fixed.grid import Grid
from seqkit.engines.fixed.selection import CLASSES, best_columns, log_normalizers, restrict
from seqkit.engines.fixed.tables import EmbeddedTable
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


class FixedPointModel:
    """One model's weights on the grid."""

    def __init__(self, blueprint: Blueprint, parameters: Mapping[str, np.ndarray]) -> None:
        """The parameters, by their names, of a network that has an encoder and no part `unsupported`."""
        source, encoder, decoder = blueprint.source, blueprint.encoder, blueprint.decoder
        assert isinstance(source, TokenFrontendPart)
        assert isinstance(blueprint.head, TokenHeadPart)
        assert encoder is not None
        assert decoder is not None
        assert blueprint.target is not None
        assert isinstance(decoder.attention, DotAttentionPart)
        assert decoder.readout is not None
        hidden, layers = decoder.hidden, decoder.layer_count
        self.cell, self.layer_count, self.hidden_size = decoder.cell, layers, hidden
        self.groups = groups = GROUPS[decoder.cell]
        self.grid = grid = Grid.of("int8", hidden * max(layers, encoder.layer_count))
        self.encoder = FixedPointEncoder(encoder, parameters[source.weight], parameters, grid)
        self.attention = FixedPointAttention(decoder.attention, encoder.layer_count, parameters, grid)
        embedding = parameters[blueprint.target.weight]  # (V, E)
        self.vocabulary_size = blueprint.head.vocabulary_size
        self.bridge: Affine | None = None
        if blueprint.bridge is not None:
            self.bridge = Affine(*_linear(blueprint.bridge.projection, parameters), grid, layers)
        weights = [RecurrentWeights.of(layer, parameters) for layer in decoder.layers]
        self.table = EmbeddedTable(embedding, weights[0].inward, weights[0].bias, groups)
        # What is read from several layers is their sum: (a + b) W is [a, b] [W; W].
        below = [np.tile(weight.inward[:, :hidden], number) for number, weight in enumerate(weights)]
        self.layers = [
            Affine(
                np.concatenate([below[number], weight.recurrent], axis=1),
                weight.bias if number else None,
                grid,
                groups,
            )
            for number, weight in enumerate(weights)
        ]
        readout, bias = _linear(decoder.readout.projection, parameters)
        ours, context, theirs = np.split(readout, [hidden, 2 * hidden], axis=1)
        self.readout = Affine(np.tile(ours, layers), None, grid)
        self.readout_table = EmbeddedTable(embedding, theirs, bias, 1)
        # The context goes to the readout and to all layers above the first.
        self.contexts = [Affine(context, None, grid)]
        self.contexts += [Affine(weight.inward[:, hidden:], None, grid, groups) for weight in weights[1:]]
        output, output_bias = parameters[blueprint.head.weight], parameters[blueprint.head.bias]
        missing = -len(output) % CLASSES
        self.output = Affine(
            np.pad(_doubles(output), ((0, missing), (0, 0))),
            np.pad(output_bias, (0, missing), constant_values=-np.inf),
            grid,
        )

    def complete_tables(self) -> None:
        """Compute what would be computed when it is first needed: before copies of this process share it."""
        self.encoder.complete_tables()
        self.table.complete()
        self.readout_table.complete()


def _linear(part: Linear, parameters: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A map's weight and bias, in fp64."""
    return _doubles(parameters[part.weight]), _doubles(parameters[part.bias])


def _doubles(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64)


class _Workspace:
    """The memory that the steps of N rows use, and the maps bound to it: a step allocates little."""

    def __init__(self, model: FixedPointModel, count: int) -> None:
        grid, size, layers = model.grid, model.hidden_size, model.layer_count

        def memory(*shape: int) -> np.ndarray:
            return np.empty(shape, np.float32)

        def rounded(width: int) -> np.ndarray:
            return np.empty((count, width), grid.value_type)

        self.activations, self.chosen = rounded(layers * size), rounded(layers * size)  # layers side by side
        ends = [(number + 1) * size for number in range(layers)]
        self.hidden = [self.activations[:, end - size : end] for end in ends]
        self.gates, self.gate_rows = memory(model.groups, count, size), memory(model.groups, count, size)
        self.cell = cell_step(model.cell, self.gates, memory(count, size), grid)
        self.layers = [
            layer.bind(self.activations[:, :end], self.gates)
            for layer, end in zip(model.layers, ends, strict=True)
        ]
        self.queries = memory(1, count, size)
        self.query = model.attention.query.bind(self.hidden[0], self.queries)
        self.contexts, self.rounded_contexts = memory(count, size), rounded(size)
        self.additions = [memory(part.groups, count, part.outputs // part.groups) for part in model.contexts]
        self.add_contexts = [
            part.bind(self.rounded_contexts, addition)
            for part, addition in zip(model.contexts, self.additions, strict=True)
        ]
        width = model.readout.outputs
        self.readouts, self.readout_rows = memory(1, count, width), memory(1, count, width)
        self.readout = model.readout.bind(self.activations, self.readouts)
        self.rounded_readouts = rounded(width)
        self.blocks = [slice(at, min(at + _BLOCK_ROWS, count)) for at in range(0, count, _BLOCK_ROWS)]
        rows = min(count, _BLOCK_ROWS)
        self.logits, self.spare = memory(1, rows, model.output.outputs), memory(rows, model.output.outputs)
        self.outputs = [
            model.output.bind(self.rounded_readouts[block], self.logits[:, : block.stop - block.start])
            for block in self.blocks
        ]


@dataclass
class Rows:
    """The state of N hypotheses of B sentences: a step changes it in place."""

    workspace: _Workspace
    memories: np.ndarray  # (L, N, H): an lstm's cells, a gru's unrounded outputs
    memory: Memory


class _ModelStep:
    """The step of one model up to its readouts, and its logits a block of rows at a time."""

    def __init__(self, model: FixedPointModel) -> None:
        self.model = model
        self._round = Rounding(model.grid)

    def start(self, sources: Sequence[np.ndarray], beam_size: int) -> Rows:
        """The state before the first step, `beam_size` rows per sentence."""
        model = self.model
        encoded = model.encoder.encode(sources)
        memory = model.attention.remember(encoded)
        layers, size = model.layer_count, model.hidden_size
        first = np.zeros((layers, len(sources), size), np.float32)
        if model.bridge is not None:
            first = np.tanh(model.bridge.apply(encoded.final))
        first = np.repeat(first, beam_size, axis=1)  # (L, N, H)
        # An lstm's memory begins at zero.
        memories = np.zeros_like(first) if model.cell == "lstm" else first.copy()
        workspace = _Workspace(model, len(sources) * beam_size)
        for hidden, one in zip(workspace.hidden, first, strict=True):
            self._round(one, hidden)
        return Rows(workspace, memories, memory)

    def advance(self, tokens: np.ndarray, state: Rows) -> np.ndarray:
        """Take the last tokens (N,) in; the attention's weights (B, A, k, S)."""
        model, work = self.model, state.workspace
        work.layers[0]()
        model.table.add_to(work.gates, tokens, work.gate_rows)
        work.cell(state.memories[0], work.hidden[0])
        weights = self._attend(state)
        for number in range(1, model.layer_count):
            work.layers[number]()
            np.add(work.gates, work.additions[number], out=work.gates)
            work.cell(state.memories[number], work.hidden[number])
        work.readout()
        model.readout_table.add_to(work.readouts, tokens, work.readout_rows)
        np.add(work.readouts, work.additions[0], out=work.readouts)
        np.tanh(work.readouts, out=work.readouts)
        self._round(work.readouts[0], work.rounded_readouts)
        return weights

    def _attend(self, state: Rows) -> np.ndarray:
        """Attention's weights; what the context adds elsewhere goes to the workspace's `additions`."""
        model, work = self.model, state.workspace
        work.query()
        contexts = work.contexts
        weights = model.attention.attend(work.queries[0], state.memory, contexts)
        # A context is no output of a tanh: each row has a scale of its own.
        largest = np.maximum(contexts.max(axis=1, keepdims=True), -contexts.min(axis=1, keepdims=True))
        largest[largest == 0] = 1
        np.divide(contexts, largest, out=contexts)
        self._round(contexts, work.rounded_contexts)
        for add, addition in zip(work.add_contexts, work.additions, strict=True):
            add()
            np.multiply(addition, largest, out=addition)
        return weights

    def logits(self, state: Rows, number: int) -> np.ndarray:
        """The logits of a block of rows, (N', V rounded up), in memory that is used again."""
        work = state.workspace
        work.outputs[number]()
        block = work.blocks[number]
        logits: np.ndarray = work.logits[0, : block.stop - block.start]
        return logits

    def select(self, state: Rows, rows: np.ndarray, sentences: np.ndarray | None) -> Rows:
        """See `decoding.beam.Stepper`."""
        before = work = state.workspace
        if len(rows) != len(before.activations):
            work = _Workspace(self.model, len(rows))
        np.take(before.activations, rows, axis=0, out=work.chosen)
        np.copyto(work.activations, work.chosen)
        memory = state.memory if sentences is None else state.memory.select(sentences)
        return Rows(work, state.memories[:, rows], memory)


class FixedPointTranslation:
    """One model, or an ensemble whose probabilities are averaged, behind `decoding.beam.Stepper`.

    What is not allowed is left out after the softmax: a hypothesis keeps the log-probability that the model
    gives it, whatever the search forbade.
    """

    def __init__(self, models: Sequence[FixedPointModel], *, with_attention: bool = False) -> None:
        self._steps = [_ModelStep(model) for model in models]
        self._with_attention = with_attention

    def start(self, sources: Sequence[np.ndarray], beam_size: int) -> tuple[Rows, ...]:
        """The state before the first step for sentences of ids that end with END, `beam_size` rows each."""
        return tuple(step.start(sources, beam_size) for step in self._steps)

    def step(
        self, tokens: np.ndarray, state: tuple[Rows, ...], *, width: int, forced: np.ndarray, may_end: bool
    ) -> Continuations[tuple[Rows, ...]]:
        """The `width` best continuations of each row; see `decoding.beam.Stepper`."""
        attention = self.advance(tokens, state)
        width = min(width, self._steps[0].model.vocabulary_size)
        chosen = np.empty((len(tokens), width), np.int64)
        scores = np.empty((len(tokens), width))
        for number, block in enumerate(state[0].workspace.blocks):
            values, shifts = self._log_probabilities(state, number)
            restrict(values, forced[block], may_end)
            chosen[block] = best_columns(values, width)
            scores[block] = np.take_along_axis(values, chosen[block], axis=1) - shifts
        return Continuations(chosen, scores, attention, state)

    def advance(self, tokens: np.ndarray, state: tuple[Rows, ...]) -> np.ndarray | None:
        """Take the last tokens (N,) in, up to the readouts; the mean attention (N, S) where it is wanted."""
        weights = [step.advance(tokens, one) for step, one in zip(self._steps, state, strict=True)]
        if not self._with_attention:
            return None
        means = [one.mean(axis=1) for one in weights]  # (B, k, S) each
        attention: np.ndarray = np.mean(means, axis=0).reshape(len(tokens), -1)
        return attention

    def _log_probabilities(self, state: tuple[Rows, ...], number: int) -> tuple[np.ndarray, np.ndarray]:
        """A block's log-probabilities, (N', V) less (N', 1): the second is subtracted where it is wanted."""
        spare = state[0].workspace.spare
        found = []
        for step, one in zip(self._steps, state, strict=True):
            logits = step.logits(one, number)
            found.append((logits, log_normalizers(logits, spare[: len(logits)])))
        if len(found) == 1:
            return found[0]
        means = np.logaddexp.reduce([logits - normalizers for logits, normalizers in found], axis=0)
        return means, np.full((len(means), 1), np.log(len(found)), np.float32)

    def select(
        self, state: tuple[Rows, ...], rows: np.ndarray, sentences: np.ndarray | None
    ) -> tuple[Rows, ...]:
        """The state of the given rows; of the given sentences where some are done."""
        return tuple(step.select(one, rows, sentences) for step, one in zip(self._steps, state, strict=True))
