"""Recurrent layers, the bidirectional encoder and the attending decoder.

A layer is one library call over the whole sequence: that is what reaches the fused oneDNN and cuDNN kernels.
They do so only for padded input, so nothing here is packed; the backward direction of the encoder instead
reverses each sequence within its length and reads it forwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from seqkit.config import Cell
from seqkit.data.batch import Padded
from seqkit.network.parts import GATES, BridgePart, DecoderPart, EncoderPart
from seqkit.nn.attention import Attention, Memory
from seqkit.nn.dropout import SequenceDropout, masked

LayerState = tuple[Tensor, ...]  # (h, c) of an lstm, (h,) of the others; each (N, H)

_MODULES: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
SATURATED = 0.95  # a gate above this, or below one minus this, hardly lets a gradient through


class RecurrentLayer(nn.Module):
    """One layer in one direction: LSTM (Hochreiter and Schmidhuber 1997), GRU or tanh network.

    In training `weight_drop` drops that share of the recurrent weights, anew in every call and the same at
    all of its positions (Merity et al. 2018, section 2).
    """

    def __init__(self, cell: Cell, input_size: int, hidden_size: int, *, weight_drop: float = 0.0) -> None:
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.weight_drop = weight_drop
        self.recurrence = _MODULES[cell](input_size, hidden_size, batch_first=True)

    def zero_state(self, rows: int, like: Tensor) -> LayerState:
        """The state before a sequence; each tensor (N, H)."""
        parts = 2 if self.cell == "lstm" else 1
        return tuple(like.new_zeros(rows, self.hidden_size) for _ in range(parts))

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """(N, T, I), state -> (N, T, H), state after the last position."""
        packed: Any = tuple(part[None].to(inputs.dtype).contiguous() for part in state)  # (1, N, H)
        arguments = (inputs, packed if self.cell == "lstm" else packed[0])
        if self.training and self.weight_drop:
            # The call sees other weights, the module is not touched: gradients reach the whole ones.
            whole = self.recurrence.get_parameter("weight_hh_l0")
            dropped = {"weight_hh_l0": nn.functional.dropout(whole, self.weight_drop)}
            outputs, last = torch.func.functional_call(self.recurrence, dropped, arguments)
        else:
            outputs, last = self.recurrence(*arguments)
        parts = last if self.cell == "lstm" else (last,)
        return outputs, tuple(part[0] for part in parts)

    @torch.no_grad()
    def gate_activations(self, inputs: Tensor, state: LayerState) -> dict[str, Tensor]:
        """The gates' values at every position, each (N, T, H), computed step by step for inspection."""
        if self.cell == "rnn":
            return {}
        names = (
            ("input", "forget", "candidate", "output") if self.cell == "lstm" else ("reset", "update", "new")
        )
        history: dict[str, list[Tensor]] = {name: [] for name in names if name not in {"candidate", "new"}}
        inward_weight, recurrent_weight, inward_bias, recurrent_bias = self.recurrence.parameters()
        for position in range(inputs.shape[1]):
            inward = nn.functional.linear(inputs[:, position], inward_weight, inward_bias)
            inward = inward + nn.functional.linear(state[0], recurrent_weight, recurrent_bias)
            for name, gate in zip(names, inward.chunk(GATES[self.cell], dim=1), strict=True):
                if name in history:
                    history[name].append(gate.sigmoid())
            _, state = self(inputs[:, position : position + 1], state)
        return {name: torch.stack(values, dim=1) for name, values in history.items()}


class _PermuteRows(torch.autograd.Function):
    """`values[index]` for a permutation that is its own inverse.

    The gradient is the same permutation; the general backward of indexing would scatter and add.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return gradients[0].index_select(0, index), None


def reversal_index(lengths: Tensor, time: int) -> Tensor:
    """The permutation of the B * T rows of a padded batch that reverses each sequence within its length."""
    positions = torch.arange(time, device=lengths.device)[None]  # (1, T)
    reversed_positions = torch.where(
        positions < lengths[:, None], lengths[:, None] - 1 - positions, positions
    )
    first_rows = torch.arange(len(lengths), device=lengths.device)[:, None] * time  # (B, 1)
    return (first_rows + reversed_positions).flatten()  # (B * T,)


def reverse_within_lengths(values: Tensor, index: Tensor) -> Tensor:
    """Reverse each sequence and leave the padding behind it where it is. (B, T, F) -> (B, T, F)"""
    flat: Tensor = _PermuteRows.apply(values.flatten(0, 1), index)  # type: ignore[no-untyped-call]
    return flat.view_as(values)


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of a batch: outputs at every position, and each layer's last states.

    `outputs` is (B, S, 2 * H/2); `final` has for the last layer the states of both directions joined, (B, H).
    """

    outputs: Padded
    final: LayerState


