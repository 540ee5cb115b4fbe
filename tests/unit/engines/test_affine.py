"""Affine maps of whole numbers: exact sums, groups in one piece, every row by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.grid import Grid, Kernel
from tests.kernels import EVERY_KERNEL, EXACT_KERNELS, take

RANDOM = np.random.default_rng(1)


def values_of(rows: int, inputs: int, grid: Grid) -> np.ndarray:
    """Activations on the grid, the largest and the smallest among them."""
    levels = grid.activation_levels
    whole = RANDOM.integers(-levels, levels + 1, (rows, inputs))
    whole[:, ::3] = levels
    whole[:, 1::3] = -levels
    return (whole + grid.offset).astype(grid.value_type)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@settings(max_examples=25)
@given(rows=st.integers(1, 70), inputs=st.integers(1, 90), size=st.integers(1, 40), data=st.data())
def test_a_map_is_that_of_the_rounded_weights(
    precision: Any, kernel: Kernel, rows: int, inputs: int, size: int, data: st.DataObject
) -> None:
    groups = data.draw(st.sampled_from([1, 3, 4]))
    weight = RANDOM.normal(size=(groups * size, inputs)).astype(np.float32)
    bias = RANDOM.normal(size=groups * size).astype(np.float32) if data.draw(st.booleans()) else None
    with pytest.MonkeyPatch.context() as patch:
        take(kernel, patch)
        grid = Grid.of(precision, inputs)
    values = values_of(rows, inputs, grid)
    found = Affine(weight, bias, grid, groups).apply(values)
    assert found.shape == (groups, rows, size)
    step = np.abs(weight).max(axis=1, keepdims=True) / grid.weight_levels
    activations = (values.astype(np.float64) - grid.offset) / grid.activation_levels
    expected = activations @ (np.rint(weight / step) * step.astype(np.float64)).T
    expected = expected + (0 if bias is None else bias)
    assert np.concatenate(list(found), axis=1) == pytest.approx(expected, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_the_largest_whole_numbers_are_multiplied_exactly(
    rows: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(kernel, monkeypatch)
    grid = Grid.of("int8", 1040)
    weight = RANDOM.choice([-127.0, 127.0], (37, 1040)).astype(np.float32) / 127
    values = RANDOM.choice([-127, 127], (rows, 1040))
    values[:, :1030] = np.copysign(127, weight[0, :1030])  # a sum near the limit
    (found,) = Affine(weight, None, grid).apply((values + grid.offset).astype(grid.value_type))
    sums = values @ (127 * weight.astype(np.int64)).T
    assert np.abs(sums).max() > 0.98 * 127 * 127 * 1040
    assert found == pytest.approx(sums / 127 / 127, rel=3e-7)


def test_a_row_is_the_same_to_the_bit_among_others_and_on_every_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight = RANDOM.normal(size=(4 * 29, 77)).astype(np.float32)
    bias = RANDOM.normal(size=4 * 29).astype(np.float32)
    found = []
    for kernel in EXACT_KERNELS:
        take(kernel, monkeypatch)
        grid = Grid.of("int8", 77)
        values = (np.random.default_rng(2).integers(-127, 128, (67, 77)) + grid.offset).astype(
            grid.value_type
        )
        mapping = Affine(weight, bias, grid, 4)
        found.append(mapping.apply(values))
        for rows in (0, 1, 2, 3, 16, 33, 64):
            assert np.array_equal(mapping.apply(values[:rows]), found[-1][:, :rows])
    for other in found[1:]:
        assert np.array_equal(found[0], other)


def test_a_bound_map_reads_what_is_there_then() -> None:
    grid = Grid.of("int8", 8)
    mapping = Affine(np.eye(8, dtype=np.float32), None, grid, 2)
    memory = np.full((3, 12), grid.offset, grid.value_type)
    out = np.ones((2, 3, 4), np.float32)
    for values in (memory[:, :8], memory[:, 4:]):  # not in one piece
        call = mapping.bind(values, out)
        call()
        assert not out.any()
        values[1, 5] += 127
        call()
        assert out[1, 1, 1] == pytest.approx(1)
        assert np.count_nonzero(out) == 1
        values[1, 5] -= 127
