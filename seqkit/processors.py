"""Which CPUs there are, how many threads they run, and how the threads of libraries wait for one another.

Nothing heavy is imported here: `prepare_environment` must run before numpy and torch are loaded.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

# A thread of GNU OpenMP that is done waits for the others by looking again and again, so many times, before
# it sleeps. A training step has about a thousand such waits. By default it looks for milliseconds: beside as
# many busy processes as cores training then nearly stands still. Never to look, which OMP_WAIT_POLICY=PASSIVE
# asks for, costs up to a quarter of the speed on a quiet machine. The first number costs nothing there; where
# every processor is taken already, the second gives two threads their share (recipes/LOG.md).
SPINS, SPINS_BESIDE_OTHERS = "20000", "2000"
SPIN_VARIABLE = "GOMP_SPINCOUNT"
WAIT_VARIABLES = (SPIN_VARIABLE, "OMP_WAIT_POLICY")  # of the user, who knows better
THREADS_VARIABLE = "OMP_NUM_THREADS"

# Instructions that some kernel of training or of decoding is written for, as Linux calls them.
INSTRUCTIONS = (
    *("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve"),
)
_FAST_BF16 = (
    "avx512_bf16",
    "amx_bf16",
)  # for which PyTorch has kernels of training that are faster than fp32

_FACTS = Path("/proc/cpuinfo")  # of processors, in Linux
_LOAD = Path("/proc/loadavg")
_GROUPS = Path("/sys/fs/cgroup")  # where Linux shows control groups of version 2
_OWN_GROUP = Path("/proc/self/cgroup")


def prepare_environment() -> None:
    """Set how threads of libraries wait, where the environment does not say it."""
    if not any(name in os.environ for name in WAIT_VARIABLES):
        os.environ[SPIN_VARIABLE] = spins()


def spins(load: Path = _LOAD) -> str:
    """How often a thread looks before it sleeps, told from how many tasks want a processor at this moment."""
    try:
        running = int(load.read_text().split()[3].split("/")[0]) - 1  # but this one
    except (OSError, ValueError, IndexError):  # not Linux
        return SPINS
    return SPINS_BESIDE_OTHERS if running >= (os.cpu_count() or 1) else SPINS


def available_processors() -> int:
    """Threads that this process can run at a time: what it may use, by its quota, and by OMP_NUM_THREADS.

    A quota of two and a half CPUs counts as three.
    """
    quota = processor_quota()
    limits = [_allowed_processors(), math.ceil(quota) if quota else None, _wanted_threads()]
    return max(1, min(limit for limit in limits if limit is not None))


def thread_count(count: int | None) -> int:
    """`count`, or as many threads as this process can run at a time."""
    return count or available_processors()


def _allowed_processors() -> int:
    """Processors that this process may run on; where the system does not tell, all that there are."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _wanted_threads() -> int | None:
    """What OMP_NUM_THREADS says: of a list, which is for nested regions, the first number."""
    first = os.environ.get(THREADS_VARIABLE, "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and int(first) > 0 else None


def processor_quota(groups: Path = _GROUPS, own: Path = _OWN_GROUP) -> float | None:
    """The CPU time that a container may use, in CPUs; None without such a limit.

    The smallest `cpu.max` of this process's control group and of those around it (version 2; see
    https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU Interface Files").
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if path is None:
        return None
    group = groups / path.lstrip("/")
    around = [group, *group.parents]
    shares = [_share(each / "cpu.max") for each in around[: around.index(groups) + 1]]
    return min((share for share in shares if share is not None), default=None)


def _share(limit: Path) -> float | None:
    """Microseconds of CPU time per period, as a ratio; None for "max"."""
    try:
        time, period = limit.read_text().split()
        return int(time) / int(period) if time != "max" else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def has_fast_bf16() -> bool:
    """Whether training in bf16 is faster than in fp32 here."""
    return any(name in _FAST_BF16 for name in instructions())


def instructions(path: Path = _FACTS) -> list[str]:
    """Which of `INSTRUCTIONS` the CPU has; none where the system does not tell."""
    facts = _processor_facts(path)
    flags = facts.get("flags", facts.get("Features", "")).split()
    return [name for name in INSTRUCTIONS if name in flags]


def processor_name(path: Path = _FACTS) -> str:
    """The CPU's name, with family and model, which tell apart what is sold under one name."""
    facts = _processor_facts(path)
    name = facts.get("model name", platform.processor() or platform.machine())
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts.get('model', '?')})"
    return name


def _processor_facts(path: Path) -> dict[str, str]:
    """What Linux reports about the first CPU."""
    facts: dict[str, str] = {}
    try:
        lines = path.read_text(errors="replace").split("\n")
    except OSError:
        return facts
    for line in lines:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Let numpy's matrix products use one thread meanwhile.

    Decoding shares its work by processes. Its products are too short to be shared by threads, whose waiting
    took up to twenty times the products' own time where another process was at work.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    """The native libraries of this process that have threads; numpy's is loaded by then."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
