"""What a person, or a log, sees while a model trains."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from seqkit.cli import console
from seqkit.config import Kind
from seqkit.training.events import Event, Finished, Progress, Started, Validated
from seqkit.training.validation import Sample

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

LOG_SECONDS = 30.0  # between two lines where standard error is no terminal
SAMPLE_LINES = 6  # of a text, at a validation
_SMOOTHING = 0.98  # of the loss that is shown
# For each kind of model what is shown of a validation: title, width, and the value in words.
_Column = tuple[str, int, Callable[["Validated"], str]]
_FIRST: list[_Column] = [
    ("step", 8, lambda event: f"{event.row['step']:,}"),
    ("epoch", 6, lambda event: f"{event.row['epoch']:.1f}"),
    ("train", 6, lambda event: f"{_number(event.row['train_loss']):.3f}"),
    ("valid", 6, lambda event: f"{event.measured.loss:.3f}"),
]
_SCORES: dict[Kind, list[_Column]] = {
    "translation": [
        ("ppl", 7, lambda event: f"{_number(event.row['valid_perplexity']):.2f}"),
        ("BLEU", 6, lambda event: f"{event.measured.metric('bleu'):.2f}"),
        ("chrF", 6, lambda event: f"{event.measured.metric('chrf'):.2f}"),
    ],
    "generation": [
        ("bits/char", 9, lambda event: f"{event.measured.metric('bits_per_character'):.3f}"),
        ("ppl", 7, lambda event: f"{_number(event.row['valid_perplexity']):.2f}"),
    ],
}
_LAST: list[_Column] = [
    ("tok/s", 7, lambda event: f"{event.row['timing']['target_tokens_per_second']:,.0f}"),
    ("elapsed", 8, lambda event: console.duration(event.row["timing"]["elapsed_seconds"])),
]
_LOGGED: dict[Kind, dict[str, str]] = {
    "translation": {"bleu": ".2f", "chrf": ".2f"},
    "generation": {"nats_per_character": ".4f", "bits_per_character": ".4f"},
}


class TrainingDisplay:
    """One live line and a permanent row a validation on a terminal; `key=value` lines elsewhere."""

    def __init__(self, kind: Kind, *, quiet: bool) -> None:
        self.kind = kind
        self.quiet = quiet
        self.columns = [*_FIRST, *_SCORES[kind], *_LAST]
        self.live: Live | None = None
        self.loss: float | None = None
        self.norm = 0.0
        self.best = ""
        self.tokens = 0
        self.last = self.window_start = time.monotonic()
        self.window_tokens = 0
        self.rate = 0.0
        self.total_steps = 0

    def __enter__(self) -> Self:
        if not self.quiet and console.is_terminal():
            from rich.live import Live

            self.live = Live(
                console=console.terminal(),
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()

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
        self.total_steps = event.total_steps
        self.window_start = self.last = time.monotonic()
        if self.quiet:
            return
        if self.live is None:
            console.log_values(
                "train",
                parameters=event.parameters,
                kind=event.kind,
                pairs=event.size if event.kind == "translation" else None,
                characters=event.size if event.kind == "generation" else None,
                precision=event.precision,
                device=event.device,
                threads=event.threads,
                continued_after_step=event.step or None,
            )
            return
        continued = f"continuing after step {event.step:,}; " if event.step else ""
        self._print(
            f"{continued}{event.parameters / 1e6:.2f} M parameters, {event.size:,} "
            f"{'pairs' if event.kind == 'translation' else 'characters'}, "
            f"{event.precision} on {event.device}, {event.threads} thread{'' if event.threads == 1 else 's'}"
        )
        self._print(" ".join(f"{title:>{width}}" for title, width, _ in self.columns), style="bold")

    def _progress(self, event: Progress) -> None:
        report = event.report
        if report.finite:
            loss = report.objective / max(report.positions, 1)
            self.loss = loss if self.loss is None else _SMOOTHING * self.loss + (1 - _SMOOTHING) * loss
            self.norm = report.gradient_norm
        self.window_tokens += report.positions
        now = time.monotonic()
        if now - self.window_start >= 1:
            fresh = self.window_tokens / (now - self.window_start)
            self.rate = fresh if not self.rate else 0.7 * self.rate + 0.3 * fresh
            self.window_start, self.window_tokens = now, 0
        if self.quiet:
            return
        if self.live is not None:
            self.live.update(self._line(event))
        elif now - self.last >= LOG_SECONDS:
            self.last = now
            self._log(event)

    def _line(self, event: Progress) -> RenderableType:
        from rich.text import Text

        report = event.report
        loss = math.nan if self.loss is None else self.loss
        parts = [
            f"{event.progress:4.0%}",
            f"step {report.step:,}" + (f"/{self.total_steps:,}" if self.total_steps else ""),
            f"epoch {report.epoch:.1f}",
            f"loss {loss:.3f}",
            f"{self.rate:,.0f} tok/s",
            f"lr {report.learning_rate:.1e}",
            f"|g| {self.norm:.2f}",
            f"{console.duration(event.remaining)} left",
            *([f"best {self.best}"] if self.best else []),
        ]
        return Text("  ".join(parts), style="cyan", no_wrap=True, overflow="ellipsis")

    def _log(self, event: Progress) -> None:
        report = event.report
        console.log_values(
            "step",
            step=report.step,
            epoch=f"{report.epoch:.2f}",
            loss=f"{self.loss:.4f}" if self.loss is not None else None,
            tokens_per_second=f"{self.rate:.0f}",
            learning_rate=f"{report.learning_rate:.2e}",
            gradient_norm=f"{report.gradient_norm:.3f}",
            progress=f"{event.progress:.3f}",
            eta=f"{event.remaining:.0f}s",
            best=self.best or None,
        )

    def _validated(self, event: Validated) -> None:
        # Validation time is no training time: the rate's window begins anew.
        self.window_start, self.window_tokens = time.monotonic(), 0
        row, measured = event.row, event.measured
        if event.best:
            bleu = measured.metric("bleu")
            best = f"BLEU {bleu:.2f}" if math.isfinite(bleu) else f"loss {measured.loss:.3f}"
            self.best = f"{best} at {row['step']:,}"
        for warning in event.warnings:
            console.warn(warning)
        if self.quiet:
            return
        timing = row["timing"]
        if self.live is None:
            console.log_values(
                "validation",
                step=row["step"],
                epoch=f"{row['epoch']:.2f}",
                train_loss=f"{_number(row['train_loss']):.4f}",
                valid_nats=f"{measured.loss:.4f}",
                perplexity=f"{_number(row['valid_perplexity']):.3f}",
                **{name: format(measured.metric(name), form) for name, form in _LOGGED[self.kind].items()},
                gradient_norm=f"{row['gradient']['norm']:.3f}",
                clipped=f"{row['gradient']['clipped_share']:.2f}",
                tokens_per_second=f"{timing['target_tokens_per_second']:.0f}",
                elapsed=f"{timing['elapsed_seconds']:.0f}s",
                best="yes" if event.best else "no",
            )
            return
        values = " ".join(f"{value(event):>{width}}" for _, width, value in self.columns)
        self._print(values + ("  ★ best" if event.best else ""))
        for sample in measured.samples:
            if isinstance(sample, Sample):
                self._print(f"           {sample.source}", style="dim")
                self._print(f"         → {sample.translation}", style="dim")
            else:
                for line in sample.text.split("\n")[:SAMPLE_LINES]:
                    self._print(f"         │ {line}", style="dim")

    def _print(self, text: str, style: str | None = None) -> None:
        from rich.text import Text

        assert self.live is not None
        line = Text(console.printable(text), style=style or "")
        self.live.console.print(line, no_wrap=True, overflow="ellipsis", soft_wrap=False)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
