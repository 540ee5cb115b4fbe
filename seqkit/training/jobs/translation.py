"""Training a translator: pairs in batches by length; loss and scores of the validation split."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from seqkit.config import Config
from seqkit.data.batch import Batch
from seqkit.data.batching import PairBatches, validation_batches
from seqkit.data.corpus import Corpus
from seqkit.data.tokenizers import Tokenizer
from seqkit.device import autocast
from seqkit.inference.translator import TranslateOptions, Translator
from seqkit.kinds import TRANSLATION
from seqkit.metrics import sacre as metrics
from seqkit.model_directory import Facts
from seqkit.nn.model import SequenceModel
from seqkit.nn.modes import evaluating
from seqkit.scores import Score
from seqkit.training.health import saturation
from seqkit.training.jobs.job import Network, Task
from seqkit.training.validation import Measured, Stopped

_CHUNK = 500  # sentences translated between two looks at whether to stop
_PILOT_SENTENCES = 100


def task(corpus: Corpus, config: Config, network: Network) -> Task:
    """What training a translator on a corpus takes."""
    training = config.training
    assert corpus.train.source is not None
    lengths = corpus.train.source.lengths
    facts = Facts(
        kind=TRANSLATION.name,
        corpus=corpus.fingerprint,
        size=len(corpus.train),
        longest_source=int(lengths.max()) if len(lengths) else 1,
    )
    translator = Translator([network.loaded(config, facts)], device=network.device)
    return Task(
        PairBatches(
            corpus,
            training.batch_tokens,
            training.seed,
            config.data.subword_sampling,
            config.data.case_noise,
        ),
        TranslationValidator(corpus, config, translator, network.device, network.precision),
        facts,
    )


class TranslationValidator:
    """Loss and scores of a translator: BLEU and chrF, or what its checkpoints are ranked by."""

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
        sources, references = corpus.valid_text("source"), corpus.valid_text("target")
        count = config.training.validation_sentences
        self.sources, self.references = sources[:count], references[:count]
        self.metric_options = _metric_options(config, self.references, translator.target_tokenizer)

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
        scores: list[dict[str, Any]] = []
        if translations:
            references = self.references[: len(translations)]
            scores = [
                _recorded(score)
                for score in metrics.score_translations(translations, [references], self.metric_options)
            ]
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


def _metric_options(config: Config, references: Sequence[str], tokenizer: Tokenizer) -> metrics.MetricOptions:
    """What a validation measures, in the normal form of the model's outputs.

    The tokenizer of BLEU is settled once: by all references, whatever part of them is translated.
    """
    names = tuple(metric.name for metric in TRANSLATION.measured(config.training.best_metric))
    options = metrics.MetricOptions(
        metrics=names,
        tokenize=config.training.tokenize,
        normalization=metrics.form_of_outputs(tokenizer.normalization),
    )
    if not {"bleu", "ter"} & {*names}:
        return options
    return replace(options, tokenize=options.tokenizer_for([references]))


def _recorded(score: Score) -> dict[str, Any]:
    """A score as metrics.jsonl has it."""
    undefined = {"undefined": score.undefined} if score.undefined else {}
    return {
        "metric": score.metric,
        "score": round(score.score, 4),
        "signature": score.signature,
        **undefined,
    }
