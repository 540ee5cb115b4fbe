"""Tables and charts of characters: 80 columns, no colour, the same on every terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from experiments import Grid
from learner import Outcome, Trial

WIDTH, HEIGHT = 64, 17  # of a chart's inside
FLOOR = 1e-16  # below it a gradient is drawn on the lowest line


def verdict(outcome: Outcome) -> str:
    """`350`: solved after 350 steps; `– 94 %`: not solved, the least loss in percent of the baseline's."""
    if outcome.solved_at is not None:
        return f"{outcome.solved_at:,}"
    if outcome.diverged:
        return "diverged"
    least = min(loss for loss in outcome.losses if loss is not None)
    return f"– {100 * least / outcome.baseline:.0f} %"


def table(grid: Grid, outcome: Callable[[Trial], Outcome]) -> str:
    """A grid's outcomes; rows of trials that were not trained are left out."""
    rows = [
        (label, [verdict(outcome(trial)) for trial in trials])
        for label, trials in zip(grid.rows, grid.cells, strict=True)
        if any(trial.steps for trial in trials)
    ]
    first = max(len(label) for label, _ in rows)
    widths = [max(len(column), 8) for column in grid.columns]
    lines = [grid.title, f"  {grid.explanation}", ""]
    header = "".join(f"  {column:>{width}}" for column, width in zip(grid.columns, widths, strict=True))
    lines.append(f"  {'':{first}}{header}")
    for label, cells in rows:
        body = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {label:{first}}{body}")
    return "\n".join(lines)


def relative(gradients: Mapping[str, Sequence[float]], part: str) -> list[float]:
    """Norms from the last time step backwards, as shares of dL/dh at the last; both norms must be finite."""
    last = gradients["h"][-1]
    return [norm / last if last else 0.0 for norm in reversed(gradients[part])]


def chart(title: str, lines: Mapping[str, tuple[str, Sequence[float]]], across: str) -> str:
    """Positive values on a logarithmic scale, each line with a letter of its own; `lines`: name -> (letter, values).

    Where lines meet, the one that was given first is seen.
    """
    logarithms = {
        name: (letter, [math.log10(max(value, FLOOR)) for value in values])
        for name, (letter, values) in lines.items()
    }
    every = [value for _, values in logarithms.values() for value in values]
    low, high = math.floor(min(every)), math.ceil(max(every))
    high = max(high, low + 1)
    longest = max(len(values) for _, values in logarithms.values())
    canvas = [[" "] * WIDTH for _ in range(HEIGHT)]
    for letter, values in reversed(logarithms.values()):
        for column in range(WIDTH):
            position = round(column * (longest - 1) / (WIDTH - 1))
            if position < len(values):
                share = (values[position] - low) / (high - low)
                canvas[HEIGHT - 1 - round(share * (HEIGHT - 1))][column] = letter
    found = [title, ""]
    # As many labels as fit on whole powers of ten.
    every_power = next(step for step in (1, 2, 3, 4, 5, 10, 20) if (high - low) / step <= HEIGHT / 3)
    labels = {
        HEIGHT - 1 - round((power - low) / (high - low) * (HEIGHT - 1)): f"1e{power:+d}"
        for power in range(high, low - 1, -every_power)
    }
    for row, marks in enumerate(canvas):
        edge = "┤" if row in labels else "│"
        found.append(f"{labels.get(row, ''):>7} {edge}{''.join(marks)}".rstrip())
    found.append(f"{'':7} └{'─' * WIDTH}")
    middle, end = str((longest - 1) // 2), str(longest - 1)
    scale = list(f"{'0':{WIDTH}}")
    scale[WIDTH // 2 - len(middle) // 2 :][: len(middle)] = middle
    start = WIDTH // 2 - len(middle) // 2
    scale[start : start + len(middle)] = middle
    scale[WIDTH - len(end) :] = end
    found.append(f"{'':9}{''.join(scale)}")
    found.append(f"{'':9}{across}")
    found.append("")
    found.append("  " + "   ".join(f"{letter} {name}" for name, (letter, _) in lines.items()))
    return "\n".join(found)
