"""The hand-written step: exact products, so that a row is the same in every batch and on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.errors import ModelError
from seqkit.model_directory import LoadedModel
from tests.generators import rows_after, small_generator, some_tokens, steps
from tests.kernels import EXACT_KERNELS, take


def engine_of(loaded: LoadedModel, precision: Any = "int8") -> FixedPointDecoder:
    return FixedPointDecoder(loaded.blueprint, loaded.parameters, precision)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("hidden", [24, 101])
def test_a_rows_logits_are_the_same_to_the_bit_in_every_batch(cell: str, precision: Any, hidden: int) -> None:
    loaded = small_generator(cell, hidden=hidden, tied="target" if hidden == 24 else "none")
    before = rows_after(engine_of(loaded, precision), some_tokens(loaded.model, 9))
    tokens = some_tokens(loaded.model, 12 * 67).reshape(12, 67)
    one = np.zeros(1, np.int64)
    alone = np.array([steps(before.copied(one), tokens[:, row])[:, 0] for row in range(67)])
    for rows in (2, 3, 8, 16, 17, 33, 64, 67):
        together = before.copied(np.zeros(rows, np.int64))
        for position in range(12):
            together.step(tokens[position, :rows])
            assert np.array_equal(together.logits(), alone[:rows, position])


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("tied", ["none", "target"])
def test_reading_is_stepping(precision: Any, tied: str) -> None:
    loaded = small_generator(layers=3, tied=tied)
    engine = engine_of(loaded, precision)
    tokens = some_tokens(loaded.model, 30)
    whole = steps(engine.begin(), tokens)
    for read in (1, 2, 29):
        assert np.array_equal(steps(rows_after(engine, tokens[:read]), tokens[read:]), whole[read:])


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize(
    ("cell", "tied"), [("lstm", "none"), ("lstm", "target"), ("gru", "none"), ("rnn", "none")]
)
def test_following_a_text_is_stepping_through_it(precision: Any, cell: str, tied: str) -> None:
    loaded = small_generator(cell, layers=3, tied=tied)
    engine = engine_of(loaded, precision)
    tokens = some_tokens(loaded.model, 41)
    whole = steps(engine.begin(), tokens)[:, 0]
    rows = engine.begin()
    for start, stop in ((0, 1), (1, 20), (20, 40)):  # the state goes on from slice to slice
        states = rows.follow(tokens[start:stop])
        assert np.array_equal(states.logits(), whole[start:stop])
        assert np.array_equal(states.cells()[:, -1], rows.cells()[:, 0])
    rows.step(tokens[40:])
    assert np.array_equal(rows.logits(), whole[40:])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("hidden", [24, 600])  # 600: single precision does not hold the largest sums
def test_every_kernel_makes_the_same_numbers(cell: str, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = small_generator(cell, hidden=hidden, tied="target")
    tokens = some_tokens(loaded.model, 30)
    found = []
    for kernel in EXACT_KERNELS:
        take(kernel, monkeypatch)
        engine = engine_of(loaded)
        found.append((steps(rows_after(engine, tokens, 2), tokens, 2), engine.grid))
    for logits, grid in found[1:]:
        assert np.array_equal(logits, found[0][0])
        assert grid != found[0][1]
    assert found[0][1].in_bytes
    assert found[-1][1].value_type is (np.float32 if hidden == 24 else np.float64)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float) -> None:
    loaded = small_generator()
    with torch.no_grad():
        loaded.model.decoder.recurrent_layers()[1].recurrence.get_parameter("bias_hh_l0")[3] = value
    with pytest.raises(ModelError, match="the model's weights contain NaN or infinity"):
        engine_of(loaded)


def test_a_weight_matrix_of_zeros_is_allowed() -> None:
    loaded = small_generator()
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.zero_()
    rows = rows_after(engine_of(loaded), np.array([5]))
    rows.step(np.array([4]))
    assert not rows.logits().any()
