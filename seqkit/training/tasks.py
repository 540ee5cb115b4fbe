"""What differs between the kinds of models: batches, validation, and what is told of a finished model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from seqkit.batch import Batch
from seqkit.config import Config
from seqkit.data.batching import PairBatches, StreamBatches, fitting_streams
from seqkit.data.corpus import Corpus
from seqkit.data.tokenizers import END, Tokenizer, newline_id
from seqkit.errors import DataError
from seqkit.evaluation.text import EncodedText
from seqkit.inference.generation import GenerateOptions, TextGenerator
from seqkit.inference.translation import Translator
from seqkit.kinds import GENERATION, TRANSLATION
from seqkit.model_directory import Facts, LoadedModel
from seqkit.models import SequenceModel
from seqkit.training.text_validation import TextValidator
from seqkit.training.validation import TranslationValidator, Validator

_LOG = logging.getLogger(__name__)


class Batches(Protocol):
    """The training batches of a corpus, an epoch's plan at a time."""

    def plan(self, epoch: int) -> Sequence[Any]:
        """The pieces of an epoch, in order; they follow from the seed and the epoch."""
        ...

    def load(self, piece: Any, *, seed: int) -> Batch:
        """The batch of a piece; what is random in it follows from `seed`."""
        ...


@dataclass(frozen=True)
class Task:
    """What a run needs to know of its kind."""

    batches: Batches
    validator: Validator
    facts: Facts


@dataclass(frozen=True)
class Network:
    """The model in training, with its tokenizers, and where and how it computes."""

    model: SequenceModel
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    device: torch.device
    precision: str

    def loaded(self, config: Config, facts: Facts) -> LoadedModel:
        """The model as inference takes it; it shares the weights."""
        return LoadedModel(self.model, config, facts, self.source_tokenizer, self.target_tokenizer)


def build_task(corpus: Corpus, config: Config, network: Network) -> Task:
    """The task that a corpus is for."""
    return JOBS[corpus.kind.name](corpus, config, network)


def _translation(corpus: Corpus, config: Config, network: Network) -> Task:
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
        PairBatches(corpus, training.batch_tokens, training.seed, config.data.subword_sampling),
        TranslationValidator(corpus, config, translator, network.device, network.precision),
        facts,
    )


def _generation(corpus: Corpus, config: Config, network: Network) -> Task:
    training, text = config.training, corpus.manifest.text
    assert text is not None
    boundary = newline_id(network.target_tokenizer) if text.documents == "none" else END
    facts = Facts(
        kind=GENERATION.name,
        corpus=corpus.fingerprint,
        size=text.train_characters,
        documents=text.documents,
        boundary=boundary,
    )

    def write() -> list[str]:
        """Texts by the present weights; the same seed each time, so that they can be compared."""
        if not training.samples:
            return []
        options = GenerateOptions(training.sample_length, training.samples, seed=training.seed)
        generator = TextGenerator(network.loaded(config, facts))  # on the CPU, whatever device trains
        return [generated.text for generated in generator.generate("", options)]

    valid = EncodedText(
        ids=corpus.valid.target.values,
        boundary=boundary,
        characters=text.valid_characters,
        ends=text.valid_documents if text.documents != "none" else 0,
        unit=network.target_tokenizer.kind,
    )
    return Task(
        _stream_batches(corpus, config),
        TextValidator(valid, network.target_tokenizer, write, network.device, network.precision),
        facts,
    )


def _stream_batches(corpus: Corpus, config: Config) -> StreamBatches:
    """The streams, fewer of them when the text is short."""
    values, data = corpus.train.target.values, config.data
    streams = fitting_streams(len(values), data.streams, data.slice_length)
    if not streams:
        raise DataError(
            f"the training text has {len(values):,} tokens, "
            f"too few for one slice of data.slice_length = {data.slice_length}",
            where=str(corpus.directory),
            hint=f"--set data.slice_length={max(1, len(values) - 1)} is the largest that fits"
            if len(values) > 1
            else "prepare a longer text",
        )
    if streams < data.streams:
        _LOG.warning(
            "the training text has %s tokens: %d streams of %d tokens per step instead of data.streams = %d",
            f"{len(values):,}",
            streams,
            data.slice_length,
            data.streams,
        )
    return StreamBatches(values, streams, data.slice_length, config.training.seed)


# What builds the task of a kind.
JOBS: Mapping[str, Callable[[Corpus, Config, Network], Task]] = {
    TRANSLATION.name: _translation,
    GENERATION.name: _generation,
}
