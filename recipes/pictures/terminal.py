"""A shell in a terminal of a given size that a program types into, and what its screen shows."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte
from rich.color import Color
from rich.style import Style
from rich.text import Text

PROMPT = "$ "
_NUMBERED_PROMPT = r"\[\e]2;\#\a\]" + PROMPT  # the command's number is the window's title
_NAMES = {
    "brown": "yellow",
    "brightbrown": "bright_yellow",
}  # pyte's names of colours that rich has others for


class Terminal:
    """bash in a folder, without start-up files; its screen is followed by pyte."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            kept = {
                name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ
            }
            state = {"XDG_STATE_HOME": str(folder)}  # nobody's history
            os.execvpe(
                "bash",
                ["bash", "--norc", "--noprofile", "--noediting"],
                {**kept, **state, "PS1": _NUMBERED_PROMPT, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            )

    def __enter__(self) -> Self:
        self.wait(lambda lines: lines != [])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.kill(self._process, signal.SIGHUP)
        os.close(self._terminal)
        os.waitpid(self._process, 0)

    def lines(self) -> list[str]:
        """The screen's text, without the blank end of lines and of the screen."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def type(self, keys: str) -> None:
        """Press keys; a line ends with Enter."""
        os.write(self._terminal, keys.replace("\n", "\r").encode())

    def run(self, command: str, seconds: float = 60) -> None:
        """Type a command and wait until it is over."""
        number = self._screen.title
        self.type(command + "\n")
        self.wait(lambda _: self._screen.title != number, seconds)

    def wait(self, seen: Callable[[list[str]], bool], seconds: float = 60) -> None:
        """Until the screen shows something, and nothing more for a moment. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 0.15)[0]:
                self._stream.feed(self._decoder.decode(os.read(self._terminal, 1 << 16)))
            elif seen(self.lines()):
                return
        raise TimeoutError("the terminal shows something else:\n" + "\n".join(self.lines()))

    def text(self) -> Text:
        """The screen in its colours, without the prompt that waits at the end."""
        rows = len(self.lines())
        if rows and self.lines()[-1] == PROMPT.rstrip():
            rows -= 1
        text = Text()
        for row in range(rows):
            cells = [self._screen.buffer[row][column] for column in range(self._screen.columns)]
            line = Text()
            for style, run in groupby(cells, _style):
                line.append("".join(cell.data for cell in run), style)
            line.rstrip()
            text.append_text(line).append("\n")
        return text


def _style(cell: pyte.screens.Char) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def _colour(name: str) -> Color | None:
    if name == "default":
        return None
    if name in _NAMES:
        return Color.parse(_NAMES[name])
    if name.startswith("bright"):
        return Color.parse("bright_" + name.removeprefix("bright"))
    return Color.parse(f"#{name}" if len(name) == 6 and name not in {"yellow"} and _is_hex(name) else name)


def _is_hex(name: str) -> bool:
    return all(digit in "0123456789abcdef" for digit in name)
