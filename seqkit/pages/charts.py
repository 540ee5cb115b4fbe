"""The report's charts: SVG by matplotlib, whose colours are the page's, so that they follow its scheme."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seqkit.pages.contents import Contents, TextSide
from seqkit.printable import printable
from seqkit.training.record import metric_title

Points = tuple[Sequence[float], Sequence[float]]
# Colours that stand in the SVG for the custom properties of the page's style sheet.
INK, FAINT = "#010101", "#020202"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006", "#0a0007", "#0a0008")
PROPERTIES = {
    INK: "--text",
    FAINT: "--line",
    **{colour: f"--series-{n}" for n, colour in enumerate(SERIES, 1)},
}
_LINES = list(product(("-", "--", ":"), SERIES))  # how the series of a chart are told apart
_SIZE = 4.6, 2.9  # inches, 72 units each
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "seqkit",  # the same chart is the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@contextmanager
def _own_style() -> Iterator[None]:
    """matplotlib as it comes, in the report's style: what its user prefers elsewhere changes no page."""
    with rc_context():
        rcdefaults()
        rcParams.update(_STYLE)
        yield


def curves(contents: Contents) -> dict[str, Markup]:
    """The charts of the run by their titles: SVG elements; one without a finite value is left out."""
    rows = contents.rows
    steps = [row.step for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row.scores))

    def series(values: Mapping[str, Sequence[float]]) -> dict[str, Points]:
        return {name: (steps, found) for name, found in values.items() if any(map(math.isfinite, found))}

    loss = {"training": [row.train_nats for row in rows], "validation": [row.valid_nats for row in rows]}
    scores = {metric_title(name): [row.scores.get(name, math.nan) for row in rows] for name in names}
    parts = {name: [row.parts.get(name, math.nan) for row in rows] for name in contents.part_names()}
    gates = {name: [row.gates.get(name, math.nan) for row in rows] for name in rows[-1].gates}
    charts = [
        ("Loss", "nats per token", series(loss), False),
        ("Validation scores", "", series(scores), False),
        ("Learning rate", "", series({"learning rate": [row.learning_rate for row in rows]}), False),
        (
            "Speed",
            "target tokens per second",
            series({"speed": [row.tokens_per_second for row in rows]}),
            False,
        ),
        ("Gradient norms", "", series({"all": [row.norm for row in rows], **parts}), True),
        ("Clipped steps", "share", series({"clipped": [row.clipped_share for row in rows]}), False),
        ("Saturated gates", "share of values", series(gates), False),
    ]
    return {
        title: _chart(title, "step", label, found, logarithmic=logarithmic)
        for title, label, found, logarithmic in charts
        if found
    }


def text_charts(sides: Sequence[TextSide]) -> dict[str, Markup]:
    """How long sequences are, where there are several, and how frequent tokens (Zipf 1935)."""
    charts = {}
    if any(len(side.lengths) > 1 for side in sides):
        charts["Lengths"] = _lengths(sides)
    ranks: dict[str, Points] = {}
    for side in sides:
        counts = np.sort(side.counts[side.counts > 0])[::-1]
        # Logarithmically spaced ranks draw the same curve with fewer points.
        shown = np.unique(np.geomspace(1, max(len(counts), 1), 200).astype(int))
        if len(counts):
            ranks[side.name] = (shown.tolist(), counts[shown - 1].tolist())
    charts["Frequencies"] = _chart(
        "Frequencies", "rank of the token", "occurrences", ranks, logarithmic=True, rank=True
    )
    return charts


def _lengths(sides: Sequence[TextSide]) -> Markup:
    with _own_style():
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        longest = max(int(np.quantile(side.lengths, 0.995)) for side in sides if len(side.lengths))
        width = -(-(longest + 1) // 40)  # whole numbers, so that no bin has more of them than another
        edges = np.arange(0, longest + width + 1, width)
        for side, colour in zip(sides, SERIES, strict=False):
            heights, _ = np.histogram(np.minimum(side.lengths, longest), edges)
            axes.stairs(heights, edges, color=colour, label=side.name, linewidth=1.7)
        _finish(figure, axes, "Lengths", "tokens", "sequences", len(sides))
        return _svg(figure, "Lengths")


def _chart(
    title: str,
    across: str,
    upwards: str,
    series: Mapping[str, Points],
    *,
    logarithmic: bool,
    rank: bool = False,
) -> Markup:
    """A line a series, with a dot at each point unless they are `rank`s."""
    with _own_style():
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        for (name, (xs, ys)), (line, colour) in zip(series.items(), _LINES, strict=False):
            drawn = [y if y > 0 or not logarithmic else math.nan for y in ys]
            axes.plot(xs, drawn, line, color=colour, label=_label(name), marker="" if rank else ".", ms=4)
        if logarithmic:
            axes.set_yscale("log")
        if rank:
            axes.set_xscale("log")
        _finish(figure, axes, title, across, upwards, len(series))
        return _svg(figure, title)


def _label(name: str) -> str:
    """A name in a legend; dollars would begin a formula."""
    return printable(name).replace("_", " ").replace("$", r"\$")


def _finish(figure: Figure, axes: Axes, title: str, across: str, upwards: str, count: int) -> None:
    axes.set(title=title, xlabel=across, ylabel=upwards)
    axes.minorticks_off()
    axes.tick_params(length=0)
    if count > 1:
        width, height = _SIZE
        columns = 3 if count > 2 else 2
        rows = math.ceil(count / columns)
        figure.set_size_inches(width, height + 0.17 * rows)
        figure.legend(loc="outside lower center", ncols=columns)


def _svg(figure: Figure, title: str) -> Markup:
    """The figure as an element that stands in a page: its own names, the page's colours, no date."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[\d.]+pt"', r"\1", text, count=2)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, name in PROPERTIES.items():
        text = text.replace(colour, f"var({name})")
    prefix = re.sub(r"\W+", "-", title.lower())
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", text)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))


def shares(counts: NDArray[np.int64], wanted: Sequence[float]) -> list[int]:
    """How many of the most frequent tokens make up each wanted share of a text."""
    ordered = np.sort(counts)[::-1].cumsum()
    return [int(np.searchsorted(ordered, share * ordered[-1])) + 1 for share in wanted]
