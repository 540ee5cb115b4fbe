"""Tasks that need a long memory, each with the loss that a network without memory ends at.

| task | a sequence | the answer | source |
|---|---|---|---|
| adding | random numbers, two of them marked | their sum | Hochreiter and Schmidhuber 1997, section 5.4 |
| order | random symbols, an X or Y at two places | which of XX, XY, YX, YY | the same, section 5.6 |
| copy | five symbols, a pause, a signal | the symbols again | after Arjovsky et al. 2016, section 5.1 |
| recall | two keys with a value each, a pause, a key | its value | after Graves et al. 2014, section 4.3 |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

COPY_SYMBOLS = 8
COPY_COUNT = 5
RECALL_PAIRS = 2
RECALL_SYMBOLS = 4
ORDER_SYMBOLS = 4  # without X and Y


@dataclass(frozen=True)
class Examples:
    """`inputs` (N, T, I); `targets` (N, K) belong to the last K positions: class ids, or numbers."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Task:
    """`length` is the number of time steps that the name of a task counts, see the functions below.

    `outputs` is what a network predicts at a position: 1 number, or the scores of so many classes.
    """

    name: str
    length: int
    outputs: int
    unit: str
    _draw: Callable[[Generator, int, int], Examples]

    def draw(self, generator: Generator, rows: int) -> Examples:
        """`rows` sequences with their answers."""
        return self._draw(generator, rows, self.length)

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of predictions (N, K, O): squared error of numbers, nats of classes."""
        if self.outputs == 1:
            return nn.functional.mse_loss(predictions[..., 0], targets)
        return nn.functional.cross_entropy(predictions.flatten(0, 1), targets.flatten())

    def baseline(self, targets: Tensor) -> float:
        """The loss of the best answer that ignores the sequence: always 1, or all classes alike.

        Expected is, for numbers, the variance of the sum of two uniform in [0, 1], 1/6; for classes ln O.
        """
        if self.outputs == 1:
            return (targets - 1).square().mean().item()
        return math.log(self.outputs)


def task(name: str, length: int) -> Task:
    """The task of that name and length."""
    draw, outputs, unit = _TASKS[name]
    return Task(name, length, outputs, unit, draw)


def adding(generator: Generator, rows: int, length: int) -> Examples:
    """`length` numbers in [0, 1], one marked in each half; the answer at the end is the sum of the two."""
    numbers = torch.rand(rows, length, generator=generator)  # (N, T)
    marks = torch.zeros(rows, length)
    each = torch.arange(rows)
    marks[each, torch.randint(0, length // 2, (rows,), generator=generator)] = 1
    marks[each, torch.randint(length // 2, length, (rows,), generator=generator)] = 1
    return Examples(torch.stack([numbers, marks], dim=2), (numbers * marks).sum(dim=1, keepdim=True))


def order(generator: Generator, rows: int, length: int) -> Examples:
    """`length` symbols, X or Y once in the second tenth and once in the sixth; which, is asked at the end."""
    symbols = torch.randint(0, ORDER_SYMBOLS, (rows, length), generator=generator)  # (N, T)
    kinds = torch.randint(0, 2, (rows, 2), generator=generator)  # (N, 2)
    each = torch.arange(rows)
    for place, tenth in enumerate((1, 5)):
        first, end = tenth * length // 10, (tenth + 1) * length // 10
        where = torch.randint(first, end, (rows,), generator=generator)
        symbols[each, where] = ORDER_SYMBOLS + kinds[:, place]
    return Examples(_one_hot(symbols, ORDER_SYMBOLS + 2), 2 * kinds[:, :1] + kinds[:, 1:])


def copy(generator: Generator, rows: int, length: int) -> Examples:
    """Five symbols, a pause that ends with a signal; each is asked `length` steps after it was seen."""
    symbols = torch.randint(0, COPY_SYMBOLS, (rows, COPY_COUNT), generator=generator)  # (N, K)
    blank, signal = COPY_SYMBOLS, COPY_SYMBOLS + 1
    sequence = torch.full((rows, length + COPY_COUNT), blank)  # (N, T)
    sequence[:, :COPY_COUNT] = symbols
    sequence[:, length - 1] = signal
    return Examples(_one_hot(sequence, COPY_SYMBOLS + 2), symbols)


def recall(generator: Generator, rows: int, length: int) -> Examples:
    """Key value key value, a pause, one of the keys: its value is asked, `length` steps in all."""
    shuffled = torch.rand(rows, RECALL_SYMBOLS, generator=generator).argsort(dim=1)
    keys = shuffled[:, :RECALL_PAIRS]  # (N, P)
    values = torch.randint(0, RECALL_SYMBOLS, (rows, RECALL_PAIRS), generator=generator)  # (N, P)
    asked = torch.randint(0, RECALL_PAIRS, (rows, 1), generator=generator)  # (N, 1)
    sequence = torch.full((rows, length), 2 * RECALL_SYMBOLS)  # (N, T)
    sequence[:, 0 : 2 * RECALL_PAIRS : 2] = keys
    sequence[:, 1 : 2 * RECALL_PAIRS : 2] = values + RECALL_SYMBOLS
    sequence[:, -1:] = keys.gather(1, asked)
    return Examples(_one_hot(sequence, 2 * RECALL_SYMBOLS + 1), values.gather(1, asked))


def _one_hot(symbols: Tensor, size: int) -> Tensor:
    return nn.functional.one_hot(symbols, size).float()


_TASKS: dict[str, tuple[Callable[[Generator, int, int], Examples], int, str]] = {
    "adding": (adding, 1, "squared error"),
    "order": (order, 4, "nats"),
    "copy": (copy, COPY_SYMBOLS, "nats a symbol"),
    "recall": (recall, RECALL_SYMBOLS, "nats"),
}
