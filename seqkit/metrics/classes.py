"""Scores of predicted classes, from a table of true and predicted ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqkit.scores import ACCURACY, LOG_LOSS, MACRO_F1, Score
from seqkit.version import __version__

_LEAST = 1e-30  # that a probability counts as


class ClassCounts:
    """How often each class was predicted for each: `table` (C, C), true classes by row; and the log loss."""

    def __init__(self, classes: int) -> None:
        self.table = np.zeros((classes, classes), np.int64)
        self._nats = 0.0

    def add(self, classes: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
        """Take in true classes (N,) and the probabilities (N, C) that a model gave."""
        rows = np.arange(len(classes))
        np.add.at(self.table, (classes, shares.argmax(axis=1)), 1)
        self._nats -= float(np.log(np.maximum(shares[rows, classes], _LEAST)).sum())

    @property
    def total(self) -> int:
        """How many rows there were."""
        return int(self.table.sum())

    @property
    def right(self) -> int:
        """How many of them were predicted as they are."""
        return int(np.trace(self.table))

    @property
    def log_loss(self) -> float:
        """The mean negative log-probability of the true class, in nats."""
        return self._nats / max(self.total, 1)

    @property
    def macro_f1(self) -> float:
        """The mean over the classes that occur of the harmonic mean of precision and recall, in percent."""
        right = np.diagonal(self.table).astype(np.float64)
        both = self.table.sum(axis=0) + self.table.sum(axis=1)  # predicted + true, of each class
        occurs = both > 0
        return float(100 * (2 * right[occurs] / both[occurs]).mean()) if occurs.any() else 0.0

    @property
    def majority(self) -> float:
        """The accuracy of who always says the commonest class of these rows, in percent."""
        return 100 * float(self.table.sum(axis=1).max()) / max(self.total, 1)


def class_scores(
    counts: ClassCounts, names: Sequence[str] = ("accuracy", "macro_f1", "log_loss")
) -> list[Score]:
    """Accuracy and macro F1 in percent, and the log loss in nats; of those that are named."""
    values = {
        ACCURACY.name: 100 * counts.right / max(counts.total, 1),
        MACRO_F1.name: counts.macro_f1,
        LOG_LOSS.name: counts.log_loss,
    }
    signature = f"rows:{counts.total}|classes:{len(counts.table)}|version:{__version__}"
    details = {"errors": counts.total - counts.right, "rows": counts.total, "majority": counts.majority}
    return [Score(name, values[name], signature, details=details) for name in names]
