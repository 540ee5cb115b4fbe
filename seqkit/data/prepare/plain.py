"""Plain text to the corpus directory of a generator: three passes, in bounded memory.

The first pass counts characters and documents, the second learns the vocabulary from what is for training,
the third encodes. All of it follows from the text, the options and the seed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqkit.data.manifest import SPLITS, Documents, Manifest, TextRecord, fingerprint
from seqkit.data.prepare.options import DEFAULT_VALID_SHARE, DEFAULT_VOCABULARY, PrepareTextOptions
from seqkit.data.prepare.scan import Progress
from seqkit.data.prepare.writer import CorpusWriter, Counts
from seqkit.data.ragged import RaggedWriter
from seqkit.data.store import create_corpus
from seqkit.data.text.documents import Chunk, DocumentText, split
from seqkit.data.text.sources import text_files, total
from seqkit.data.tokenizers import END, Tokenizer, train_tokenizer
from seqkit.data.tokenizers.subwords import TRAINED_CHARACTERS, bounded_parts
from seqkit.errors import DataError
from seqkit.kinds import GENERATION
from seqkit.processors import thread_count
from seqkit.randomness import default_rng

__all__ = ["PrepareTextOptions", "PrepareTextReport", "prepare_text"]

_SAMPLE_CHARACTERS = 1 << 23  # that a subword vocabulary is learnt from, about
_PLACE_TYPE = np.dtype("<i8")


@dataclass(frozen=True)
class PrepareTextReport:
    """What was done. Ends of documents are tokens but no characters; rates are shares of tokens."""

    documents: Documents
    train_characters: int
    valid_characters: int
    train_documents: int  # one if none are marked
    valid_documents: int
    dropped: dict[str, int]  # documents by reason
    train_tokens: int
    valid_tokens: int
    vocabulary_size: int
    byte_rate: float  # of training: encoded as bytes
    valid_byte_rate: float
    fingerprint: str
    seconds: float
    characters_per_second: float


def prepare_text(options: PrepareTextOptions, on_progress: Progress) -> PrepareTextReport:
    """Make a corpus directory of plain text.

    `on_progress(stage, done, total)` is called after every few hundred thousand characters. Raises
    OutputError when the directory is taken, DataError for text that cannot be used, InputMissing for files
    that are not there.
    """
    started = time.monotonic()
    with create_corpus(options.directory, overwrite=options.overwrite) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        text, valid_text = (
            DocumentText(
                text_files(paths, scratch),
                options.documents,
                options.normalization,
                exact=options.tokenizer == "byte",
            )
            for paths in (options.text, options.valid_text)
        )
        found = _measure(text, valid_text, scratch, on_progress)
        place = _cut(found, options)
        whole = replace(text, files=text.files + valid_text.files)
        tokenizer = _learn(whole, place, options, on_progress)
        with CorpusWriter(folder, GENERATION, {"target": tokenizer}) as corpus:
            arrays = (corpus.arrays[split, "target"] for split in SPLITS)
            train, valid = (_TextWriter(array, tokenizer, options) for array in arrays)
            _encode(whole, place, train, valid, found, on_progress)
            corpus.finish()
        shutil.rmtree(scratch)
        manifest = _describe(corpus, options, train, valid, found.dropped)
    return _report(manifest, train, valid, time.monotonic() - started)


@dataclass(frozen=True)
class _Found:
    """What the first pass found in the text and the validation text behind it."""

    characters: int
    given: int  # of them in the files for training
    ends: NDArray[np.int64]  # characters before the end of every document
    dropped: int


def _measure(text: DocumentText, valid_text: DocumentText, scratch: Path, on_progress: Progress) -> _Found:
    characters = dropped = 0
    expected = total((text.estimated_characters(), valid_text.estimated_characters()))
    starts = []
    path = scratch / "ends"
    with open(path, "wb") as file:
        for part in (text, valid_text):
            starts.append(characters)
            for chunk in part.chunks(warn=True):
                lengths = np.fromiter(map(len, chunk.texts), _PLACE_TYPE, len(chunk.texts))
                places = characters + np.cumsum(lengths, dtype=_PLACE_TYPE)
                file.write(places[: chunk.ends].tobytes())
                characters += chunk.characters
                dropped += chunk.dropped
                on_progress("reading", characters, expected)
    ends = np.memmap(path, _PLACE_TYPE, mode="r") if path.stat().st_size else np.empty(0, _PLACE_TYPE)
    return _Found(characters, starts[1], ends, dropped)


def _cut(found: _Found, options: PrepareTextOptions) -> int:
    """How many characters are for training."""
    given = found.given if options.valid_text else found.characters
    if given == 0:
        raise DataError("there is no text to prepare", hint="check the input files")
    if options.valid_text:
        if found.characters == given:
            raise DataError("there is no validation text", where="--valid-text", hint="check the files")
        return given
    size = DEFAULT_VALID_SHARE if options.valid_size is None else options.valid_size
    place = given - size if isinstance(size, int) else int(given * (1 - size))
    if not 0 < place < given:
        raise DataError(
            f"holding out {given - place:,} of {given:,} characters leaves nothing"
            f" to {'train on' if place <= 0 else 'validate with'}",
            where="--valid-size",
            hint="ask for another number, or give a validation text with --valid-text",
        )
    return place if options.documents == "none" else _nearest_end(found.ends, place)


def _nearest_end(ends: NDArray[np.int64], place: int) -> int:
    """The end of a document that is nearest to a place and not the last."""
    if len(ends) < 2:
        raise DataError(
            "the text is a single document, which cannot be divided into training and validation text",
            where="--documents",
            hint="mark other documents, or none, or give a validation text with --valid-text",
        )
    after = min(int(np.searchsorted(ends, place)), len(ends) - 2)
    near = ends[max(after - 1, 0) : after + 1]
    return int(near[np.argmin(np.abs(near - place))])


def _learn(text: DocumentText, place: int, options: PrepareTextOptions, on_progress: Progress) -> Tokenizer:
    """The tokenizer of what is for training."""
    chunks = _training(text, place, on_progress)
    parts: Iterable[str] = ()  # bytes have nothing to learn
    if options.tokenizer == "char":
        parts = ("".join(chunk.texts) for chunk in chunks)
    elif options.tokenizer != "byte":
        # All at once: an error of the file would come out of SentencePiece as one of its own.
        parts = list(_sample(chunks, _SAMPLE_CHARACTERS / place, options.seed))
    return train_tokenizer(
        options.tokenizer,
        parts,
        options.vocabulary_size or DEFAULT_VOCABULARY,
        options.normalization,
        options.seed,
        of_texts=True,
        min_count=options.needed_count,
    )


def _training(text: DocumentText, place: int, on_progress: Progress) -> Iterator[Chunk]:
    done = 0
    for before, behind in split(text.chunks(warn=False), place):
        if before is not None:
            yield before
            done += before.characters
            on_progress("learning the vocabulary", done, place)
        if behind is not None:
            return


def _sample(chunks: Iterable[Chunk], share: float, seed: int) -> Iterator[str]:
    """A random share of the lines that are not blank, long ones in parts."""
    random = default_rng(seed)
    for chunk in chunks:
        lines = [
            part
            for text in chunk.texts
            for line in text.split("\n")
            if line and not line.isspace()
            for part in bounded_parts(line, TRAINED_CHARACTERS)
        ]
        yield from compress(lines, random.random(len(lines)) < share)


class _TextWriter:
    """Encodes and writes the text of one split; counts its characters, and the ids that are bytes."""

    def __init__(self, array: RaggedWriter, tokenizer: Tokenizer, options: PrepareTextOptions) -> None:
        self.array = array
        self.characters = 0
        self.bytes = 0
        self._tokenizer = tokenizer
        self._threads = thread_count(options.threads)
        self._marked = options.documents != "none"

    def append(self, chunk: Chunk | None) -> None:
        """Write the next part of the text."""
        if chunk is None or not chunk.texts:
            return
        ids = self._tokenizer.encode_texts(chunk.texts, threads=self._threads)
        flat = np.concatenate(ids)
        self.bytes += self._tokenizer.byte_count(flat)
        self.characters += chunk.characters
        places = np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)))[: chunk.ends]
        flat = np.insert(flat, places, END)
        self.array.extend(flat, places + np.arange(1, len(places) + 1))

    def end(self) -> None:
        """End the text: where no documents are marked, it is one."""
        if not self._marked:
            self.array.extend(np.empty(0, np.int32), np.zeros(1, np.int64))


def _encode(
    text: DocumentText,
    place: int,
    train: _TextWriter,
    valid: _TextWriter,
    found: _Found,
    on_progress: Progress,
) -> None:
    """Write what is before the place for training, what is behind it for validation."""
    for before, behind in split(text.chunks(warn=False), place):
        train.append(before)
        valid.append(behind)
        on_progress("encoding", train.characters + valid.characters, found.characters)
    if train.characters + valid.characters != found.characters:
        raise DataError(
            "the text has changed while it was read",
            hint="run the same command again when nothing writes to it",
        )
    train.end()
    valid.end()


def _describe(
    corpus: CorpusWriter,
    options: PrepareTextOptions,
    train: _TextWriter,
    valid: _TextWriter,
    dropped: int,
) -> Manifest:
    marked = options.documents != "none"
    read = train.array.count + dropped + (0 if options.valid_text else valid.array.count)
    return corpus.describe(
        Counts(read if marked else 1, train.array.count, {"blank": dropped}),
        seed=options.seed,
        text=TextRecord(
            documents=options.documents,
            train_characters=train.characters,
            valid_characters=valid.characters,
            train_documents=train.array.count,
            valid_documents=valid.array.count,
            min_count=options.needed_count,
        ),
    )


def _report(manifest: Manifest, train: _TextWriter, valid: _TextWriter, seconds: float) -> PrepareTextReport:
    assert manifest.text is not None  # this is a generation corpus
    assert manifest.tokenizer is not None
    return PrepareTextReport(
        documents=manifest.text.documents,
        train_characters=train.characters,
        valid_characters=valid.characters,
        train_documents=train.array.count,
        valid_documents=valid.array.count,
        dropped=manifest.dropped,
        train_tokens=train.array.total,
        valid_tokens=valid.array.total,
        vocabulary_size=manifest.tokenizer.sizes[0],
        byte_rate=train.bytes / train.array.total,
        valid_byte_rate=valid.bytes / valid.array.total,
        fingerprint=fingerprint(manifest.files),
        seconds=seconds,
        characters_per_second=(train.characters + valid.characters) / max(seconds, 1e-9),
    )
