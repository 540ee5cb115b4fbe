"""Affine maps of whole numbers, finished in the same call: bytes in, real numbers out.

See `products` for the whole numbers. ONNX Runtime scales and shifts a block of sums while it is in the cache,
and writes each group of outputs (a gate, say) into memory of its own: what comes after is done element by
element, and numpy is up to three times as fast on memory without gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from seqkit.stepping.products import Grid


class Affine:
    """x W^T + b for rows x of whole numbers; W is rounded to the grid, row by row.

    A result follows from its own row alone, to the bit, however many rows there are.
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray | None, grid: Grid, groups: int = 1) -> None:
        """`weight` is (M, K), `bias` (M,); the M outputs are cut into so many equal `groups`."""
        largest = np.abs(weight).max(axis=1)  # (M,)
        step = np.where(largest > 0, largest, 1) / grid.weight_levels  # (M,)
        kind = np.int8 if grid.value_type is np.uint8 else grid.value_type
        whole = np.rint(weight / step[:, None]).astype(kind)  # (M, K)
        self.outputs, self.inputs = weight.shape
        self.groups = groups
        self._sum_type = grid.sum_type
        self._scale = grouped(
            (step[None] / grid.activation_levels).astype(np.float32), groups
        )  # (groups, 1, M / groups)
        self._bias = None if bias is None else grouped(bias[None].astype(np.float32), groups)
        self._session: Any = None
        if grid.value_type is np.uint8:
            self._session = _session(grouped(whole.T, groups), self._scale, self._bias, grid.offset)
        else:
            self._whole = whole

    def bind(self, values: np.ndarray, out: np.ndarray) -> Callable[[], object]:
        """The call that maps what is in `values` (N, K) then, into `out` (groups, N, M / groups), float32."""
        if self._session is None:
            sums = np.empty((len(values), self.outputs), self._sum_type)
            return partial(self._map, values, sums, out)
        read = values if values.flags.c_contiguous else np.empty(values.shape, values.dtype)
        binding = self._session.io_binding()
        binding.bind_input("values", "cpu", 0, read.dtype, read.shape, read.ctypes.data)
        for number, group in enumerate(out):
            binding.bind_output(f"out{number}", "cpu", 0, out.dtype, group.shape, group.ctypes.data)
        run = self._session.run_with_iobinding

        def call(_kept: object = (read, out)) -> None:  # the binding has their addresses alone
            if read is not values:
                np.copyto(read, values)
            run(binding)

        return call

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The map at once: (N, K) -> (groups, N, M / groups)"""
        out = np.empty((self.groups, len(values), self.outputs // self.groups), np.float32)
        self.bind(values, out)()
        return out

    def _map(self, values: np.ndarray, sums: np.ndarray, out: np.ndarray) -> None:
        np.matmul(values, self._whole.T, out=sums)
        parts = sums.reshape(len(sums), self.groups, -1).transpose(1, 0, 2)  # (groups, N, M / groups)
        np.multiply(parts, self._scale, out=out, dtype=np.float32, casting="unsafe")
        if self._bias is not None:
            np.add(out, self._bias, out)


def grouped(rows: np.ndarray, groups: int) -> np.ndarray:
    """(V, groups * M) -> (groups, V, M), each group in one piece"""
    return np.stack(np.split(rows, groups, axis=1))


def add_rows(table: np.ndarray, tokens: np.ndarray, values: np.ndarray, spare: np.ndarray) -> None:
    """Add the rows of a table (groups, V, M) for tokens (N,), int64, to `values` (groups, N, M), in place.

    `spare` is memory of the same shape to use.
    """
    table.take(tokens, 1, spare, "clip")  # clip: the other modes copy
    np.add(values, spare, values)


def _session(weight: np.ndarray, scale: np.ndarray, bias: np.ndarray | None, offset: int) -> Any:
    """What maps values (N, K), bytes around `offset`, by signed bytes (groups, K, M)."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    constants: dict[str, np.ndarray] = {"one": np.ones(1, np.float32), "offset": np.array(offset, np.uint8)}
    for number in range(len(weight)):
        constants[f"weight{number}"] = weight[number]
        constants[f"scale{number}"] = scale[number, 0]
        inputs = ["values", f"weight{number}", "one", f"scale{number}", "offset", ""]
        if bias is not None:
            constants[f"bias{number}"] = bias[number, 0]
            inputs.append(f"bias{number}")
        outputs = [f"out{number}"]
        nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, outputs, domain="com.microsoft"))
    graph = helper.make_graph(
        nodes,
        "affine",
        [helper.make_tensor_value_info("values", TensorProto.UINT8, ["rows", weight.shape[1]])],
        [
            helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, ["rows", weight.shape[2]])
            for node in nodes
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    # The oldest versions that have the operator, so that every supported runtime reads them.
    versions = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a step is too short to be shared
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
