"""Everything that goes to standard error: notes, warnings, errors, progress, tables.

On a terminal there is one calm live line and colour; elsewhere, and on a terminal whose cursor does not move,
plain timestamped lines. Text that came from a user is never read as markup, and control characters in it are
shown, not sent to the terminal.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from seqkit.cli.terminal import cursor
from seqkit.errors import Interrupted, SeqkitError, suggest
from seqkit.printable import printable as printable
from seqkit.printable import printable_text as printable_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_PROGRESS_SECONDS = 10.0  # between two progress lines where none can be redrawn


def terminal() -> Console:
    """A rich console on standard error that treats all text as plain text."""
    from rich.console import Console

    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


def is_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def can_redraw() -> bool:
    """Whether standard error is a terminal on which a live area can be drawn over; others get plain lines."""
    return is_terminal() and cursor.moves(sys.stderr.fileno())


_live: Console | None = None  # of the area that is being redrawn at the bottom of the terminal


@contextmanager
def live_area(renderable: RenderableType) -> Iterator[Console]:
    """Redraw something at the bottom of the terminal four times per second; messages meanwhile go above it.

    It vanishes at the end. Only where `can_redraw()`. Yields the console for permanent lines.
    """
    global _live
    from rich.live import Live

    from seqkit.cli.terminal.live_area import Area

    screen = terminal()
    area = Area(renderable, screen)
    # Without the two redirects rich would send standard output to standard error while the area lives.
    live = Live(
        get_renderable=lambda: area,
        console=screen,
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    screen.push_render_hook(area)
    _live = screen
    try:
        yield screen
    finally:
        _live = None
        with suppress(OSError):  # the terminal may be gone
            live.refresh()  # or have become narrower since the last time
        screen.pop_render_hook()
        with suppress(OSError):
            live.stop()


def _write(line: str) -> None:
    if sys.stderr is None:  # `2>&-`; print would say it to standard output
        return
    try:
        if _live is not None:
            _live.print(line)
            return
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # standard error is closed or full: results matter more than talk
        return
    except RuntimeError:  # a signal's handler speaks, and the signal came in the middle of another line
        with suppress(OSError):
            os.write(sys.stderr.fileno(), f"{line}\n".encode(errors="replace"))


def note(text: str) -> None:
    """One line of talk."""
    _write(printable(text))


def row(text: str, style: str = "") -> None:
    """One line that stays above the live area, as much of it as the terminal's width holds."""
    from rich.text import Text

    assert _live is not None
    with suppress(OSError):  # the terminal is gone: results matter more than talk
        _live.print(Text(printable(text), style), no_wrap=True, overflow="ellipsis", soft_wrap=False)


def warn(text: str) -> None:
    """One warning line."""
    _write(f"seqkit: warning: {printable(text)}")


def log_values(event: str, **values: object) -> None:
    """One timestamped `key=value` line, for logs and scripts."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
    pairs = " ".join(f"{key}={_quoted(str(value))}" for key, value in values.items() if value is not None)
    _write(f"{stamp} {event} {pairs}")


def _quoted(value: str) -> str:
    value = printable(value)
    return json.dumps(value, ensure_ascii=False) if not value or " " in value or '"' in value else value


def print_error(error: SeqkitError) -> None:
    """The one block for trouble: what happened, where, how to mend it. An interruption is no error."""
    kind = "" if isinstance(error, Interrupted) else "error: "
    _write(f"seqkit: {kind}{printable(error.message)}")
    if error.where:
        _write(f"  where: {printable(error.where)}")
    if error.hint:
        _write(f"  try:   {printable(error.hint)}")


def print_usage_error(error: Exception, command: str) -> None:
    """A usage error found by the option parser in a command, in the same shape as all others."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path if context else f'seqkit {command}'} --help"
    if context and hasattr(error, "possibilities"):  # for an unknown option; Click's own may be far off
        message = str(error)
        known = [name for option in context.command.get_params(context) for name in option.opts]
        hint = suggest(str(getattr(error, "option_name", "")), known) or hint
    _write(f"seqkit: error: {printable(message.rstrip('.'))}")
    _write(f"  try:   {printable(hint)}")


def print_bug(error: Exception) -> None:
    """An exception that nobody expected."""
    _write(f"seqkit: error: this is a bug in seqkit: {type(error).__name__}: {printable(str(error))}")
    _write("  try:   run the same command with --debug and report what it prints")


class _WarningHandler(logging.Handler):
    """Shows what the layers below log: warnings always, information unless `--quiet`."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        warn(text) if record.levelno >= logging.WARNING else note(text)


def show_log(*, quiet: bool) -> None:
    """Connect the package's logger to standard error, once a process."""
    logger = logging.getLogger("seqkit")
    logger.handlers = [_WarningHandler()]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


def duration(seconds: float) -> str:
    """`41 s`, `3:05` or `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def announce_input(path: str, what: str = "text") -> None:
    """Say so before a person's typing is waited for."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        note(f"reading {what} from the terminal; Ctrl-D ends it")


ProgressCallback = Callable[[str, int, int | None], None]


@contextmanager
def progress(unit: str, *, quiet: bool) -> Iterator[ProgressCallback]:
    """Yield `update(stage, done, total)`: a live bar, or lines where none can be redrawn."""
    if quiet:
        yield lambda _stage, _done, _total: None
    elif can_redraw():
        with _live_progress(unit) as update:
            yield update
    else:
        yield _PlainProgress(unit).update


@contextmanager
def _live_progress(unit: str) -> Iterator[ProgressCallback]:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
    from rich.table import Column

    whole = Column(no_wrap=True)
    bars = Progress(
        TextColumn("{task.description}", markup=False, table_column=whole),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4, max_width=40)),
        TextColumn("{task.fields[count]}", markup=False, table_column=whole),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=whole),
        expand=True,
    )
    tasks: dict[str, tuple[TaskID, float]] = {}

    def update(stage: str, done: int, total: int | None) -> None:
        if stage not in tasks:
            tasks[stage] = (bars.add_task(stage, total=total, count=""), time.monotonic())
        task, started = tasks[stage]
        rate = done / max(time.monotonic() - started, 1e-3)
        count = f"{done:,} {unit}  {rate:,.0f}/s" if done else ""
        bars.update(task, completed=done, total=total, count=count)

    with live_area(bars):
        yield update


class _PlainProgress:
    """`key=value` progress lines for logs."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.started: dict[str, float] = {}
        self.last = time.monotonic()

    def update(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        started = self.started.setdefault(stage, now)
        if now - self.last < PLAIN_PROGRESS_SECONDS:
            return
        self.last = now
        rate = done / max(now - started, 1e-3)
        remaining = f"{max(0, total - done) / rate:.0f}s" if total and rate > 0 else None
        log_values(
            "progress",
            stage=stage,
            done=done,
            total=total,
            unit=self.unit,
            per_second=f"{rate:.0f}",
            eta=remaining,
        )


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A two-column report: a name and its value per row."""
    if is_terminal():
        from rich.table import Table
        from rich.text import Text

        shown = Text(printable(title), style="table.title")
        grid = Table(title=shown, title_justify="left", show_header=False, box=None, pad_edge=False)
        grid.add_column(style="cyan")
        grid.add_column(overflow="fold")
        for name, value in rows:
            grid.add_row(Text(printable(name)), Text(printable(value)))
        terminal().print(grid)
        return
    note(title)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        note(f"  {name:<{width}}  {value}")
