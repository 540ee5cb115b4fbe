"""What all tokenizers share: the special ids, the protocol, the normal forms of text."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from seqkit.data.field import Field
from seqkit.data.ragged import RaggedArray, id_type
from seqkit.data.tokenizers.cleaning import clean
from seqkit.kinds import Form

PAD, UNKNOWN, START, END = 0, 1, 2, 3
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
BYTES = 256
SMALLEST_VOCABULARY = len(SPECIALS) + BYTES

# One of KINDS; or COLUMN_KINDS with commas between them, one for each column of a line: "char,tags".
TokenizerKind = str
# How text is brought to one form: left alone, or in a Unicode normal form, with or without `cleaning.clean`.
Normalization = Literal["identity", "nfc", "nfkc", "clean-nfc", "clean-nfkc"]
KINDS: tuple[TokenizerKind, ...] = ("bpe", "unigram", "char", "byte", "word", "tags")
SUBWORDS: tuple[TokenizerKind, ...] = KINDS[:2]
TEXT_KINDS: tuple[TokenizerKind, ...] = KINDS[:4]  # that keep the spaces and newlines of a whole text
COLUMN_KINDS: tuple[TokenizerKind, ...] = ("char", "word", "tags")  # that can be beside each other
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)
_UNICODE_FORM: dict[Normalization, Literal["NFC", "NFKC"]] = {
    "nfc": "NFC",
    "nfkc": "NFKC",
    "clean-nfc": "NFC",
    "clean-nfkc": "NFKC",
}

_SELF_TEST = ("A man rides a bicycle.", "Zwei Hunde, 3 Bälle: schön!", "naïve ☃ 東京 <s>")

Ids = NDArray[np.int32]
IdSequence = Sequence[int] | NDArray[Any]


class Tokenizer(Field, Protocol):
    """Lines or whole texts to ids and back. Ids are (T,), int32, without START and END.

    It is the field of a column of text; its size is the number of ids, specials included, and its file's name
    ends in ".spm", "characters.json" or "symbols.json".
    """

    kind: TokenizerKind
    normalization: Normalization

    def normalize(self, line: str) -> str:
        """The text that `encode` keeps of a line."""

    def encode(self, lines: Sequence[str], *, threads: int = 1) -> list[Ids]:
        """The ids of every line; the same for any number of threads."""

    def encode_text(self, text: str) -> Ids:
        """The ids of a text with all its newlines and spaces: `token_bytes` of them are its `normal_form`.

        A character or byte vocabulary gives the same ids for a text and for its parts, a subword vocabulary
        for a text and its lines.
        """

    def encode_texts(self, texts: Sequence[str], *, threads: int = 1) -> list[Ids]:
        """`encode_text` of each; fastest with thousands of short texts a call."""

    def encode_sampled(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """The ids of a random segmentation of every line, which follows from lines, strength and seed alone.

        `strength` in (0, 1] is the share of merges dropped for bpe (BPE-dropout, Provilkov et al. 2020,
        section 3) and the smoothing alpha for unigram (subword regularisation, Kudo 2018, section 3.2).
        ConfigError for tokenizers that know one segmentation only.
        """

    def decode(self, sequences: Sequence[IdSequence]) -> list[str]:
        """The text of every sequence, specials left out, a newline as a space: always one line."""

    def token_bytes(self) -> list[bytes]:
        """The UTF-8 bytes that every id of the vocabulary stands for; none for the specials."""

    def pieces(self, ids: IdSequence) -> list[str]:
        """The written form of every id, for alignments."""

    def byte_count(self, ids: NDArray[Any]) -> int:
        """How many of the ids are bytes of characters that the vocabulary lacks; a newline is not lacking."""


class TextField(ABC):
    """What every tokenizer is as a field: see `seqkit.data.field.Field`."""

    form: ClassVar[Form] = "text"
    shape: ClassVar[tuple[int, ...]] = ()
    kind: TokenizerKind

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of ids, specials included."""

    @abstractmethod
    def encode(self, lines: Sequence[str], *, threads: int = 1) -> list[Ids]:
        """The ids of every line."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of ids on disk."""
        return id_type(self.size)

    @property
    def summary(self) -> str:
        """As "4,000 tokens of kind bpe"."""
        return f"{self.size:,} tokens of kind {self.kind}"

    def check(self, array: RaggedArray) -> str | None:
        """See `Field`."""
        return array.check(self.size)

    def self_test(self) -> Any:
        """How a few fixed strings are cut."""
        return [[int(token) for token in ids] for ids in self.encode(_SELF_TEST)]


_SURROGATE = re.compile("[\ud800-\udfff]")
# Python's stand-ins for bytes that are no UTF-8, U+DC80 to U+DCFF (PEP 383), are not among these.
_FOREIGN_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def columns_of(kind: TokenizerKind) -> tuple[TokenizerKind, ...]:
    """How the columns of a line are cut, which TAB ends: one rule stands for all of them."""
    return tuple(kind.split(","))


def is_kind(kind: object) -> bool:
    """Whether there is a tokenizer of this kind."""
    if not isinstance(kind, str):
        return False
    return kind in KINDS or ("," in kind and set(columns_of(kind)) <= set(COLUMN_KINDS))


def newline_id(tokenizer: Tokenizer) -> int:
    """The id of a newline, one in every vocabulary."""
    (token,) = tokenizer.encode_text("\n").tolist()
    return int(token)


def cleans(normalization: Normalization) -> bool:
    """Whether invisible characters without meaning are taken out of a text, before all else."""
    return normalization.startswith("clean-")


def normal_form(text: str, normalization: Normalization, *, raw_bytes: bool = False) -> str:
    """A text in a Unicode normal form, with its newlines and spaces; a lone surrogate becomes U+FFFD.

    Invisible characters are taken out of it if the normalization says so. With `raw_bytes` surrogates that
    stand for bytes which are no UTF-8 (PEP 383) are kept.
    """
    if cleans(normalization):
        text = clean(text)
    if text.isascii():
        return text
    try:
        text.encode()  # many times as fast as a search
    except UnicodeEncodeError:
        text = (_FOREIGN_SURROGATE if raw_bytes else _SURROGATE).sub("\ufffd", text)
    if normalization == "identity":
        return text
    return unicodedata.normalize(_UNICODE_FORM[normalization], text)


def normalize_lines(lines: Sequence[str], normalization: Normalization) -> list[str]:
    """`normalize_text` of each: of thousands together it takes a fraction of the time."""
    text = "\n".join(lines)
    if text.count("\n") != len(lines) - 1:  # there are none, or a newline is inside one
        return [normalize_text(line, normalization) for line in lines]
    # No character combines with a newline, so the normal forms of lines are those of the whole.
    text = normal_form(text, normalization)
    if normalization != "identity":
        while "  " in text:  # half as long each time, and faster than a pattern
            text = text.replace("  ", " ")
        text = text.replace(" \n", "\n").replace("\n ", "\n").strip(" ")
    return text.split("\n")


def normalize_text(line: str, normalization: Normalization) -> str:
    """A line in a Unicode normal form, with runs of spaces made one and outer spaces cut.

    `identity` keeps spaces and forms. In all of them a newline becomes a space and a lone surrogate U+FFFD,
    since neither can be in a line of UTF-8.
    """
    line = normal_form(line.replace("\n", " "), normalization)
    if normalization == "identity":
        return line
    if "  " in line or line.startswith(" ") or line.endswith(" "):
        line = " ".join(filter(None, line.split(" ")))
    return line
