"""The charts as SVG, drawn by matplotlib; one file serves light and dark pages."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from experiments import Grid
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from views import Outcomes, Series, least, steps, verdict

PAPER, INK, LINES = "#ffffff", "#24292f", "#d0d7de"
# The colours of a page that is dark; those of the data are readable on both.
DARK = {PAPER: "#0d1117", INK: "#e6edf3", LINES: "#30363d"}
RED, AMBER, GREEN, BLUE, VIOLET, GREY, BROWN = (
    *("#d1495b", "#d98a00", "#1f9e89", "#3a7bd5"),
    *("#9b5de5", "#8a8f98", "#a0653a"),
)
COLOURS = {
    **{
        "rnn uniform": RED,
        "rnn orthogonal": AMBER,
        "gru": GREEN,
        "lstm": BLUE,
        "lstm h": BLUE,
        "lstm c": VIOLET,
    },
    **{"uniform": RED, "xavier": GREEN, "orthogonal": AMBER, "orthogonal × 1.5": VIOLET},
    **{"bias 0": RED, "bias 1": BLUE, "bias 3": GREEN},
    **{"off": RED, "at 1": AMBER, "at 0.3": GREEN},
    **{"sgd": RED, "momentum": AMBER, "nesterov": BROWN, "adagrad": GREY, "rmsprop": GREEN},
    **{"adam": BLUE, "adamw": VIOLET},
}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "seqkit",  # the same chart is the same file
    "svg.fonttype": "none",
    "font.size": 9.5,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "grid.color": LINES,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": True,
    "legend.edgecolor": PAPER,
    "legend.facecolor": PAPER,
    "legend.framealpha": 0.8,
    "legend.borderpad": 0.2,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
}
LOWEST_GRADIENT = 1e-12


def gradient_figure(panels: Mapping[str, Series]) -> bytes:
    """`panels`: title -> what `views.gradients` found."""
    with rc_context(STYLE):
        figure, places = _panels(len(panels))
        highest = max(
            value for series in panels.values() for values in series.values() for value in values if value
        )
        for axes, (title, series) in zip(places, panels.items(), strict=True):
            for name, values in series.items():
                axes.plot(range(len(values)), _drawable(values), color=COLOURS[name], label=name)
            axes.set(title=title, yscale="log", ylim=(LOWEST_GRADIENT, max(100.0, 3 * highest)), xmargin=0)
            axes.set(xlabel="time steps back from the answer: T − t", ylabel="‖∂L/∂h‖ at t over that at T")
            axes.minorticks_off()
            axes.grid(visible=True)
            axes.legend(loc="best")
        return _svg(figure)


def learning_figure(panels: Mapping[str, Series], solved: float) -> bytes:
    """`panels`: title -> what `views.losses` found; a line at the share that counts as solved."""
    with rc_context(STYLE):
        figure, places = _panels(len(panels))
        for axes, (title, series) in zip(places, panels.items(), strict=True):
            for name, values in series.items():
                axes.plot(steps(values), _drawable(values), color=COLOURS[name], label=name, marker=".", ms=4)
            axes.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.axhline(solved, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
            axes.set(title=title, yscale="log", ylim=(0.001, 15), xmargin=0.02)
            axes.set(xlabel="training steps", ylabel="held-out loss over the baseline's")
            axes.minorticks_off()
            for share, meaning in ((1, "no\nmemory"), (solved, "solved")):
                axes.text(
                    1.01, share, meaning, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5
                )
            axes.grid(visible=True)
            axes.legend(loc="best")
        return _svg(figure)


def solved_figure(grid: Grid, outcome: Outcomes) -> bytes:
    """A field a trial: green and the steps that it took where the task was solved, else a bar of the loss."""
    with rc_context(STYLE):
        figure = Figure(
            figsize=(1.6 + 1.55 * len(grid.columns), 0.9 + 0.36 * len(grid.rows)), layout="constrained"
        )
        axes = figure.subplots()
        for row, trials in enumerate(grid.cells):
            for column, trial in enumerate(trials):
                found = outcome(trial)
                solved = found.solved_at is not None
                axes.add_patch(Rectangle((column + 0.03, row + 0.08), 0.94, 0.84, color=LINES, linewidth=0))
                share = 1 if solved else min(1.0, least(found))
                axes.add_patch(
                    Rectangle(
                        (column + 0.03, row + 0.08),
                        0.94 * share,
                        0.84,
                        color=GREEN if solved else RED,
                        alpha=0.85 if solved else 0.45,
                        linewidth=0,
                    )
                )
                axes.text(column + 0.5, row + 0.5, verdict(found), ha="center", va="center")
        axes.set(xlim=(0, len(grid.columns)), ylim=(len(grid.rows), 0))
        axes.set_xticks([column + 0.5 for column in range(len(grid.columns))], grid.columns)
        axes.set_yticks([row + 0.5 for row in range(len(grid.rows))], grid.rows)
        axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
        axes.spines[:].set_visible(False)
        figure.supxlabel(
            "green: solved after so many steps; red: the least loss, in percent of the baseline's",
            fontsize=9,
        )
        return _svg(figure)


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    """Two in a row."""
    figure = Figure(figsize=(9.6, 3.7 * -(-count // 2)), layout="constrained")
    places = list(figure.subplots(-(-count // 2), 2, squeeze=False).flat)
    for empty in places[count:]:
        empty.remove()
    return figure, places[:count]


def _drawable(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _svg(figure: Figure) -> bytes:
    """The figure with a style sheet that changes paper, ink and grid where the page is dark."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    sheet = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n <defs>"
    return stream.getvalue().decode().replace("<defs>", sheet, 1).encode()
