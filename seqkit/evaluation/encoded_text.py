"""Text as a generator sees it, the corpora that it comes from, and the scores that are made of nats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqkit.data.corpus import Corpus
from seqkit.data.manifest import Documents
from seqkit.data.text.documents import DocumentText
from seqkit.data.text.reading import input_name
from seqkit.data.text.sources import TextFile
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.data.tokenizers.vocabulary import newline_id
from seqkit.errors import DataError
from seqkit.kinds import GENERATION
from seqkit.metrics.sacre import bits_per_character, perplexity
from seqkit.scores import BITS_PER_CHARACTER, NATS_PER_CHARACTER, PERPLEXITY, Score
from seqkit.version import __version__

# How the end of a document is written. No text can tell where a file ended.
BETWEEN_DOCUMENTS: dict[Documents, bytes] = {"none": b"", "line": b"\n", "blank-line": b"\n\n", "file": b"\n"}
IdStream = NDArray[Any]  # (n,) of any integer type: a memory map of a corpus, or ids just made


@dataclass(frozen=True)
class EncodedText:
    """A text as a generator sees it: one stream of ids (n,), in which END ends every marked document.

    `characters` are those of the normalised text, ends not counted; `boundary` stands before the first id.
    """

    ids: IdStream
    boundary: int
    characters: int
    ends: int
    unit: str  # the kind of tokenizer


def first_tokens(text: EncodedText, count: int, tokenizer: Tokenizer) -> EncodedText:
    """The text's first `count` tokens, at least one; a character that is cut in its bytes counts."""
    if count >= len(text.ids):
        return text
    ids = text.ids[:count]
    # Bytes that begin a character: in UTF-8 the others are 0b10xxxxxx.
    begun = [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in tokenizer.token_bytes()]
    ends = int((ids == END).sum()) if text.ends else 0
    return replace(text, ids=ids, characters=max(1, int(np.array(begun)[ids].sum())), ends=ends)


def encode_file(path: str, tokenizer: Tokenizer, documents: Documents) -> EncodedText:
    """Read and encode a plain or gzip file, or standard input for `-`, as `prepare` would have done.

    Raises DataError when there is no text in it, and what reading files raises.
    """
    name = input_name(path)
    exact = tokenizer.kind == "byte"
    text = DocumentText((TextFile(Path(path), name),), documents, tokenizer.normalization, exact)
    parts, characters, ends = [], 0, 0
    for chunk in text.chunks(warn=True):
        for number, ids in enumerate(tokenizer.encode_texts(chunk.texts)):
            parts.append(np.append(ids, np.int32(END)) if number < chunk.ends else ids)
        characters, ends = characters + chunk.characters, ends + chunk.ends
    if not characters:
        raise DataError(f"there is no text in {name}, so there is nothing to score", where=name)
    boundary = newline_id(tokenizer) if documents == "none" else END
    return EncodedText(np.concatenate(parts), boundary, characters, ends, tokenizer.kind)


def open_text_corpus(directory: str) -> Corpus:
    """Open a corpus directory; DataError when it holds parallel text."""
    corpus = Corpus.open(directory)
    if "streams" not in corpus.kind.parts:
        raise DataError(
            f"{directory} is a corpus of {corpus.kind.corpus}",
            where=directory,
            hint=f"seqkit prepare CORPUS {GENERATION.prepared_by} makes one of {GENERATION.corpus}",
        )
    return corpus


def documents_of(corpus: Corpus) -> Documents:
    """What ends a document of a generation corpus."""
    assert corpus.manifest.text is not None  # a generation corpus without it is refused when it is read
    return corpus.manifest.text.documents


def language_scores(text: EncodedText, nats: float, **protocol: object) -> list[Score]:
    """Bits and nats per character and the perplexity of a token, each with its signature.

    `nats` is the sum over all predictions, those of the ends of documents too, which are no characters.
    `protocol` is what else the signature says, in order.
    """
    counts = {"tokens": len(text.ids), "ends": text.ends, "characters": text.characters}
    keys = {**protocol, "unit": text.unit, **counts, "seqkit": __version__}
    signature = "|".join(f"{key}:{value}" for key, value in keys.items())
    values = {
        BITS_PER_CHARACTER: bits_per_character(nats, text.characters),
        NATS_PER_CHARACTER: nats / text.characters,
        PERPLEXITY: perplexity(nats / len(text.ids)),
    }
    details = {"protocol": protocol["protocol"], "nats": nats, **counts}
    return [Score(metric.name, value, signature, details=details) for metric, value in values.items()]
