"""Whichever kernel multiplies bytes: ten translations and ten texts are the same, scores to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__

from seqkit.engines.fixed import grid
from seqkit.engines.fixed.grid import KERNEL_VARIABLE, Kernel
from seqkit.errors import ConfigError
from tests.conftest import Finished, toy_pairs
from tests.kernels import EVERY_KERNEL

SOURCES = "".join(f"{source}\n" for source, _ in toy_pairs(10, seed=3)).encode()


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_ten_translations_are_the_same_with_every_kernel(
    kernel: Kernel, toy_model: Path, seqkit: Callable[..., Finished]
) -> None:
    command = ("translate", toy_model, "--json", "--n-best", 2, "--alignments")
    usual = seqkit(*command, stdin=SOURCES)
    forced = seqkit(*command, stdin=SOURCES, **{KERNEL_VARIABLE: kernel})
    assert usual.out.count(b"\n") == 20
    assert (usual.code, forced.code) == (0, 0)
    assert forced.out == usual.out


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_ten_texts_are_the_same_with_every_kernel(
    kernel: Kernel, toy_generator: Path, seqkit: Callable[..., Finished]
) -> None:
    command = ("generate", toy_generator, "--samples", 10, "--length", 60, "--seed", 1)
    command = (*command, "--json", "--log-probabilities")
    usual, forced = seqkit(*command), seqkit(*command, **{KERNEL_VARIABLE: kernel})
    assert usual.out.count(b"\n") == 10
    assert (usual.code, forced.code) == (0, 0)
    assert forced.out == usual.out


def test_ten_translations_are_those_of_a_processor_with_avx2_alone(
    toy_model: Path, seqkit: Callable[..., Finished]
) -> None:
    """As far as one can pretend: numpy and its BLAS have switches of their own, ONNX Runtime has none."""
    wide = [name for name in __cpu_dispatch__ if name == "X86_V4" or name.startswith("AVX512")]
    plain = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
        "OPENBLAS_CORETYPE": "Haswell",
        KERNEL_VARIABLE: "u8u8",
    }
    command = ("translate", toy_model, "--json", "--n-best", 2, "--alignments")
    usual, forced = seqkit(*command, stdin=SOURCES), seqkit(*command, stdin=SOURCES, **plain)
    assert (usual.code, forced.code) == (0, 0)
    assert forced.out == usual.out


def test_a_kernel_that_does_not_exist_is_named(toy_model: Path, seqkit: Callable[..., Finished]) -> None:
    done = seqkit("translate", toy_model, stdin=SOURCES, **{KERNEL_VARIABLE: "u8u9"})
    assert done.code == 2
    assert "SEQKIT_KERNEL='u8u9' in the environment names no kernel" in done.err
    assert "u8u8" in done.err


def test_a_kernel_whose_sums_are_wrong_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on processors without VNNI, which take the next one by themselves."""
    monkeypatch.setattr(grid, "is_exact", lambda kernel: kernel != "u8s8")
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    assert grid.byte_kernel() == "u8u8"
    monkeypatch.setenv(KERNEL_VARIABLE, "u8s8")
    with pytest.raises(ConfigError, match="in the environment: its sums are wrong on this CPU") as caught:
        grid.byte_kernel()
    assert caught.value.hint == "unset it, and u8u8 is taken"
