"""Runs a case as a process of its own, watches its memory, and orders repeats so that systems take turns.

A case prints one JSON object: {"value": …, "unit": …, "seconds": …, "details": {…}}. One that fails gives an
attempt with the reason; it never disappears.
"""

from __future__ import annotations

import json
import math
import os
import random
import resource
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from seqkit.processors import SPIN_VARIABLE, SPINS

Item = TypeVar("Item")
SAMPLING = 0.05  # seconds between two looks at the memory
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PAGE = resource.getpagesize()


@dataclass(frozen=True)
class Attempt:
    """What came of running a case once: a value, or the reason why there is none. Memory in bytes.

    `seconds` is the whole process's wall time; `peak_memory` that of all its processes together, shared
    pages counted once, `largest_process` that of the largest one.
    """

    value: float | None
    unit: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    largest_process: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Summary:
    """The middle and the width of several values; `spread` is (maximum - minimum) / median."""

    median: float
    minimum: float
    maximum: float
    spread: float
    count: int


def summarize(values: Sequence[float]) -> Summary:
    """Statistics of at least one value."""
    median = statistics.median(values)
    spread = (max(values) - min(values)) / abs(median) if median else 0.0
    return Summary(median, min(values), max(values), spread, len(values))


def interleaved(items: Sequence[Item], repeats: int, seed: int) -> Iterator[tuple[int, Item]]:
    """Every item once in each of the rounds, in an order that turns round by round.

    The first order is drawn from the seed; each next round begins one item later, so that nobody is always
    first, when a machine is cool, or always after the same neighbour's heat.
    """
    order = list(items)
    random.Random(seed).shuffle(order)
    for repeat in range(repeats):
        start = repeat % len(order) if order else 0
        for item in order[start:] + order[:start]:
            yield repeat, item


