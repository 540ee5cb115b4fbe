"""Sequences in, classes out: what the commands and Python callers use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqkit import limits, model_directory
from seqkit.data.forms import tokenizer_of
from seqkit.data.forms.frames import Frames
from seqkit.data.forms.labels import Labels
from seqkit.data.tables.examples import Source
from seqkit.device import resolve_device, set_threads
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.kinds import CLASSIFICATION, KINDS
from seqkit.model_directory import LoadedModel

if TYPE_CHECKING:
    import torch

    from seqkit.data.batch import Batch
    from seqkit.nn.model import SequenceModel

_BATCH_POSITIONS = 8192  # tokens or frames that are computed together, padding included


@dataclass(frozen=True)
class Classification:
    """The most probable class of a sequence, and the probability of every class by its label."""

    label: str
    probability: float
    probabilities: dict[str, float]

    def best(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes, best first, with their probabilities."""
        order = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        return order[:count]


class Classifier:
    """A trained classifier."""

    def __init__(self, loaded: LoadedModel, *, device: torch.device | None = None) -> None:
        """`device` computes; None is the CPU. Raises `ModelError` for a model of another kind."""
        model_directory.refuse_other_kind(KINDS[loaded.facts.kind], CLASSIFICATION)
        self.loaded, self._device = loaded, device
        labels = loaded.fields["target"]
        assert isinstance(labels, Labels)
        self.labels = labels
        self.source = loaded.fields["source"]

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
    ) -> Classifier:
        """Open a model directory. `threads` is the number of CPU cores to use; None uses all.

        `precision` is auto or fp32. Raises `ModelError` when it is damaged or of another kind, `InputMissing`
        when it is absent and `ConfigError` for another precision.
        """
        path = Path(directory)
        model_directory.read_facts_of(path, CLASSIFICATION)
        if precision not in {"auto", "fp32"}:
            raise ConfigError(
                f"--precision {precision} is not available for a classifier",
                where="--precision",
                hint="--precision fp32, or auto",
            )
        loaded = model_directory.load(path)
        place = resolve_device(device)
        set_threads(threads)
        return cls(loaded, device=place)

    def classify(self, sources: Sequence[Source]) -> list[Classification]:
        """The class of each text, or of each array of frames (T, F); one result per source, in order.

        Raises `DataError` for frames of another size than the model's and for sequences without any values,
        and `ModelError` if the model's probabilities are NaN or infinite.
        """
        results: dict[int, Classification] = {}
        for index, shares in self._shares(self._values(sources)):
            for row, of_row in zip(index, shares, strict=True):
                results[row] = self._classification(of_row)
        return [results[row] for row in range(len(sources))]

    def shares(self, sources: Sequence[Source]) -> NDArray[np.float64]:
        """The probability of every class for each source. (N, C)"""
        found = np.zeros((len(sources), self.labels.size))
        for index, shares in self._shares(self._values(sources)):
            found[index] = shares
        return found

    def _classification(self, shares: NDArray[np.float64]) -> Classification:
        best = int(shares.argmax())
        named = dict(zip(self.labels.names, map(float, shares), strict=True))
        return Classification(self.labels.names[best], float(shares[best]), named)

    def _values(self, sources: Sequence[Source]) -> list[np.ndarray]:
        """What the network reads of each source."""
        if not isinstance(self.source, Frames):
            ids = tokenizer_of(self.loaded.fields, "source").encode([str(source) for source in sources])
            return [each[: limits.SENTENCE_TOKENS] for each in ids]
        found = []
        for number, source in enumerate(sources, 1):
            if isinstance(source, str) or source.ndim != 2 or source.shape[1] != self.source.size:
                raise DataError(f"source {number:,} is not {self.source.summary}")
            if not len(source):
                raise DataError(f"source {number:,} has no frames")
            found.append(self.source.standardised(source))
        return found

    def _shares(self, values: Sequence[np.ndarray]) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
        """Batches of rows of about one length, and the probabilities of their classes."""
        import torch

        from seqkit.data.batch import Batch
        from seqkit.data.batching import pad
        from seqkit.nn.modes import evaluating

        device = self._device or torch.device("cpu")
        model = self.loaded.model.to(device)
        order = sorted(range(len(values)), key=lambda row: len(values[row]))
        with evaluating(model):
            for index in _batches(order, values):
                source = pad([values[row] if len(values[row]) else _NOTHING for row in index])
                targets = pad([np.zeros(1, np.int64)] * len(index), on_grid=False)
                shares = probabilities(model, Batch(None, targets, source).to(device))
                if not np.isfinite(shares).all():
                    raise ModelError(
                        "the model's weights contain NaN or infinity, so nothing can be classified",
                        hint="training diverged: train again with a lower training.learning_rate",
                    )
                yield index, shares


_NOTHING = np.zeros(1, np.int64)  # an empty text is read as padding


def _batches(order: Sequence[int], values: Sequence[np.ndarray]) -> Iterator[list[int]]:
    """Rows in batches; each is as wide as its longest, which is its last."""
    batch: list[int] = []
    for row in order:
        if batch and (len(batch) + 1) * max(len(values[row]), 1) > _BATCH_POSITIONS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def probabilities(model: SequenceModel, batch: Batch) -> NDArray[np.float64]:
    """The probability of every class for each sequence of a batch, by a model in evaluation mode. (B, C)"""
    import torch

    from seqkit.nn.heads import ClassHead

    head = model.head
    assert isinstance(head, ClassHead)
    logits = head.answer(model.run(batch).readouts)  # (B, C)
    shares: NDArray[np.float64] = torch.softmax(logits.double(), dim=1).cpu().numpy()
    return shares
