"""Novelty of generated text against a corpus, beside that of the corpus's own validation text.

The validation text says what to expect: a person's text of the same kind repeats so much by chance, quotation
and habit.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from seqkit.data.corpus import Corpus
from seqkit.data.ragged import Array
from seqkit.data.text.reading import input_name, read_text
from seqkit.data.tokenizers.vocabulary import END, normal_form
from seqkit.errors import DataError
from seqkit.evaluation.encoded_text import BETWEEN_DOCUMENTS, documents_of
from seqkit.metrics.copying import COPY_LENGTHS, NGRAM_LENGTHS, Novelty, measure_novelty
from seqkit.version import __version__

_VALID_CHARACTERS = 1_000_000  # of the validation text that are looked at
_TOKENS = 1 << 20  # decoded in one go


@dataclass(frozen=True)
class NoveltyScore:
    """One figure of a text and the same of the validation text; all but the lengths are percentages."""

    metric: str
    score: float
    validation: float


@dataclass(frozen=True)
class NoveltyReport:
    """All figures, with their signature, and the longest copy: where it begins, and its text."""

    scores: tuple[NoveltyScore, ...]
    signature: str
    characters: int
    longest_start: int
    longest_text: str


def read_generated(path: str, corpus: Corpus) -> str:
    """A text from a file, or from standard input for `-`, in the corpus's normal form; DataError if empty."""
    tokenizer = corpus.target_tokenizer
    exact = tokenizer.kind == "byte"
    parts = read_text(path, exact=exact)
    text = "".join(normal_form(part, tokenizer.normalization, raw_bytes=exact) for part in parts)
    if not text:
        raise DataError(
            f"there is no text in {input_name(path)}, so there is nothing to compare", where=input_name(path)
        )
    return text


def evaluate_novelty(
    text: str,
    corpus: Corpus,
    *,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> NoveltyReport:
    """Compare a text, and the validation text, with the training text of a corpus.

    `progress` hears how many characters of that are done.
    """
    assert corpus.manifest.text is not None  # as `documents_of` says
    total = corpus.manifest.text.train_characters
    valid = _beginning(_decoded(corpus, corpus.valid.target.values), _VALID_CHARACTERS)
    found, usual = measure_novelty(
        [text, valid],
        _decoded(corpus, corpus.train.target.values),
        lambda done: progress("comparing", done, total),
    )
    start, length = found.longest_copy
    # A longer text has a longer longest copy by chance: the other is taken in parts of equal length.
    scores = [NoveltyScore("longest_copy", length, usual.typical_longest_copy(len(text)))]
    scores += [NoveltyScore(name, measure(found), measure(usual)) for name, measure in _MEASURES.items()]
    keys = {
        "unit": "character",
        "characters": len(text),
        "training": total,
        "validation": len(valid),
        "seqkit": __version__,
    }
    signature = "|".join(f"{key}:{value}" for key, value in keys.items())
    return NoveltyReport(tuple(scores), signature, len(text), start, text[start : start + length])


def _copied(length: int) -> Callable[[Novelty], float]:
    return lambda novelty: 100 * novelty.share_copied(length)


def _new_ngrams(length: int) -> Callable[[Novelty], float]:
    return lambda novelty: 100 * novelty.share_of_new_ngrams(length)


_MEASURES: dict[str, Callable[[Novelty], float]] = {
    "mean_copy": lambda novelty: novelty.mean_copy,
    **{f"copied_{length}": _copied(length) for length in COPY_LENGTHS},
    **{f"new_{length}grams": _new_ngrams(length) for length in NGRAM_LENGTHS},
    "new_words": lambda novelty: 100 * novelty.share_of_new_words,
}


def _decoded(corpus: Corpus, ids: Array) -> Iterator[str]:
    """The text of a stream of ids, in parts."""
    tokenizer = corpus.target_tokenizer
    table = tokenizer.token_bytes()
    table[END] = BETWEEN_DOCUMENTS[documents_of(corpus)]
    decoder = codecs.getincrementaldecoder("utf-8")(
        "surrogateescape" if tokenizer.kind == "byte" else "replace"
    )
    for start in range(0, len(ids), _TOKENS):
        part = np.asarray(ids[start : start + _TOKENS]).tolist()
        yield decoder.decode(b"".join([table[token] for token in part]), start + _TOKENS >= len(ids))


def _beginning(parts: Iterator[str], size: int) -> str:
    text = ""
    for part in parts:
        text += part
        if len(text) >= size:
            break
    return text[:size]
