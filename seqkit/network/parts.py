"""The parts of a network as data: their sizes, and the names and shapes of their parameters.

A part that is tied to another one has no weight of its own: it names the other's. E numbers are in an
embedding, H in a hidden state, V tokens in a vocabulary. What is called weight, bias or energy is a name.

All are named tuples: each process that translates a line makes these classes anew, and a dataclass takes four
times as long to make.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

from seqkit.config import Cell

Shape = tuple[int, ...]
Pooling = Literal["mean", "max", "last", "attention"]

KERNEL = 5  # frames that a convolution sees
GATES: dict[Cell, int] = {"lstm": 4, "gru": 3, "rnn": 1}  # matrices, one below the other in a layer's weight


class Parameter(NamedTuple):
    """A learnt tensor: the name and shape that it has in the network and in a file of weights.

    `group` is the part of the network that people think in, as "decoder_1": gradients are reported by it.
    With `per_token` it has a row for every token of a vocabulary.
    """

    name: str
    shape: Shape
    group: str
    per_token: bool = False

    @property
    def size(self) -> int:
        """How many numbers it is."""
        return math.prod(self.shape)


class Part(Protocol):
    """What a network is put together from."""

    @property
    def title(self) -> str:
        """What messages call it: by its setting, where it has one ("model.attention = dot")."""
        ...

    def parameters(self) -> Iterator[Parameter]:
        """The part's own parameters, in the order of its module's."""
        ...


class FrontendPart(Part, Protocol):
    """A part that makes vectors of `output_size` out of an input sequence."""

    @property
    def output_size(self) -> int: ...


class HeadPart(Part, Protocol):
    """A part that predicts from readouts of the size `inputs`."""

    @property
    def inputs(self) -> int: ...


class Linear(NamedTuple):
    """A linear map: `weight` (outputs, inputs) and, with `has_bias`, `bias` (outputs,), both by name."""

    name: str
    inputs: int
    outputs: int
    has_bias: bool = True

    @property
    def weight(self) -> str:
        return f"{self.name}.weight"

    @property
    def bias(self) -> str:
        return f"{self.name}.bias"

    def parameters(self, group: str) -> Iterator[Parameter]:
        """Those of a map that belongs to a group."""
        yield Parameter(self.weight, (self.outputs, self.inputs), group)
        if self.has_bias:
            yield Parameter(self.bias, (self.outputs,), group)


class Recurrence(NamedTuple):
    """A recurrent layer in one direction; a weight has G = `GATES` * H rows.

    Its properties are names of parameters.
    """

    name: str
    cell: Cell
    inputs: int
    hidden: int

    @property
    def inward_weight(self) -> str:
        """(G, inputs), multiplied with the input."""
        return f"{self.name}.recurrence.weight_ih_l0"

    @property
    def recurrent_weight(self) -> str:
        """(G, H), multiplied with the last output."""
        return f"{self.name}.recurrence.weight_hh_l0"

    @property
    def inward_bias(self) -> str:
        """(G,), added to the input's product."""
        return f"{self.name}.recurrence.bias_ih_l0"

    @property
    def recurrent_bias(self) -> str:
        """(G,), added to the last output's product."""
        return f"{self.name}.recurrence.bias_hh_l0"

    def parameters(self, group: str) -> Iterator[Parameter]:
        """Those of a layer that belongs to a group."""
        rows = GATES[self.cell] * self.hidden
        yield Parameter(self.inward_weight, (rows, self.inputs), group)
        yield Parameter(self.recurrent_weight, (rows, self.hidden), group)
        yield Parameter(self.inward_bias, (rows,), group)
        yield Parameter(self.recurrent_bias, (rows,), group)


class TokenFrontendPart(NamedTuple):
    """Tokens to embeddings (V, E) of `output_size`; `weight` is their name.

    Two sides of a network that share their embeddings have one and the same part.
    """

    name: str
    vocabulary_size: int
    output_size: int

    @property
    def title(self) -> str:
        return "an embedding"

    @property
    def weight(self) -> str:
        return f"{self.name}.embedding.weight"

    def parameters(self) -> Iterator[Parameter]:
        yield Parameter(self.weight, (self.vocabulary_size, self.output_size), "embeddings", per_token=True)


