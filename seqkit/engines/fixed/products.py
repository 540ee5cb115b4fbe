"""What ONNX Runtime is asked to compute: products of bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqkit.engines.fixed.onnx_model import OWN, Arrays, Node, model_bytes

# Both products take `values` and the constants `offset` and `weight_offset` (`grid.Grid.offsets`).


def whole_product(weight: str, sums: str) -> Node:
    """(values - offset) (weight - weight_offset), in whole numbers."""
    return Node("MatMulInteger", ("values", weight, "offset", "weight_offset"), sums)


def scaled_product(weight: str, scale: str, out: str) -> Node:
    """The same, times a scale a column; the constant `one` is the values' scale."""
    inputs = ("values", weight, "one", scale, "offset", "weight_offset")
    return Node("MatMulIntegerToFloat", inputs, out, domain=OWN)


def rows_of(matrix: str, numbers: str, rows: str) -> Node:
    """Rows of a matrix by their numbers."""
    return Node("Gather", (matrix, numbers), rows)


def swapped(values: str, out: str) -> Node:
    """The last two axes of three exchanged."""
    return Node("Transpose", (values,), out, axes=(0, 2, 1))


def product_session(
    products: Sequence[Node], constants: Mapping[str, np.ndarray], inputs: int, kind: type[np.generic]
) -> Any:
    """ONNX Runtime on some products of `values` (N, inputs), bytes.

    They take `values` and `constants`; each makes a matrix (N, M) of a `kind`.
    """
    made: Arrays = {product.output: (kind, ("rows", None)) for product in products}
    return _session(products, constants, {"values": (np.uint8, ("rows", inputs))}, made)


def array_session(
    nodes: Sequence[Node],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, type[np.generic]],
    outputs: Mapping[str, type[np.generic]],
) -> Any:
    """ONNX Runtime on arrays of any shape, each of which has its type alone."""
    taken, made = ({name: (kind, None) for name, kind in side.items()} for side in (inputs, outputs))
    return _session(nodes, constants, taken, made)


def _session(
    nodes: Sequence[Node], constants: Mapping[str, np.ndarray], inputs: Arrays, outputs: Arrays
) -> Any:
    # Else newer releases write an identifier into the home directory and report to their maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a step is too short to be shared
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    model = model_bytes(nodes, constants, inputs, outputs)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