def environment(threads: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with every library's number of threads pinned.

    0 is for seqkit, which pins what it needs by itself; threads wait as its command lets them, also in cases
    that call the layers below it.
    """
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    if threads:
        kept |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    else:
        kept.setdefault(SPIN_VARIABLE, SPINS)
    return {**kept, **(extra or {})}


def run_case(
    command: Sequence[str],
    *,
    threads: int,
    limit: float,
    log: Path,
    silent: bool = False,
    free: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Attempt:
    """Run a command on so many cores for at most `limit` seconds; its standard error goes to `log`.

    A `silent` command prints no value: its time is taken for it. A `free` one chooses the threads of its
    libraries by itself, from its cores. `extra` is added to its environment.
    """
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as output, open(log, "wb") as errors:
        try:
            surroundings = environment(0 if free else len(cores), extra)
            done = _run(command, cores, limit, surroundings, output, errors)
        except OSError as error:
            return Attempt(None, reason=f"cannot be started: {error}")
        output.seek(0)
        printed = output.read().decode(errors="replace")
    return _judged(done, printed, log, limit, silent)


@dataclass(frozen=True)
class _Done:
    """An ended process."""

    code: int
    seconds: float
    peak_memory: int
    largest_process: int
    stopped: bool


def _run(
    command: Sequence[str],
    cores: Sequence[int],
    limit: float,
    surroundings: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes],
) -> _Done:
    """Run a command to its end, or to the limit; whatever it started ends with it."""
    mine = os.sched_getaffinity(0)
    began = time.monotonic()
    os.sched_setaffinity(0, cores)  # children inherit it
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=surroundings,
            start_new_session=True,
        )
    finally:
        os.sched_setaffinity(0, mine)
    ended, stopped = threading.Event(), threading.Event()
    watch = _Watch(process.pid)
    watcher = threading.Thread(target=watch.follow, args=(ended, stopped, limit), daemon=True)
    watcher.start()
    try:
        code = process.wait()
        seconds = time.monotonic() - began
    finally:
        ended.set()
        watcher.join()
        if process.returncode is None:
            _end(process.pid)
            process.wait()
        _kill_group(process.pid)
    return _Done(code, seconds, max(watch.peak, watch.largest), watch.largest, stopped.is_set())


class _Watch:
    """Looks at the memory of a process and all below it, again and again.

    What the system reports when a process has ended is no use: it counts what its parent had before exec.
    """

    def __init__(self, process: int) -> None:
        self.process = process
        self.peak = 0
        self.largest = 0
        self._highest_sum = 0

    def follow(self, ended: threading.Event, stopped: threading.Event, limit: float) -> None:
        """Watch until it has ended, or stop it at the limit."""
        end = time.monotonic() + limit
        while not ended.wait(SAMPLING):
            self._look()
            if time.monotonic() > end:
                stopped.set()
                _end(self.process)
                return

    def _look(self) -> None:
        processes = tree(self.process)
        self.largest = max(self.largest, *map(highest, processes))
        together = sum(map(resident, processes))
        # What several processes share is known to the slow count only: it is taken at a new height.
        if len(processes) > 1 and together > 1.01 * self._highest_sum:
            self.peak = max(self.peak, sum(map(proportional, processes)))
        self._highest_sum = max(self._highest_sum, together)


def tree(process: int) -> list[int]:
    """A process and all that descend from it, as far as they are still there."""
    found, waiting = [], [process]
    while waiting:
        current = waiting.pop()
        found.append(current)
        with suppress(OSError, ValueError):
            for task in Path(f"/proc/{current}/task").iterdir():
                with suppress(OSError):
                    waiting.extend(int(child) for child in (task / "children").read_text().split())
    return found


def resident(process: int) -> int:
    """Bytes of a process in memory; 0 when it has gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def highest(process: int) -> int:
    """The most bytes that a process ever had in memory; 0 when it has gone."""
    return _kilobytes(process, "status", "VmHWM:") * 1024


def proportional(process: int) -> int:
    """Bytes of a process in memory, a page that n processes share as 1/n of it; resident where unknown."""
    return _kilobytes(process, "smaps_rollup", "Pss:") * 1024 or resident(process)


def _kilobytes(process: int, file: str, name: str) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{process}/{file}").read_text().split("\n"):
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _end(process: int) -> None:
    """Kill a process, all below it, some of which may have groups of their own, and its whole group."""
    for each in tree(process):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)
    _kill_group(process)


def _kill_group(process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _judged(done: _Done, printed: str, log: Path, limit: float, silent: bool) -> Attempt:
    """The attempt that an ended process stands for."""
    measured: dict[str, Any] = {
        "seconds": round(done.seconds, 3),
        "peak_memory": done.peak_memory,
        "largest_process": done.largest_process,
    }
    if done.stopped:
        return Attempt(None, reason=f"took longer than {limit:g} s", **measured)
    if done.code:
        said = last_words(log) or f"exit code {done.code}"
        return Attempt(None, reason=said, **measured)
    if silent:
        return Attempt(measured["seconds"], "s", **measured)
    lines = [line for line in printed.split("\n") if line.strip()]
    try:
        found = json.loads(lines[-1])
        value, unit = float(found["value"]), str(found["unit"])
    except (ValueError, KeyError, TypeError, IndexError):
        return Attempt(None, reason="it printed no JSON object with value and unit", **measured)
    if not math.isfinite(value) or value < 0:
        return Attempt(None, reason=f"its value is {value}", **measured)
    return Attempt(value, unit, details=dict(found.get("details") or {}), **measured)


def last_words(log: Path, length: int = 160) -> str:
    """The end of a log that says why: an error line of seqkit or of Python, else the last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").split("\n") if line.strip()]
    errors = [line for line in lines if ": error: " in line]
    said = (errors or lines or [""])[-1]
    printable = "".join(character if character.isprintable() else " " for character in said)
    return printable if len(printable) <= length else printable[: length - 1] + "…"