class FrameFrontendPart(NamedTuple):
    """Frames of `inputs` numbers to vectors, by convolutions of stride 2, or else by a linear map.

    What each convolution says is normalised per position, over its channels (Ba et al. 2016).
    """

    name: str
    inputs: int
    output_size: int
    convolutions: int

    @property
    def title(self) -> str:
        return "a front-end of frames"

    @property
    def projection(self) -> Linear | None:
        """The linear map, where nothing is convolved."""
        return None if self.convolutions else Linear(f"{self.name}.projection", self.inputs, self.output_size)

    def parameters(self) -> Iterator[Parameter]:
        if self.projection is not None:
            yield from self.projection.parameters("frontend")
        for number in range(self.convolutions):
            name = f"{self.name}.convolutions.{number}"
            inputs = self.output_size if number else self.inputs
            yield Parameter(f"{name}.weight", (self.output_size, inputs, KERNEL), "frontend")
            yield Parameter(f"{name}.bias", (self.output_size,), "frontend")
        for number in range(self.convolutions):
            yield Parameter(f"{self.name}.norms.{number}.weight", (self.output_size,), "frontend")
            yield Parameter(f"{self.name}.norms.{number}.bias", (self.output_size,), "frontend")


class EncoderPart(NamedTuple):
    """Stacked layers in both directions, of half of `hidden` each; residual from the second."""

    cell: Cell
    inputs: int
    hidden: int
    layer_count: int

    @property
    def title(self) -> str:
        return "an encoder"

    @property
    def forwards(self) -> tuple[Recurrence, ...]:
        """The layers that read from left to right, first to last."""
        return self._layers("forwards")

    @property
    def backwards(self) -> tuple[Recurrence, ...]:
        """The layers that read from right to left, first to last."""
        return self._layers("backwards")

    def _layers(self, direction: str) -> tuple[Recurrence, ...]:
        sizes = [self.inputs] + [self.hidden] * (self.layer_count - 1)
        return tuple(
            Recurrence(f"encoder.{direction}.{number}", self.cell, size, self.hidden // 2)
            for number, size in enumerate(sizes)
        )

    def parameters(self) -> Iterator[Parameter]:
        for direction in ("forwards", "backwards"):
            for number, layer in enumerate(self._layers(direction), 1):
                yield from layer.parameters(f"encoder_{number}_{direction}")


class _Attention(NamedTuple):
    """A decoder's queries over a memory with `memory_size` numbers per position; a context of `size`.

    `size` is divided among `heads`.
    """

    query_size: int
    memory_size: int
    size: int
    heads: int

    @property
    def query(self) -> Linear:
        return Linear("decoder.attention.query", self.query_size, self.size, has_bias=False)

    @property
    def key(self) -> Linear:
        return Linear("decoder.attention.key", self.memory_size, self.size, has_bias=False)

    @property
    def value(self) -> Linear:
        return Linear("decoder.attention.value", self.memory_size, self.size, has_bias=False)

    def parameters(self) -> Iterator[Parameter]:
        for projection in (self.query, self.key, self.value):
            yield from projection.parameters("attention")


class DotAttentionPart(_Attention):
    """Scores are products of queries and keys (Luong et al. 2015, section 3.1)."""

    @property
    def title(self) -> str:
        return "model.attention = dot"


class AdditiveAttentionPart(_Attention):
    """Scores are of a layer with the weight `energy`, (heads, size / heads) (Bahdanau et al. 2015, A.1.2)."""

    energy = "decoder.attention.energy"

    @property
    def title(self) -> str:
        return "model.attention = additive"

    def parameters(self) -> Iterator[Parameter]:
        yield Parameter(self.energy, (self.heads, self.size // self.heads), "attention")
        yield from super().parameters()


AttentionPart = DotAttentionPart | AdditiveAttentionPart


class InputFeedingPart(NamedTuple):
    """The last readout, of `size`, is an input of the next step (Luong et al. 2015, section 3.3)."""

    size: int

    @property
    def title(self) -> str:
        return "model.input_feeding = true"

    def parameters(self) -> Iterator[Parameter]:
        yield from ()


class BridgePart(NamedTuple):
    """The decoder's first states from the encoder's last one (Bahdanau et al. 2015, A.2.2)."""

    cell: Cell
    inputs: int
    hidden: int
    layer_count: int

    @property
    def title(self) -> str:
        return "model.bridge = linear"

    @property
    def projection(self) -> Linear:
        return Linear("bridge.projection", self.inputs, self.hidden * self.layer_count)

    def parameters(self) -> Iterator[Parameter]:
        yield from self.projection.parameters("bridge")


class ReadoutPart(NamedTuple):
    """A tanh layer between a decoder and its head."""

    inputs: int
    size: int

    @property
    def title(self) -> str:
        return "a readout"

    @property
    def projection(self) -> Linear:
        return Linear("decoder.readout", self.inputs, self.size)

    def parameters(self) -> Iterator[Parameter]:
        yield from self.projection.parameters("readout")


class DecoderPart(NamedTuple):
    """Stacked layers, attention after the first one, and a readout; residual from the second.

    Without a `readout_size` what is read out is the last hidden layer itself.
    """

    cell: Cell
    inputs: int
    hidden: int
    layer_count: int
    readout_size: int | None = None
    attention: AttentionPart | None = None
    feeding: InputFeedingPart | None = None

    @property
    def title(self) -> str:
        return "a decoder"

    @property
    def output_size(self) -> int:
        """Of what the head reads."""
        return self.hidden if self.readout_size is None else self.readout_size

    @property
    def context_size(self) -> int:
        """Of attention's context, 0 without."""
        return 0 if self.attention is None else self.attention.size

    @property
    def layers(self) -> tuple[Recurrence, ...]:
        """The layers, first to last. All above the first read the context beside the layer below."""
        fed = 0 if self.feeding is None else self.feeding.size
        sizes = [self.inputs + fed] + [self.hidden + self.context_size] * (self.layer_count - 1)
        return tuple(
            Recurrence(f"decoder.layers.{number}", self.cell, size, self.hidden)
            for number, size in enumerate(sizes)
        )

    @property
    def readout(self) -> ReadoutPart | None:
        """Of the last layer, the context and the input, side by side."""
        if self.readout_size is None:
            return None
        return ReadoutPart(self.hidden + self.context_size + self.inputs, self.readout_size)

    def parameters(self) -> Iterator[Parameter]:
        for number, layer in enumerate(self.layers, 1):
            yield from layer.parameters(f"decoder_{number}")


class TokenHeadPart(NamedTuple):
    """A softmax over a vocabulary; its weight (V, R) may be an embedding's (Press and Wolf 2017)."""

    inputs: int
    vocabulary_size: int
    tied_to: TokenFrontendPart | None = None

    @property
    def title(self) -> str:
        return "a softmax over the vocabulary"

    @property
    def weight(self) -> str:
        return "head.output.weight" if self.tied_to is None else self.tied_to.weight

    @property
    def bias(self) -> str:
        return "head.output.bias"

    def parameters(self) -> Iterator[Parameter]:
        if self.tied_to is None:
            yield Parameter(self.weight, (self.vocabulary_size, self.inputs), "output", per_token=True)
        yield Parameter(self.bias, (self.vocabulary_size,), "output", per_token=True)


class ClassHeadPart(NamedTuple):
    """One of `classes` per sequence: a softmax over what is pooled from all positions."""

    inputs: int
    classes: int
    pooling: Pooling

    @property
    def title(self) -> str:
        return "a class per sequence"

    @property
    def weighing(self) -> Linear | None:
        """What says how much each position counts, where attention pools."""
        return Linear("head.weighing", self.inputs, 1) if self.pooling == "attention" else None

    @property
    def output(self) -> Linear:
        return Linear("head.output", self.inputs, self.classes)

    def parameters(self) -> Iterator[Parameter]:
        yield from self.output.parameters("output")
        if self.weighing is not None:
            yield from self.weighing.parameters("output")
