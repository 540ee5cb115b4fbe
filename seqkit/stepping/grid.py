"""Matrix products in whole numbers: exact, so the order of summation, and with it the batch, does not matter.

An activation, which lies between -1 and 1, is rounded to a fixed grid, and so is each row of a weight matrix.
Floating-point products are not exact: libraries choose kernels, and with them the order of summation, by the
number of rows. Bytes are multiplied by ONNX Runtime, which starts in a tenth of a second and is as fast for a
few rows as for hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from seqkit.stepping.sessions import WHOLE, product_session

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


@cache
def _bytes_are_exact() -> bool:
    """Whether this processor adds up products of bytes without saturating.

    Kernels for x86 processors without VNNI add pairs of products in 16 bits, where the largest do not fit.
    """
    terms = 512
    weight = np.where(np.arange(terms)[:, None] % 4 < 2, 127, -127).astype(np.int8).repeat(32, axis=1)
    constants = {"weight": weight, "offset": np.array(128, np.uint8)}
    product = (WHOLE, ("values", "weight", "offset"), "sums")
    session = product_session([product], constants, terms, np.int32)
    for rows in (1, 8):
        values = np.full((rows, terms), 255, np.uint8)
        values[:, terms // 2 :] = 1
        (sums,) = session.run(None, {"values": values})
        if not np.array_equal(sums, (values.astype(np.int64) - 128) @ weight.astype(np.int64)):
            return False
    return True
