"""Faults at file operations: the n-th open, write, fsync, rename, unlink … of a folder fails or kills."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, and whatever follows it happens no more."""


Fault = Callable[[], BaseException]


def full_disk() -> OSError:
    """What the kernel says of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken_disk() -> OSError:
    """What the kernel says of a disk that cannot be written to."""
    return OSError(errno.EIO, os.strerror(errno.EIO))


class Disk:
    """Counts the operations that change a folder, and lets the `at`-th of them (from 1) end in a fault.

    After `Killed` every further operation is one, too: a dead process tidies up nothing. An error of the disk
    happens `lasting` times in a row, so that a full disk stays full for what is written next.
    """

    def __init__(self, folder: Path, at: int = 0, fault: Fault = Killed, lasting: int = 1) -> None:
        self.folder = folder.absolute()
        self.at, self.fault, self.lasting = at, fault, lasting
        self.done: list[str] = []  # the names of all operations so far

    @contextmanager
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
        """Let the process's operations go through this disk."""
        with monkeypatch.context() as patch:
            for name in ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "chmod"):
                patch.setattr(os, name, self._by_path(name, getattr(os, name)))
            patch.setattr(os, "fsync", self._by_descriptor("fsync", os.fsync))
            patch.setattr(os, "open", self._os_open(os.open))
            patch.setattr(builtins, "open", self._open(builtins.open))
            patch.setattr(io, "open", builtins.open)
            # By descriptors it would unlink without our seeing where.
            patch.setattr(shutil, "_use_fd_functions", False, raising=False)
            yield self

    def step(self, name: str) -> None:
        """An operation is about to happen."""
        self.done.append(name)
        over = len(self.done) - self.at
        dead = self.fault is Killed and over > 0
        if self.at and (dead or 0 <= over < self.lasting):
            raise self.fault()

    def _mine(self, path: Any) -> bool:
        if isinstance(path, int):
            try:
                path = Path(f"/proc/self/fd/{path}").readlink()
            except OSError:
                return False
        return Path(os.fsdecode(path)).absolute().is_relative_to(self.folder)

    def _by_path(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **named: Any) -> Any:
            if self._mine(path):
                self.step(name)
            return real(path, *rest, **named)

        return call

    def _by_descriptor(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int) -> Any:
            if self._mine(descriptor):
                self.step(name)
            return real(descriptor)

        return call

    def _os_open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and self._mine(path):
                self.step("open")
            return real(path, flags, *rest, **named)

        return call

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            changes = bool(set(mode) & set("wxa+")) and self._mine(path)
            if changes and not isinstance(path, int):
                self.step("open")
            stream = real(path, mode, *rest, **named)
            return _Watched(stream, self) if changes else stream

        return call


class _Watched:
    """A stream whose writes and flushes count."""

    def __init__(self, stream: Any, disk: Disk) -> None:
        self._stream, self._disk = stream, disk

    def write(self, content: Any) -> Any:
        """Half of the content arrives before the fault."""
        try:
            self._disk.step("write")
        except BaseException:
            self._stream.write(content[: len(content) // 2])
            self._stream.flush()
            raise
        return self._stream.write(content)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()

    def __iter__(self) -> Any:
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
