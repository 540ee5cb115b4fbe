"""What is compared with what: every experiment is a grid of trials."""

from __future__ import annotations

from dataclasses import dataclass, replace

from learner import Trial

CELLS = {
    "rnn uniform": Trial("", 0, "rnn", initialization="uniform"),
    "rnn orthogonal": Trial("", 0, "rnn"),
    "gru": Trial("", 0, "gru"),
    "lstm": Trial("", 0, "lstm"),
}
LENGTHS: dict[str, tuple[int, ...]] = {
    "adding": (10, 30, 100),
    "order": (20, 40, 80),
    "copy": (10, 20, 40),
    "recall": (5, 10, 20),
}
QUICK_LENGTHS: dict[str, tuple[int, ...]] = {
    "adding": (10, 30),
    "order": (20,),
    "copy": (10,),
    "recall": (5,),
}
STEPS = {"adding": 1000, "order": 1000, "copy": 1500, "recall": 1500}
OPTIMIZERS = {
    "sgd": (Trial("", 0, "lstm", optimizer="sgd"), (0.1, 0.3, 1.0)),
    "momentum": (Trial("", 0, "lstm", optimizer="sgd", momentum=0.9), (0.03, 0.1, 0.3)),
    "nesterov": (Trial("", 0, "lstm", optimizer="sgd", momentum=0.9, nesterov=True), (0.03, 0.1, 0.3)),
    "adagrad": (Trial("", 0, "lstm", optimizer="adagrad"), (0.01, 0.03, 0.1)),
    "rmsprop": (Trial("", 0, "lstm", optimizer="rmsprop"), (0.001, 0.003, 0.01)),
    "adam": (Trial("", 0, "lstm"), (0.003, 0.01, 0.03)),
    "adamw": (Trial("", 0, "lstm", optimizer="adamw", weight_decay=0.01), (0.003, 0.01, 0.03)),
}


@dataclass(frozen=True)
class Grid:
    """Trials in rows and columns; `explanation` is printed under the title."""

    name: str
    title: str
    explanation: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Trial, ...], ...]

    def row(self, label: str) -> dict[str, Trial]:
        """The trials of a row by column."""
        return dict(zip(self.columns, self.cells[self.rows.index(label)], strict=True))


def grids(seed: int, quick: bool) -> list[Grid]:
    """All experiments, in the order in which they run."""
    lengths = QUICK_LENGTHS if quick else LENGTHS
    return [
        _cells(seed, lengths),
        _initialisations(seed, quick),
        _forget_bias(seed, quick),
        _clipping(seed, quick),
        _optimizers(seed, quick),
    ]


def _placed(trial: Trial, task: str, length: int, seed: int) -> Trial:
    """The trial on a task, at the rate that was chosen on seed 1 for cell and task, all lengths together."""
    rate = 0.003 if trial.cell == "rnn" or task == "order" else 0.01
    return replace(trial, task=task, length=length, seed=seed, steps=STEPS[task], learning_rate=rate)


def _cells(seed: int, lengths: dict[str, tuple[int, ...]]) -> Grid:
    places = [(task, length) for task, chosen in lengths.items() for length in chosen]
    return Grid(
        "cells",
        "Which network remembers how long",
        "64 units, Adam, clipped at norm 1, forget bias 1",
        tuple(f"{task} {length}" for task, length in places),
        tuple(CELLS),
        tuple(tuple(_placed(trial, *place, seed) for trial in CELLS.values()) for place in places),
    )


def _initialisations(seed: int, quick: bool) -> Grid:
    schemes = {
        "uniform": Trial("", 0, "rnn", initialization="uniform"),
        "xavier": Trial("", 0, "rnn", initialization="xavier"),
        "orthogonal": Trial("", 0, "rnn"),
        "orthogonal × 1.5": Trial("", 0, "rnn", gain=1.5),
    }
    places = [("copy", 10)] if quick else [("copy", 10), ("copy", 20), ("copy", 40)]
    rows = [tuple(_placed(trial, *place, seed) for trial in schemes.values()) for place in places]
    return Grid(
        "initialisations",
        "How the recurrent weights of an rnn begin",
        "uniform: within 1/√64; xavier: within √(6/128)",
        *_with_untrained(places, rows, schemes, seed, quick),
    )


def _forget_bias(seed: int, quick: bool) -> Grid:
    biases = {f"bias {bias:g}": Trial("", 0, "lstm", forget_bias=bias) for bias in (0.0, 1.0, 3.0)}
    places = [("copy", 10)] if quick else [("copy", 20), ("order", 80)]
    rows = [tuple(_placed(trial, *place, seed) for trial in biases.values()) for place in places]
    return Grid(
        "forget-bias",
        "The bias that the lstm's forget gate begins with",
        "0: half of the cell is forgotten at a step; 1: a quarter; 3: a twentieth",
        *_with_untrained(places, rows, biases, seed, quick),
    )


def _with_untrained(
    places: list[tuple[str, int]],
    rows: list[tuple[Trial, ...]],
    variants: dict[str, Trial],
    seed: int,
    quick: bool,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[Trial, ...], ...]]:
    """Rows, columns and cells of a grid, with a last row of no steps: it is there for its gradients."""
    longest = ("adding", (QUICK_LENGTHS if quick else LENGTHS)["adding"][-1])
    untrained = tuple(replace(_placed(trial, *longest, seed), steps=0) for trial in variants.values())
    labels = tuple(f"{task} {length}" for task, length in [*places, longest])
    return labels, tuple(variants), (*rows, untrained)


def _clipping(seed: int, quick: bool) -> Grid:
    rates: tuple[float, ...] = (0.03, 0.1, 0.3)
    norms: tuple[float, ...] = (0.0, 1.0, 0.3)
    base = Trial("order", 20, "rnn", gain=1.5, optimizer="sgd", momentum=0.9, steps=400, seed=seed)
    if quick:
        rates, norms, base = (0.1,), (0.0, 0.3), replace(base, steps=200)
    return Grid(
        "clipping",
        "Clipping the gradient's norm",
        "order 20, rnn with orthogonal weights × 1.5, sgd with momentum 0.9",
        tuple(f"rate {rate:g}" for rate in rates),
        tuple(f"at {norm:g}" if norm else "off" for norm in norms),
        tuple(tuple(replace(base, learning_rate=rate, clip_norm=norm) for norm in norms) for rate in rates),
    )


def _optimizers(seed: int, quick: bool) -> Grid:
    length, steps = 10, 300 if quick else 600
    chosen = {name: OPTIMIZERS[name] for name in (("momentum", "adam") if quick else OPTIMIZERS)}
    return Grid(
        "optimizers",
        "Optimizers, each at three rates",
        f"adding {length}, lstm, {steps} steps",
        tuple(f"{name} {'/'.join(f'{rate:g}' for rate in rates)}" for name, (_, rates) in chosen.items()),
        ("low", "middle", "high"),
        tuple(
            tuple(
                replace(trial, task="adding", length=length, learning_rate=rate, steps=steps, seed=seed)
                for rate in rates
            )
            for trial, rates in chosen.values()
        ),
    )
