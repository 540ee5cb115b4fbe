"""Trains small recurrent networks on tasks that need a long memory, and shows where their gradients vanish.

    python recipes/long-memory/long_memory.py FOLDER [--quick] [--seed N]

writes FOLDER/results.jsonl (every trial with its outcome) and three charts: gradients.svg, learning.svg and
solved.svg. Tables and charts for the terminal go to standard output. What FOLDER holds is not done again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from experiments import Grid, grids
from figures import gradient_figure, learning_figure, solved_figure
from learner import SOLVED
from ledger import Ledger
from terminal import KEY, LETTERS, chart, table
from views import best_of_rows, gradients, losses, of_row

from seqkit.errors import SeqkitError
from seqkit.files import make_directory, write_atomic


def main() -> int:
    """Run what is missing, print and draw everything."""
    options = _options()
    # A thread more gains nothing for matrices so small, and changes the last bits of the results.
    torch.set_num_threads(1)
    make_directory(options.folder)
    ledger = Ledger(options.folder / "results.jsonl")
    experiments = {grid.name: grid for grid in grids(options.seed, options.quick)}
    print(KEY, end="\n\n")
    for grid in experiments.values():
        _run(grid, ledger)
        print(table(grid, ledger.outcome), end="\n\n", flush=True)
    cells = experiments["cells"]
    longest = [label for label in cells.rows if label.startswith("adding")][-1]
    networks = of_row(cells, longest, ledger.outcome)
    for when in ("before", "after"):
        found = gradients(networks, when)
        print(
            chart(
                f"How much of the gradient reaches a step: {longest}, {when} training",
                {name: found[name] for name in LETTERS},
                "steps back from the answer; up: ‖∂L/∂h‖ over that at the answer",
            ),
            end="\n\n",
        )
    for name, content in _figures(experiments, longest, ledger).items():
        write_atomic(options.folder / name, content)
        print(f"   {options.folder / name}", file=sys.stderr)
    used = {trial for grid in experiments.values() for row in grid.cells for trial in row}
    seconds = sum(ledger.outcome(trial).seconds for trial in used)
    print(f"   {len(used)} trials, {seconds:.0f} seconds of processor time", file=sys.stderr)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Long-memory tasks for rnn, gru and lstm.")
    parser.add_argument("folder", type=Path, help="where results and charts are written")
    parser.add_argument("--quick", action="store_true", help="a small part, in some twenty seconds")
    parser.add_argument("--seed", type=int, default=1, help="random seed")
    return parser.parse_args()


def _run(grid: Grid, ledger: Ledger) -> None:
    """Do a grid's trials, naming each row on standard error as it begins."""
    for label, trials in zip(grid.rows, grid.cells, strict=True):
        if any(trial not in ledger.outcomes for trial in trials):
            print(f"   {grid.name}: {label}", file=sys.stderr, flush=True)
        for trial in trials:
            ledger.outcome(trial)


def _figures(experiments: dict[str, Grid], longest: str, ledger: Ledger) -> dict[str, bytes]:
    """File names and SVG files."""
    cells, initialisations = experiments["cells"], experiments["initialisations"]
    biases, clipping = experiments["forget-bias"], experiments["clipping"]
    networks = of_row(cells, longest, ledger.outcome)
    begun = of_row(initialisations, longest, ledger.outcome)
    biased = of_row(biases, longest, ledger.outcome)
    middle = clipping.rows[len(clipping.rows) // 2]
    cell_gradients = {
        name.removesuffix(" c"): values
        for name, values in gradients(biased, "before").items()
        if name.endswith(" c")
    }
    return {
        "gradients.svg": gradient_figure(
            {
                f"{longest}: before training": gradients(networks, "before"),
                f"{longest}: after training": gradients(networks, "after"),
                "lstm's cell c, untrained: forget bias": cell_gradients,
                "rnn, untrained: recurrent weights": gradients(begun, "before"),
            }
        ),
        "learning.svg": learning_figure(
            {
                longest: losses(networks),
                f"{biases.rows[0]}: the lstm's forget bias": losses(
                    of_row(biases, biases.rows[0], ledger.outcome)
                ),
                f"order 20: rnn × 1.5, {middle}, clipping": losses(of_row(clipping, middle, ledger.outcome)),
                "adding 10: optimizers, each at its best rate": losses(
                    best_of_rows(experiments["optimizers"], ledger.outcome)
                ),
            },
            SOLVED,
        ),
        "solved.svg": solved_figure(cells, ledger.outcome),
    }


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SeqkitError as error:
        print(f"long_memory.py: error: {error.message}", file=sys.stderr)
        print(f"  try:   {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\nlong_memory.py: interrupted; the same command continues", file=sys.stderr)
        sys.exit(130)
