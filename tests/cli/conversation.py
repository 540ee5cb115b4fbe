"""A person at a terminal: the real command behind a pseudo-terminal, keys in, screen out."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 60.0  # seconds; a busy machine takes long to start Python
CTRL_C, CTRL_D, TAB, UP = b"\x03", b"\x04", b"\t", b"\x1b[A"
_UNWANTED = {"COLUMNS", "LINES", "XDG_STATE_HOME", "INPUTRC", "PYTHONUNBUFFERED", "PYTHONIOENCODING"}


class Conversation:
    """The command in a session of its own, so that Ctrl-C on its terminal is an interrupt."""

    def __init__(self, words: list[str], environment: dict[str, str], prompt: str) -> None:
        self._ours, self._theirs = pty.openpty()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end in a character
        self.prompt = prompt
        self.greeting = self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_ITS_TERMINAL, *words],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env=environment,
            start_new_session=True,
        )

    def widen(self, columns: int) -> None:
        """The window becomes so wide."""
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def until(self, text: str) -> str:
        """What is shown until a text has been; what follows it is left for the next time."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            self._read(deadline)
        shown, _, self.seen = self.seen.partition(text)
        return shown

    def ask(self, line: str | bytes) -> str:
        """Type a line; what is shown between it and the next prompt, without the last newline."""
        self.press((line.encode() if isinstance(line, str) else line) + b"\r")
        _, _, answer = self.until(f"\n{self.prompt}").partition("\r\n")
        return answer.replace("\r\n", "\n").removesuffix("\r")

    def press(self, keys: bytes) -> None:
        """Send keys, as fast as they are taken."""
        while keys:
            _, writable, _ = select.select([], [self._ours], [], 0.05)
            if writable:
                keys = keys[os.write(self._ours, keys[:256]) :]
            if select.select([self._ours], [], [], 0)[0]:
                self._read(time.monotonic() + PATIENCE)

    def interrupt(self) -> str:
        """Ctrl-C as a person presses it, not within a microsecond of a key; what is shown until the prompt.

        Python's readline misses a signal that comes between a key and its waiting for the next one: who sees
        nothing happen for long presses again.
        """
        deadline = time.monotonic() + PATIENCE
        time.sleep(0.05)
        while self.prompt not in self.seen and time.monotonic() < deadline:
            self.press(CTRL_C)
            with suppress(AssertionError):
                while self.prompt not in self.seen:
                    self._read(time.monotonic() + 10)
        return self.until(self.prompt)

    def end_by(self, act: Callable[[], object]) -> int:
        """Do what ends it, again only if it has not for long; its exit code."""
        while self.process.poll() is None:
            time.sleep(0.05)
            act()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        return self.end()

    def end(self) -> int:
        """Read on until it has ended; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if select.select([self._ours], [], [], 0.02)[0]:
                self._read(deadline)
        with suppress(AssertionError):  # nothing is left
            while True:
                self._read(time.monotonic() + 0.02)
        return self.process.returncode

    def close(self) -> None:
        """End it if it has not ended."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self, deadline: float) -> None:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more is shown after {self.seen[-2000:]!r}"
        self.seen += self._decoder.decode(os.read(self._ours, 1 << 16))


# A terminal that a new session opens is its own; the one that it inherits has to be taken.
_AT_ITS_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from seqkit.cli import main
main()
"""


@contextmanager
def conversation(
    command: str, model: Path, *options: object, columns: int = 100, **environment: str | None
) -> Iterator[Conversation]:
    """A command that has been started and shows its prompt; None takes a variable away."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    changed = {"TERM": "xterm", "HOME": str(Path.cwd()), "LC_ALL": "C.UTF-8", **environment}
    merged = {**kept, **changed}
    words = [command, str(model), "--threads", "1", *map(str, options)]
    quiet = "--quiet" in options
    prompt = "> " if quiet else f"{model.name}> "
    one = Conversation(words, {k: v for k, v in merged.items() if v is not None}, prompt)
    try:
        one.widen(columns)
        one.greeting = one.until(prompt)
        yield one
    finally:
        one.close()
