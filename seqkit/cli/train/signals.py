"""Signals that reach a training run: it saves and ends, or saves and goes on, between two steps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from seqkit.cli.terminal import console
from seqkit.signals import ENDING, SAVING, handled, ignore_more

# Two SIGINT within so many seconds are one: a terminal sends it to a whole pipeline, and wrappers pass it on.
_TOGETHER = 0.2


class Signals:
    """What signals have asked of the run so far."""

    def __init__(self) -> None:
        self._ending, self._since, self._save = 0, 0.0, False

    @property
    def ending(self) -> int:
        """The number of the first signal that asks the run to end, or 0."""
        return self._ending

    def take_save(self) -> bool:
        """Whether the run was asked to save and go on since the last call."""
        asked, self._save = self._save, False
        return asked

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take note of signals within the block."""
        try:
            with handled({**dict.fromkeys(ENDING, self._end), SAVING: self._request_save}):
                yield
        finally:
            if self._ending:
                ignore_more()  # until the command is over: it has yet to say what it did

    def _end(self, number: int) -> None:
        if not self._ending:
            self._ending, self._since = number, time.monotonic()
            name = signal.Signals(number).name
            console.note(f"{name}: saving a checkpoint; press Ctrl-C again to quit without saving")
        # Only a person has had enough: a closing terminal sends SIGHUP twice, by the kernel and by the shell,
        # `timeout` its signal to the process and to the group, and a limit of CPU time SIGXCPU each second.
        elif number == signal.SIGINT and time.monotonic() - self._since > _TOGETHER:
            os._exit(128 + number)

    def _request_save(self, number: int) -> None:
        self._save = True
        console.note(f"{signal.Signals(number).name}: saving a checkpoint; training goes on")