class BidirectionalEncoder(nn.Module):
    """Stacked bidirectional layers (Schuster and Paliwal 1997), residual from the second."""

    def __init__(self, part: EncoderPart, *, dropout: float, weight_drop: float = 0.0) -> None:
        super().__init__()
        self.forwards, self.backwards = (
            nn.ModuleList(
                RecurrentLayer(layer.cell, layer.inputs, layer.hidden, weight_drop=weight_drop)
                for layer in layers
            )
            for layers in (part.forwards, part.backwards)
        )
        self.dropout = SequenceDropout(dropout)

    def forward_layers(self) -> list[RecurrentLayer]:
        """The layers that read from left to right, first to last."""
        return cast(list[RecurrentLayer], list(self.forwards))

    def backward_layers(self) -> list[RecurrentLayer]:
        """The layers that read from right to left, first to last."""
        return cast(list[RecurrentLayer], list(self.backwards))

    def forward(self, inputs: Padded) -> Encoded:
        """(B, S, E) -> outputs (B, S, H) and final states (B, H)"""
        values, lengths = inputs.values, inputs.lengths
        batch, time = values.shape[:2]
        index = reversal_index(lengths, time)
        last_rows = torch.arange(batch, device=lengths.device) * time + (lengths - 1).clamp(min=0)  # (B,)
        final: LayerState = ()
        for number, (forwards, backwards) in enumerate(
            zip(self.forward_layers(), self.backward_layers(), strict=True)
        ):
            start = forwards.zero_state(batch, values)
            onward, _ = forwards(values, start)  # (B, S, H/2)
            back, _ = backwards(reverse_within_lengths(values, index), start)  # (B, S, H/2)
            final = (torch.cat([_rows(onward, last_rows), _rows(back, last_rows)], dim=1),)  # (B, H)
            outputs = torch.cat([onward, reverse_within_lengths(back, index)], dim=2)  # (B, S, H)
            outputs = self.dropout(outputs)
            values = outputs + values if number else outputs
        return Encoded(Padded(values, lengths), final)


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """The chosen rows of the B * T positions. (B, T, F), (B,) -> (B, F)"""
    return values.flatten(0, 1).index_select(0, index)


@dataclass(frozen=True)
class DecoderState:
    """Everything a decoder remembers between steps. It is immutable and permutes itself.

    `layers` holds a state per layer, (N, H) each; `memory` is the source, one row per sentence; `feed` is the
    last readout, (N, R), where input feeding is on.
    """

    layers: tuple[LayerState, ...]
    memory: Memory | None = None
    feed: Tensor | None = None

    def select(self, rows: Tensor, sentences: Tensor | None = None) -> DecoderState:
        """The state of the given rows (N',); `sentences` (B',) says which memories stay, None means all."""
        layers = tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self.layers)
        memory = self.memory
        if memory is not None and sentences is not None:
            memory = memory.select(sentences)
        feed = None if self.feed is None else self.feed.index_select(0, rows)
        return DecoderState(layers, memory, feed)

    @classmethod
    def joined(cls, states: Sequence[DecoderState]) -> DecoderState:
        """One state with the rows of several that have no memory."""
        if len(states) == 1:
            return states[0]
        layers = tuple(
            tuple(torch.cat(parts) for parts in zip(*same, strict=True))
            for same in zip(*(state.layers for state in states), strict=True)
        )
        feeds = [state.feed for state in states if state.feed is not None]
        return cls(layers, feed=torch.cat(feeds) if feeds else None)

    def to_tensors(self) -> dict[str, Tensor]:
        """The state of rows that have no memory, as tensors by name: `layer number.part`, and `feed`."""
        tensors = {
            f"{number}.{part}": value
            for number, layer in enumerate(self.layers)
            for part, value in enumerate(layer)
        }
        return tensors if self.feed is None else {**tensors, "feed": self.feed}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], device: torch.device) -> DecoderState:
        """The state that `to_tensors` took apart, on a device."""
        values = {name: value.to(device) for name, value in tensors.items()}
        feed = values.pop("feed", None)
        layers: dict[int, dict[int, Tensor]] = {}
        for name, value in values.items():
            number, _, part = name.partition(".")
            layers.setdefault(int(number), {})[int(part)] = value
        ordered = (tuple(parts[part] for part in sorted(parts)) for _, parts in sorted(layers.items()))
        return cls(tuple(ordered), feed=feed)

    def detach(self) -> DecoderState:
        """The same values with no history, for truncated back-propagation."""
        layers = tuple(tuple(part.detach() for part in layer) for layer in self.layers)
        feed = None if self.feed is None else self.feed.detach()
        return replace(self, layers=layers, feed=feed)


