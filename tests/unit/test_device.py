"""Where to compute, and with what memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seqkit import device
from seqkit.device import resolve_precision
from seqkit.errors import ConfigError

FAULTS = """
import resource
import sys
from seqkit.device import keep_memory
keep_memory(int(sys.argv[1]))
import torch

def step():
    parts = [torch.zeros(3_000_000) for _ in range(4)]  # 12 MB each

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


EACH_STEP_ANEW = 20 * 4 * 12_000_000 // 4096  # faults of pages of 4 KB


def faults(hidden_size: int, **environment: str) -> int:
    """Page faults of 20 steps that make and drop the same 48 MB, in a process of their own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "THP_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, str(hidden_size)],
        env={**clean, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize("hidden_size", [512, 1024])  # with large pages and without
def test_a_step_that_asks_for_what_was_freed_gets_it_without_the_kernel(hidden_size: int) -> None:
    # Hardly any, now and then a larger heap once; otherwise each step would clear 48 MB anew.
    assert faults(hidden_size) < EACH_STEP_ANEW // 4


def test_the_environment_of_the_user_goes_first() -> None:
    mine = {"MALLOC_MMAP_THRESHOLD_": "65536", "THP_MEM_ALLOC_ENABLE": "0"}
    assert faults(512, **mine) > EACH_STEP_ANEW // 2


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_precision_that_is_named_is_used(name: str) -> None:
    assert resolve_precision(name, torch.device("cpu")) == name


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        resolve_precision("fp16", torch.device("cpu"))


@pytest.mark.parametrize(("has", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_bf16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, has: bool, chosen: str) -> None:
    monkeypatch.setattr(device, "has_fast_bf16", lambda: has)
    assert resolve_precision("auto", torch.device("cpu")) == chosen


def test_auto_is_the_processor_where_there_is_no_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where a driver is seen: a small install has nothing to use a GPU with."""
    monkeypatch.setattr(device, "_DRIVER_SIGNS", (str(tmp_path),))
    monkeypatch.setattr(device, "resolve_device", lambda _name: torch.device("cuda"))
    assert not device.wants_processor("auto")
    monkeypatch.setattr(device, "torch_is_installed", lambda: False)
    assert device.wants_processor("auto")
    assert device.wants_processor("cpu")
    assert not device.wants_processor("cuda")
