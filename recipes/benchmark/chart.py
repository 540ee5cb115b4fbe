"""The results as one SVG, drawn by matplotlib: a panel for every task that several systems did."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report import less_is_better, number

PAPER, INK, LINES = "#ffffff", "#24292f", "#d0d7de"
# The colours of a page that is dark; those of the bars are readable on both.
DARK = {PAPER: "#0d1117", INK: "#e6edf3", LINES: "#30363d"}
OURS, THEIRS = "#1f9e89", "#8a8f98"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "seqkit",  # the same chart is the same file
    "svg.fonttype": "none",
    "font.size": 9.5,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "ytick.color": INK,
}
Row = Mapping[str, Any]


def panels(result: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Title -> rows, of every task that more than one system was asked to do and one at least did."""
    tasks: dict[tuple[str, str], list[Row]] = {}
    for row in result["rows"]:
        tasks.setdefault((row["group"], row["task"]), []).append(row)
    found = {}
    for (group, task), rows in tasks.items():
        done = [row for row in rows if "median" in row]
        if group != "set-up" and len(rows) > 1 and done:
            unit = done[0]["unit"] + (", less is better" if less_is_better(done[0]) else "")
            found[f"{group}, {task}: {unit}"] = rows
    return found


def chart(result: Mapping[str, Any]) -> bytes:
    """An SVG file that serves light and dark pages."""
    with rc_context(STYLE):
        shown = panels(result)
        heights = [len(rows) + 1.1 for rows in shown.values()] or [1.0]
        figure = Figure(figsize=(8.4, 0.33 * sum(heights) + 0.3), layout="constrained")
        places = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (title, rows) in zip(places, shown.items(), strict=False):
            _panel(axes, title, rows)
        if not shown:
            places[0].set_axis_off()
            places[0].text(0, 0.5, "nothing to compare")
        return _svg(figure)


def _panel(axes: Axes, title: str, rows: Sequence[Row]) -> None:
    longest = max(row["maximum"] for row in rows if "median" in row) or 1.0
    for place, row in enumerate(rows):
        if "median" not in row:
            axes.text(0.01 * longest, place, "could not be run", va="center", fontsize=8.5)
            continue
        colour = OURS if row["system"].startswith("seqkit") else THEIRS
        axes.barh(place, row["median"], height=0.66, color=colour)
        if row["count"] > 1:
            axes.plot([row["minimum"], row["maximum"]], [place, place], color=INK, linewidth=1.1)
        said = number(row["median"])
        if "ratio" in row:
            said += f" (seqkit {row['ratio']:.2g} ×)"
        axes.text(row["maximum"] + 0.012 * longest, place, said, va="center", fontsize=8.5)
    axes.set(title=title, xlim=(0, 1.28 * longest), ylim=(len(rows) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(rows)), [row["system"] for row in rows])
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _svg(figure: Figure) -> bytes:
    """The figure with a style sheet that changes paper and ink where the page is dark."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    sheet = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n <defs>"
    return stream.getvalue().decode().replace("<defs>", sheet, 1).encode()
