"""The live area below the rows of a training run: how far it is, how it goes, and two small charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqkit.cli.terminal import console
from seqkit.cli.terminal.chart import Curve, Points, bar, extremes, line_chart
from seqkit.training.events import Progress

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

CHART_HEIGHT = 4  # lines
WIDEST = 120  # columns: longer lines are no easier to read
SMALLEST_SCREEN = 40, 16  # columns, lines: a smaller one gets no charts
VANISHED = 1e-4  # a gradient whose bar is empty, as a share of the largest
_FRESH = 0.02  # the part of a new step in what is smoothed
SAMPLE_LINES = 6  # of the last validation's samples


@dataclass
class TrainingPanel:
    """What the display knows of the run; rich asks it to draw itself four times per second."""

    score_name: str  # what the second chart shows
    signs: Mapping[str, str]  # what of a sample is shown, with the sign before its lines
    total_steps: int = 0  # 0 when the budget is time
    now: Progress | None = None
    loss: float = math.nan  # smoothed, in nats per token
    rate: float = 0.0  # target tokens per second
    clipped: float = 0.0  # smoothed share of steps
    best: str = ""
    losses: Curve = field(default_factory=Curve)
    scores: Curve = field(default_factory=Curve)
    parts: Mapping[str, float] = field(default_factory=dict)  # gradient norms at the last validation
    _steps: int = 0  # of this process
    _samples: list[Text] = field(default_factory=list)

    def take_step(self, event: Progress) -> None:
        """A step of the optimizer."""
        report, self.now = event.report, event
        self._steps += 1
        fresh = max(_FRESH, 1 / self._steps)  # at the beginning the mean
        self.clipped += fresh * (report.clipped - self.clipped)
        if report.finite:
            loss = report.nats / max(report.positions, 1)
            self.loss = self.loss + fresh * (loss - self.loss) if math.isfinite(self.loss) else loss
            self.losses.add(report.step, self.loss)

    def take_row(self, step: int, score: float, parts: Mapping[str, float]) -> None:
        """A validation, of this process or of those before it."""
        self.scores.add(step, score)
        self.parts = parts

    def take_samples(self, samples: Sequence[Mapping[str, str]]) -> None:
        """What the model wrote at the last validation."""
        from rich.text import Text

        lines = [
            (sign, line)
            for sample in samples
            for name, sign in self.signs.items()
            for line in sample[name].split("\n")
        ]
        self._samples = [
            Text(f"    {sign} {console.printable(line)}", style="dim", no_wrap=True)
            for sign, line in lines[:SAMPLE_LINES]
        ]

    def __rich_console__(self, terminal: Console, options: ConsoleOptions) -> RenderResult:
        if self.now is None:
            return
        # The last column stays free: terminals that wrap early would break the area.
        width = min(options.max_width - 1, WIDEST)
        lines = [*self._head(self.now, width), self._health(self.now)]
        columns, height = SMALLEST_SCREEN
        if terminal.height >= height:
            # The charts are braille dots and nothing else.
            if options.max_width >= columns and options.encoding.startswith("utf"):
                lines += self._charts(self.now, width)
            lines += [sample.copy() for sample in self._samples]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            yield line

    def _head(self, now: Progress, width: int) -> Iterator[Text]:
        from rich.text import Text

        report = now.report
        step = f"step {report.step:,}" + (f"/{self.total_steps:,}" if self.total_steps else "")
        left = "validating …" if now.validating else f"{console.duration(now.remaining)} left"
        words = f"{now.progress:5.0%} {{}} {step}  epoch {report.epoch:.1f}  {left}"
        room = max(8, min(40, width - len(words)))
        done = round(now.progress * room)
        before, after = words.split("{}")
        yield Text.assemble((before, "bold"), ("━" * done, "cyan"), ("─" * (room - done), "dim"), after)
        yield _words(
            [f"loss {self.loss:.3f}", "cyan"],
            [f"{self.rate:,.0f} tok/s", ""],
            [f"lr {report.learning_rate:.1e}", ""],
            [f"best {self.best}" if self.best else "", "green"],
        )

    def _health(self, now: Progress) -> Text:
        """The gradient's norm, how often it is cut, and each part's norm as a bar, on a logarithmic scale."""
        finite = now.report.finite
        norm = f"{now.report.gradient_norm:.2f}" if finite else "not finite"
        largest = max(self.parts.values(), default=0.0)
        shares = {name: norm / largest for name, norm in self.parts.items()} if largest > 0 else {}
        bars = "".join(
            bar(1 - math.log(max(share, VANISHED)) / math.log(VANISHED)) for share in shares.values()
        )
        weakest = min(shares, key=lambda name: shares[name], default="")
        return _words(
            [f"gradient {norm}", "" if finite else "red"],
            [f"clipped {self.clipped:.0%}", "yellow" if self.clipped > 0.9 else ""],
            [f"by part {bars}" if bars else "", ""],
            [f"weakest {weakest.replace('_', ' ')}, {shares[weakest]:.2g}" if weakest else "", "dim"],
        )

    def _charts(self, now: Progress, width: int) -> Iterator[Text]:
        """Two charts side by side; their right edge is the end of the run."""
        right = self.total_steps or now.report.step / max(now.progress, 1e-3)
        room = (width - 8) // 2
        first = _chart("train loss", self.losses.points, room, right, ".2f")
        second = _chart(self.score_name, self.scores.points, room, right, ".2f")
        for left, other in zip(first, second, strict=True):
            line = left.copy()
            line.pad_right(max(0, room + 6 - line.cell_len))
            line.append_text(other)
            yield line


def _words(*parts: list[str]) -> Text:
    """Words in their styles, the empty ones left out."""
    from rich.text import Text

    line = Text("     ")
    for words, style in parts:
        if words:
            line.append(f" {words} ", style=style)
    return line


def _chart(title: str, points: Points, width: int, right: float, form: str) -> Iterator[Text]:
    """A title with first and last value, and the curve with its extremes at the left."""
    from rich.text import Text

    points = [(x, y) for x, y in points if math.isfinite(y)]
    if not points:
        yield Text(f"      {title}: none yet", style="dim")
        yield from [Text("")] * CHART_HEIGHT
        return
    low, high = extremes(points)
    yield Text(f"      {title} {points[0][1]:{form}} → {points[-1][1]:{form}}", style="dim")
    for number, line in enumerate(line_chart(points, width - 6, CHART_HEIGHT, right=right)):
        label = {0: format(high, form), CHART_HEIGHT - 1: format(low, form)}.get(number, "")
        yield Text.assemble((f"{label[:5]:>5} ", "dim"), (line, "cyan"))
