"""All that is measured of a text: by a generator under several protocols, and by what it is compared with."""

from __future__ import annotations

import logging
import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from seqkit import model_directory
from seqkit.data.corpus import Corpus
from seqkit.data.manifest import Documents
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.errors import DataError, ModelError
from seqkit.evaluation import stepwise
from seqkit.evaluation.dynamic_options import DynamicOptions
from seqkit.evaluation.encoded_text import (
    EncodedText,
    documents_of,
    encode_file,
    language_scores,
    open_text_corpus,
)
from seqkit.kinds import GENERATION, KINDS
from seqkit.metrics.ngram import TOKEN_LIMIT, NgramModel, adaptive_nats
from seqkit.model_directory import LoadedModel
from seqkit.scores import Score

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)

DEFAULT_ORDER = 5  # the best one for a megabyte of English
Progress = Callable[[str, int, int], None]  # hears of a stage, predictions done, all of them


@dataclass(frozen=True)
class Protocols:
    """What is measured beside the stream: windows of so many tokens, dynamic evaluation; the n-grams' n."""

    windows: tuple[int, ...] = ()
    dynamic: DynamicOptions | None = None
    ngram_order: int = DEFAULT_ORDER


@dataclass(frozen=True)
class Predictors:
    """A generator, a corpus whose training text an n-gram model counts, or both to be compared.

    Raises DataError when the two cut text differently: then their nats are not of the same predictions.
    """

    generator: LoadedModel | None
    corpus: Corpus | None

    def __post_init__(self) -> None:
        if self.generator is None and self.corpus is None:
            raise ValueError("a text is predicted by a generator, or from a corpus")
        if self.generator is None or self.corpus is None:
            return
        tokenizer, documents = self.generator.target_tokenizer, self.generator.facts.documents
        if (tokenizer.fingerprint, documents) != (
            self.corpus.target_tokenizer.fingerprint,
            documents_of(self.corpus),
        ):
            raise DataError(
                f"the corpus {self.corpus.directory} has another vocabulary or other documents than the "
                "model, so they cannot be compared",
                where=str(self.corpus.directory),
                hint="name the corpus that the model was trained on",
            )
        if self.corpus.fingerprint != self.generator.facts.corpus:
            _LOG.warning("%s is not the corpus that the model was trained on", self.corpus.directory)

    def encode_file(self, path: str) -> EncodedText:
        """A file, or standard input for `-`, as both see it."""
        if self.generator is not None:
            documents = cast(Documents, self.generator.facts.documents)
            return encode_file(path, self.generator.target_tokenizer, documents)
        assert self.corpus is not None  # one of them is there
        return encode_file(path, self.corpus.target_tokenizer, documents_of(self.corpus))


def open_predictors(model: str | None, corpus: str | None) -> Predictors:
    """Open a model directory, a corpus directory, or both; ModelError or DataError for translation's."""
    return Predictors(
        None if model is None else _load_generator(Path(model)),
        None if corpus is None else open_text_corpus(corpus),
    )


