"""Recurrent cells by hand against those of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.engines.fixed.cells import GROUPS, RecurrentWeights, Rounding, cell_step
from seqkit.engines.fixed.grid import Grid
from seqkit.network.parts import Recurrence
from tests.kernels import EXACT_KERNELS, take

ROWS, INPUTS, HIDDEN = 5, 7, 9
CELLS = ["lstm", "gru", "rnn"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("in_groups", [True, False])
@torch.no_grad()
def test_a_step_is_that_of_torch(cell: Any, in_groups: bool) -> None:
    torch.manual_seed(1)
    network = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell](INPUTS, HIDDEN)
    parameters = {f"x.1.recurrence.{name}": part.numpy() for name, part in network.named_parameters()}
    weights = RecurrentWeights.of(Recurrence("x.1", cell, INPUTS, HIDDEN), parameters)
    inputs, before, memory = (torch.randn(ROWS, size) for size in (INPUTS, HIDDEN, HIDDEN))
    before, grid = before.tanh(), Grid.of("fp32", 16)
    state: Any = (before[None], memory[None]) if cell == "lstm" else before[None]
    expected = network(inputs[None], state)[1]
    gates = inputs.numpy() @ weights.inward.T + before.numpy() @ weights.recurrent.T + weights.bias  # (N, G)
    groups = GROUPS[cell]
    shaped = np.stack(np.split(gates, groups, axis=1)) if in_groups else gates
    hidden = np.empty((ROWS, 2 * HIDDEN), grid.value_type)[:, HIDDEN:]
    after = (memory if cell == "lstm" else before).numpy().copy()
    cell_step(cell, shaped, np.empty((ROWS, HIDDEN), np.float32), grid)(after, hidden)
    output = expected[0] if cell == "lstm" else expected
    assert hidden / grid.activation_levels == pytest.approx(output[0].numpy(), abs=1e-5)
    if cell != "rnn":
        remembered = expected[1] if cell == "lstm" else expected
        assert after == pytest.approx(remembered[0].numpy(), abs=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_is_the_same_to_the_bit_among_others(cell: Any) -> None:
    generator, grid = np.random.default_rng(1), Grid.of("int8", 16)
    gates = generator.normal(size=(GROUPS[cell], 67, 37)).astype(np.float32) * 3
    memory = generator.normal(size=(67, 37)).astype(np.float32)
    results = []
    for rows in (67, 1, 2, 17, 64):
        after, hidden = memory[:rows].copy(), np.empty((rows, 37), grid.value_type)
        cell_step(cell, gates[:, :rows].copy(), np.empty((rows, 37), np.float32), grid)(after, hidden)
        results.append((after, hidden))
        assert np.array_equal(after, results[0][0][:rows])
        assert np.array_equal(hidden, results[0][1][:rows])
    assert results[0][1].std() > 10


def test_rounding_is_the_same_on_every_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    halves = (np.arange(-127, 127) + 0.5) / 127
    values = np.concatenate([generator.uniform(-1, 1, 10_000), halves, [-1, 0, 1]]).astype(np.float32)
    found = []
    for kernel in EXACT_KERNELS:
        take(kernel, monkeypatch)
        grid = Grid.of("int8", 16)
        out = np.empty(len(values), grid.value_type)
        Rounding(grid)(values.copy(), out)
        found.append(out.astype(np.int64) - grid.offset)
        halved = np.empty(len(values), grid.value_type)
        Rounding(grid, 0.5)(2 * values, halved)
        assert np.array_equal(halved, out)
    for other in found[1:]:
        assert np.array_equal(found[0], other)
    assert np.abs(found[0] - 127 * values.astype(np.float64)).max() <= 0.5001
    assert found[0][-3:].tolist() == [-127, 0, 127]


def test_fine_rounding_is_fine() -> None:
    grid = Grid.of("fp32", 16)
    values = np.random.default_rng(1).uniform(-1, 1, 10_000).astype(np.float32)
    out = np.empty(len(values), grid.value_type)
    Rounding(grid)(values.copy(), out)
    assert np.array_equal(out, np.rint(out))
    assert out / grid.activation_levels == pytest.approx(values, abs=1e-6)
