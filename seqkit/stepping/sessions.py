"""What ONNX Runtime is asked to compute: products of bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Operators: the sums, and the sums times a scale; the latter is ONNX Runtime's own.
WHOLE, SCALED = "MatMulInteger", "MatMulIntegerToFloat"
ROWS, SWAP = "Gather", "Transpose"  # rows of a matrix by number; the last two axes of three exchanged

_ATTRIBUTES: dict[str, dict[str, Any]] = {SWAP: {"perm": (0, 2, 1)}}
_OWN = "com.microsoft"  # the name of ONNX Runtime's own operators
# The oldest versions that have the operators, so that every supported runtime reads them.
_FORMAT, _VERSIONS = 8, {"": 13, _OWN: 1}

Node = tuple[str, Sequence[str], str]  # an operator, the names of what it takes and of what it makes


def product_session(
    products: Sequence[Node], constants: Mapping[str, np.ndarray], inputs: int, kind: type[np.generic]
) -> Any:
    """ONNX Runtime on some products of `values` (N, inputs), bytes.

    They take `values` and `constants`; each makes a matrix (N, M) of a `kind`.
    """
    made = {output: (kind, ("rows", None)) for _, _, output in products}
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


Arrays = Mapping[
    str, tuple[type[np.generic], tuple[str | int | None, ...] | None]
]  # type, and shape if known


def _session(
    nodes: Sequence[Node], constants: Mapping[str, np.ndarray], inputs: Arrays, outputs: Arrays
) -> Any:
    # Else newer releases write an identifier into the home directory and report to their maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime
    from onnx import helper, numpy_helper

    taken, made = (
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
            for name, (kind, shape) in side.items()
        ]
        for side in (inputs, outputs)
    )
    graph = helper.make_graph(
        [
            helper.make_node(
                operator,
                names,
                [output],
                domain=_OWN if operator == SCALED else "",
                **_ATTRIBUTES.get(operator, {}),
            )
            for operator, names, output in nodes
        ],
        "products",
        taken,
        made,
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    versions = [helper.make_opsetid(domain, number) for domain, number in _VERSIONS.items()]
    model = helper.make_model(graph, opset_imports=versions, ir_version=_FORMAT)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a step is too short to be shared
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
