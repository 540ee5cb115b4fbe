"""What is written as protocol-buffer bytes is what the package `onnx` reads and would have written."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from seqkit.engines.fixed.onnx_model import OWN, Arrays, model_bytes
from seqkit.engines.fixed.products import rows_of, scaled_product, swapped, whole_product

NODES = [
    whole_product("weight", "sums"),
    scaled_product("weight", "scale", "scaled"),
    rows_of("matrix", "numbers", "rows"),
    swapped("rows", "columns"),
]
RANDOM = np.random.default_rng(1)
CONSTANTS = {
    "weight": RANDOM.integers(-127, 128, (300, 7)).astype(np.int8),
    "matrix": RANDOM.integers(0, 256, (9, 4)).astype(np.uint8),
    "scale": RANDOM.random(7).astype(np.float32),
    "one": np.ones(1, np.float32),
    "offset": np.array(128, np.uint8),
    "weight_offset": np.array(0, np.int8),
}
INPUTS: Arrays = {"values": (np.uint8, ("rows", 300)), "numbers": (np.int64, None)}
OUTPUTS: Arrays = {"sums": (np.int32, ("rows", None)), "scaled": (np.float32, (1 << 40, 7))}


def by_onnx(domain: str) -> onnx.ModelProto:
    def described(arrays: Arrays) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
            for name, (kind, shape) in arrays.items()
        ]

    graph = helper.make_graph(
        [
            helper.make_node(
                node.operator,
                node.inputs,
                [node.output],
                domain=node.domain,
                **({"perm": node.axes} if node.axes else {}),
            )
            for node in NODES
        ],
        "products",
        described(INPUTS),
        described(OUTPUTS),
        [numpy_helper.from_array(values, name) for name, values in CONSTANTS.items()],
    )
    versions = [helper.make_opsetid("", 13), helper.make_opsetid(domain, 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8)


def test_it_is_what_onnx_would_have_written() -> None:
    written = onnx.ModelProto.FromString(model_bytes(NODES, CONSTANTS, INPUTS, OUTPUTS))
    assert written == by_onnx(OWN)
    assert written != by_onnx("another")


def test_a_transposed_constant_is_written_in_its_own_order() -> None:
    constant = CONSTANTS["weight"].T
    written = onnx.ModelProto.FromString(model_bytes([], {"weight": constant}, {}, {}))
    assert np.array_equal(numpy_helper.to_array(written.graph.initializer[0]), constant)


@pytest.mark.parametrize("kind", [np.float64, np.complex64])
def test_other_types_are_refused(kind: type) -> None:
    with pytest.raises(KeyError):
        model_bytes([], {"weight": np.ones(3, kind)}, {}, {})
