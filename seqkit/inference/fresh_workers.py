"""Work shared between processes that are started afresh, where this one cannot be copied: on macOS.

A worker takes a second to be ready, so it stays for the next work, and is worth it for more work than a copy
is. multiprocessing's "spawn" is not used for it: that imports a caller's main module again, which ends in an
error unless all of it is guarded, and it sends pickles.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import sys
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from seqkit.errors import output_error
from seqkit.inference.workers import ended_early, framed, in_main_thread, take_records
from seqkit.signals import ENDING

_BLOCK = 1 << 16  # bytes asked for in one read
MODELS = 3  # the descriptor from which a worker reads the models


def can_start() -> bool:
    """Whether this process may start others; like copying, from the main thread alone."""
    return hasattr(os, "posix_spawn") and bool(sys.executable) and in_main_thread()


class FreshWorkers:
    """Processes that are started when they are first needed, and stay until they are dismissed.

    Each reads the models once and does one task after the other. A task is bytes; what makes records of it is
    the function of that `role` in `fresh_worker`. The workers also end with this process, and when nobody
    holds them any more.
    """

    def __init__(self, role: str, models: Callable[[], Iterable[bytes]], *words: str) -> None:
        """`models` gives the bytes that every worker reads, when the first is started.

        `words` are what else the role's function needs to know.
        """
        self._role, self._models = (role, *words), models
        self._workers: list[_Worker] = []
        self._file: BinaryIO | None = None
        weakref.finalize(self, _dismiss, self._workers)

    @property
    def started(self) -> bool:
        """Whether there are workers already."""
        return bool(self._workers)

    def records(self, tasks: Sequence[bytes], processes: int) -> Iterator[bytes]:
        """Deal the tasks out, one at a time, to up to so many workers; yield their records as they come.

        Raises `RunFailed` when a worker ends, and `OutputError` or `StorageError` when the models find no
        room in the folder for temporary files. After an error, or when this is left early, all are dismissed.
        """
        whole = False
        try:
            yield from self._done(deque(tasks), self._hired(min(processes, len(tasks))))
            whole = True
        finally:
            if not whole:
                self.dismiss()

    def dismiss(self) -> None:
        """End all workers; further tasks start new ones, with the models of then."""
        _dismiss(self._workers)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _hired(self, count: int) -> Sequence[_Worker]:
        """So many workers, started where there are fewer."""
        if self._file is None:
            try:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open while workers may be started
                self._file.writelines(self._models())
                self._file.flush()
            except OSError as error:
                raise output_error(tempfile.gettempdir(), error) from error
        while len(self._workers) < count:
            self._workers.append(_Worker(self._role, self._file.fileno()))
        return self._workers[:count]

    def _done(self, waiting: deque[bytes], workers: Sequence[_Worker]) -> Iterator[bytes]:
        """The records of all tasks. A worker gets its next task when it has said that it is done with one."""
        with selectors.DefaultSelector() as selector:
            for worker in workers:
                selector.register(worker.records, selectors.EVENT_READ, worker)
                worker.send(waiting.popleft())
            while selector.get_map():
                for key, _ in selector.select():
                    worker = key.data
                    for record in worker.receive():
                        if record:
                            yield record
                        elif waiting:  # an empty one ends a task
                            worker.send(waiting.popleft())
                        else:
                            selector.unregister(worker.records)


class _Worker:
    """A process that was started afresh: it reads tasks and writes records, by pipes."""

    def __init__(self, role: Sequence[str], models: int) -> None:
        """Start it. `models` is a descriptor of the file that holds them."""
        read_tasks, self._tasks = os.pipe()
        self.records, write_records = os.pipe()
        self._received = bytearray()
        # Copies beyond the numbers that they get in the new process: one may be such a number itself.
        handed = [
            fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, MODELS + 1)
            for each in (read_tasks, write_records, models)
        ]
        try:
            self._process = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", "seqkit.inference.fresh_worker", *role],
                {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, handed[0], 0),
                    (os.POSIX_SPAWN_DUP2, handed[1], 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),  # this process says what is wrong
                    (os.POSIX_SPAWN_DUP2, handed[2], MODELS),
                ],
                setsigmask=ENDING,  # this process is told, and ends the other
            )
        except OSError:
            os.close(self._tasks)
            os.close(self.records)
            raise
        finally:
            for each in (read_tasks, write_records, *handed):
                os.close(each)

    def send(self, task: bytes) -> None:
        """Give it its next task. It has nothing to say until then, so neither waits for the other's ear."""
        rest = memoryview(framed(task))
        try:
            while rest:
                rest = rest[os.write(self._tasks, rest) :]
        except BrokenPipeError as error:  # not that of anybody's output
            raise ended_early(self._wait()) from error

    def receive(self) -> Iterator[bytes]:
        """The whole records of what it says now; an empty one ends a task."""
        content = os.read(self.records, _BLOCK)
        if not content:
            raise ended_early(self._wait())
        self._received += content
        return take_records(self._received)

    def dismiss(self) -> None:
        """End it, if it has not ended, and close the pipes."""
        if self._process:
            with suppress(ProcessLookupError):  # somebody else has waited for it
                os.kill(self._process, signal.SIGKILL)
            self._wait()
        os.close(self._tasks)
        os.close(self.records)

    def _wait(self) -> int:
        """Wait for its end; the exit code."""
        process, self._process = self._process, 0
        with suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return 0


def _dismiss(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().dismiss()
