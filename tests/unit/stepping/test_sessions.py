"""Products of bytes by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.stepping.sessions import SCALED, WHOLE, product_session


@settings(max_examples=30)
@given(
    inputs=st.sampled_from([1, 3, 127, 128, 300]),
    outputs=st.sampled_from([1, 2, 64, 129]),
    rows=st.integers(1, 5),
    offset=st.sampled_from([0, 128, 255]),
    seed=st.integers(0, 100),
)
def test_sums_are_those_of_numpy(inputs: int, outputs: int, rows: int, offset: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    weight = random.integers(-40, 41, (inputs, outputs)).astype(np.int8)
    values = random.integers(0, 256, (rows, inputs)).astype(np.uint8)
    session = product_session(
        [(WHOLE, ("values", "weight", "offset"), "sums")],
        {"weight": weight, "offset": np.array(offset, np.uint8)},
        inputs,
        np.int32,
    )
    (sums,) = session.run(None, {"values": values})
    assert sums.dtype == np.int32
    assert np.array_equal(sums, (values.astype(np.int64) - offset) @ weight.astype(np.int64))


def test_a_session_may_hold_several_products_and_scale_them() -> None:
    random = np.random.default_rng(1)
    values = random.integers(0, 256, (3, 20)).astype(np.uint8)
    constants = {"one": np.ones(1, np.float32), "offset": np.array(128, np.uint8)}
    products = []
    for number in range(2):
        constants[f"weight{number}"] = random.integers(-127, 128, (20, 6)).astype(np.int8)
        constants[f"scale{number}"] = random.random(6).astype(np.float32)
        inputs = ("values", f"weight{number}", "one", f"scale{number}", "offset")
        products.append((SCALED, inputs, f"out{number}"))
    found = product_session(products, constants, 20, np.float32).run(None, {"values": values})
    for number, out in enumerate(found):
        sums = (values.astype(np.int64) - 128) @ constants[f"weight{number}"].astype(np.int64)
        assert np.array_equal(out, sums.astype(np.float32) * constants[f"scale{number}"])


def test_values_of_another_width_are_refused() -> None:
    constants = {"weight": np.ones((4, 2), np.int8), "offset": np.array(0, np.uint8)}
    session = product_session([(WHOLE, ("values", "weight", "offset"), "sums")], constants, 4, np.int32)
    with pytest.raises(Exception, match="values"):
        session.run(None, {"values": np.ones((1, 5), np.uint8)})
