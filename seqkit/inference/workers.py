"""Work shared between copies of this process: each makes records, one reader gets them all.

A copy takes no time and has the models. Where there can be none, `fresh_workers` starts others.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

from seqkit.errors import RunFailed
from seqkit.signals import ENDING, postponed

_LENGTH = struct.Struct("<Q")
_BLOCK = 1 << 16  # bytes asked for in one read

Work = Callable[[], Iterable[bytes]]


def can_fork() -> bool:
    """Whether this process may copy itself: not on macOS, nor from a thread, whose neighbours may be at work.

    A lock that another thread holds in native code at that moment stays locked in the copy for ever. On macOS
    the system's own libraries have such threads, and stop a copy that uses them (numpy issue 5752; CPython
    gave fork up there for multiprocessing, bpo-33725).
    """
    return sys.platform != "darwin" and hasattr(os, "fork") and in_main_thread()


def in_main_thread() -> bool:
    """Whether this is the thread that the process began with."""
    return threading.current_thread() is threading.main_thread()


def in_processes(works: Sequence[Work]) -> Iterator[bytes]:
    """Do each piece of work in a copy of this process; yield the records of all as they come.

    A copy may use one thread in native libraries: the others do not exist in it. Raises RunFailed when one
    ends before its work does. All copies are gone when this is closed or over.
    """
    running: dict[int, int] = {}  # the reading end of its pipe -> process
    try:
        with selectors.DefaultSelector() as selector:
            for work in works:
                with postponed():  # a signal's exception is lost in the hooks of a fork
                    process, pipe = _start(work)
                    running[pipe] = process
                selector.register(pipe, selectors.EVENT_READ, bytearray())
            while running:
                for key, _ in selector.select():
                    received: bytearray = key.data
                    content = os.read(key.fd, _BLOCK)
                    if not content:
                        selector.unregister(key.fd)
                        code = _finish(running, key.fd)
                        if code or received:
                            raise ended_early(code)
                    received += content
                    yield from take_records(received)
    finally:
        for process in running.values():
            os.kill(process, signal.SIGKILL)
        for pipe in list(running):
            _finish(running, pipe)


def _start(work: Work) -> tuple[int, int]:
    """A copy of this process that does its work and ends; its number and the pipe to read from."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: see `can_fork`
        process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    code = 1
    try:
        for number in ENDING:  # sent to the whole group: the reader is told, and ends this process
            signal.signal(number, signal.SIG_IGN)
        os.close(reading)
        with open(writing, "wb") as stream:
            for record in work():
                stream.write(framed(record))
                stream.flush()
        code = 0
    finally:
        os._exit(code)  # without flushing what the copied streams hold


def framed(record: bytes) -> bytes:
    """A record as it travels: its length, then its bytes."""
    return _LENGTH.pack(len(record)) + record


def read_framed(stream: BinaryIO) -> bytes | None:
    """The next record of a stream, None at its end."""
    head = stream.read(_LENGTH.size)
    return stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else None


def take_records(received: bytearray) -> Iterator[bytes]:
    """Take the whole records off the front of what has been received."""
    while len(received) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
        if len(received) < end:
            return
        record = bytes(received[_LENGTH.size : end])
        del received[:end]
        yield record


def _finish(running: dict[int, int], pipe: int) -> int:
    """Wait for the process behind a pipe; its exit code."""
    process = running.pop(pipe)
    os.close(pipe)
    with suppress(ChildProcessError):  # somebody else has waited for it
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return 0


def ended_early(code: int) -> RunFailed:
    """The error for a process that ended before its work did, with an exit code."""
    return RunFailed(
        f"a worker process ended early, with exit code {code}",
        hint="--threads 1 works in one process and shows the cause",
    )
