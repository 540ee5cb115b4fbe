"""Matrix products in whole numbers: exact, so the order of summation, and with it the batch, does not matter.

An activation, which lies between -1 and 1, is rounded to a fixed grid, and so is each row of a weight matrix.
Floating-point products are not exact: libraries choose kernels, and with them the order of summation, by the
number of rows. Bytes are multiplied by ONNX Runtime, which starts in a twentieth of a second
and is as fast for one row as for hundreds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

import numpy as np

Precision = Literal["int8", "fp32"]


@dataclass(frozen=True)
class Grid:
    """The whole numbers that activations and weights are rounded to, and the types that hold them.

    An activation of 1 is `activation_levels` above `offset`, a row's largest weight `weight_levels`.
    `value_type` holds activations, `sum_type` the sums of products without the offset, all of them exactly.
    """

    activation_levels: int
    weight_levels: int
    offset: int
    value_type: type[np.generic]
    sum_type: type[np.generic]

    @classmethod
    def of(cls, precision: Precision, terms: int) -> Grid:
        """The grid of a precision for sums of at most `terms` products."""
        if precision == "int8":
            if _bytes_are_exact():
                return cls(127, 127, 128, np.uint8, np.int32)
            # The same numbers: floats hold whole numbers exactly while they are small enough.
            kind = np.float32 if 127 * 127 * terms < 1 << 24 else np.float64
            return cls(127, 127, 0, kind, kind)
        return cls(1 << 20, 1 << (32 - terms.bit_length()), 0, np.float64, np.float64)

    def round(self, values: np.ndarray, out: np.ndarray) -> None:
        """Activations to the grid; `values` is overwritten."""
        np.multiply(values, values.dtype.type(self.activation_levels), out=values)
        np.add(values, values.dtype.type(self.offset), out=values)
        np.rint(values, out=out, casting="unsafe")


class Product:
    """A matrix product with weights (M, K); `scale` (M,) makes real numbers of the sums."""

    def __init__(self, weight: np.ndarray, grid: Grid) -> None:
        largest = np.abs(weight).max(axis=1)  # (M,)
        step = np.where(largest > 0, largest, 1) / grid.weight_levels  # (M,)
        whole = np.rint(weight / step[:, None])  # (M, K)
        self.scale = (step / grid.activation_levels).astype(np.float32)
        self.outputs, self.inputs = weight.shape
        self._session: Any = None
        if grid.value_type is np.uint8:
            self._session = _session(whole.T.astype(np.int8), grid.offset)
        else:
            self._whole = np.ascontiguousarray(whole, dtype=grid.value_type)

    def bind(self, values: np.ndarray, sums: np.ndarray) -> Callable[[], object]:
        """The call that multiplies what is in `values` (N, K) then, into `sums` (N, M)."""
        if self._session is None:
            return partial(np.matmul, values, self._whole.T, out=sums)
        read = values if values.flags.c_contiguous else np.empty(values.shape, values.dtype)
        binding = self._session.io_binding()
        binding.bind_input("activations", "cpu", 0, read.dtype, read.shape, read.ctypes.data)
        binding.bind_output("sums", "cpu", 0, sums.dtype, sums.shape, sums.ctypes.data)
        return partial(_multiply, self._session, binding, values, read, sums)


def _multiply(session: Any, binding: Any, values: np.ndarray, read: np.ndarray, sums: np.ndarray) -> None:  # noqa: ARG001 - the binding writes where `sums` is
    if read is not values:
        np.copyto(read, values)
    session.run_with_iobinding(binding)


def _session(weight: np.ndarray, offset: int) -> Any:
    """What multiplies activations (N, K), bytes around `offset`, with signed bytes (K, M)."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    inputs, outputs = weight.shape
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["activations", "weight", "offset"], ["sums"])],
        "product",
        [helper.make_tensor_value_info("activations", TensorProto.UINT8, ["rows", inputs])],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, ["rows", outputs])],
        [
            numpy_helper.from_array(np.ascontiguousarray(weight), "weight"),
            numpy_helper.from_array(np.array(offset, np.uint8), "offset"),
        ],
    )
    # The oldest versions that have the operator, so that every supported runtime reads them.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a step is too short to be shared
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@cache
def _bytes_are_exact() -> bool:
    """Whether this processor adds up products of bytes without saturating.

    Kernels for x86 processors without VNNI add pairs of products in 16 bits, where the largest do not fit.
    """
    terms = 512
    weight = np.where(np.arange(terms)[:, None] % 4 < 2, 127, -127).astype(np.int8).repeat(32, axis=1)
    session = _session(weight, 128)
    for rows in (1, 8):
        values = np.full((rows, terms), 255, np.uint8)
        values[:, terms // 2 :] = 1
        (sums,) = session.run(None, {"activations": values})
        if not np.array_equal(sums, (values.astype(np.int64) - 128) @ weight.astype(np.int64)):
            return False
    return True
