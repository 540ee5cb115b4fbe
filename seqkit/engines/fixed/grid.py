"""Matrix products in whole numbers: exact, so the order of summation, and with it the batch, does not matter.

An activation, which lies between -1 and 1, is rounded to a fixed grid, and so is each row of a weight matrix.
Floating-point products are not exact: libraries choose kernels, and with them the order of summation, by the
number of rows. Bytes are multiplied by ONNX Runtime, which starts in a tenth of a second and is as fast for a
few rows as for hundreds.

Which kernel multiplies them depends on the CPU; the whole numbers, and so all results, do not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

from seqkit.engines.fixed.products import product_session, whole_product
from seqkit.errors import ConfigError, suggest

Precision = Literal["int8", "fp32"]
# Types of activations and weights: unsigned and signed bytes, unsigned ones, numbers with a fraction.
Kernel = Literal["u8s8", "u8u8", "float"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
KERNEL_VARIABLE = "SEQKIT_KERNEL"  # in the environment: the kernel to take, for measuring and for tests


@dataclass(frozen=True)
class Grid:
    """The whole numbers that activations and weights are rounded to, and the types that hold them.

    An activation of 1 is `activation_levels` above `offset`, a row's largest weight `weight_levels` above
    `weight_offset`. `value_type` holds activations, `weight_type` weights, `sum_type` the sums of products
    without the offsets, all of them exactly.
    """

    activation_levels: int
    weight_levels: int
    offset: int
    weight_offset: int
    value_type: type[np.generic]
    weight_type: type[np.generic]
    sum_type: type[np.generic]

    @classmethod
    def of(cls, precision: Precision, terms: int) -> Grid:
        """The grid of a precision for sums of at most `terms` products."""
        if precision == "fp32":
            return cls(1 << 20, 1 << (32 - terms.bit_length()), 0, 0, *3 * (np.float64,))
        kernel = byte_kernel()
        if kernel == "u8s8":
            return cls(127, 127, 128, 0, np.uint8, np.int8, np.int32)
        if kernel == "u8u8":
            return cls(127, 127, 128, 128, np.uint8, np.uint8, np.int32)
        # The same numbers: floats hold whole numbers exactly while they are small enough.
        kind = np.float32 if 127 * 127 * terms < 1 << 24 else np.float64
        return cls(127, 127, 0, 0, kind, kind, kind)

    @property
    def in_bytes(self) -> bool:
        """Whether ONNX Runtime multiplies, and not numpy."""
        return self.value_type is np.uint8

    @property
    def offsets(self) -> dict[str, np.ndarray]:
        """What is subtracted from bytes: `offset` from activations, `weight_offset` from weights."""
        return {
            "offset": np.array(self.offset, self.value_type),
            "weight_offset": np.array(self.weight_offset, self.weight_type),
        }


def byte_kernel() -> Kernel:
    """The fastest kernel that is exact on this CPU, or the one that SEQKIT_KERNEL names.

    Raises `ConfigError` for a name that is no kernel's, or one whose sums are wrong here.
    """
    wanted = os.environ.get(KERNEL_VARIABLE)
    if not wanted:
        return next(kernel for kernel in KERNELS if is_exact(kernel))
    if wanted not in KERNELS:
        hint = suggest(wanted, KERNELS) or f"one of {', '.join(KERNELS)}, or unset it"
        raise ConfigError(f"{KERNEL_VARIABLE}={wanted!r} in the environment names no kernel", hint=hint)
    kernel = next(kernel for kernel in KERNELS if kernel == wanted)
    if not is_exact(kernel):
        raise ConfigError(
            f"{KERNEL_VARIABLE}={kernel} in the environment: its sums are wrong on this CPU",
            hint=f"unset it, and {next(filter(is_exact, KERNELS))} is taken",
        )
    return kernel


@cache
def is_exact(kernel: Kernel) -> bool:
    """Whether this CPU adds up products of bytes without saturating.

    Kernels of unsigned and signed bytes for x86 CPUs without VNNI add pairs of products in 16 bits,
    where the largest do not fit. Those of unsigned bytes alone widen them first.
    """
    if kernel == "float":
        return True
    signed = kernel == "u8s8"
    terms = 512
    whole = np.where(np.arange(terms)[:, None] % 4 < 2, 127, -127).repeat(32, axis=1)  # (K, M)
    shift, kind = (0, np.int8) if signed else (128, np.uint8)
    constants = {
        "weight": (whole + shift).astype(kind),
        "offset": np.array(128, np.uint8),
        "weight_offset": np.array(shift, kind),
    }
    session = product_session([whole_product("weight", "sums")], constants, terms, np.int32)
    for rows in (1, 8):
        values = np.full((rows, terms), 255, np.uint8)
        values[:, terms // 2 :] = 1
        (sums,) = session.run(None, {"values": values})
        if not np.array_equal(sums, (values.astype(np.int64) - 128) @ whole):
            return False
    return True
