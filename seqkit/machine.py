"""What decides how fast seqkit is here, and with which arithmetic: for faults and for measurements."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

from seqkit.engines.fixed.grid import KERNEL_VARIABLE, Kernel, byte_kernel
from seqkit.processors import (
    THREADS_VARIABLE,
    WAIT_VARIABLES,
    available_processors,
    has_fast_bf16,
    instructions,
    processor_name,
    processor_quota,
)

PACKAGES = ("torch", "numpy", "onnxruntime", "sentencepiece", "safetensors", "sacrebleu", "typer", "rich")
_KERNELS: dict[Kernel, str] = {
    "u8s8": "unsigned by signed bytes",
    "u8u8": "unsigned by unsigned bytes",
    "float": "whole numbers in floats",
}


def describe() -> dict[str, str]:
    """Facts in words by name, in the order in which they are shown.

    Loads numpy and ONNX Runtime. Raises `ConfigError` where the environment asks for a kernel that is not to
    be had.
    """
    return {
        "system": f"Python {platform.python_version()} on {platform.system()} {platform.release()}",
        "libraries": ", ".join(f"{package} {version}" for package, version in versions().items()),
        "processor": f"{processor_name()}: {' '.join(instructions()) or 'no instructions known'}",
        "threads": _threads(),
        "products": _products(),
        "waiting": ", ".join(_settings(WAIT_VARIABLES)) or "as OpenMP waits by default",
        "BLAS": _blas(),
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that compute, read and show; "missing" for one that is not installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def _threads() -> str:
    quota = processor_quota()
    limits = [f"a quota of {quota:g} CPUs"] if quota else []
    limits += _settings((THREADS_VARIABLE,))
    reasons = f" ({', '.join(limits)})" if limits else ""
    return f"{available_processors()} of {os.cpu_count() or 1} CPUs{reasons}"


def _products() -> str:
    kernel = byte_kernel()
    forced = "".join(f", by {setting}" for setting in _settings((KERNEL_VARIABLE,)))
    training = "bf16" if has_fast_bf16() else "fp32"
    return f"{_KERNELS[kernel]} ({kernel}) in decoding{forced}; {training} in training"


def _settings(names: tuple[str, ...]) -> list[str]:
    """Variables of the environment with their values, where they have one."""
    return [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]


def _blas() -> str:
    """Numpy's library for matrix products and the kernels that it took."""
    import numpy as np  # noqa: F401 - loads the library that is asked for
    from threadpoolctl import threadpool_info

    found: list[dict[str, Any]] = [each for each in threadpool_info() if each["user_api"] == "blas"]
    words = [
        " ".join(str(each[key]) for key in ("internal_api", "version", "architecture") if each.get(key))
        for each in found
    ]
    return f"{', '.join(words)}; one thread in decoding" if words else "unknown to threadpoolctl"
