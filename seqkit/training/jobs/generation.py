"""Training a generator: slices of a stream of text; the loss of the whole validation text, and texts."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqkit.config import Config
from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import StreamBatches, fitting_streams
from seqkit.data.corpus import Corpus
from seqkit.data.forms import tokenizer_of
from seqkit.data.tokenizers import END, Tokenizer, newline_id, normal_form
from seqkit.errors import DataError
from seqkit.evaluation.encoded_text import EncodedText, first_tokens, language_scores
from seqkit.evaluation.language import stream_nats
from seqkit.inference.generator import GenerateOptions, TextGenerator
from seqkit.kinds import GENERATION
from seqkit.model_directory import Facts
from seqkit.nn.model import SequenceModel
from seqkit.nn.modes import evaluating
from seqkit.training.health import saturation
from seqkit.training.jobs.job import Network, Task
from seqkit.training.validation import Measured, Stopped

_GATE_POSITIONS = 256  # gates are computed step by step
_PILOT_TOKENS = 4096

_LOG = logging.getLogger(__name__)


def task(corpus: Corpus, config: Config, network: Network) -> Task:
    """What training a generator on a corpus takes."""
    training, text = config.training, corpus.manifest.text
    assert text is not None
    tokenizer = tokenizer_of(network.fields, "target")
    boundary = newline_id(tokenizer) if text.documents == "none" else END
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
        # For people to read: bytes that are no text are told by U+FFFD.
        return [normal_form(generated.text, "identity") for generated in generator.generate("", options)]

    valid = EncodedText(
        ids=corpus.valid.target.values,
        boundary=boundary,
        characters=text.valid_characters,
        ends=text.valid_documents if text.documents != "none" else 0,
        unit=tokenizer.kind,
    )
    return Task(
        _stream_batches(corpus, config),
        TextValidator(valid, tokenizer, write, network.device, network.precision),
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


@dataclass(frozen=True)
class TextValidator:
    """Reads the validation text once, as one stream with carried state, whatever the training's slices."""

    text: EncodedText
    tokenizer: Tokenizer
    write: Callable[[], list[str]]  # a few texts by the present weights
    device: torch.device
    precision: str

    @property
    def unit(self) -> str:
        """What `whole` and `pilot` count."""
        return "tokens"

    @property
    def whole(self) -> int:
        """Tokens of the validation text."""
        return len(self.text.ids)

    @property
    def pilot(self) -> int:
        """Tokens that are enough to tell how long all of them take."""
        return max(_PILOT_TOKENS, self.whole // 10)

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        """See `Validator`; the writer shares `model`."""
        text = first_tokens(self.text, size, self.tokenizer)
        # On a CPU single rows in bf16 are slower than in fp32, and rounded.
        precision = self.precision if self.device.type == "cuda" else "fp32"
        ids, boundary = text.ids, text.boundary
        nats, positions = stream_nats(
            model, ids, boundary, device=self.device, precision=precision, should_stop=should_stop
        )
        if positions < len(ids):
            raise Stopped
        loss = nats / max(positions, 1)
        # A model whose loss is not a number cannot write.
        texts = self.write() if math.isfinite(loss) else []
        return Measured(
            loss=loss,
            scores=tuple(_scores(text, nats)) if math.isfinite(loss) else (),
            samples=tuple({"text": text} for text in texts),
            gates=self._gates(model),
            size=len(ids),
        )

    def _gates(self, model: SequenceModel) -> dict[str, float]:
        ids = torch.from_numpy(np.asarray(self.text.ids[:_GATE_POSITIONS], np.int64))[None]  # (1, T)
        text = Padded(ids, torch.tensor([ids.shape[1]]))
        with evaluating(model):
            return saturation(model.gate_activations(Batch(text, text).to(self.device)))


def _scores(text: EncodedText, nats: float) -> list[dict[str, Any]]:
    scores = language_scores(text, nats, protocol="stream", state="carried")
    return [
        {"metric": score.metric, "score": round(score.score, 6), "signature": score.signature}
        for score in scores
    ]