def score_text(
    predictors: Predictors,
    text: EncodedText,
    protocols: Protocols,
    *,
    device: torch.device | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> list[Score]:
    """Three scores per protocol: by the generator those of the stream first, then by n-grams.

    The generator computes on `device` with torch; if that is None, step by step on the CPU without torch,
    which is slower and leaves dynamic evaluation out of reach. n-grams need neither.
    """
    scores = []
    if predictors.generator is not None:
        scores += _by_generator(predictors.generator, text, protocols, device, progress)
    if predictors.corpus is not None:
        scores += _by_ngrams(predictors.corpus, text, protocols)
    return scores


def _load_generator(directory: Path) -> LoadedModel:
    kind = KINDS[model_directory.read_facts(directory).kind]
    hint = f"seqkit evaluate --model {shlex.quote(str(directory))} {kind.evaluated_by}"
    model_directory.refuse_other_kind(kind, GENERATION, directory, hint)
    return model_directory.load(directory)


def _by_generator(
    loaded: LoadedModel,
    text: EncodedText,
    protocols: Protocols,
    device: torch.device | None,
    progress: Progress,
) -> list[Score]:
    """Raises ModelError when the model predicts nothing that is a number."""
    reader = _Steps(loaded, text) if device is None else _Slices(loaded, text, device)

    def heard(stage: str) -> Callable[[int], None]:
        return lambda done: progress(stage, done, len(text.ids))

    nats = reader.stream(heard("stream"))
    if not math.isfinite(nats):
        raise ModelError(
            "the model's probabilities are NaN or infinite, so nothing can be scored",
            hint="training diverged: train again with a lower training.learning_rate",
        )
    scores = language_scores(text, nats, protocol="stream", state="carried")
    for window in protocols.windows:
        name = f"window-{window}"
        nats = reader.window(window, heard(name))
        scores += language_scores(text, nats, protocol=name, state="zero")
    if (options := protocols.dynamic) is not None:
        assert isinstance(reader, _Slices)  # who asks for it says where to compute
        nats = reader.dynamic(options, heard("dynamic"))
        scores += language_scores(text, nats, protocol="dynamic", state="carried", **options.signature)
    return scores


class _Slices:
    """A generator that reads a text with torch, a slice at a time."""

    def __init__(self, loaded: LoadedModel, text: EncodedText, device: torch.device) -> None:
        self._model, self._ids, self._boundary = loaded.model.to(device), text.ids, text.boundary
        self._device = device

    def stream(self, progress: Callable[[int], None]) -> float:
        """Nats of the stream."""
        from seqkit.evaluation.language import stream_nats

        return stream_nats(self._model, self._ids, self._boundary, device=self._device, progress=progress)[0]

    def window(self, window: int, progress: Callable[[int], None]) -> float:
        """Nats of windows of `window` tokens."""
        from seqkit.evaluation.language import window_nats

        return window_nats(
            self._model, self._ids, self._boundary, window, device=self._device, progress=progress
        )

    def dynamic(self, options: DynamicOptions, progress: Callable[[int], None]) -> float:
        """Nats of dynamic evaluation."""
        from seqkit.evaluation.dynamic import dynamic_nats

        return dynamic_nats(
            self._model, self._ids, self._boundary, options, device=self._device, progress=progress
        )


class _Steps:
    """A generator that reads a text without torch, token by token."""

    def __init__(self, loaded: LoadedModel, text: EncodedText) -> None:
        self._decoder = FixedPointDecoder(loaded.blueprint, loaded.parameters, "fp32")
        self._ids, self._boundary = text.ids, text.boundary

    def stream(self, progress: Callable[[int], None]) -> float:
        """Nats of the stream."""
        return stepwise.stream_nats(self._decoder, self._ids, self._boundary, progress=progress)

    def window(self, window: int, progress: Callable[[int], None]) -> float:
        """Nats of windows of `window` tokens."""
        return stepwise.window_nats(self._decoder, self._ids, self._boundary, window, progress=progress)


def _by_ngrams(corpus: Corpus, text: EncodedText, protocols: Protocols) -> list[Score]:
    """Fixed counts of the training text, or of its end if it is long; beside dynamic evaluation also growing.

    Order 0 is uniform over all ids that a text can have, the bytes of characters that the vocabulary lacks
    among them: so it can predict every text that the generator can.
    """
    training = corpus.train.target.values[-TOKEN_LIMIT:]
    order, base = protocols.ngram_order, _uniform(corpus.target_tokenizer, documents_of(corpus))
    keys = {"smoothing": "witten-bell", "base": "uniform", "trained": len(training)}
    nats = NgramModel(training, order, base).nats(text.ids, np.array([text.boundary])).sum()
    scores = language_scores(text, float(nats), protocol=f"ngram-{order}", counts="fixed", **keys)
    if protocols.dynamic is not None:
        nats = adaptive_nats(training, text.ids, order, base).sum()
        scores += language_scores(
            text, float(nats), protocol=f"ngram-{order}-adaptive", counts="growing", **keys
        )
    return scores


def _uniform(tokenizer: Tokenizer, documents: Documents) -> np.ndarray:
    """The same probability for every id that a text can have. (V,)"""
    first = END + 1 if documents == "none" else END
    base = np.zeros(tokenizer.size)
    base[first:] = 1 / (tokenizer.size - first)
    return base
