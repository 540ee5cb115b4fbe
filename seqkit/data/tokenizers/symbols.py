"""Vocabularies of whole symbols: words between spaces, tags, and characters with symbols among them.

A line is cut into columns at TAB, and each column by a rule of its own, so that `kind<TAB>N;DAT;PL` can be
characters beside tags. Ids: 4 specials, 256 bytes, then the entries: characters of `char` columns, symbols
that stay whole in them, words of `word` and `tags` columns. What the vocabulary lacks is encoded as UTF-8
bytes; words that are so encoded one after another have the byte of a space between them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeGuard, cast, get_args

import numpy as np
from numpy.typing import NDArray

from seqkit.data.tokenizers.segmentation import pattern_of
from seqkit.data.tokenizers.vocabulary import (
    BYTES,
    COLUMN_KINDS,
    END,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    SPECIALS,
    Ids,
    IdSequence,
    Normalization,
    TextField,
    TokenizerKind,
    columns_of,
    normal_form,
    normalize_text,
)
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.files import parse_json, to_json

SYMBOLS_NAME = "symbols.json"
SYMBOLS_LIMIT = 1 << 26  # bytes of a file
Place = Literal["char", "word"]  # the columns in which an entry can stand: of characters, of words or tags
PLACES: tuple[Place, ...] = get_args(Place)

_FIRST_BYTE = len(SPECIALS)
_COLUMN_END = _FIRST_BYTE + ord("\t")
_NEWLINE = _FIRST_BYTE + ord("\n")
_SPACE = _FIRST_BYTE + ord(" ")
_BETWEEN_TAGS = re.compile(r"[\s;,|()\[\]{}<>]+")
_UNFIT = re.compile("[ \t\n\ud800-\udfff]")  # in no symbol: it is one token of a line of UTF-8
_FORMAT = "seqkit symbols"
_VERSION = 1


class Entry(NamedTuple):
    """A character or symbol, or a word, of a vocabulary."""

    place: Place
    text: str


class SymbolTokenizer(TextField):
    """A vocabulary of characters, of symbols that stay whole among them, and of words."""

    file_name = SYMBOLS_NAME

    def __init__(self, kind: TokenizerKind, normalization: Normalization, entries: Sequence[Entry]) -> None:
        """`kind` names the rule of every column; `entries` have the ids from 260 on, none twice."""
        self.kind, self.normalization, self.entries = kind, normalization, tuple(entries)
        self._columns = columns_of(kind)
        ids = {entry: number for number, entry in enumerate(entries, SMALLEST_VOCABULARY)}
        self._parts = {text: number for (place, text), number in ids.items() if place == "char"}
        self._words = {text: number for (place, text), number in ids.items() if place == "word"}
        self._symbol = pattern_of(part for part in self._parts if len(part) > 1)
        self._texts = [b""] * len(SPECIALS) + [bytes([byte]) for byte in range(BYTES)]
        self._texts += [text.encode() for _, text in entries]

    @property
    def size(self) -> int:
        """The number of ids, specials included."""
        return len(self._texts)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def normalize(self, line: str) -> str:
        """The text that `encode` keeps of a line: of tags, their labels with spaces between them."""
        return "\t".join(self._cells(line))

    def encode(self, lines: Sequence[str], *, threads: int = 1) -> list[Ids]:  # noqa: ARG002
        """See `Tokenizer`; always one thread."""
        return [np.array(self._ids_of(line), np.int32) for line in lines]

    def encode_text(self, text: str) -> Ids:
        """Not possible: see `encode_texts`."""
        (ids,) = self.encode_texts([text])
        return ids

    def encode_texts(self, texts: Sequence[str], *, threads: int = 1) -> list[Ids]:  # noqa: ARG002
        """Not possible: the spaces and newlines of a whole text are not in such a vocabulary."""
        raise ConfigError(
            f"--tokenizer {self.kind} cuts lines, not whole texts",
            where="--tokenizer",
            hint="char, byte, bpe or unigram for plain text",
        )

    def encode_sampled(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:  # noqa: ARG002
        """Not possible: a line has one segmentation into symbols."""
        raise ConfigError(
            f"subword sampling needs a bpe or unigram tokenizer; this one is {self.kind}",
            where="data.subword_sampling",
            hint="leave it at 0, or prepare the corpus with --tokenizer bpe",
        )

    def decode(self, sequences: Sequence[IdSequence]) -> list[str]:
        """See `Tokenizer`."""
        return [self._decode([int(token) for token in ids if token > END]) for ids in sequences]

    def token_bytes(self) -> list[bytes]:
        """See `Tokenizer`."""
        return list(self._texts)

    def pieces(self, ids: IdSequence) -> list[str]:
        """Characters, symbols and words, and bytes as `<0xE2>`."""
        return [self._piece(int(token)) for token in ids]

    def byte_count(self, ids: NDArray[Any]) -> int:
        """See `Tokenizer`; the end of a column is not lacking either."""
        is_byte = (
            (ids >= _FIRST_BYTE) & (ids < SMALLEST_VOCABULARY) & (ids != _NEWLINE) & (ids != _COLUMN_END)
        )
        return int(np.count_nonzero(is_byte))

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        return to_json(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "kind": self.kind,
                "normalization": self.normalization,
                "entries": [list(entry) for entry in self.entries],
            }
        )

    def _cells(self, line: str) -> list[str]:
        return cells_of(line, self._columns, self.normalization)

    def _ids_of(self, line: str) -> list[int]:
        ids: list[int] = []
        for place, cell in enumerate(self._cells(line)):
            if place:
                ids.append(_COLUMN_END)
            ids += self._spell(cell) if rule_of(self._columns, place) == "char" else self._look_up(cell)
        return ids

    def _spell(self, cell: str) -> list[int]:
        """The ids of a column of characters."""
        ids: list[int] = []
        for place, part in enumerate(self._symbol.split(cell)):
            for token in [part] if place % 2 else part:
                known = self._parts.get(token)
                ids += _byte_ids(token) if known is None else [known]
        return ids

    def _look_up(self, cell: str) -> list[int]:
        """The ids of a column of words."""
        ids: list[int] = []
        for word in filter(None, cell.split(" ")):
            known = self._words.get(word)
            if known is not None:
                ids.append(known)
                continue
            if ids and ids[-1] < SMALLEST_VOCABULARY:
                ids.append(_SPACE)
            ids += _byte_ids(word)
        return ids

    def _decode(self, ids: list[int]) -> str:
        """The text of ids without specials."""
        columns: list[list[int]] = [[]]
        for token in ids:
            if token == _COLUMN_END:
                columns.append([])
            else:
                columns[-1].append(token)
        spelt = [
            b"".join(self._texts[token] for token in column)
            if rule_of(self._columns, place) == "char"
            else self._joined(column)
            for place, column in enumerate(columns)
        ]
        return b"\t".join(spelt).decode("utf-8", "replace").replace("\n", " ")

    def _joined(self, ids: list[int]) -> bytes:
        """The words of a column with a space between each two; bytes one after another are one text."""
        parts: list[bytes] = []
        inside = False  # whether the last part is made of bytes
        for token in ids:
            is_byte = token < SMALLEST_VOCABULARY
            if is_byte and inside:
                parts[-1] += self._texts[token]
            else:
                parts.append(self._texts[token])
            inside = is_byte
        return b" ".join(parts)

    def _piece(self, token: int) -> str:
        if token < _FIRST_BYTE:
            return SPECIALS[token]
        if token < SMALLEST_VOCABULARY:
            return f"<0x{token - _FIRST_BYTE:02X}>"
        return self._texts[token].decode()


def train_symbols(
    kind: TokenizerKind,
    lines: Iterable[str],
    size: int,
    normalization: Normalization,
    symbols: Sequence[str] = (),
) -> SymbolTokenizer:
    """A vocabulary of at most `size` ids: the `symbols`, then the most frequent characters and words.

    Equally frequent ones are in code point order. DataError when the lines have none, ConfigError when the
    symbols alone are more than the vocabulary holds.
    """
    columns, pattern = columns_of(kind), pattern_of(symbols)
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for line in lines:
        for place, cell in enumerate(cells_of(line, columns, normalization)):
            if rule_of(columns, place) == "char":
                characters.update("".join(pattern.split(cell)[::2]))
            else:
                words.update(filter(None, cell.split(" ")))
    if not (characters or words):
        raise DataError("there is no text to learn a vocabulary from", hint="check the input files")
    whole = symbols if "char" in columns else ()
    given = symbols if set(columns) != {"char"} else ()
    room = size - SMALLEST_VOCABULARY - len(whole) - len(given)
    if room < 0:
        raise ConfigError(
            f"a vocabulary of {size:,} is too small: the symbols and bytes alone are {size - room:,}",
            where="--vocab-size",
            hint=f"more than {size - room:,}",
        )
    known = frozenset(symbols)
    ranked: list[tuple[int, Place, str]]
    ranked = [
        (-count, "char", character) for character, count in characters.items() if character not in known
    ]
    ranked += [(-count, "word", word) for word, count in words.items() if word not in known]
    chosen = sorted(ranked)[:room]
    entries = [Entry("char", text) for text in whole] + [Entry("word", text) for text in given]
    entries += [Entry(place, text) for _, place, text in chosen]
    return SymbolTokenizer(kind, normalization, entries)


def load_symbols(content: bytes, name: str) -> SymbolTokenizer:
    """Read a tokenizer file; ModelError when it is not one of ours."""
    if len(content) > SYMBOLS_LIMIT:
        raise ModelError(f"{name} has {len(content):,} bytes, more than a vocabulary can have", where=name)
    value = parse_json(content, name, ModelError)
    if not isinstance(value, dict) or value.get("format") != _FORMAT or value.get("version") != _VERSION:
        raise ModelError(f"{name} is not a vocabulary of symbols of this version of seqkit", where=name)
    kind, normalization = value.get("kind"), value.get("normalization")
    if not is_symbol_kind(kind) or normalization not in NORMALIZATIONS:
        raise ModelError(f"{name} lacks its kind or its normalization", where=name)
    values = value.get("entries")
    if not isinstance(values, list) or not all(map(_is_entry, values)):
        raise ModelError(f"{name} lacks its entries, or has an invalid one", where=name)
    entries = [Entry(*entry) for entry in values]
    if len(set(entries)) != len(entries):
        raise ModelError(f"{name} has an entry twice", where=name)
    return SymbolTokenizer(kind, cast(Normalization, normalization), entries)


def _is_entry(value: object) -> bool:
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)):
        return False
    place, text = value
    return place in PLACES and bool(text) and (value == ["char", " "] or not _UNFIT.search(text))


def is_symbol_kind(kind: object) -> TypeGuard[TokenizerKind]:
    """Whether a vocabulary of this kind is one of symbols, be it by a single rule or one for each column."""
    return isinstance(kind, str) and set(columns_of(kind)) <= set(COLUMN_KINDS)


def symbols_in(lines: Iterable[str], normalization: Normalization, where: str) -> tuple[str, ...]:
    """The symbols in a list, a line each, in a normal form; empty lines and what is there twice aside.

    DataError for one with a space in it.
    """
    symbols: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        symbol = normal_form(line, normalization).strip()
        if _UNFIT.search(symbol):
            raise DataError(
                f"a symbol has no space inside it: {symbol[:40]!r}",
                where=f"{where}:{number}",
                hint="write one symbol on each line",
            )
        if symbol:
            symbols[symbol] = None
    return tuple(symbols)


def cells_of(line: str, columns: Sequence[str], normalization: Normalization) -> list[str]:
    """The columns of a line, each in the normal form of its rule."""
    cells = line.replace("\n", " ").split("\t")
    return [_cell(cell, rule_of(columns, place), normalization) for place, cell in enumerate(cells)]


def rule_of(columns: Sequence[str], place: int) -> str:
    """How a column is cut; columns behind the last rule are cut as the last is."""
    return columns[min(place, len(columns) - 1)]


def _cell(cell: str, rule: str, normalization: Normalization) -> str:
    if rule == "char":
        return normalize_text(cell, normalization)
    cell = normal_form(cell, normalization)
    if rule == "tags":
        cell = _BETWEEN_TAGS.sub(" ", cell)
    return " ".join(filter(None, cell.split(" ")))


def _byte_ids(text: str) -> list[int]:
    return [_FIRST_BYTE + byte for byte in text.encode()]
