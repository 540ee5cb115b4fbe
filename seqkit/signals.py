"""The signals by which people, terminals and batch systems ask a process to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

# By default each of them ends a process at once. Terminals send HUP, INT and QUIT; batch systems TERM, and
# before it a warning: USR1 (Slurm, Grid Engine), USR2 (Grid Engine, LSF), XCPU (a limit of CPU time); power
# supplies send PWR. The last three are timers, which `timeout --signal` may name. Faults, like SEGV, are not
# here.
ENDING: tuple[int, ...] = tuple(
    getattr(signal, name)
    for name in (
        *("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGPWR"),
        *("SIGALRM", "SIGVTALRM", "SIGPROF"),
    )
    if hasattr(signal, name)  # macOS has no PWR
)
SAVING: int = signal.SIGUSR1  # a training run saves, and goes on

# A script starts its background jobs with SIGINT ignored; a Ctrl-C is meant for them all the same.
_EVEN_IF_IGNORED = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class _Handler:
    """A handler of ours: within one block another may take its place."""

    function: Callable[[int], object]

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.function(number)


@contextmanager
def handled(functions: Mapping[int, Callable[[int], object]]) -> Iterator[None]:
    """Call a function with a signal's number when that signal arrives within the block.

    Afterwards every signal does what it did before. One that is ignored (`nohup` ignores SIGHUP), or that
    another library handles, is left alone.
    """
    before = {}
    try:
        for number, function in functions.items():
            now = signal.getsignal(number)
            if number in _EVEN_IF_IGNORED or now is signal.SIG_DFL or isinstance(now, _Handler):
                before[number] = signal.signal(number, _Handler(function))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def postponed() -> Iterator[None]:
    """Signals that arrive within the block do what they do at its end.

    For what drops the exceptions of their handlers, as the hooks that Python runs when it forks.
    """
    came: list[int] = []
    try:
        with handled(dict.fromkeys(ENDING, came.append)):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


def ignore_more() -> None:
    """Ignore what may come again when one has ended the work: SIGXCPU does, each second of CPU time.

    But for SIGINT: a person may have had enough. What another library handles is left alone.
    """
    for number in ENDING:
        now = signal.getsignal(number)
        if number != signal.SIGINT and (now is signal.SIG_DFL or isinstance(now, _Handler)):
            signal.signal(number, signal.SIG_IGN)
