"""What the tables and charts show of the outcomes: numbers only, drawn by `terminal` and `figures`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from experiments import Grid
from learner import CHECK_EVERY, Outcome, Trial

Outcomes = Callable[[Trial], Outcome]
Series = dict[str, list[float | None]]  # name -> values; None where there is nothing to draw


def verdict(outcome: Outcome) -> str:
    """`350`: solved after 350 steps; `94 % left`: not solved, the least loss in percent of the baseline's."""
    if outcome.solved_at is not None:
        return f"{outcome.solved_at:,}"
    if outcome.diverged:
        return "diverged"
    return f"{100 * least(outcome):.0f} % left"


def least(outcome: Outcome) -> float:
    """The least held-out loss of a trial as a share of the baseline's."""
    return min(loss for loss in outcome.losses if loss is not None) / outcome.baseline


def best(outcomes: Iterable[Outcome]) -> Outcome:
    """The one that solved its task first, else the one that came nearest."""
    return min(outcomes, key=lambda outcome: (outcome.solved_at or math.inf, least(outcome)))


def gradients(found: Mapping[str, Outcome], when: Literal["before", "after"]) -> Series:
    """Norms of dL/dh_t over the norm at the last step, from that step backwards.

    An lstm has two lines: `h`, and `c` for its cell, over the same norm; the cell's begins a step back.
    """
    series: Series = {}
    for name, outcome in found.items():
        norms = getattr(outcome, when)
        for part, values in norms.items():
            last = norms["h"][-1]
            shares = [value / last if last and value else None for value in reversed(values)]
            series[f"{name} {part}" if len(norms) > 1 else name] = shares
    return series


def losses(found: Mapping[str, Outcome]) -> Series:
    """Held-out losses as shares of the baseline's, one every `CHECK_EVERY` steps."""
    return {
        name: [None if loss is None else loss / outcome.baseline for loss in outcome.losses]
        for name, outcome in found.items()
    }


def of_row(grid: Grid, label: str, outcome: Outcomes) -> dict[str, Outcome]:
    """The outcomes of a grid's row by column."""
    return {column: outcome(trial) for column, trial in grid.row(label).items()}


def best_of_rows(grid: Grid, outcome: Outcomes) -> dict[str, Outcome]:
    """For each row of a grid the best of its outcomes, under the first word of the row's label."""
    return {
        label.split()[0]: best(outcome(trial) for trial in trials)
        for label, trials in zip(grid.rows, grid.cells, strict=True)
    }


def steps(values: list[float | None]) -> list[int]:
    """The training steps at which the values of `losses` were taken."""
    return [CHECK_EVERY * number for number in range(len(values))]
