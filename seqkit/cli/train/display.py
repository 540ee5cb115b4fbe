"""What a person, or a log, sees while a model trains."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from seqkit.cli.terminal import console
from seqkit.cli.terminal.chart import sparkline
from seqkit.cli.train.panel import TrainingPanel
from seqkit.kinds import Kind
from seqkit.scores import Metric
from seqkit.training.events import Event, Finished, Progress, Started, Validated

if TYPE_CHECKING:
    from rich.console import Console

    from seqkit.evaluation.suitability import Suitable
    from seqkit.training.sizing import Choice

LOG_SECONDS = 30.0  # between two lines where none can be redrawn
TELLING_SECONDS, TELLING_STEPS = 3.0, 5  # after the first step: how long it will all take is known
_BEST_MARK = 8  # columns
_SCORE_WIDTH = 6  # columns, at least


@dataclass(frozen=True)
class _Column:
    """A column of the rows: its title, its width, the value in words, and what is left out first (3)."""

    title: str
    width: int
    value: Callable[[Validated], str]
    rank: int = 1


_FIRST = [
    _Column("step", 8, lambda event: f"{event.row['step']:,}"),
    _Column("epoch", 6, lambda event: f"{event.row['epoch']:.1f}", 2),
    _Column("train", 6, lambda event: f"{_number(event.row['train_nats']):.3f}"),
    _Column("valid", 6, lambda event: f"{event.measured.loss:.3f}"),
    _Column("ppl", 7, lambda event: f"{_number(event.row['valid_perplexity']):.2f}", 3),
]
_LAST = [
    _Column("tok/s", 7, lambda event: f"{event.row['timing']['target_tokens_per_second']:,.0f}", 3),
    _Column("elapsed", 8, lambda event: console.duration(event.row["timing"]["elapsed_seconds"])),
]


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """The columns for a terminal's width."""
    for rank in (3, 2):
        if sum(column.width + 1 for column in columns) + _BEST_MARK > width:
            columns = [column for column in columns if column.rank < rank]
    return columns


def _column(metric: Metric, rank: int) -> _Column:
    """A metric's column: the first of them stays where there is little room."""
    return _Column(
        metric.short,
        max(len(metric.short), _SCORE_WIDTH),
        lambda event: event.measured.text(metric),
        min(rank, 3),
    )


