"""Lines that a person types: with editing, Tab completion, and a history that outlives the session."""

from __future__ import annotations

import io
import os
import readline
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from seqkit.cli.terminal import console

HISTORY_LINES = 1000
LONGEST_REMEMBERED = 10_000  # characters; the history is for lines that somebody would look for

_READLINE = (
    "tab: complete",
    # Without these three the locale C would make commands of the bytes of what is not ASCII.
    "set input-meta on",
    "set output-meta on",
    "set convert-meta off",
)
_LIBEDIT = ("bind ^I rl_complete",)  # what some Pythons have in its place


class EmptyLineInterrupt(KeyboardInterrupt):
    """Ctrl-C where nothing was typed."""


class LineReader:
    """Standard input as a person types it; standard input and standard output must be terminals."""

    def __init__(self, prompt: str, history: str, completions: Sequence[str]) -> None:
        """`history` is a file's name in the user's folder of such; what begins a line can be completed."""
        self._prompt = prompt
        self._completions = sorted(completions)
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # a byte that is no text is no reason to end
        for binding in _LIBEDIT if "libedit" in (readline.__doc__ or "") else _READLINE:
            readline.parse_and_bind(binding)
        readline.set_completer_delims(" ")
        readline.set_completer(self._complete)
        readline.set_auto_history(False)
        readline.set_history_length(HISTORY_LINES)
        self._history = _history_file(history)
        if self._history is not None:
            with suppress(OSError):
                readline.read_history_file(self._history)

    def read(self) -> str | None:
        """The next line without its newline, None after Ctrl-D. Quoted newlines may be in it.

        Ctrl-C raises KeyboardInterrupt, or `EmptyLineInterrupt`, and the cursor stays where it is.
        """
        before = signal.signal(signal.SIGINT, _interrupt)
        try:
            line = input(self._prompt)
        except EOFError:
            print(flush=True)
            return None
        finally:
            signal.signal(signal.SIGINT, before)
        self._remember(line)
        return line

    def _complete(self, typed: str, number: int) -> str | None:
        fitting = [word for word in self._completions if typed and word.startswith(typed)]
        return fitting[number] if readline.get_begidx() == 0 and number < len(fitting) else None

    def _remember(self, line: str) -> None:
        """Keep a line for the arrow keys, and at once in the file: a closed window ends without notice."""
        last = readline.get_history_item(readline.get_current_history_length())
        # What is recalled is echoed as it is: nothing that a terminal would obey may be in it.
        if (
            not line.strip()
            or line == last
            or len(line) > LONGEST_REMEMBERED
            or console.printable(line) != line
        ):
            return
        with suppress(OSError, UnicodeError):  # a full disk, or a locale without the character
            readline.add_history(line)
            if self._history is not None and hasattr(readline, "append_history_file"):
                readline.append_history_file(1, self._history)
            elif self._history is not None:  # libedit's module may have no such function
                readline.write_history_file(self._history)


def _interrupt(_signal_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt if readline.get_line_buffer() else EmptyLineInterrupt


def _history_file(name: str) -> Path | None:
    """The file that keeps what was typed, for its owner's eyes only, or None where there can be none."""
    state, home = Path(os.environ.get("XDG_STATE_HOME", "")), Path(os.environ.get("HOME", ""))
    if not state.is_absolute():  # as the XDG specification wants it
        if not home.is_absolute() or not home.is_dir():
            return None
        state = home / ".local" / "state"
    path = state / "seqkit" / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # some link it to /dev/null
            return None
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError:
        return None
    return path
