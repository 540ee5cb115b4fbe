"""Subword vocabularies by SentencePiece: bpe and unigram, with a byte fallback.

The file is an ordinary SentencePiece model with one more field, which says how the text was normalised.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from seqkit.data.segmentation import SPACE_MARK, SubwordSampler, dropout_merges, sample_lattice
from seqkit.data.vocabulary import (
    BYTES,
    END,
    KINDS,
    NORMALIZATIONS,
    PAD,
    SMALLEST_VOCABULARY,
    START,
    UNKNOWN,
    Ids,
    IdSequence,
    Normalization,
    TokenizerKind,
    normalize_text,
)
from seqkit.errors import ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SENTENCEPIECE_SUFFIX = ".spm"
SENTENCEPIECE_LIMIT = 64 << 20  # bytes of a model file

# SentencePiece writes a space as U+2581. To keep a U+2581 of the text apart it is encoded as a noncharacter
# that the line lacks; no vocabulary has noncharacters, so their byte ids are found and replaced.
_PLACEHOLDERS = tuple(chr(code) for code in range(0xFDD0, 0xFDF0))
# SentencePiece skips training lines with TAB or U+2585, which it uses as marks of its own.
_UNTRAINABLE = re.compile("[\t\u2581\u2585\ufdd0-\ufdef]")
_TRAINED_CHARACTERS = 1000  # of one line: SentencePiece skips lines of more than 4,192 bytes
_CHARACTER_COVERAGE = 0.9999  # the rarest characters are spelt in bytes
_STOP_SECONDS = 0.2  # that an interrupted training is given to notice
_QUIET = 3  # log level: errors only, and those are exceptions too

# Protocol buffers leave field numbers from 200 on to others. The last bytes of a file of ours are field 1000
# with a string such as "bpe/nfc".
_SETTINGS: dict[bytes, tuple[TokenizerKind, Normalization]] = {
    b"\xc2\x3e" + bytes([len(f"{kind}/{form}")]) + f"{kind}/{form}".encode(): (kind, form)
    for kind in KINDS[:2]
    for form in NORMALIZATIONS
}

logger = logging.getLogger("seqkit")


class SentencePieceTokenizer:
    """A bpe or unigram vocabulary with byte fallback."""

    file_name = SENTENCEPIECE_SUFFIX

    def __init__(self, content: bytes, name: str = "tokenizer.spm") -> None:
        """`content` is a model file of ours; ModelError when it is damaged or not one."""
        settings = [value for ending, value in _SETTINGS.items() if content.endswith(ending)]
        if not settings:
            raise ModelError(f"{name} is not a SentencePiece model written by seqkit", where=name)
        self.kind, self.normalization = settings[0]
        self._content = content
        self._processor = _load_processor(content, name)
        self._byte_ids = _find_byte_ids(self._processor, name)
        self._is_byte = np.zeros(self.size, bool)
        self._is_byte[self._byte_ids] = True

    @property
    def size(self) -> int:
        """The number of ids, specials included."""
        return int(self._processor.get_piece_size())

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""
        return hashlib.sha256(self._content).hexdigest()

    def normalize(self, line: str) -> str:
        """The text that `encode` keeps of a line."""
        return normalize_text(line, self.normalization)

    def encode(self, lines: Sequence[str], *, threads: int = 1) -> list[Ids]:
        """See `Tokenizer`; fastest with thousands of lines a call."""
        texts = [self.normalize(line) for line in lines]
        marked: dict[int, str] = {}
        for index, text in enumerate(texts):
            if SPACE_MARK in text:
                marked[index] = next(mark for mark in _PLACEHOLDERS if mark not in text)
                texts[index] = text.replace(SPACE_MARK, marked[index])
        ids: list[Ids] = self._processor.encode(texts, return_type="numpy", num_threads=threads)
        for index, placeholder in marked.items():
            ids[index] = self._restore_marks(ids[index], placeholder)
        return ids

    def encode_sampled(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """See `Tokenizer`."""
        if not 0 < strength <= 1:
            raise ConfigError(
                f"the strength of subword sampling is {strength}; it must be above 0 and at most 1",
                where="data.subword_sampling",
                hint="0.1 is a good start",
            )
        return self._sampler.encode([self.normalize(line) for line in lines], strength, seed)

    def decode(self, sequences: Sequence[IdSequence]) -> list[str]:
        """See `Tokenizer`."""
        plain = [[int(token) for token in ids if token > END] for ids in sequences]
        if not plain:
            return []
        texts: list[str] = self._processor.decode(plain, num_threads=1)
        return [text.replace("\n", " ") for text in texts]

    def pieces(self, ids: IdSequence) -> list[str]:
        """The pieces, with U+2581 where a word begins."""
        return [str(self._processor.id_to_piece(int(token))) for token in ids]

    def byte_count(self, ids: NDArray[Any]) -> int:
        """See `Tokenizer`."""
        return int(np.count_nonzero(self._is_byte[ids]))

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        return self._content

    @cached_property
    def _sampler(self) -> SubwordSampler:
        plain = [token for token in range(END + 1, self.size) if not self._is_byte[token]]
        ids = {str(self._processor.id_to_piece(token)): token for token in plain}
        scores = {piece: float(self._processor.get_score(token)) for piece, token in ids.items()}
        segment = dropout_merges(scores) if self.kind == "bpe" else sample_lattice(scores)
        return SubwordSampler(segment, ids, self._byte_ids.tolist())

    def _restore_marks(self, ids: Ids, placeholder: str) -> Ids:
        """Put the bytes of U+2581 where those of its placeholder stand; both have three."""
        found, wanted = (self._byte_ids[list(text.encode())] for text in (placeholder, SPACE_MARK))
        ids = ids.copy()
        for start in np.flatnonzero((sliding_window_view(ids, len(found)) == found).all(axis=1)):
            ids[start : start + len(wanted)] = wanted
        return ids


def train_subwords(
    kind: TokenizerKind, lines: Iterable[str], size: int, normalization: Normalization
) -> SentencePieceTokenizer:
    """Learn a vocabulary of at most `size` pieces: fewer, with a note, when the text supports no more.

    The same lines give the same bytes. Raises ConfigError when `size` cannot hold the characters of the
    text, and DataError when there is no text.
    """
    from sentencepiece import SentencePieceTrainer, set_min_log_level

    set_min_log_level(_QUIET)
    output = io.BytesIO()

    def train(sentences: Iterator[str]) -> None:
        SentencePieceTrainer.train(
            sentence_iterator=sentences,
            model_writer=output,
            model_type=kind,
            vocab_size=size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=_CHARACTER_COVERAGE,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=START,
            eos_id=END,
            num_threads=1,  # another number gives other bytes
            minloglevel=_QUIET,
        )

    if error := _interruptible(train, _trainable(lines, normalization)):
        raise _training_error(error, size) from error
    settings = next(ending for ending, value in _SETTINGS.items() if value == (kind, normalization))
    tokenizer = SentencePieceTokenizer(output.getvalue() + settings)
    if tokenizer.size < size:
        logger.info("vocabulary: the text supports %s pieces, not %s", f"{tokenizer.size:,}", f"{size:,}")
    return tokenizer


class _Stopped(Exception):
    """The main thread wants to end."""


def _interruptible(work: Callable[[Iterator[str]], None], lines: Iterator[str]) -> Exception | None:
    """Run `work(lines)`, which does not look at signals, and return its error.

    The main thread only waits, so that Ctrl-C ends the program at once; a daemon thread goes down with it.
    """
    errors: list[Exception] = []
    stop, done = threading.Event(), threading.Event()

    def stoppable() -> Iterator[str]:
        for line in lines:
            if stop.is_set():
                raise _Stopped
            yield line

    def run() -> None:
        try:
            work(stoppable())
        except Exception as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        done.wait()  # not Thread.join, which takes an interrupted wait for the thread's end
    except BaseException:
        # While it asks for lines it needs the interpreter, which must not go away under it.
        stop.set()
        done.wait(_STOP_SECONDS)
        raise
    return errors[0] if errors else None


def _trainable(lines: Iterable[str], normalization: Normalization) -> Iterator[str]:
    for line in lines:
        text = normalize_text(line[:_TRAINED_CHARACTERS], normalization)
        # A line of nothing but spaces would be learnt as a run of marks.
        if text := _UNTRAINABLE.sub(" ", text).strip(" "):
            yield text


def _training_error(error: Exception, size: int) -> Exception:
    if needed := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
        return ConfigError(
            f"a vocabulary of {size:,} is too small: the characters and bytes alone are {int(needed[1]):,}",
            where="--vocab-size",
            hint=f"at least {int(needed[1]):,}, better several thousand; or --tokenizer byte",
        )
    if "sentences_.empty()" in str(error):
        return DataError("there is no text to learn a vocabulary from", hint="check the input files")
    return error


def _load_processor(content: bytes, name: str) -> SentencePieceProcessor:
    from sentencepiece import SentencePieceProcessor, set_min_log_level

    set_min_log_level(_QUIET)
    if len(content) > SENTENCEPIECE_LIMIT:
        raise ModelError(f"{name} has {len(content):,} bytes, more than a vocabulary can have", where=name)
    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(content)
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{name} is damaged: SentencePiece cannot read it", where=name) from error
    specials = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
    if specials != (PAD, UNKNOWN, START, END) or processor.get_piece_size() < SMALLEST_VOCABULARY:
        raise ModelError(f"{name} has other special pieces than seqkit's", where=name)
    return processor


def _find_byte_ids(processor: SentencePieceProcessor, name: str) -> Ids:
    """The id of every byte. (256,)"""
    ids = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in range(BYTES)]
    if not all(processor.is_byte(token) for token in ids):
        raise ModelError(f"{name} has no byte fallback", where=name)
    return np.array(ids, np.int32)
