"""Character and byte vocabularies, kept in a small JSON file.

Ids: 4 specials, 256 bytes, then the characters. A character that the vocabulary lacks is encoded as its UTF-8
bytes; the byte vocabulary is the one without characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqkit.data.tokenizers.vocabulary import (
    BYTES,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    SPECIALS,
    Ids,
    IdSequence,
    Normalization,
    TextField,
    TokenizerKind,
    normal_form,
    normalize_text,
)
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.files import JSON_LIMIT, parse_json, to_json

CHARACTERS_NAME = "characters.json"

_FIRST_BYTE = len(SPECIALS)
_COUNTED_CHARACTERS = 1 << 18  # together, while a vocabulary is learnt
_FORMAT = "seqkit characters"
_VERSION = 1


class CharacterTokenizer(TextField):
    """Single characters, the others as UTF-8 bytes; without characters it is the byte vocabulary."""

    file_name = CHARACTERS_NAME

    def __init__(self, characters: str, normalization: Normalization) -> None:
        """`characters` have the ids from 260 on, in this order, without repetition."""
        self.characters = characters
        self.normalization = normalization
        self.kind: TokenizerKind = "char" if characters else "byte"
        codes = _code_points(characters)
        self._id_of = np.zeros(0x110000, np.int32)  # by code point; 0: not in the vocabulary
        self._id_of[codes] = SMALLEST_VOCABULARY + np.arange(len(codes), dtype=np.int32)
        self._bytes_of = [b""] * len(SPECIALS)
        self._bytes_of += [bytes([byte]) for byte in range(BYTES)]
        self._bytes_of += [character.encode() for character in characters]

    @property
    def size(self) -> int:
        """The number of ids, specials included."""
        return len(self._bytes_of)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def normalize(self, line: str) -> str:
        """The text that `encode` keeps of a line."""
        return normalize_text(line, self.normalization)

    def encode(self, lines: Sequence[str], *, threads: int = 1) -> list[Ids]:  # noqa: ARG002
        """See `Tokenizer`; always one thread."""
        return self._encode([self.normalize(line) for line in lines])

    def encode_text(self, text: str) -> Ids:
        """See `Tokenizer`."""
        (ids,) = self.encode_texts([text])
        return ids

    def encode_texts(self, texts: Sequence[str], *, threads: int = 1) -> list[Ids]:  # noqa: ARG002
        """See `Tokenizer`. In a byte vocabulary a surrogate escape (PEP 383) is the byte it stands for."""
        raw_bytes = self.kind == "byte"
        return self._encode([normal_form(text, self.normalization, raw_bytes=raw_bytes) for text in texts])

    def encode_sampled(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:  # noqa: ARG002
        """Not possible: a text has one segmentation into characters."""
        raise ConfigError(
            f"subword sampling needs a bpe or unigram tokenizer; this one is {self.kind}",
            where="data.subword_sampling",
            hint="leave it at 0, or prepare the corpus with --tokenizer bpe",
        )

    def decode(self, sequences: Sequence[IdSequence]) -> list[str]:
        """See `Tokenizer`."""
        return [
            b"".join([self._bytes_of[token] for token in _as_list(ids)])
            .decode("utf-8", "replace")
            .replace("\n", " ")
            for ids in sequences
        ]

    def token_bytes(self) -> list[bytes]:
        """See `Tokenizer`."""
        return list(self._bytes_of)

    def pieces(self, ids: IdSequence) -> list[str]:
        """Characters, and bytes as `<0xE2>`."""
        return [self._piece(token) for token in _as_list(ids)]

    def byte_count(self, ids: NDArray[Any]) -> int:
        """See `Tokenizer`; a byte vocabulary lacks nothing."""
        if not self.characters:
            return 0
        is_byte = (ids >= _FIRST_BYTE) & (ids < SMALLEST_VOCABULARY) & (ids != _FIRST_BYTE + ord("\n"))
        return int(np.count_nonzero(is_byte))

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        return to_json(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "normalization": self.normalization,
                "characters": self.characters,
            }
        )

    def _encode(self, texts: list[str]) -> list[Ids]:
        # All texts at once: a call into numpy costs more than a short line does.
        if self.characters:
            ids, counts = self._spell("".join(texts))
            ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
            if counts is not None:
                ends = np.concatenate(([0], np.cumsum(counts)))[ends]
        else:
            spelt = [text.encode("utf-8", "surrogateescape") for text in texts]
            ids = _byte_ids(b"".join(spelt))
            ends = np.cumsum(np.fromiter(map(len, spelt), np.int64, len(spelt)))
        return [ids[start:end] for start, end in pairwise([0, *ends.tolist()])]

    def _spell(self, text: str) -> tuple[Ids, NDArray[np.int64] | None]:
        """The ids of a text, and how many each character has; None: one each."""
        codes = _code_points(text)
        ids: Ids = self._id_of[codes]
        lacking = ids == 0
        if not lacking.any():
            return ids, None
        counts = np.where(lacking, _utf8_lengths(codes), 1)
        spelt = np.empty(int(counts.sum()), np.int32)
        is_byte = np.repeat(lacking, counts)
        spelt[is_byte] = _byte_ids(_text_of(codes[lacking]).encode())
        spelt[~is_byte] = ids[~lacking]
        return spelt, counts

    def _piece(self, token: int) -> str:
        if token < _FIRST_BYTE:
            return SPECIALS[token]
        if token < SMALLEST_VOCABULARY:
            return f"<0x{token - _FIRST_BYTE:02X}>"
        return self.characters[token - SMALLEST_VOCABULARY]


def train_characters(
    lines: Iterable[str],
    size: int,
    normalization: Normalization,
    *,
    of_texts: bool = False,
    min_count: int = 1,
) -> CharacterTokenizer:
    """A vocabulary of at most `size` ids: the most frequent characters, ties in code point order.

    With `of_texts` the lines are parts of whole texts, whose newlines and spaces count. DataError when no
    character occurs `min_count` times.
    """
    normalized = normal_form if of_texts else normalize_text
    counts = np.zeros(0x110000, np.int64)  # by code point
    for part in _joined(normalized(line, normalization) for line in lines):
        found = np.bincount(_code_points(part))
        counts[: len(found)] += found
    codes = np.flatnonzero(counts >= min_count)
    if not len(codes):
        raise DataError(
            f"no character of the training text occurs {min_count:,} times",
            where="--min-count",
            hint="ask for fewer, or --tokenizer byte",
        )
    ranked = codes[np.argsort(-counts[codes], kind="stable")]  # ties stay in code point order
    return CharacterTokenizer(_text_of(ranked[: size - SMALLEST_VOCABULARY]), normalization)


def load_characters(content: bytes, name: str) -> CharacterTokenizer:
    """Read a tokenizer file; ModelError when it is not one of ours."""
    if len(content) > JSON_LIMIT:
        raise ModelError(f"{name} has {len(content):,} bytes, more than a vocabulary can have", where=name)
    value = parse_json(content, name, ModelError)
    if not isinstance(value, dict) or value.get("format") != _FORMAT or value.get("version") != _VERSION:
        raise ModelError(f"{name} is not a character vocabulary of this version of seqkit", where=name)
    characters, normalization = value.get("characters"), value.get("normalization")
    if not isinstance(characters, str) or normalization not in NORMALIZATIONS:
        raise ModelError(f"{name} lacks its characters or its normalization", where=name)
    if len(set(characters)) != len(characters) or any("\ud800" <= code <= "\udfff" for code in characters):
        raise ModelError(f"{name} has a duplicate or an invalid character", where=name)
    return CharacterTokenizer(characters, cast(Normalization, normalization))


def _joined(texts: Iterable[str]) -> Iterator[str]:
    """The texts behind one another, so that a part is worth a call into numpy."""
    parts: list[str] = []
    size = 0
    for text in texts:
        parts.append(text)
        size += len(text)
        if size >= _COUNTED_CHARACTERS:
            yield "".join(parts)
            parts, size = [], 0
    yield "".join(parts)


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _text_of(codes: NDArray[np.integer[Any]]) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def _utf8_lengths(codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The number of bytes of each character in UTF-8."""
    return 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)


def _byte_ids(raw: bytes) -> Ids:
    return np.frombuffer(raw, np.uint8).astype(np.int32) + np.int32(_FIRST_BYTE)


def _as_list(ids: IdSequence) -> list[int]:
    return ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
