"""Products of bytes by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.engines.fixed.products import product_session, scaled_product, whole_product

SIGNED = {"offset": np.array(128, np.uint8), "weight_offset": np.array(0, np.int8)}


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@settings(max_examples=30)
@given(
    inputs=st.sampled_from([1, 3, 127, 128, 300]),
    outputs=st.sampled_from([1, 2, 64, 129]),
    rows=st.integers(1, 5),
    offset=st.sampled_from([0, 128, 255]),
    weight_offset=st.sampled_from([0, 3, 100]),
    seed=st.integers(0, 100),
)
def test_sums_are_those_of_numpy(
    kind: type, inputs: int, outputs: int, rows: int, offset: int, weight_offset: int, seed: int
) -> None:
    """Of weights that are small enough for every processor."""
    random = np.random.default_rng(seed)
    weight = random.integers(0 if kind is np.uint8 else -40, 41, (inputs, outputs)).astype(kind)
    values = random.integers(0, 256, (rows, inputs)).astype(np.uint8)
    offsets = {"offset": np.array(offset, np.uint8), "weight_offset": np.array(weight_offset, kind)}
    session = product_session(
        [whole_product("weight", "sums")], {"weight": weight, **offsets}, inputs, np.int32
    )
    (sums,) = session.run(None, {"values": values})
    assert sums.dtype == np.int32
    expected = (values.astype(np.int64) - offset) @ (weight.astype(np.int64) - weight_offset)
    assert np.array_equal(sums, expected)


def test_a_session_may_hold_several_products_and_scale_them() -> None:
    random = np.random.default_rng(1)
    values = random.integers(0, 256, (3, 20)).astype(np.uint8)
    constants = {"one": np.ones(1, np.float32), **SIGNED}
    products = []
    for number in range(2):
        weight, scale = f"weight{number}", f"scale{number}"
        constants[weight] = random.integers(-63, 64, (20, 6)).astype(np.int8)
        constants[scale] = random.random(6).astype(np.float32)
        products.append(scaled_product(weight, scale, f"out{number}"))
    found = product_session(products, constants, 20, np.float32).run(None, {"values": values})
    for number, out in enumerate(found):
        sums = (values.astype(np.int64) - 128) @ constants[f"weight{number}"].astype(np.int64)
        assert np.array_equal(out, sums.astype(np.float32) * constants[f"scale{number}"])


def test_values_of_another_width_are_refused() -> None:
    constants = {"weight": np.ones((4, 2), np.int8), **SIGNED}
    session = product_session([whole_product("weight", "sums")], constants, 4, np.int32)
    with pytest.raises(Exception, match="values"):
        session.run(None, {"values": np.ones((1, 5), np.uint8)})