@dataclass(frozen=True)
class Decoded:
    """Readouts (N, T, R), the attention weights averaged over heads (N, T, S) or None, the state after."""

    readouts: Tensor
    weights: Tensor | None
    state: DecoderState


class RecurrentDecoder(nn.Module):
    """Stacked recurrent layers; attention after the first one, its context to all above and to the readout.

    Attending after the first layer (Wu et al. 2016, section 3) needs no loop over target positions, unlike
    input feeding (Luong et al. 2015, section 3.3), which is there as an option. Without attention this is
    the network of a generator.
    """

    def __init__(
        self,
        part: DecoderPart,
        *,
        attention: Attention | None,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        """`attention` is the module of the part's."""
        super().__init__()
        self.readout_size = part.output_size
        self.layers = nn.ModuleList(
            RecurrentLayer(layer.cell, layer.inputs, layer.hidden, weight_drop=weight_drop)
            for layer in part.layers
        )
        self.attention = attention
        self.readout = None if part.readout is None else nn.Linear(part.readout.inputs, part.readout.size)
        self.input_feeding = part.feeding is not None
        self.dropout = SequenceDropout(dropout)

    def recurrent_layers(self) -> list[RecurrentLayer]:
        """The layers, first to last."""
        return cast(list[RecurrentLayer], list(self.layers))

    def start(
        self, rows: int, like: Tensor, first_layers: Sequence[LayerState] | None, memory: Memory | None
    ) -> DecoderState:
        """The state before the first step: zeros, or what a bridge made of the encoder."""
        layers = tuple(first_layers or (layer.zero_state(rows, like) for layer in self.recurrent_layers()))
        feed = like.new_zeros(rows, self.readout_size) if self.input_feeding else None
        return DecoderState(layers, memory, feed)

    def forward(self, inputs: Tensor, state: DecoderState) -> Decoded:
        """(N, T, E), state -> readouts (N, T, R), weights (N, T, S), state"""
        masks = self._masks(inputs)
        if not self.input_feeding or inputs.shape[1] <= 1:
            return self._pass(inputs, state, masks)
        steps = []
        for position in range(inputs.shape[1]):
            steps.append(self._pass(inputs[:, position : position + 1], state, masks))
            state = steps[-1].state
        weights = [step.weights for step in steps if step.weights is not None]
        return Decoded(
            torch.cat([step.readouts for step in steps], dim=1),
            torch.cat(weights, dim=1) if weights else None,
            state,
        )

    def _masks(self, inputs: Tensor) -> list[Tensor | None]:
        """A dropout mask per layer and one for the readouts, the same at all positions of a sequence."""
        sizes = [layer.hidden_size for layer in self.recurrent_layers()]
        if self.readout is not None:  # without it the last layer's mask is that of the readouts
            sizes.append(self.readout_size)
        return [self.dropout.draw(len(inputs), size, inputs.device) for size in sizes]

    def _pass(self, inputs: Tensor, state: DecoderState, masks: Sequence[Tensor | None]) -> Decoded:
        """All positions in one call per layer."""
        values = inputs
        if state.feed is not None:
            values = torch.cat([inputs, state.feed[:, None].to(inputs.dtype)], dim=2)  # (N, 1, E + R)
        hidden, first = self.recurrent_layers()[0](values, state.layers[0])  # (N, T, H)
        hidden = masked(hidden, masks[0])
        after = [first]
        context, weights = None, None
        if self.attention is not None and state.memory is not None:
            context, weights = self.attention(hidden, state.memory)  # (N, T, C), (N, T, S)
        above = zip(self.recurrent_layers()[1:], state.layers[1:], masks[1 : len(self.layers)], strict=True)
        for layer, layer_state, mask in above:
            joined = hidden if context is None else torch.cat([hidden, context], dim=2)
            outputs, last = layer(joined, layer_state)  # (N, T, H)
            hidden = hidden + masked(outputs, mask)
            after.append(last)
        readouts = hidden  # (N, T, R)
        if self.readout is not None:
            parts = [hidden, inputs] if context is None else [hidden, context, inputs]
            readouts = torch.tanh(self.readout(torch.cat(parts, dim=2)))
            readouts = masked(readouts, masks[-1])
        feed = readouts[:, -1] if self.input_feeding else None
        return Decoded(readouts, weights, DecoderState(tuple(after), state.memory, feed))


class Bridge(nn.Module):
    """Makes the decoder's first states out of the encoder's last ones (Bahdanau et al. 2015, A.2.2)."""

    def __init__(self, part: BridgePart) -> None:
        super().__init__()
        self.cell = part.cell
        self.layers = part.layer_count
        self.projection = nn.Linear(part.projection.inputs, part.projection.outputs)

    def forward(self, final: Tensor) -> tuple[LayerState, ...]:
        """(B, H) -> for each layer (h, c) or (h,), each (B, H); a cell starts at zero"""
        states = torch.tanh(self.projection(final)).chunk(self.layers, dim=1)
        return tuple(
            (state, torch.zeros_like(state)) if self.cell == "lstm" else (state,) for state in states
        )


def saturated_share(gates: dict[str, Tensor], mask: Tensor) -> dict[str, float]:
    """For each gate the share of its values at real positions that are closed or fully open."""
    shares = {}
    for name, values in gates.items():
        kept = values[mask]  # (positions, H)
        shares[name] = ((kept > SATURATED) | (kept < 1 - SATURATED)).float().mean().item()
    return shares


@torch.no_grad()
def initialize(
    module: nn.Module, scheme: Literal["orthogonal", "xavier", "he", "uniform"], forget_bias: float
) -> None:
    """Initialise recurrent and linear weights in place.

    `orthogonal`: recurrent weights orthogonal gate by gate (Saxe et al. 2014), the others Xavier (Glorot and
    Bengio 2010); `he`: He et al. 2015; `uniform`: within 1/sqrt(H). Biases are zero but for `forget_bias`.
    """
    for part in module.modules():
        if isinstance(part, RecurrentLayer):
            _initialize_recurrence(part, scheme, forget_bias)
        elif isinstance(part, nn.Linear):
            _fill(part.weight, scheme)
            if part.bias is not None:
                part.bias.zero_()


def _initialize_recurrence(layer: RecurrentLayer, scheme: str, forget_bias: float) -> None:
    hidden = layer.hidden_size
    for name, weight in layer.recurrence.named_parameters():
        if name.startswith("bias"):
            weight.zero_()
            continue
        for gate in weight.chunk(GATES[layer.cell]):  # each gate is a matrix of its own
            if scheme == "orthogonal" and name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            elif scheme == "uniform":
                nn.init.uniform_(gate, -(hidden**-0.5), hidden**-0.5)
            else:
                _fill(gate, scheme)
    if layer.cell == "lstm":
        layer.recurrence.get_parameter("bias_ih_l0")[hidden : 2 * hidden] = forget_bias


def _fill(weight: Tensor, scheme: str) -> None:
    if scheme == "he":
        nn.init.kaiming_normal_(weight, nonlinearity="linear")
    elif scheme == "uniform":
        bound = weight.shape[1] ** -0.5
        nn.init.uniform_(weight, -bound, bound)
    else:
        nn.init.xavier_uniform_(weight)
