"""Training a classifier: sequences in batches by length; accuracy, macro F1 and log loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqkit.config import Config, DataConfig
from seqkit.data.batch import Batch
from seqkit.data.batching import length_batches, pad
from seqkit.data.corpus import Corpus, Split
from seqkit.data.field import Field
from seqkit.data.forms import tokenizer_of
from seqkit.data.forms.frames import Frames
from seqkit.data.forms.labels import Labels
from seqkit.device import autocast
from seqkit.inference.classifier import probabilities
from seqkit.kinds import CLASSIFICATION
from seqkit.metrics.classes import ClassCounts, class_scores
from seqkit.model_directory import Facts
from seqkit.nn.model import SequenceModel
from seqkit.nn.modes import evaluating
from seqkit.randomness import default_rng
from seqkit.training.health import saturation
from seqkit.training.jobs.job import Network, Task
from seqkit.training.validation import Measured, Stopped

_PILOT_ROWS = 200
_SHOWN_CHARACTERS = 60


def task(corpus: Corpus, config: Config, network: Network) -> Task:
    """What training a classifier on a corpus takes."""
    training, fields = config.training, network.fields
    assert corpus.train.source is not None
    lengths = corpus.train.source.lengths
    facts = Facts(
        kind=CLASSIFICATION.name,
        corpus=corpus.fingerprint,
        size=len(corpus.train),
        longest_source=int(lengths.max()),
        columns={role: list(record.columns) for role, record in (corpus.manifest.fields or {}).items()},
    )
    return Task(
        SequenceBatches(
            corpus.train, fields, config.data, training.batch_tokens, training.batch_rows, training.seed
        ),
        ClassValidator(corpus.valid, fields, config, network.device, network.precision),
        facts,
    )


@dataclass(frozen=True)
class SequenceBatches:
    """The training batches of a corpus whose targets are one class per sequence."""

    split: Split
    fields: Mapping[str, Field]
    data: DataConfig
    batch_tokens: int  # or frames, padding included
    batch_rows: int  # at most; 0: no such limit
    seed: int

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The index arrays of one epoch, in order: sequences of about one length together."""
        assert self.split.source is not None
        lengths = self.split.source.lengths
        return length_batches(
            np.ones_like(lengths),
            lengths,
            batch_tokens=self.batch_tokens,
            batch_rows=self.batch_rows,
            seed=self.seed,
            epoch=epoch,
        )

    def load(self, index: np.ndarray, *, seed: int) -> Batch:
        """The batch of the given rows; `seed` draws what is changed in their frames."""
        return batch_of(self.split, self.fields, index, self.data, default_rng(seed))


def batch_of(
    split: Split,
    fields: Mapping[str, Field],
    rows: Sequence[int] | np.ndarray,
    data: DataConfig | None = None,
    random: np.random.Generator | None = None,
) -> Batch:
    """Sequences and their classes as a batch; frames standardised, and changed as `data` says."""
    assert split.source is not None
    sources: list[np.ndarray] = [split.source[int(row)] for row in rows]
    field = fields["source"]
    if isinstance(field, Frames):
        sources = [field.standardised(source) for source in sources]
        if data is not None and random is not None:
            sources = [augmented(source, data, random) for source in sources]
    return Batch(None, pad([split.target[int(row)] for row in rows], on_grid=False), pad(sources))


def augmented(frames: np.ndarray, data: DataConfig, random: np.random.Generator) -> np.ndarray:
    """Frames (T, F) stretched, cut, scaled, with noise, and with a part of the time blanked: (T', F)."""
    if data.time_warp:
        frames = _stretched(frames, math.exp(random.normal(scale=data.time_warp)))
    if data.time_crop:
        length = len(frames) - int(random.integers(int(data.time_crop * len(frames)) + 1))
        start = int(random.integers(len(frames) - length + 1))
        frames = frames[start : start + length]
    if data.scaling:
        frames = frames * np.exp(random.normal(scale=data.scaling, size=frames.shape[1]))
    if data.noise:
        frames = frames + random.normal(scale=data.noise, size=frames.shape)
    if data.time_mask:
        length = int(random.integers(int(data.time_mask * len(frames)) + 1))
        start = int(random.integers(len(frames) - length + 1))
        frames = np.concatenate([frames[:start], np.zeros_like(frames[:length]), frames[start + length :]])
    return frames.astype(np.float32)


def _stretched(frames: np.ndarray, factor: float) -> np.ndarray:
    """Frames (T, F) as T * factor frames, at least one, by linear interpolation."""
    length = len(frames)
    places = np.linspace(0, length - 1, max(1, round(length * factor)))  # (T',)
    before = places.astype(np.int64)
    after, share = np.minimum(before + 1, length - 1), (places - before)[:, None]
    stretched: np.ndarray = frames[before] * (1 - share) + frames[after] * share
    return stretched


class ClassValidator:
    """Loss, accuracy and macro F1 of a classifier."""

    unit = CLASSIFICATION.counted.many

    def __init__(
        self,
        split: Split,
        fields: Mapping[str, Field],
        config: Config,
        device: torch.device,
        precision: str,
    ) -> None:
        labels = fields["target"]
        assert isinstance(labels, Labels)
        self._split, self._fields, self._labels = split, fields, labels
        self._config, self._device, self._precision = config, device, precision
        self.whole = len(split)
        self.pilot = max(_PILOT_ROWS, self.whole // 10)

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        """See `Validator`."""
        assert self._split.source is not None
        lengths = self._split.source.lengths[:size]
        plan = length_batches(
            np.ones_like(lengths),
            lengths,
            batch_tokens=2 * self._config.training.batch_tokens,
            seed=0,
            epoch=0,
        )
        counts = ClassCounts(self._labels.size)
        predicted = np.zeros(size, np.int64)
        gates: dict[str, float] = {}
        with evaluating(model), autocast(self._precision, self._device):
            for index in plan:
                if should_stop():
                    raise Stopped
                batch = batch_of(self._split, self._fields, index)
                shares = probabilities(model, batch.to(self._device))
                predicted[index] = shares.argmax(axis=1)
                counts.add(batch.targets.values[:, 0].numpy(), shares)
                gates = gates or saturation(model.gate_activations(batch.to(self._device)))
        scores = class_scores(counts) if math.isfinite(counts.log_loss) else ()
        return Measured(
            loss=counts.log_loss,
            scores=tuple(_record(score.metric, score.score, score.signature) for score in scores),
            samples=tuple(
                self._sample(row, int(predicted[row]))
                for row in range(min(self._config.training.samples, size))
            ),
            gates=gates,
            size=size,
        )

    def _sample(self, row: int, predicted: int) -> dict[str, str]:
        """What is shown of a row: its text where there is one, its class and what was predicted."""
        names = self._labels.names
        told = {"class": names[int(self._split.target[row][0])], "predicted": names[predicted]}
        source = self._split.source
        if source is None or self._fields["source"].form != "text":
            return told
        (text,) = tokenizer_of(self._fields, "source").decode([source[row]])
        return {"source": text[:_SHOWN_CHARACTERS], **told}


def _record(metric: str, score: float, signature: str) -> dict[str, Any]:
    return {"metric": metric, "score": round(score, 6), "signature": signature}
