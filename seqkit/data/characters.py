"""Character and byte vocabularies, kept in a small JSON file.

Ids: 4 specials, 256 bytes, then the characters. A character that the vocabulary lacks is spelt in its UTF-8
bytes; the byte vocabulary is the one without characters.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqkit.data.vocabulary import (
    BYTES,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    SPECIALS,
    Ids,
    IdSequence,
    Normalization,
    TokenizerKind,
    normalize_text,
)
from seqkit.errors import ConfigError, ModelError
from seqkit.files import JSON_LIMIT, parse_json, to_json

CHARACTERS_NAME = "characters.json"

_FIRST_BYTE = len(SPECIALS)
_FORMAT = "seqkit characters"
_VERSION = 1


class CharacterTokenizer:
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
        return [self._encode_line(self.normalize(line)) for line in lines]

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

    def pieces(self, ids: IdSequence) -> list[str]:
        """Characters, and bytes as `<0xE2>`."""
        return [self._piece(token) for token in _as_list(ids)]

    def byte_count(self, ids: NDArray[Any]) -> int:
        """See `Tokenizer`; a byte vocabulary lacks nothing."""
        if not self.characters:
            return 0
        return int(np.count_nonzero((ids >= _FIRST_BYTE) & (ids < SMALLEST_VOCABULARY)))

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

    def _encode_line(self, line: str) -> Ids:
        if not self.characters:
            return _byte_ids(line)
        ids: Ids = self._id_of[_code_points(line)]
        if ids.all():
            return ids
        return np.concatenate(
            [
                np.array([token], np.int32) if token else _byte_ids(character)
                for token, character in zip(ids.tolist(), line, strict=True)
            ]
        )

    def _piece(self, token: int) -> str:
        if token < _FIRST_BYTE:
            return SPECIALS[token]
        if token < SMALLEST_VOCABULARY:
            return f"<0x{token - _FIRST_BYTE:02X}>"
        return self.characters[token - SMALLEST_VOCABULARY]


def train_characters(lines: Iterable[str], size: int, normalization: Normalization) -> CharacterTokenizer:
    """A vocabulary of at most `size` ids: the most frequent characters, ties in code point order."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(normalize_text(line, normalization))
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return CharacterTokenizer("".join(ranked[: size - SMALLEST_VOCABULARY]), normalization)


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
        raise ModelError(f"{name} has a character twice or one that does not exist", where=name)
    return CharacterTokenizer(characters, cast(Normalization, normalization))


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _byte_ids(text: str) -> Ids:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32) + np.int32(_FIRST_BYTE)


def _as_list(ids: IdSequence) -> list[int]:
    return ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
