"""The long-memory recipe's grids, tables and charts, on made-up outcomes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest

from tests.recipes.test_long_memory import RECIPE, load_module

tasks, learner, experiments = map(load_module, ("tasks", "learner", "experiments"))
views, terminal, figures = map(load_module, ("views", "terminal", "figures"))
Trial, Outcome = learner.Trial, learner.Outcome


def outcome(**changes: Any) -> Any:
    """A made-up outcome."""
    found = Outcome(
        baseline=0.5,
        solved_at=None,
        diverged=False,
        losses=[1.0, 0.25, 0.4],
        peaks=[2.0, 3.0],
        before={"h": [0.0, 1e-3, 0.5], "c": [1e-20, 0.05, 0.0]},
        after={"h": [0.1, 0.2, 0.4]},
        seconds=1.0,
    )
    return replace(found, **changes)


# Experiments


@pytest.mark.parametrize("quick", [False, True])
def test_the_grids_are_whole(quick: bool) -> None:
    found = experiments.grids(3, quick)
    names = [grid.name for grid in found]
    assert names == ["cells", "initialisations", "forget-bias", "clipping", "optimizers"]
    for grid in found:
        assert len(grid.rows) == len(grid.cells) == len(set(grid.rows))
        assert all(len(row) == len(grid.columns) for row in grid.cells)
        trials = [trial for row in grid.cells for trial in row]
        assert len(set(trials)) == len(trials)
        for trial in trials:
            assert trial.seed == 3
            assert trial.training_config().learning_rate == trial.learning_rate
            assert tasks.task(trial.task, trial.length).name == trial.task


def test_optimizers_are_the_ones_that_they_are_called() -> None:
    grid = experiments.grids(1, False)[-1]
    for label, trials in zip(grid.rows, grid.cells, strict=True):
        name, rates = label.split()
        assert [f"{trial.learning_rate:g}" for trial in trials] == rates.split("/")
        config = trials[0].training_config()
        assert config.optimizer == {"momentum": "sgd", "nesterov": "sgd"}.get(name, name)
        assert (config.momentum, config.nesterov) == {
            "momentum": (0.9, False),
            "nesterov": (0.9, True),
        }.get(name, (0.0, False))


def test_the_readme_has_every_row_of_every_grid() -> None:
    readme = (RECIPE / "README.md").read_text()
    for grid in experiments.grids(1, False):
        if grid.name == "optimizers":
            head = " | ".join(["", *(label.split()[0] for label in grid.rows), ""])
            rates = [label.split()[1].replace("/", ", ") for label in grid.rows]
            rows = [head.strip(), " | ".join(["| of the rates", *rates, ""]).strip()]
        else:
            trained = [label for label, trials in zip(grid.rows, grid.cells, strict=True) if trials[0].steps]
            rows = [f"| {label.removeprefix('rate ')} |" for label in trained]
        assert all(row in readme.replace("**", "") for row in rows), rows


# Views and drawings


def test_verdicts() -> None:
    assert views.verdict(outcome()) == "50 % left"
    assert views.verdict(outcome(solved_at=1250)) == "1,250"
    assert views.verdict(outcome(losses=[1.0, None], diverged=True)) == "diverged"


def test_the_best_is_the_first_to_solve_else_the_nearest() -> None:
    late, early, near = outcome(solved_at=300), outcome(solved_at=100), outcome(losses=[0.1])
    assert views.best([near, late, early]) is early
    assert views.best([outcome(), near]) is near


def test_gradients_are_shares_of_the_last_from_there_backwards() -> None:
    series = views.gradients({"lstm": outcome()}, "before")
    assert series == {"lstm h": [1.0, 2e-3, None], "lstm c": [None, 0.1, 2e-20]}
    assert views.gradients({"gru": outcome()}, "after") == {"gru": [1.0, 0.5, 0.25]}


def test_losses_are_shares_of_the_baseline() -> None:
    assert views.losses({"a": outcome(losses=[1.0, None])}) == {"a": [2.0, None]}
    assert views.steps([2.0, None, 1.0]) == [0, 50, 100]


GRID = experiments.Grid(
    "toy",
    "A title",
    "how it was made",
    ("copy 5", "copy 50", "untrained"),
    ("rnn", "orthogonal × 1.5"),
    tuple(
        tuple(Trial("copy", n, cell, steps=s) for cell in ("rnn", "gru"))
        for n, s in ((5, 9), (50, 9), (6, 0))
    ),
)


def verdict_of(trial: Any) -> Any:
    return outcome(solved_at=1500) if trial.cell == "gru" else outcome()


def test_a_table() -> None:
    assert terminal.table(GRID, verdict_of).splitlines() == [
        "A title",
        "  how it was made",
        "",
        "                  rnn  orthogonal × 1.5",
        "  copy 5    50 % left             1,500",
        "  copy 50   50 % left             1,500",
    ]


def test_a_chart_of_letters() -> None:
    falling = [10.0**-power for power in range(20)]
    series = {"gru": falling, "lstm c": [None, *falling[1:]], "lstm h": [1.0] * 20}
    lines = terminal.chart("A chart", series, "steps").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "A chart"
    inside = [line[9:] for line in lines[2 : 2 + terminal.HEIGHT]]
    assert len(inside) == terminal.HEIGHT
    assert set(inside[0][1:]) <= {"h", "g", "c"}
    assert inside[0].endswith("hhhh")
    assert len(inside[0]) == terminal.WIDTH
    # Where the two falling lines meet their letters take turns, and below the floor nothing is drawn.
    assert re.fullmatch(r" +[gc]{3,4}", inside[8])
    assert {"g", "c"} <= set(inside[8])
    assert all(len(line) < 45 for line in inside[1:])
    assert lines[2].startswith("   1e+0 ┤")
    assert any(line.startswith("  1e-12 ┤") for line in lines)
    assert lines[-3].split() == ["0", "9", "19"]
    assert lines[-1].split() == ["g", "gru", "c", "lstm", "c", "h", "lstm", "h"]


def words(svg: bytes) -> str:
    """All the text of an SVG file."""
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).split())


def test_the_charts_are_svg_with_labels_for_light_and_dark_pages() -> None:
    gradients = views.gradients({"lstm": outcome(), "rnn uniform": outcome()}, "after")
    drawn_gradients = figures.gradient_figure({"first": gradients, "second": {"lstm c": [None, 1e-30]}})
    drawn_losses = figures.learning_figure({"only": {"adam": [2.0, None], "sgd": [1.0, 0.5]}}, 0.1)
    drawn_grid = figures.solved_figure(GRID, verdict_of)
    for drawing, expected in (
        (drawn_gradients, ["first", "second", "lstm", "rnn uniform", "time steps back", "‖∂L/∂h‖"]),
        (drawn_losses, ["only", "adam", "sgd", "training steps", "held-out loss", "solved"]),
        (drawn_grid, ["copy 50", "orthogonal × 1.5", "50 % left", "1,500"]),
    ):
        assert all(word in words(drawing) for word in expected)
        assert b"@media (prefers-color-scheme:dark)" in drawing
        assert drawing.count(figures.PAPER.encode()) > 1
        assert b"dc:date" not in drawing
    assert figures.solved_figure(GRID, verdict_of) == drawn_grid
