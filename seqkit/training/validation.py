"""What a validation measures: loss, scores, a few samples and the state of the gates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from seqkit.batch import Batch
from seqkit.config import Config
from seqkit.data.batching import validation_batches
from seqkit.data.corpus import Corpus
from seqkit.device import autocast
from seqkit.inference.translation import TranslateOptions, Translator
from seqkit.kinds import TRANSLATION
from seqkit.metrics import translation as metrics
from seqkit.models import SequenceModel
from seqkit.nn.modes import evaluating
from seqkit.scores import LOSS
from seqkit.training.health import saturation

_CHUNK = 500  # sentences translated between two looks at whether to stop
_PILOT_SENTENCES = 100


class Stopped(Exception):
    """A signal arrived during a validation, whose result is not wanted any more."""


@dataclass(frozen=True)
class Measured:
    """`loss` is in nats per target token; `scores` have a signature each; `gates` are saturated shares.

    Each of the `samples` maps what it consists of (`source`, `reference`, `translation`; `text`) to text.
    `size` is how many sentences, or tokens of a text, it was measured on.
    """

    loss: float
    scores: tuple[dict[str, Any], ...]
    samples: tuple[Mapping[str, str], ...]
    gates: dict[str, float]
    size: int

    def metric(self, name: str) -> float:
        """`loss`, or a score by its name."""
        if name == LOSS.name:
            return self.loss
        return next((score["score"] for score in self.scores if score["metric"] == name), math.nan)


class Validator(Protocol):
    """Measures a model on a corpus's validation split.

    `whole` is the split's size in `unit`, as "pairs"; `pilot` is enough of it to tell how long it takes.
    """

    @property
    def unit(self) -> str: ...

    @property
    def whole(self) -> int: ...

    @property
    def pilot(self) -> int: ...

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        """Measure `model` on the first `size` of the split and leave its mode as it was.

        Raises `Stopped` when `should_stop` says so.
        """
        ...


def affordable_size(
    validator: Validator, model: SequenceModel, should_stop: Callable[[], bool], seconds: float
) -> int:
    """How much of the validation split can be measured in the given seconds, estimated from a pilot."""
    if validator.pilot >= validator.whole:
        return validator.whole
    began = time.monotonic()
    validator.measure(model, should_stop, validator.pilot)
    fitting = int(validator.pilot * seconds / max(time.monotonic() - began, 1e-6))
    return min(validator.whole, max(validator.pilot, fitting))


class TranslationValidator:
    """Loss, BLEU and chrF of a translator."""

    unit = TRANSLATION.counted.many

    def __init__(
        self,
        corpus: Corpus,
        config: Config,
        translator: Translator,
        device: torch.device,
        precision: str,
    ) -> None:
        self.config = config
        self.translator = translator
        self.device = device
        self.precision = precision
        self._split = corpus.valid
        self._batches: list[Batch] = []  # of the first `_size` sentences
        self._size = 0
        self.whole = len(corpus.valid)
        self.pilot = max(_PILOT_SENTENCES, self.whole // 10)
        sources, references = corpus.valid_text()
        count = config.training.validation_sentences
        self.sources, self.references = sources[:count], references[:count]

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        """See `Validator`; the translator shares `model`."""
        if size != self._size:
            self._size = size
            self._batches = validation_batches(
                self._split.first(size), batch_tokens=2 * self.config.training.batch_tokens
            )
        with evaluating(model):
            return self._measure(model, should_stop)

    def _measure(self, model: SequenceModel, should_stop: Callable[[], bool]) -> Measured:
        device = self.device
        nats, positions = 0.0, 0
        with autocast(self.precision, device):
            for batch in self._batches:
                if should_stop():
                    raise Stopped
                loss, _ = model.loss(batch.to(device))
                nats, positions = nats + float(loss.nats), positions + loss.weight
        # On a CPU single steps in bf16 cast every weight again: fp32 takes a third of the time, less memory.
        with autocast(self.precision if device.type == "cuda" else "fp32", device):
            # A model whose loss is not a number cannot translate.
            translations = self._translate(should_stop) if math.isfinite(nats) else []
        gates = self._gates(model, self._batches[-1].to(device)) if self._batches else {}
        scores = []
        if translations:
            references = self.references[: len(translations)]
            options = metrics.MetricOptions(metrics=tuple(metric.name for metric in TRANSLATION.metrics))
            for score in metrics.score_translations(translations, [references], options):
                scores.append(
                    {"metric": score.metric, "score": round(score.score, 4), "signature": score.signature}
                )
        shown = range(min(self.config.training.samples, len(translations)))
        return Measured(
            loss=nats / max(positions, 1),
            scores=tuple(scores),
            samples=tuple(
                {"source": self.sources[i], "reference": self.references[i], "translation": translations[i]}
                for i in shown
            ),
            gates=gates,
            size=self._size,
        )

    def _translate(self, should_stop: Callable[[], bool]) -> list[str]:
        """Greedy translations: quick, and they rank checkpoints as a beam does."""
        options = TranslateOptions(beam_size=1)
        self.translator.rebuild()
        texts: list[str] = []
        sources = self.sources[: self._size]
        for start in range(0, len(sources), _CHUNK):
            if should_stop():
                raise Stopped
            translated = self.translator.translate(sources[start : start + _CHUNK], options)
            texts.extend(translation.text for translation in translated)
        return texts

    def _gates(self, model: SequenceModel, batch: Batch) -> dict[str, float]:
        return saturation(model.gate_activations(batch))
