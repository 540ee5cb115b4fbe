"""Whether what is on a terminal can be drawn over: not every terminal has a cursor that moves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

# What systems of continuous integration set, whose logs keep every redrawn line: GitHub, GitLab, Circle and
# most others CI; Azure, TeamCity and Jenkins their own.
_LOGS = ("CI", "TF_BUILD", "TEAMCITY_VERSION", "JENKINS_URL")
_FALSE = {"", "0", "false"}
_NO_TERMINAL = {"", "dumb", "unknown"}
# ipykernel gives this name to what a notebook runs with `!`. A notebook obeys colours and nothing else.
_NOTEBOOK = "xterm-color"
# Names that begin so are taken for what they say where the system has no description of them: those of new
# terminals, and all in a container without terminfo.
_FAMILIES = ("xterm", "screen", "tmux", "linux", "rxvt", "vt")


def moves(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the cursor of the terminal behind a descriptor goes up when it is told to.

    TTY_INTERACTIVE=1 or 0 says so (as to rich). Else the name in TERM must be one that the system knows to
    have the capability, in no notebook and no log of continuous integration; and the terminal must have a
    size: one that a program like `script` records, which nobody watches, has none.
    """
    wish = environment.get("TTY_INTERACTIVE", "").lower()
    if wish:
        return wish not in _FALSE
    name = environment.get("TERM", "").lower()
    if name in _NO_TERMINAL or name == _NOTEBOOK or "JPY_PARENT_PID" in environment:
        return False
    if any(environment.get(variable, "").lower() not in _FALSE for variable in _LOGS):
        return False
    return _has_size(descriptor, environment) and _can_go_up(environment["TERM"], descriptor)


def _has_size(descriptor: int, environment: Mapping[str, str]) -> bool:
    if environment.get("COLUMNS", "").isdecimal():
        return True
    with suppress(OSError):
        return os.get_terminal_size(descriptor).columns > 0
    return False


@cache  # the library reads one description per process
def _can_go_up(name: str, descriptor: int) -> bool:
    """Whether terminfo has the capability `cuu1` for a terminal of this name."""
    try:
        import curses

        curses.setupterm(name, descriptor)
        return curses.tigetstr("cuu1") is not None
    except (ImportError, curses.error):
        return name.lower().startswith(_FAMILIES)
