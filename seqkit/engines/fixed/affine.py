"""Affine maps of whole numbers: bytes in, real numbers out.

See `grid` for the whole numbers. ONNX Runtime scales a block of sums while it is in the cache, and writes
each group of outputs (a gate, say) into memory of its own: what comes after is done element by element, and
numpy is up to three times as fast on memory without gaps. The bias is added afterwards: a scaled sum has one
value, whoever computes it, but one that is shifted in the same instruction is rounded once less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from seqkit.engines.fixed.grid import Grid
from seqkit.engines.fixed.products import product_session, scaled_product, whole_product


class Affine:
    """x W^T + b for rows x of whole numbers; W is rounded to the grid, row by row.

    A result follows from its own row alone, to the bit, however many rows there are.
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray | None, grid: Grid, groups: int = 1) -> None:
        """`weight` is (M, K), `bias` (M,); the M outputs are cut into so many equal `groups`."""
        largest = np.abs(weight).max(axis=1)  # (M,)
        step = np.where(largest > 0, largest, 1) / grid.weight_levels  # (M,)
        whole = np.rint(weight / step[:, None])  # (M, K)
        self._whole = np.add(whole, grid.weight_offset, out=whole).astype(grid.weight_type)
        self._scale = grouped((step[None] / grid.activation_levels).astype(np.float32), groups)
        self._bias = None if bias is None else grouped(bias[None].astype(np.float32), groups)
        self._grid = grid
        self.outputs, self.inputs = weight.shape
        self.groups = groups

    def bind(self, values: np.ndarray, out: np.ndarray) -> Callable[[], None]:
        """The call that maps what is in `values` (N, K) then, into `out` (groups, N, M / groups), float32."""
        bias = self._bias
        scaled = self._bind_scaled(values, out)
        if bias is None:
            return scaled

        def call() -> None:
            scaled()
            np.add(out, bias, out)

        return call

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The map at once: (N, K) -> (groups, N, M / groups)"""
        out = np.empty((self.groups, len(values), self.outputs // self.groups), np.float32)
        self.bind(values, out)()
        return out

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of a map in one group with a bias: weights on the grid (M, K), their scales (M,), the bias (M,)."""
        assert self._bias is not None
        return self._whole, self._scale[0, 0], self._bias[0, 0]

    def _bind_scaled(self, values: np.ndarray, out: np.ndarray) -> Callable[[], None]:
        """Everything but the bias."""
        in_bytes, alone = self._grid.in_bytes, len(values) == 1
        if in_bytes and not alone:
            return _bound(self._many, values, list(out))
        sums = np.empty((len(values), self.outputs), self._grid.sum_type)
        multiply: Callable[[], object] = partial(np.matmul, values, self._whole.T, out=sums)
        if in_bytes:
            multiply = _bound(self._one, values, [sums])
        parts = sums.reshape(len(sums), self.groups, self.outputs // self.groups).transpose(1, 0, 2)
        scale = self._scale

        def call() -> None:
            multiply()
            out[...] = parts
            np.multiply(out, scale, out)

        return call

    @cached_property
    def _many(self) -> Any:
        """What multiplies and scales, group by group."""
        weights, scales = grouped(self._whole.T, self.groups), self._scale[:, 0]
        constants = {"one": np.ones(1, np.float32), **self._grid.offsets}
        products = []
        for number in range(self.groups):
            weight, scale = f"weight{number}", f"scale{number}"
            constants |= {weight: weights[number], scale: scales[number]}
            products.append(scaled_product(weight, scale, f"out{number}"))
        return product_session(products, constants, self.inputs, np.float32)

    @cached_property
    def _one(self) -> Any:
        """What multiplies alone: of one row that is faster, and its sums are in one piece anyway."""
        constants = {"weight": self._whole.T, **self._grid.offsets}
        product = whole_product("weight", "out0")
        return product_session([product], constants, self.inputs, np.int32)


def grouped(rows: np.ndarray, groups: int) -> np.ndarray:
    """(V, groups * M) -> (groups, V, M), each group in one piece"""
    return np.stack(np.split(rows, groups, axis=1))


def _bound(session: Any, values: np.ndarray, outputs: list[np.ndarray]) -> Callable[[], None]:
    """The call that runs a session on what is in `values` then, into `outputs`."""
    read = values if values.flags.c_contiguous else np.empty(values.shape, values.dtype)
    binding = session.io_binding()
    binding.bind_input("values", "cpu", 0, read.dtype, read.shape, read.ctypes.data)
    for number, out in enumerate(outputs):
        binding.bind_output(f"out{number}", "cpu", 0, out.dtype, out.shape, out.ctypes.data)
    run = session.run_with_iobinding

    def call(_kept: object = (read, outputs)) -> None:  # the binding has their addresses alone
        if read is not values:
            np.copyto(read, values)
        run(binding)

    return call
