"""Runs a peer's programs: whole, with a reason when one fails, or watched line by line while it trains."""

from __future__ import annotations

import itertools
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seqkit.errors import RunFailed

GRACE = 5.0  # seconds between asking a process to end and ending it
WARM_UP = 10  # steps that belong to start-up: reading data, making primitives, filling buckets
REASON = 300  # characters of a reason

_EXCEPTION = re.compile(r"^(\w+\.)*\w*(Error|Exception|Interrupt|Exit|NotFound)\b")


@dataclass(frozen=True)
class Report:
    """A line that a peer writes as it trains: steps so far, target tokens per second since the last one."""

    step: int
    rate: float


@dataclass(frozen=True)
class Speed:
    """The rate over reports after start-up, weighted by how long each took, and what it was taken from."""

    rate: float
    seconds: float
    steps: int
    lowest: float
    highest: float


Command = Sequence[str | Path]
Parse = Callable[[str], Report | None]


def run(
    command: Command,
    log: Path,
    threads: int,
    *,
    what: str,
    standard_input: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> float:
    """Run to the end with both streams in `log`; the wall seconds. RunFailed with the log's last word."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log, "wb") as output,
        open(standard_input or os.devnull, "rb") as source,
        _started(command, threads, output, source, extra) as (process, began),
    ):
        code = process.wait()
        seconds = time.perf_counter() - began
    if code:
        raise RunFailed(f"{what} ended with {_ending(code)}: {reason(log)} (all of it in {log})")
    return seconds


def watch(
    command: Command,
    log: Path,
    threads: int,
    parse: Parse,
    *,
    what: str,
    seconds: float | None = None,
    extra: Mapping[str, str] | None = None,
) -> Speed:
    """Train and follow its reports: for `seconds` after start-up and no longer, or to its end.

    RunFailed where it ends with an error or ends early.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reports: list[tuple[float, Report]] = []
    with (
        open(log, "wb") as kept,
        open(os.devnull, "rb") as nothing,
        _started(command, threads, subprocess.PIPE, nothing, extra) as (process, _began),
    ):
        assert process.stdout is not None
        for line in process.stdout:
            arrived = time.monotonic()
            kept.write(line)
            report = parse(line.decode(errors="replace"))
            if report is not None:
                reports.append((arrived, report))
                if seconds is not None and _covers(reports, seconds):
                    return steady(reports, what)
        code = process.wait()
    if code:
        raise RunFailed(f"{what} ended with {_ending(code)}: {reason(log)} (all of it in {log})")
    if seconds is not None:
        raise RunFailed(f"{what} ended before {seconds:g} seconds of steady state were seen (see {log})")
    return steady(reports, what)


def steady(reports: Sequence[tuple[float, Report]], what: str) -> Speed:
    """The speed over (arrival, report) pairs after the first WARM_UP steps."""
    warm = _warm(reports)
    counted = [
        (report.rate, arrived - before, report.step - earlier.step)
        for (before, earlier), (arrived, report) in itertools.pairwise(warm)
    ]
    seconds = sum(taken for _rate, taken, _steps in counted)
    if not counted or seconds <= 0:
        raise RunFailed(f"{what} wrote {len(reports)} reports, too few after step {WARM_UP} for a speed")
    rates = [rate for rate, _taken, _steps in counted]
    return Speed(
        rate=sum(rate * taken for rate, taken, _steps in counted) / seconds,
        seconds=seconds,
        steps=sum(steps for _rate, _taken, steps in counted),
        lowest=min(rates),
        highest=max(rates),
    )


def largest_process() -> int:
    """Peak resident bytes of the largest process that this one has waited for."""
    return 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def reason(log: Path) -> str:
    """The last line of a log that looks like an exception or an error, or else the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").split("\n")]
    lines = [line for line in lines if line]
    told = [line for line in lines if _EXCEPTION.match(line) or "error:" in line.lower()]
    return (told or lines or ["it wrote nothing"])[-1][:REASON]


def surroundings(threads: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a peer: so many threads, and nothing of the environment that runs seqkit."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    count = str(threads)
    return {
        **kept,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        **(extra or {}),
    }


def _covers(reports: Sequence[tuple[float, Report]], seconds: float) -> bool:
    warm = _warm(reports)
    return len(warm) > 1 and warm[-1][0] - warm[0][0] >= seconds


def _warm(reports: Sequence[tuple[float, Report]]) -> list[tuple[float, Report]]:
    """The reports from the one that ends the start-up on."""
    return [(arrived, report) for arrived, report in reports if report.step >= WARM_UP]


def _ending(code: int) -> str:
    return f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"


@contextmanager
def _started(
    command: Command,
    threads: int,
    output: object,
    source: object,
    extra: Mapping[str, str] | None,
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A process and when it was started. It is gone when this ends, however it ends.

    It stays in our process group, so that whoever ends the group ends it, too.
    """
    began = time.perf_counter()
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
        [str(part) for part in command],
        stdin=source,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=surroundings(threads, extra),
    )
    try:
        yield process, began
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    continue
        if process.stdout is not None:
            process.stdout.close()
