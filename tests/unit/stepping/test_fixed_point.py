"""The hand-written step: exact products, so that a row is the same in every batch and on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.errors import ModelError
from seqkit.models import SequenceModel
from seqkit.stepping import fixed_point
from seqkit.stepping.fixed_point import FixedPointStepper
from seqkit.stepping.language import read_text
from tests.generators import small_generator, some_tokens, steps


def model_of(cell: str = "lstm", **changes: Any) -> SequenceModel:
    return small_generator(cell, **changes).model


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("hidden", [24, 100])
def test_a_rows_logits_are_the_same_to_the_bit_in_every_batch(cell: str, precision: Any, hidden: int) -> None:
    model = model_of(cell, hidden=hidden, tied="target" if hidden == 24 else "none")
    stepper = FixedPointStepper(model, precision)
    before = read_text(model, some_tokens(model, 9))
    tokens = some_tokens(model, 12 * 67).reshape(12, 67)
    alone = np.array([steps(stepper, stepper.begin(before, 1), tokens[:, row])[:, 0] for row in range(67)])
    for rows in (2, 3, 8, 16, 17, 33, 64, 67):
        state = stepper.begin(before, rows)
        for position in range(12):
            logits, state = stepper.step(tokens[position, :rows], state)
            assert np.array_equal(logits, alone[:rows, position])


@pytest.mark.parametrize("hidden", [24, 600])  # 600: single precision does not hold the largest sums
def test_without_integer_instructions_the_numbers_are_the_same(
    hidden: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(hidden=hidden)
    tokens = some_tokens(model, 6)
    found = []
    for supported in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda supported=supported: supported)
        stepper = FixedPointStepper(model, "int8")
        found.append((steps(stepper, stepper.begin(read_text(model, tokens), 2), tokens, 2), stepper.grid))
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1].value_type is np.int8
    assert found[1][1].value_type is (np.float32 if hidden == 24 else np.float64)


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
def test_the_largest_whole_numbers_are_multiplied_exactly(rows: int) -> None:
    grid = fixed_point._Grid.of("int8", 1024)
    generator = np.random.default_rng(rows)
    weight = generator.choice([-1.0, 1.0], (37, 1024))
    values = generator.choice([-127, 127], (rows, 1024)).astype(grid.value_type)
    sums = np.empty((rows, 37), grid.sum_type)
    fixed_point._Product(weight, grid).bind(values, sums)()
    assert np.array_equal(sums, values.astype(np.int64) @ (127 * weight.astype(np.int64)).T)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float) -> None:
    model = model_of()
    with torch.no_grad():
        model.decoder.recurrent_layers()[1].recurrence.get_parameter("bias_hh_l0")[3] = value
    with pytest.raises(ModelError, match="not numbers"):
        FixedPointStepper(model, "int8")


def test_a_weight_matrix_of_zeros_is_allowed() -> None:
    model = model_of()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    stepper = FixedPointStepper(model, "int8")
    logits, _ = stepper.step(np.array([4]), stepper.begin(read_text(model, np.array([5])), 1))
    assert not logits.any()
