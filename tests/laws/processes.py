"""Processes that tests start, kill and listen to."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqkit.cli import run
from seqkit.errors import ExitCode
from seqkit.signals import ENDING
from tests.conftest import toy_assignments
from tests.laws.runs import state_of


def command(corpus: Path, model: Path, *more: str, **changes: object) -> list[str]:
    settings = {"training__checkpoint_every": 5, "training__validate_every": 20, **changes}
    return ["train", str(corpus), str(model), "--threads", "1", *toy_assignments(**settings), *more]


@contextmanager
def process_of(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with its test at the latest: a failed one shall not wait for it, nor leave it."""
    with subprocess.Popen(words, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def start(arguments: list[str], log: Path) -> int:
    """A process that runs a command line; it is forked, so that it needs no time to import."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # the test's own handlers are none of the child's
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        return child
    code: int = ExitCode.BUG  # pragma: no cover - from here on it is the child
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        code = run(arguments)
    finally:
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """The exit code of a process, negative for a signal; None when it still runs after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def train_through_kills(arguments: list[str], log: Path, model: Path, delays: Iterator[float]) -> int:
    """Run a command until it ends by itself, killing it after each of the delays; how often it was killed."""
    kills = 0
    while True:
        child = start(arguments, log)
        code = wait(child, next(delays))
        if code is None:
            os.kill(child, signal.SIGKILL)
            code = wait(child, 60)
            state_of(model)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL, log.read_text()
        kills += 1


def first_line(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if wanted in line:
            return line
    raise AssertionError(f"{wanted!r} was never said")
