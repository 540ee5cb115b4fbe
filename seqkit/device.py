"""Where to compute: device, threads and precision, decided by looking at the machine."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import AbstractContextManager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.errors import ConfigError, suggest
from seqkit.processors import has_fast_bf16, thread_count

if TYPE_CHECKING:
    import torch

# torch is imported where it is needed: decoding on a CPU does without it.


def torch_is_installed() -> bool:
    """Told without loading it."""
    return find_spec("torch") is not None


def wants_processor(name: str) -> bool:
    """Whether the name selects the CPU; avoids importing torch if possible.

    `auto` does when no sign of an NVIDIA driver is seen, and where there is no torch to use a GPU with.
    """
    if name != "auto":
        return name == "cpu"
    usable = any(Path(sign).exists() for sign in _DRIVER_SIGNS) and torch_is_installed()
    return not usable or resolve_device(name).type == "cpu"


_DRIVER_SIGNS = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg")  # Linux twice, and in Windows


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N` as a device that is there."""
    kind, _, number = name.partition(":")
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", name):
        misspelt = len(kind) > len("gpu")  # which is near to cpu in letters alone
        near = suggest(kind, ("auto", "cpu", "cuda")) if misspelt else None
        raise ConfigError(f"--device {name!r} is not known", hint=near or "auto, cpu, cuda or cuda:N")
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= count:
            raise ConfigError(f"--device {name}: this machine has {count} CUDA devices", hint="--device cpu")
    return torch.device(name)


def set_threads(count: int | None) -> int:
    """Let torch use `count` CPU threads, or all that this process can run; returns how many."""
    import torch

    count = thread_count(count)
    if count != torch.get_num_threads():
        torch.set_num_threads(count)
    return count


def keep_memory(hidden_size: int) -> None:
    """Keep freed memory in the process; to be called before the first tensor is made.

    A training step asks for the same tens of megabytes as the one before. By default glibc hands them back
    and the kernel clears every small page of them anew: up to a fifth of a step. Layers of fewer
    than `_LARGE_PAGES_BELOW` units get large pages as well; wider ones ask for blocks beyond the largest that
    are kept, and clearing those in large pages takes longer (recipes/LOG.md has the figures).
    Nothing happens where there is no glibc, or where the environment says otherwise.
    """
    if hidden_size < _LARGE_PAGES_BELOW:
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch's own switch: madvise from 2 MB on
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    with suppress(AttributeError, OSError, TypeError):  # no mallopt in this C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 16 << 20)  # larger holes stay in the heap: 0.1 GB more, no faster
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of malloc.h
_LARGE_PAGES_BELOW = 1024


def return_memory() -> None:
    """Hand back what `keep_memory` holds and nobody uses, before work of another kind asks for its own."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def resolve_precision(name: str, device: torch.device) -> str:
    """`auto` as the fastest precision of matrix products that the device has without losing quality.

    bf16 on CPUs with bf16 instructions and on GPUs that have it, else fp32 (fp16 on older GPUs).
    """
    import torch

    if device.type == "cuda":
        if name == "auto":
            return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return name
    if name == "fp16":
        raise ConfigError("training.precision = fp16 needs a CUDA device", hint="--precision bf16 or fp32")
    if name == "auto":
        return "bf16" if has_fast_bf16() else "fp32"
    return name


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision for a device; nothing for fp32."""
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")
