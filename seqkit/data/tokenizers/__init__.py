"""Text to ids and back, whatever the text is.

Ids 0 to 3 are special in every vocabulary; `<s>`, `▁` and the like in a line are plain text. No line is
unknown: what a vocabulary lacks is encoded as UTF-8 bytes, so `decode(encode([line]))` is `normalize(line)`
exactly, and a corpus of ids holds all of its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seqkit.data.tokenizers.characters import (
    CHARACTERS_NAME,
    CharacterTokenizer,
    load_characters,
    train_characters,
)
from seqkit.data.tokenizers.cleaning import clean_lines, is_blank
from seqkit.data.tokenizers.subwords import (
    SENTENCEPIECE_LIMIT,
    SENTENCEPIECE_SUFFIX,
    SentencePieceTokenizer,
    train_subwords,
)
from seqkit.data.tokenizers.symbols import (
    SYMBOLS_NAME,
    SymbolTokenizer,
    is_symbol_kind,
    load_symbols,
    symbols_in,
    train_symbols,
)
from seqkit.data.tokenizers.vocabulary import (
    COLUMN_KINDS,
    END,
    KINDS,
    NORMALIZATIONS,
    PAD,
    SMALLEST_VOCABULARY,
    SPECIALS,
    START,
    SUBWORDS,
    TEXT_KINDS,
    UNKNOWN,
    Ids,
    Normalization,
    Tokenizer,
    TokenizerKind,
    cleans,
    columns_of,
    is_kind,
    newline_id,
    normal_form,
    normalize_text,
)
from seqkit.errors import ConfigError, ModelError

__all__ = [
    "CHARACTERS_NAME",
    "COLUMN_KINDS",
    "END",
    "KINDS",
    "NORMALIZATIONS",
    "PAD",
    "SENTENCEPIECE_SUFFIX",
    "SMALLEST_VOCABULARY",
    "SPECIALS",
    "START",
    "SUBWORDS",
    "SYMBOLS_NAME",
    "TEXT_KINDS",
    "TOKENIZER_LIMIT",
    "UNKNOWN",
    "CharacterTokenizer",
    "Ids",
    "Normalization",
    "SentencePieceTokenizer",
    "SymbolTokenizer",
    "Tokenizer",
    "TokenizerKind",
    "clean_lines",
    "cleans",
    "columns_of",
    "is_blank",
    "is_kind",
    "is_symbol_kind",
    "load_tokenizer",
    "newline_id",
    "normal_form",
    "normalize_text",
    "symbols_in",
    "train_tokenizer",
]

TOKENIZER_LIMIT = SENTENCEPIECE_LIMIT  # bytes of a tokenizer file of any kind


def load_tokenizer(content: bytes, file_name: str) -> Tokenizer:
    """The tokenizer in a file's content; the name's end says which kind. ModelError when it is damaged.

    The caller has checked the content's hash: SentencePiece is a parser that was not made for hostile input.
    """
    if file_name.endswith(SENTENCEPIECE_SUFFIX):
        return SentencePieceTokenizer(content, file_name)
    if file_name.endswith(CHARACTERS_NAME):
        return load_characters(content, file_name)
    if file_name.endswith(SYMBOLS_NAME):
        return load_symbols(content, file_name)
    raise ModelError(f"{file_name} is not a tokenizer that seqkit knows", where=file_name)


def train_tokenizer(
    kind: TokenizerKind,
    lines: Iterable[str],
    vocabulary_size: int,
    normalization: Normalization = "nfc",
    seed: int = 0,
    *,
    of_texts: bool = False,
    min_count: int = 1,
    symbols: Sequence[str] = (),
) -> Tokenizer:
    """Learn a tokenizer of at most `vocabulary_size` ids from lines; the same lines give the same bytes.

    With `of_texts` it is to encode whole texts, and characters learn from parts of any length, newlines
    included. A character is in the vocabulary if it occurs `min_count` times; subwords do not look at this.
    `symbols` stay whole wherever they stand (`symbols_in` reads a list of them).
    A byte vocabulary has 260 ids whatever the lines are. No kind draws anything at random while it learns,
    so `seed` changes nothing today; it is part of the interface so that one that does can be added.
    """
    del seed
    if not is_kind(kind):
        raise ConfigError(
            f"there is no tokenizer {kind}", where="--tokenizer", hint="one of " + ", ".join(KINDS)
        )
    if kind == "byte":
        return CharacterTokenizer("", normalization)
    if vocabulary_size <= SMALLEST_VOCABULARY:
        raise ConfigError(
            f"a vocabulary of {vocabulary_size:,} is too small: 4 special ids and 256 bytes are always in it",
            where="--vocab-size",
            hint="several thousand for bpe and unigram, several hundred for char",
        )
    if (kind != "char" and is_symbol_kind(kind)) or (kind == "char" and symbols):
        return train_symbols(kind, lines, vocabulary_size, normalization, symbols)
    if kind == "char":
        return train_characters(lines, vocabulary_size, normalization, of_texts=of_texts, min_count=min_count)
    return train_subwords(kind, lines, vocabulary_size, normalization, of_texts=of_texts, symbols=symbols)
