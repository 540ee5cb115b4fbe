"""Work in several processes: all records arrive, trouble is told, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from seqkit.errors import ExitCode, RunFailed
from seqkit.inference.workers import can_fork, in_processes


def children() -> list[int]:
    """The processes that this one has started and not waited for."""
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as stream:
        return [int(word) for word in stream.read().split()]


def test_every_record_arrives_in_its_makers_order() -> None:
    def work(number: int) -> Iterator[bytes]:
        for place in range(200):
            yield b"%d %d " % (number, place) + b"x" * (place * 37)

    found = list(in_processes([lambda number=number: work(number) for number in range(3)]))
    assert len(found) == 600
    for number in range(3):
        own = [record for record in found if record.startswith(b"%d " % number)]
        assert own == list(work(number))
    assert children() == []


def test_records_may_be_empty_or_large_or_missing() -> None:
    large = os.urandom(3_000_000)
    assert sorted(in_processes([lambda: [b"", large, b""], lambda: [], lambda: [b"z"]])) == (
        sorted([b"", b"", large, b"z"])
    )
    assert list(in_processes([])) == []


def test_the_first_record_comes_before_the_last_is_made() -> None:
    def slow() -> Iterator[bytes]:
        yield b"first"
        time.sleep(3600)

    records = in_processes([slow])
    assert next(records) == b"first"
    assert len(children()) == 1
    records.close()  # type: ignore[attr-defined]
    assert children() == []


@pytest.mark.parametrize("how", ["error", "exit", "killed"])
def test_a_process_that_ends_early_is_an_error(how: str, capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        if how == "error":
            raise ValueError("broken")
        if how == "exit":
            sys.exit(3)
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        yield from ()

    def endless() -> Iterator[bytes]:
        while True:
            yield b"more"
            time.sleep(0.001)

    seen: list[bytes] = []
    with pytest.raises(RunFailed, match="a worker process ended early, with exit code") as caught:
        seen.extend(in_processes([endless, broken]))
    assert caught.value.exit_code == ExitCode.RUN_FAILED
    assert caught.value.hint is not None
    assert "--threads 1" in caught.value.hint
    assert children() == []
    assert {b"one", b"more"} >= set(seen) >= {b"one"}
    assert capfd.readouterr().out == ""


def test_what_was_printed_before_is_printed_once(capfd: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("once ")
    assert list(in_processes([lambda: [b"a"], lambda: [b"b"]])) in ([b"a", b"b"], [b"b", b"a"])
    sys.stdout.flush()
    assert capfd.readouterr().out == "once "


def test_a_thread_does_not_fork() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(can_fork()))
    thread.start()
    thread.join()
    assert found == [False]
    assert can_fork()
