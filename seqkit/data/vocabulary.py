"""What all tokenizers share: the special ids, the protocol, the normal forms of text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN, START, END = 0, 1, 2, 3
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
BYTES = 256
SMALLEST_VOCABULARY = len(SPECIALS) + BYTES

TokenizerKind = Literal["bpe", "unigram", "char", "byte"]
Normalization = Literal["identity", "nfc", "nfkc"]
KINDS: tuple[TokenizerKind, ...] = get_args(TokenizerKind)
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)

Ids = NDArray[np.int32]
IdSequence = Sequence[int] | NDArray[Any]


class Tokenizer(Protocol):
    """Lines to ids and back. The ids of a line are (T,), int32, without START and END."""

    kind: TokenizerKind
    normalization: Normalization
    file_name: str  # the end of the file's name: ".spm" or "characters.json"

    @property
    def size(self) -> int:
        """The number of ids, specials included."""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""

    def normalize(self, line: str) -> str:
        """The text that `encode` keeps of a line."""

    def encode(self, lines: Sequence[str], *, threads: int = 1) -> list[Ids]:
        """The ids of every line; the same for any number of threads."""

    def encode_sampled(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """The ids of a random segmentation of every line, which follows from lines, strength and seed alone.

        `strength` in (0, 1] is the share of merges dropped for bpe (BPE-dropout, Provilkov et al. 2020,
        section 3) and the smoothing alpha for unigram (subword regularisation, Kudo 2018, section 3.2).
        ConfigError for tokenizers that know one segmentation only.
        """

    def decode(self, sequences: Sequence[IdSequence]) -> list[str]:
        """The text of every sequence, specials left out, a newline as a space: always one line."""

    def pieces(self, ids: IdSequence) -> list[str]:
        """The written form of every id, for alignments."""

    def byte_count(self, ids: NDArray[Any]) -> int:
        """How many of the ids are bytes of characters that the vocabulary lacks."""

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""


_SURROGATE = re.compile("[\ud800-\udfff]")


def normalize_text(line: str, normalization: Normalization) -> str:
    """A line in a Unicode normal form, with runs of spaces made one and outer spaces cut.

    `identity` keeps spaces and forms. In all of them a newline becomes a space and a lone surrogate U+FFFD,
    since neither can be in a line of UTF-8.
    """
    if not line.isascii():
        line = _SURROGATE.sub("\ufffd", line)
    line = line.replace("\n", " ")
    if normalization == "identity":
        return line
    line = unicodedata.normalize("NFC" if normalization == "nfc" else "NFKC", line)
    if "  " in line or line.startswith(" ") or line.endswith(" "):
        line = " ".join(filter(None, line.split(" ")))
    return line
