"""The kernels that multiply bytes, for tests that must hold with each of them."""

from __future__ import annotations

import pytest

from seqkit.engines.fixed.grid import KERNEL_VARIABLE, KERNELS, Kernel, is_exact

# Every kernel as a parameter; one that this processor does not compute exactly is left out by name.
EVERY_KERNEL = [
    pytest.param(
        kernel,
        marks=pytest.mark.skipif(
            not is_exact(kernel), reason=f"{kernel} products of bytes saturate on this processor"
        ),
    )
    for kernel in KERNELS
]
EXACT_KERNELS = [kernel for kernel in KERNELS if is_exact(kernel)]


def take(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all grids that are made from now on have this kernel."""
    monkeypatch.setenv(KERNEL_VARIABLE, kernel)
