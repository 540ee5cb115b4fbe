"""Tables and charts of characters: 80 columns, no colour, the same on every terminal."""

from __future__ import annotations

import math

from experiments import Grid
from views import Outcomes, Series, verdict

WIDTH, HEIGHT = 64, 17  # of a chart's inside
FLOOR = 1e-12  # what is below is not drawn
KEY = """750        solved: from this step on the loss on sequences held out was below
           a tenth of what an answer without memory has
75 % left  not solved: so much of that loss was left at best"""
LETTERS = {"rnn uniform": "u", "rnn orthogonal": "o", "gru": "g", "lstm h": "h", "lstm c": "c"}


def table(grid: Grid, outcome: Outcomes) -> str:
    """A grid's verdicts; rows whose trials were not trained are left out."""
    rows = [
        (label, [verdict(outcome(trial)) for trial in trials])
        for label, trials in zip(grid.rows, grid.cells, strict=True)
        if any(trial.steps for trial in trials)
    ]
    first = max(len(label) for label, _ in rows)
    widths = [max(len(column), 10) for column in grid.columns]
    header = "".join(f"  {column:>{width}}" for column, width in zip(grid.columns, widths, strict=True))
    lines = [grid.title, f"  {grid.explanation}", "", f"  {'':{first}}{header}"]
    for label, cells in rows:
        body = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {label:{first}}{body}")
    return "\n".join(lines)


def chart(title: str, series: Series, across: str) -> str:
    """Values on a logarithmic scale, a line of letters each; where lines meet, their letters take turns."""
    canvas: dict[tuple[int, int], list[str]] = {}
    shown = [value for values in series.values() for value in values if value is not None and value >= FLOOR]
    low, high = math.floor(math.log10(min(shown))), math.ceil(math.log10(max(shown)))
    high = max(high, low + 1)
    last = max(max(len(values) for values in series.values()) - 1, 1)

    def row(value: float) -> int:
        return HEIGHT - 1 - round((math.log10(value) - low) / (high - low) * (HEIGHT - 1))

    for name, values in series.items():
        for column in range(WIDTH):
            position = round(column * last / (WIDTH - 1))
            value = values[position] if position < len(values) else None
            if value is not None and value >= FLOOR:
                canvas.setdefault((row(value), column), []).append(LETTERS[name])
    apart = next(step for step in (1, 2, 3, 4, 6) if (high - low) / step <= HEIGHT / 3)
    labels = {row(10.0**power): f"1e{power:+d}" for power in range(high, low - 1, -apart)}
    lines = [title, ""]
    for number in range(HEIGHT):
        marks = (canvas.get((number, column), " ") for column in range(WIDTH))
        drawn = "".join(letters[column % len(letters)] for column, letters in enumerate(marks))
        lines.append(f"{labels.get(number, ''):>7} {'┤' if number in labels else '│'}{drawn}".rstrip())
    lines.append(f"{'':8}└{'─' * WIDTH}")
    middle, end = str(last // 2), str(last)
    gap = round((last // 2) / last * (WIDTH - 1))  # the column of the middle label's last character
    lines.append(f"{'':9}0{middle:>{gap}}{end:>{WIDTH - 1 - gap}}")
    lines.append(f"{'':9}{across}")
    lines.append(f"{'':9}" + "   ".join(f"{LETTERS[name]} {name}" for name in series))
    return "\n".join(lines)