class TrainingDisplay:
    """A live area and a row per validation where lines can be redrawn; `key=value` lines elsewhere."""

    def __init__(
        self,
        kind: Kind,
        choice: Choice | None = None,
        metrics: Sequence[Metric] = (),
        ranking: Suitable | None = None,
        *,
        quiet: bool,
    ) -> None:
        """`metrics` are those of a validation, the charted one first; without any the kind's usual ones."""
        self.kind = kind
        self.metrics = metrics or kind.metrics
        shown = [metric for metric in self.metrics if metrics or metric in kind.shown]
        self.choice = choice  # of the size, by the budget
        self.ranking = ranking  # by what checkpoints are ranked, where the data decided
        self.quiet = quiet
        self.possible = [*_FIRST, *map(_column, shown, range(1, 1 + len(shown))), *_LAST]
        self.columns: list[_Column] = []  # that stand in the last header
        self.charted = self.metrics[0]
        self.panel = TrainingPanel(self.charted.short, kind.samples)
        self.terminal: Console | None = None
        self._open = ExitStack()
        self.last = self.window_start = time.monotonic()
        self.window_tokens = 0
        self.warned: set[str] = set()  # what was wrong at the last validation
        self._first: tuple[int, float] | None = None  # a step and when it was done
        self._told = False  # how long it will take

    def __enter__(self) -> Self:
        if not self.quiet and console.can_redraw():
            self.terminal = self._open.enter_context(console.live_area(self.panel))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def course(self) -> list[tuple[str, str]]:
        """How the charted score went, as a row of a report; nothing where no terminal shows it."""
        values = [y for _, y in self.panel.scores.points if math.isfinite(y)]
        if self.terminal is None or len(values) < 2:
            return []
        return [
            (
                f"course of {self.panel.score_name}",
                f"{self.charted.text(values[0])} {sparkline(values)} {self.charted.text(values[-1])}",
            )
        ]

    def show(self, event: Event) -> None:
        """Show whatever happened."""
        match event:
            case Started():
                self._started(event)
            case Progress():
                self._progress(event)
            case Validated():
                self._validated(event)
            case Finished():
                pass

    def _started(self, event: Started) -> None:
        self.panel.total_steps = event.total_steps
        for row in event.rows:
            self.panel.take_row(row.step, self._charted(row.scores), row.parts)
            self.panel.losses.add(row.step, row.train_nats)
        self.window_start = self.last = time.monotonic()
        if self.quiet:
            return
        if self.terminal is None:
            console.log_values(
                "train",
                parameters=event.parameters,
                kind=event.kind.name,
                **{event.kind.counted.many: event.size},
                precision=event.precision,
                device=event.device,
                threads=event.threads,
                chosen_size=self.choice and self.choice.size,
                chosen_for=self.choice and self.choice.reason,
                ranked_by=self.ranking and self.ranking.metric,
                ranked_so_because=self.ranking and self.ranking.reason,
                continued_after_step=event.step or None,
            )
            return
        if event.step:
            console.row(f"continuing after step {event.step:,}")
        if self.choice is not None:
            console.row(f"size {self.choice.size}, chosen for the budget:")
            console.row(f"  {self.choice.reason}")
        console.row(
            f"{event.parameters / 1e6:.2f} M parameters, {event.size:,} "
            f"{event.kind.counted.many}, "
            f"{event.precision} on {event.device}, {event.threads} thread{'' if event.threads == 1 else 's'}"
        )
        if self.ranking is not None:
            title = self.kind.metric(self.ranking.metric).title
            console.row(f"checkpoints are ranked by {title}: {self.ranking.reason}")
        self._print_header()

    def _progress(self, event: Progress) -> None:
        report, panel = event.report, self.panel
        panel.take_step(event)
        self.window_tokens += report.positions
        now = time.monotonic()
        self._tell_how_long(event, now)
        if now - self.window_start >= 1:
            fresh = self.window_tokens / (now - self.window_start)
            panel.rate = fresh if not panel.rate else 0.7 * panel.rate + 0.3 * fresh
            self.window_start, self.window_tokens = now, 0
        if not self.quiet and self.terminal is None and now - self.last >= LOG_SECONDS:
            self.last = now
            self._log(event)

    def _tell_how_long(self, event: Progress, now: float) -> None:
        """Say once, as soon as it is known, how long a run will take whose budget is steps.

        The first step, in which kernels are made, is left out, and so are validations.
        """
        step, total = event.report.step, self.panel.total_steps
        if self._first is None:
            self._first = step, now
        steps, seconds = step - self._first[0], now - self._first[1]
        if self._told or self.quiet or not total or steps < TELLING_STEPS or seconds < TELLING_SECONDS:
            return
        self._told = True
        pace = steps / seconds
        left = (total - step) / pace
        if self.terminal is None:
            console.log_values("estimate", seconds=f"{left:.0f}", steps_per_second=f"{pace:.3g}")
        else:
            console.row(f"about {console.duration(left)} to go: {total:,} steps, {pace:.3g} per second")

    def _log(self, event: Progress) -> None:
        report = event.report
        console.log_values(
            "step",
            step=report.step,
            epoch=f"{report.epoch:.2f}",
            loss=f"{self.panel.loss:.4f}" if math.isfinite(self.panel.loss) else None,
            tokens_per_second=f"{self.panel.rate:.0f}",
            learning_rate=f"{report.learning_rate:.2e}",
            gradient_norm=f"{report.gradient_norm:.3f}",
            progress=f"{event.progress:.3f}",
            eta=f"{event.remaining:.0f}s",
            best=self.panel.best or None,
        )

    def _validated(self, event: Validated) -> None:
        # Validation is not training time: the window of the rate restarts.
        self.window_start, self.window_tokens = time.monotonic(), 0
        row, measured = event.row, event.measured
        if event.best:
            score = self.charted.text(measured.metric(self.charted.name))
            self.panel.best = f"{self.charted.short} {score} at {row['step']:,}"
        scores = {str(score["metric"]): float(score["score"]) for score in measured.scores}
        self.panel.take_row(row["step"], self._charted(scores), row["gradient"]["parts"])
        self._warn(event.warnings)
        if self.quiet:
            return
        timing = row["timing"]
        if self.terminal is None:
            console.log_values(
                "validation",
                step=row["step"],
                epoch=f"{row['epoch']:.2f}",
                train_nats=f"{_number(row['train_nats']):.4f}",
                valid_nats=f"{measured.loss:.4f}",
                perplexity=f"{_number(row['valid_perplexity']):.3f}",
                **{each.name: measured.text(each) for each in self.metrics},
                gradient_norm=f"{row['gradient']['norm']:.3f}",
                clipped=f"{row['gradient']['clipped_share']:.2f}",
                tokens_per_second=f"{timing['target_tokens_per_second']:.0f}",
                elapsed=f"{timing['elapsed_seconds']:.0f}s",
                best="yes" if event.best else "no",
            )
            return
        self._print_header()
        values = " ".join(f"{column.value(event):>{column.width}}" for column in self.columns)
        console.row(values + (f"  ★ best{self._decision(event)}" if event.best else ""))
        self.panel.take_samples(measured.samples)

    def _decision(self, event: Validated) -> str:
        """Which metric told the best from the one before, where the one that ranks could not."""
        return f" by {self.kind.metric(event.decided_by).short}" if event.decided_by else ""

    def _warn(self, warnings: Sequence[str]) -> None:
        """Say what has begun to be wrong: what goes on from the validation before was said there."""
        kinds = {warning.partition(":")[0]: warning for warning in warnings}
        for kind, warning in kinds.items():
            if kind not in self.warned:
                console.warn(warning)
        self.warned = set(kinds)

    def _charted(self, scores: Mapping[str, float]) -> float:
        return scores.get(self.charted.name, math.nan)

    def _print_header(self) -> None:
        """The titles of the columns that fit, unless they stand above already."""
        assert self.terminal is not None
        columns = _fitting(self.possible, self.terminal.width)
        if columns != self.columns:
            self.columns = columns
            console.row(" ".join(f"{column.title:>{column.width}}" for column in columns), style="bold")


def _number(value: float | None) -> float:
    return math.nan if value is None else value
