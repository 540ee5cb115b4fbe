"""Recurrent layers, the encoder's reversal, the decoder's state, and how weights begin."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from seqkit.config import Cell
from seqkit.data.batch import Padded
from seqkit.network.parts import BridgePart, DecoderPart, DotAttentionPart, EncoderPart, InputFeedingPart
from seqkit.nn.attention import Attention
from seqkit.nn.recurrent import (
    BidirectionalEncoder,
    Bridge,
    DecoderState,
    RecurrentDecoder,
    RecurrentLayer,
    initialize,
    reversal_index,
    reverse_within_lengths,
    saturated_share,
)

Scheme = Literal["orthogonal", "xavier", "he", "uniform"]
CELLS: list[Cell] = ["lstm", "gru", "rnn"]
STEPS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


def padded(*lengths: int, size: int = 4) -> Padded:
    """Random frames of the given lengths."""
    torch.manual_seed(9)
    return Padded(torch.randn(len(lengths), max(lengths), size), torch.tensor(lengths))


@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_is_its_cell_step_by_step(cell: Cell) -> None:
    torch.manual_seed(1)
    layer = RecurrentLayer(cell, 4, 6)
    step = STEPS[cell](4, 6)
    step.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in layer.recurrence.state_dict().items()}
    )
    inputs = torch.randn(3, 5, 4)
    parts = 2 if cell == "lstm" else 1
    state = tuple(torch.randn(3, 6) for _ in range(parts))
    outputs, last = layer(inputs, state)
    carried = state if cell == "lstm" else state[0]
    for position in range(5):
        carried = step(inputs[:, position], carried)
        hidden = carried[0] if cell == "lstm" else carried
        assert torch.allclose(outputs[:, position], hidden, atol=1e-6)
    expected = carried if cell == "lstm" else (carried,)
    assert len(last) == parts
    for one, other in zip(last, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_zero_state_is_pytorchs_own(cell: Cell) -> None:
    layer = RecurrentLayer(cell, 4, 6)
    inputs = torch.randn(2, 3, 4)
    assert torch.equal(layer(inputs, layer.zero_state(2, inputs))[0], layer.recurrence(inputs)[0])


def test_lstm_gates_are_those_of_the_equations() -> None:
    torch.manual_seed(2)
    layer = RecurrentLayer("lstm", 4, 3)
    inputs = torch.randn(2, 4, 4)
    gates = layer.gate_activations(inputs, layer.zero_state(2, inputs))
    assert set(gates) == {"input", "forget", "output"}
    weights = dict(layer.recurrence.named_parameters())
    hidden = memory = torch.zeros(2, 3)
    for t in range(4):
        summed = inputs[:, t] @ weights["weight_ih_l0"].T + hidden @ weights["weight_hh_l0"].T
        summed = summed + weights["bias_ih_l0"] + weights["bias_hh_l0"]
        i, f, g, o = summed.chunk(4, dim=1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh()
        for name, value in (("input", i), ("forget", f), ("output", o)):
            assert torch.allclose(gates[name][:, t], value.sigmoid(), atol=1e-6)


def test_gru_gates_are_those_of_the_equations() -> None:
    torch.manual_seed(2)
    layer = RecurrentLayer("gru", 4, 3)
    inputs = torch.randn(2, 3, 4)
    outputs, _ = layer(inputs, layer.zero_state(2, inputs))
    gates = layer.gate_activations(inputs, layer.zero_state(2, inputs))
    assert set(gates) == {"reset", "update"}
    weights = dict(layer.recurrence.named_parameters())
    before = torch.cat([torch.zeros(2, 1, 3), outputs[:, :-1]], dim=1)
    inward = inputs @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    recurrent = before @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]
    assert torch.allclose(gates["reset"], (inward + recurrent)[..., :3].sigmoid(), atol=1e-6)
    assert torch.allclose(gates["update"], (inward + recurrent)[..., 3:6].sigmoid(), atol=1e-6)


def test_a_plain_network_has_no_gates() -> None:
    layer = RecurrentLayer("rnn", 4, 3)
    inputs = torch.randn(2, 3, 4)
    assert layer.gate_activations(inputs, layer.zero_state(2, inputs)) == {}


def test_saturation_counts_real_positions_only() -> None:
    gates = {"forget": torch.tensor([[[0.99, 0.5], [0.01, 0.99]], [[0.96, 0.94], [0.999, 0.999]]])}
    mask = torch.tensor([[True, True], [True, False]])
    assert saturated_share(gates, mask) == {"forget": pytest.approx(4 / 6)}


def test_reversal_within_the_lengths() -> None:
    values = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7], [8, 0, 0, 0]])[:, :, None].float()
    index = reversal_index(torch.tensor([3, 4, 1]), 4)
    turned = reverse_within_lengths(values, index)
    assert turned[:, :, 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [8, 0, 0, 0]]
    assert torch.equal(reverse_within_lengths(turned, index), values)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_a_sentence_does_not_see_its_neighbours_or_padding(cell: Cell, layers: int) -> None:
    torch.manual_seed(3)
    encoder = BidirectionalEncoder(EncoderPart(cell, 4, 6, layers), dropout=0.0)
    batch = padded(5, 2, 7)
    together = encoder(batch)
    assert together.outputs.values.shape == (3, 7, 6)
    for row, length in enumerate(batch.lengths.tolist()):
        alone = encoder(Padded(batch.values[row : row + 1, :length], torch.tensor([length])))
        assert torch.allclose(together.outputs.values[row, :length], alone.outputs.values[0], atol=1e-6)
        assert torch.allclose(together.final[0][row], alone.final[0][0], atol=1e-6)


def test_layers_above_the_first_add_to_what_is_below() -> None:
    torch.manual_seed(4)
    encoder = BidirectionalEncoder(EncoderPart("lstm", 4, 6, 2), dropout=0.0)
    batch = padded(5, 3)
    first = BidirectionalEncoder(EncoderPart("lstm", 4, 6, 1), dropout=0.0)
    first.load_state_dict({name: value for name, value in encoder.state_dict().items() if ".0." in name})
    below = first(batch).outputs.values
    for parameter in (*encoder.forwards[1].parameters(), *encoder.backwards[1].parameters()):
        nn.init.zeros_(parameter)
    assert torch.equal(encoder(batch).outputs.values, below)


def decoder(cell: Cell, *, input_feeding: bool, layers: int = 2, dropout: float = 0.0) -> RecurrentDecoder:
    torch.manual_seed(5)
    attention = DotAttentionPart(6, 6, 6, 2)
    feeding = InputFeedingPart(5) if input_feeding else None
    part = DecoderPart(cell, 4, 6, layers, 5, attention, feeding)
    return RecurrentDecoder(part, attention=Attention(attention, dropout=0.0), dropout=dropout)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("input_feeding", [False, True])
def test_one_pass_is_many_steps(cell: Cell, input_feeding: bool) -> None:
    part = decoder(cell, input_feeding=input_feeding)
    assert part.attention is not None
    inputs = padded(6, 6, 6).values
    memory = part.attention.remember(torch.randn(3, 8, 6), torch.arange(8) < torch.tensor([[8], [3], [5]]))
    start = part.start(3, inputs, None, memory)
    whole = part(inputs, start)
    state = start
    for position in range(6):
        step = part(inputs[:, position : position + 1], state)
        state = step.state
        assert torch.allclose(step.readouts[:, 0], whole.readouts[:, position], atol=1e-6)
        assert step.weights is not None
        assert whole.weights is not None
        assert torch.allclose(step.weights[:, 0], whole.weights[:, position], atol=1e-6)
    assert (state.feed is not None) == input_feeding
    for one, other in zip(state.layers, whole.state.layers, strict=True):
        assert len(one) == (2 if cell == "lstm" else 1)
        for left, right in zip(one, other, strict=True):
            assert torch.allclose(left, right, atol=1e-6)


def test_selected_rows_go_on_as_they_would_have() -> None:
    part = decoder("lstm", input_feeding=True)
    assert part.attention is not None
    inputs = padded(4, 4, 4).values
    memory = part.attention.remember(torch.randn(3, 5, 6), torch.ones(3, 5, dtype=torch.bool))
    state = part(inputs[:, :2], part.start(3, inputs, None, memory)).state
    whole = part(inputs[:, 2:], state).readouts
    rows = torch.tensor([2, 0])
    assert torch.allclose(part(inputs[rows, 2:], state.select(rows, rows)).readouts, whole[rows], atol=1e-6)
    doubled = state.select(torch.tensor([0, 0, 1, 1, 2, 2]))  # two rows a sentence, one memory
    again = part(inputs.repeat_interleave(2, dim=0)[:, 2:], doubled).readouts
    assert torch.allclose(again, whole.repeat_interleave(2, dim=0), atol=1e-6)


@pytest.mark.parametrize("input_feeding", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_state_goes_through_tensors_and_is_joined(cell: Cell, input_feeding: bool) -> None:
    """What is carried from step to step, and saved with a checkpoint, loses nothing."""
    torch.manual_seed(3)
    feeding = InputFeedingPart(5) if input_feeding else None
    part = DecoderPart(cell, 4, 6, 11, 5, None, feeding)  # more layers than digits: by their numbers
    decoder = RecurrentDecoder(part, attention=None)
    inputs = torch.randn(3, 2, 4)
    state = decoder(inputs, decoder.start(3, inputs, None, None)).state.detach()
    tensors = state.to_tensors()
    parts = 2 if cell == "lstm" else 1
    assert sorted(tensors) == sorted(
        [f"{layer}.{part}" for layer in range(11) for part in range(parts)] + ["feed"] * input_feeding
    )
    read = DecoderState.from_tensors(dict(sorted(tensors.items())), torch.device("cpu"))
    joined = DecoderState.joined([state.select(torch.tensor([0])), state.select(torch.tensor([1, 2]))])
    for other in (read, joined):
        assert len(other.layers) == 11
        assert other.to_tensors().keys() == tensors.keys()
        for name, value in other.to_tensors().items():
            assert torch.equal(value, tensors[name]), name


def test_detached_state_has_no_history() -> None:
    part = decoder("lstm", input_feeding=True)
    inputs = padded(3, 3).values.requires_grad_()
    assert part.attention is not None
    memory = part.attention.remember(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
    state = part(inputs, part.start(2, inputs, None, memory)).state
    assert state.layers[0][0].requires_grad
    detached = state.detach()
    assert detached.feed is not None
    assert not detached.feed.requires_grad
    assert not any(value.requires_grad for layer in detached.layers for value in layer)
    assert torch.equal(detached.layers[1][1], state.layers[1][1])


@pytest.mark.parametrize("input_feeding", [False, True])
def test_dropout_keeps_one_mask_for_a_sentence(input_feeding: bool) -> None:
    part = decoder("lstm", input_feeding=input_feeding, dropout=0.5).train()
    assert part.attention is not None
    inputs = padded(6, 6).values
    memory = part.attention.remember(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
    torch.manual_seed(11)
    readouts = part(inputs, part.start(2, inputs, None, memory)).readouts
    dropped = readouts == 0
    assert 0 < dropped.float().mean() < 1
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))


@pytest.mark.parametrize("cell", CELLS)
def test_the_bridge_fills_every_layer(cell: Cell) -> None:
    torch.manual_seed(6)
    bridge = Bridge(BridgePart(cell, 6, 4, 3))
    final = torch.randn(2, 6)
    states = bridge(final)
    assert len(states) == 3
    joined = torch.cat([state[0] for state in states], dim=1)
    assert torch.allclose(joined, torch.tanh(bridge.projection(final)))
    if cell == "lstm":
        assert all(torch.equal(memory, torch.zeros(2, 4)) for _, memory in states)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_weights_are_orthogonal_gate_by_gate(cell: Cell) -> None:
    torch.manual_seed(7)
    layer = RecurrentLayer(cell, 5, 8)
    initialize(layer, "orthogonal", 1.0)
    gates = layer.recurrence.get_parameter("weight_hh_l0").view(-1, 8, 8)
    assert len(gates) == {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    for gate in gates:
        assert torch.allclose(gate @ gate.T, torch.eye(8), atol=1e-5)
    if len(gates) > 1:
        assert not torch.allclose(gates[0], gates[1])


def test_the_forget_gate_alone_gets_its_bias() -> None:
    layer = RecurrentLayer("lstm", 5, 4)
    initialize(layer, "orthogonal", 1.5)
    assert layer.recurrence.get_parameter("bias_ih_l0").tolist() == [0.0] * 4 + [1.5] * 4 + [0.0] * 8
    assert layer.recurrence.get_parameter("bias_hh_l0").tolist() == [0.0] * 16
    gru = RecurrentLayer("gru", 5, 4)
    initialize(gru, "orthogonal", 1.5)
    assert gru.recurrence.get_parameter("bias_ih_l0").tolist() == [0.0] * 12


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("orthogonal", (2 / (64 + 32)) ** 0.5),  # input weights: Xavier, gate by gate
        ("xavier", (2 / (64 + 32)) ** 0.5),
        ("he", 32**-0.5),
        ("uniform", (1 / 64) ** 0.5 / 3**0.5),
    ],
)
def test_input_weights_have_the_spread_of_their_scheme(scheme: Scheme, deviation: float) -> None:
    torch.manual_seed(8)
    layer = RecurrentLayer("lstm", 32, 64)
    initialize(layer, scheme, 1.0)
    weight = layer.recurrence.get_parameter("weight_ih_l0")
    assert weight.std().item() == pytest.approx(deviation, rel=0.05)
    if scheme == "uniform":
        assert weight.abs().max().item() <= 64**-0.5


def test_linear_layers_begin_without_bias() -> None:
    linear = nn.Linear(30, 20)
    initialize(linear, "orthogonal", 1.0)
    assert linear.bias.eq(0).all()
    assert linear.weight.abs().max().item() <= (6 / 50) ** 0.5


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_weight_drop_changes_its_mask_and_is_off_in_evaluation(cell: Cell) -> None:
    torch.manual_seed(1)
    layer = RecurrentLayer(cell, 5, 6, weight_drop=0.5)
    inputs = torch.randn(2, 7, 5)
    state = layer.zero_state(2, inputs)
    weight = layer.recurrence.get_parameter("weight_hh_l0")
    before = weight.detach().clone()
    first, second = (layer(inputs, state)[0] for _ in range(2))
    assert not torch.equal(first, second), "two calls draw two masks"
    torch.manual_seed(5)
    again = layer(inputs, state)[0]
    torch.manual_seed(5)
    assert torch.equal(again, layer(inputs, state)[0]), "the mask follows from the seed"
    # What the call saw is the whole weight, with half of it dropped and the rest doubled.
    torch.manual_seed(5)
    dropped = torch.nn.functional.dropout(before, 0.5)
    assert 0.2 < (dropped == 0).float().mean() < 0.8
    plain = RecurrentLayer(cell, 5, 6)
    plain.load_state_dict(layer.state_dict())
    with torch.no_grad():
        plain.recurrence.get_parameter("weight_hh_l0").copy_(dropped)
    assert torch.allclose(again, plain(inputs, state)[0], atol=1e-6)
    assert torch.equal(weight, before), "the module keeps its whole weight"
    # Off in evaluation.
    plain.load_state_dict(layer.state_dict())
    layer.eval()
    assert torch.equal(layer(inputs, state)[0], plain(inputs, state)[0])


def test_gradients_reach_the_kept_weights_and_no_others() -> None:
    torch.manual_seed(1)
    layer = RecurrentLayer("lstm", 5, 6, weight_drop=0.5)
    inputs = torch.randn(2, 7, 5)
    torch.manual_seed(5)
    layer(inputs, layer.zero_state(2, inputs))[0].sum().backward()
    weight = layer.recurrence.get_parameter("weight_hh_l0")
    torch.manual_seed(5)
    kept = torch.nn.functional.dropout(torch.ones_like(weight), 0.5) > 0
    assert weight.grad is not None
    assert (weight.grad[~kept] == 0).all()
    assert (weight.grad[kept] != 0).all()
