"""Subword vocabularies by SentencePiece: bpe and unigram, with a byte fallback.

The file is an ordinary SentencePiece model with one more field, which says how the text was normalised, and
whether the vocabulary was learnt for whole texts. In a whole text a newline is its byte's token.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqkit.data.tokenizers.segmentation import SPACE_MARK, SubwordSampler, dropout_merges, sample_lattice
from seqkit.data.tokenizers.vocabulary import (
    BYTES,
    END,
    NORMALIZATIONS,
    PAD,
    SMALLEST_VOCABULARY,
    SPECIALS,
    START,
    SUBWORDS,
    UNKNOWN,
    Ids,
    IdSequence,
    Normalization,
    TextField,
    TokenizerKind,
    normal_form,
    normalize_lines,
    normalize_text,
)
from seqkit.errors import ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SENTENCEPIECE_SUFFIX = ".spm"
SENTENCEPIECE_LIMIT = 64 << 20  # bytes of a model file

# SentencePiece writes a space as U+2581. To keep one of the text apart a line is cut there, and each part but
# the last ends in a noncharacter instead. No vocabulary has noncharacters, so it merges with nothing and
# is encoded as its three bytes, which the three of U+2581 then replace.
_PLACEHOLDER = "\ufdd0"
# SentencePiece skips training lines with TAB or U+2585, which it uses as marks of its own.
_UNTRAINABLE = re.compile("[\t\u2581\u2585\ufdd0-\ufdef]")
_BYTE_NAME = re.compile("<0x[0-9A-F]{2}>")
TRAINED_CHARACTERS = 1000  # of one line: SentencePiece skips lines of more than 4,192 bytes
_ENCODED_CHARACTERS = 10_000  # of a whole text that are segmented together
_CHARACTER_COVERAGE = 0.9999  # the rarest characters are encoded as bytes
_STOP_SECONDS = 0.2  # that an interrupted training is given to notice
_QUIET = 3  # log level: errors only, and those are exceptions too

# Protocol buffers leave field numbers from 200 on to others. The last bytes of a file of ours are field 1000
# with a string such as "bpe/nfc", or "bpe/nfc/text" if learnt for whole texts.
_SETTINGS: dict[bytes, tuple[TokenizerKind, Normalization, bool]] = {
    b"\xc2\x3e" + bytes([len(name)]) + name.encode(): (kind, form, of_texts)
    for kind in SUBWORDS
    for form in NORMALIZATIONS
    for of_texts in (False, True)
    for name in [f"{kind}/{form}" + "/text" * of_texts]
}
_WHOLE_TEXTS: dict[str, Any] = {"add_dummy_prefix": False, "allow_whitespace_only_pieces": True}
# Protocol buffers take the last value of a field: normalizer_spec { add_dummy_prefix: false }. Without it
# SentencePiece puts a space before every line.
_NO_PREFIX = b"\x1a\x02\x18\x00"

logger = logging.getLogger("seqkit")


class SentencePieceTokenizer(TextField):
    """A bpe or unigram vocabulary with byte fallback."""

    file_name = SENTENCEPIECE_SUFFIX

    def __init__(self, content: bytes, name: str = "tokenizer.spm") -> None:
        """`content` is a model file of ours; ModelError when it is damaged or not one."""
        settings = [value for ending, value in _SETTINGS.items() if content.endswith(ending)]
        if not settings:
            raise ModelError(f"{name} is not a SentencePiece model written by seqkit", where=name)
        self.kind, self.normalization, self._of_texts = settings[0]
        self._content = content
        self._processor = _load_processor(content, name)
        self._byte_ids = _find_byte_ids(self._processor, name)
        self._is_byte = np.zeros(self.size, bool)
        self._is_byte[self._byte_ids] = True
        self._newline = self._byte_ids[ord("\n")]

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
        return self._encode(self._processor, normalize_lines(lines, self.normalization), threads)

    def encode_text(self, text: str) -> Ids:
        """See `Tokenizer`."""
        (ids,) = self.encode_texts([text])
        return ids

    def encode_texts(self, texts: Sequence[str], *, threads: int = 1) -> list[Ids]:
        """See `Tokenizer`."""
        pieces: list[str] = []  # of all lines of all texts
        ends: list[bool] = []  # whether a newline is behind the piece
        counts = []  # pieces of every text
        for text in texts:
            before = len(pieces)
            for line in normal_form(text, self.normalization).split("\n"):
                parts = bounded_parts(line, _ENCODED_CHARACTERS)
                pieces += parts
                ends += [False] * (len(parts) - 1) + [True]
            ends[-1] = False  # what is behind the last newline has none
            counts.append(len(pieces) - before)
        encoded = self._encode(self._text_processor, pieces, threads)
        newline = np.array([self._newline], np.int32)
        encoded = [np.append(ids, newline) if end else ids for ids, end in zip(encoded, ends, strict=True)]
        starts = [0, *accumulate(counts)]
        return [np.concatenate(encoded[start:end]) for start, end in pairwise(starts)]

    def encode_sampled(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """See `Tokenizer`."""
        if self._of_texts:
            raise ConfigError(
                "subword sampling needs a vocabulary of lines; this one was learnt for whole texts",
                where="data.subword_sampling",
                hint="leave it at 0",
            )
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

    def token_bytes(self) -> list[bytes]:
        """See `Tokenizer`."""
        pieces = [str(self._processor.id_to_piece(token)) for token in range(self.size)]
        spelt = [piece.replace(SPACE_MARK, " ").encode() for piece in pieces]
        for byte, token in enumerate(self._byte_ids.tolist()):
            spelt[token] = bytes([byte])
        return [b""] * len(SPECIALS) + spelt[len(SPECIALS) :]

    def pieces(self, ids: IdSequence) -> list[str]:
        """The pieces, with U+2581 where a word begins."""
        return [str(self._processor.id_to_piece(int(token))) for token in ids]

    def byte_count(self, ids: NDArray[Any]) -> int:
        """See `Tokenizer`."""
        return int(np.count_nonzero(self._is_byte[ids] & (ids != self._newline)))

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        return self._content

    @cached_property
    def _sampler(self) -> SubwordSampler:
        # SentencePiece puts the symbols that stay whole before the bytes, and what it learns behind them.
        first_byte = int(self._byte_ids.min())
        symbols = {str(self._processor.id_to_piece(token)): token for token in range(END + 1, first_byte)}
        plain = [token for token in range(first_byte, self.size) if not self._is_byte[token]]
        ids = {str(self._processor.id_to_piece(token)): token for token in plain}
        scores = {piece: float(self._processor.get_score(token)) for piece, token in ids.items()}
        segment = dropout_merges(scores) if self.kind == "bpe" else sample_lattice(scores)
        return SubwordSampler(segment, ids, self._byte_ids.tolist(), symbols)

    @cached_property
    def _text_processor(self) -> SentencePieceProcessor:
        if self._of_texts:
            return self._processor
        return _load_processor(self._content + _NO_PREFIX, self.file_name)

    def _encode(self, processor: SentencePieceProcessor, texts: list[str], threads: int) -> list[Ids]:
        """The ids of normalised lines, U+2581 in them taken for plain text."""
        marked = {index: text.split(SPACE_MARK) for index, text in enumerate(texts) if SPACE_MARK in text}
        if not marked:
            return self._segmented(processor, texts, threads)
        beginnings = list(texts)
        for index, (first, *_) in marked.items():
            beginnings[index] = first + _PLACEHOLDER
        ids = self._segmented(processor, beginnings, threads)
        # What follows a mark does not begin a line, so no space is put before it.
        later = [
            part
            for _, *between, last in marked.values()
            for part in [*(part + _PLACEHOLDER for part in between), last]
        ]
        following = iter(self._segmented(self._text_processor, later, threads))
        mark = self._byte_ids[list(SPACE_MARK.encode())]
        for index, parts in marked.items():
            joined = [ids[index], *(next(following) for _ in parts[1:])]
            joined[:-1] = [np.append(part[: -len(mark)], mark) for part in joined[:-1]]
            ids[index] = np.concatenate(joined)
        return ids

    @staticmethod
    def _segmented(processor: SentencePieceProcessor, texts: list[str], threads: int) -> list[Ids]:
        ids: list[Ids] = processor.encode(texts, return_type="numpy", num_threads=threads)
        return ids


def train_subwords(
    kind: TokenizerKind,
    lines: Iterable[str],
    size: int,
    normalization: Normalization,
    *,
    of_texts: bool = False,
    symbols: Sequence[str] = (),
) -> SentencePieceTokenizer:
    """Learn a vocabulary of at most `size` pieces: fewer, with a note, when the text supports no more.

    With `of_texts` it is for whole texts: the lines keep their outer spaces, runs of spaces can be pieces,
    and a line is not taken to begin with a space. `symbols` are pieces that stay whole. The same lines give
    the same bytes. Raises ConfigError when `size` cannot hold the characters of the text or when a symbol has
    a name that the vocabulary needs, and DataError when there is no text.
    """
    _refuse_names(symbols)
    from sentencepiece import SentencePieceTrainer, set_min_log_level

    set_min_log_level(_QUIET)
    output = io.BytesIO()

    whole: dict[str, Any] = {**_WHOLE_TEXTS} if of_texts else {}
    if symbols:
        whole["user_defined_symbols"] = list(symbols)

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
            **whole,
        )

    if error := _interruptible(train, _trainable(lines, normalization, of_texts)):
        raise _training_error(error, size) from error
    wanted = (kind, normalization, of_texts)
    settings = next(ending for ending, value in _SETTINGS.items() if value == wanted)
    tokenizer = SentencePieceTokenizer(output.getvalue() + settings)
    if tokenizer.size < size:
        logger.info("vocabulary: the text supports %s pieces, not %s", f"{tokenizer.size:,}", f"{size:,}")
    return tokenizer


def _refuse_names(symbols: Sequence[str]) -> None:
    """ConfigError for a symbol that SentencePiece writes for something else."""
    for symbol in symbols:
        if symbol in SPECIALS or _BYTE_NAME.fullmatch(symbol) or _UNTRAINABLE.search(symbol):
            raise ConfigError(
                f"{symbol} cannot be a symbol beside subwords: it has a meaning of its own there",
                where="--symbols",
                hint="write it in another way, or --tokenizer char",
            )


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


def _trainable(lines: Iterable[str], normalization: Normalization, of_texts: bool) -> Iterator[str]:
    for line in lines:
        text = line[:TRAINED_CHARACTERS]
        text = normal_form(text, normalization) if of_texts else normalize_text(text, normalization)
        text = _UNTRAINABLE.sub(" ", text)
        # A line of nothing but spaces would be learnt as a run of marks.
        if stripped := text.strip(" "):
            yield text if of_texts else stripped


def bounded_parts(line: str, size: int) -> list[str]:
    """A line in parts of at most `size` characters, cut before a space where there is one."""
    parts, start = [], 0
    while len(line) - start > size:
        limit = start + size
        space = line.rfind(" ", start + 1, limit)
        end = space if space > 0 else limit
        parts.append(line[start:end])
        start = end
    return [*parts, line[start:]]


_FEW = 1000  # characters and bytes, of an alphabet; several thousand pieces are more than enough beside them


def _training_error(error: Exception, size: int) -> Exception:
    if needed := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
        least = int(needed[1])
        better = f"{-(-2 * least // 1000) * 1000:,}" if least > _FEW else "several thousand"
        return ConfigError(
            f"a vocabulary of {size:,} is too small: the characters and bytes alone are {least:,}",
            where="--vocab-size",
            hint=f"at least {least:,}, better {better}; or --tokenizer byte",
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
