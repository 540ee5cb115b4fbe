"""Busy loops, one pinned to each of some cores: the other work that a machine has in real life.

`with busy():` runs them beside its block. They end with the block, and by themselves when the process that
started them is gone, however it went: each looks at its parent every few thousandths of a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

TURNS = 100_000  # of the loop between two looks at the parent: a few thousandths of a second


def available_cores() -> list[int]:
    """The cores that this process may run on; all that there are where the system cannot tell."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def busy(cores: Sequence[int] | None = None) -> Iterator[list[int]]:
    """One busy loop per core (by default each core that this process may run on); yields their process ids.

    All of them run when the block begins, and none is left when it has ended.
    """
    loops: list[subprocess.Popen[bytes]] = []
    try:
        for core in available_cores() if cores is None else cores:
            # Without site packages a loop starts in some hundredths of a second.
            command = [sys.executable, "-I", "-S", __file__, str(core), str(os.getpid())]
            loops.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE))
        for loop in loops:
            assert loop.stdout is not None
            if not loop.stdout.readline():
                raise RuntimeError(f"a busy loop ended with exit code {loop.wait()} before it began")
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.communicate()


def _spin(core: int, parent: int) -> None:
    """Use a core until the parent is gone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    print("busy", flush=True)
    while os.getppid() == parent:
        for _ in range(TURNS):
            pass


if __name__ == "__main__":
    _spin(*map(int, sys.argv[1:]))
