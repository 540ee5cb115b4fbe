"""What the targets of parallel text are, words, symbols or text, and what `prepare` does if it is not told.

Pairs of words (inflection, transliteration, dates) and symbols (phonemes) are not like sentences. A target
that equals its source is an answer like any other, the same pair twice says how frequent it is, and the
lengths of two sides that are cut in different ways say nothing of their alignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from seqkit import limits
from seqkit.data.prepare.options import DEFAULT_MAX_RATIO, DEFAULT_MAX_TOKENS, PrepareOptions
from seqkit.data.text.pairs import ParallelText, batches
from seqkit.data.tokenizers import TokenizerKind, columns_of

Targets = Literal["text", "words", "symbols"]

_ALMOST_ALL = 0.9  # of the targets
_LONGEST_WORD = 40  # characters
_LONGEST_UNSPACED = 8  # characters of a word in a script without spaces: what is longer may be a sentence
_LONGEST_SOURCE = 100  # characters on average, of sources that are cut into characters without being asked
_MOST_SOURCE_WORDS = 2
_MOST_SYMBOLS = 200  # different ones
_SYMBOL_USES = 10  # of each on average
_LONGEST_SYMBOL = 3.0  # characters on average
# The first and last code point of scripts that put no spaces between words.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0x20000, 0x3FFFF),
)


_UNITS = {
    "bpe": "pieces",
    "unigram": "pieces",
    "char": "characters",
    "byte": "characters",
    "word": "words",
    "tags": "words",
}


@dataclass(frozen=True)
class Plan:
    """How parallel text is prepared: what was asked for, and for the rest what suits the targets.

    `tokenizers` are those of source and target; where they are `joint`, one vocabulary serves both.
    """

    targets: Targets
    tokenizers: tuple[TokenizerKind, TokenizerKind]
    joint: bool
    max_tokens: int
    max_ratio: float
    keep_duplicates: bool
    keep_identical: bool
    decided: tuple[str, ...]  # what the targets decided, in words


def plan(text: ParallelText, options: PrepareOptions) -> Plan:
    """Look at the first thousands of pairs, and settle what the options leave open."""
    sources, targets = next(iter(batches(text, warn=False)), ([], []))
    kind = targets_of(sources, targets)
    short = kind != "text"
    tokenizers = _tokenizers(options, kind, sources)
    keep_identical = short if options.keep_identical is None else options.keep_identical
    keep_duplicates = short if options.keep_duplicates is None else options.keep_duplicates
    max_ratio = options.max_ratio
    if max_ratio is None:
        max_ratio = 0.0 if short or _units(tokenizers[0]) != _units(tokenizers[1]) else DEFAULT_MAX_RATIO
    max_tokens = options.max_tokens
    if max_tokens is None:
        max_tokens = max(DEFAULT_MAX_TOKENS[rule] for side in tokenizers for rule in columns_of(side))
    return Plan(
        targets=kind,
        tokenizers=tokenizers,
        joint=options.is_joint and tokenizers[0] == tokenizers[1],
        max_tokens=max_tokens or limits.SENTENCE_TOKENS,
        max_ratio=max_ratio,
        keep_duplicates=keep_duplicates,
        keep_identical=keep_identical,
        decided=_decided(options, tokenizers) if short else (),
    )


def targets_of(sources: Sequence[str], targets: Sequence[str]) -> Targets:
    """What the targets of some pairs are: a word each, a few symbols for a word, or text.

    Symbols have spaces between them, are short, and are the same ones again and again. A line of a script
    without spaces may be a sentence, so there a word must be short, and have a word for its source.
    """
    lines = [line.split() for line in targets if line.strip()]
    if not lines:
        return "text"
    of_words = _share(len(line.split()) <= _MOST_SOURCE_WORDS for line in sources) >= _ALMOST_ALL
    if _share(len(words) == 1 and _is_word(words[0]) for words in lines) >= _ALMOST_ALL:
        unspaced = _share(any(map(_is_unspaced, words[0])) for words in lines) > 1 - _ALMOST_ALL
        return "words" if of_words or not unspaced else "text"
    tokens = [word for words in lines for word in words]
    different = len(set(tokens))
    few = different <= _MOST_SYMBOLS and len(tokens) >= _SYMBOL_USES * different
    short = sum(map(len, tokens)) <= _LONGEST_SYMBOL * len(tokens)
    return "symbols" if of_words and few and short else "text"


def _tokenizers(
    options: PrepareOptions, targets: Targets, sources: Sequence[str]
) -> tuple[TokenizerKind, TokenizerKind]:
    if options.tokenizers is not None:
        source, target = options.tokenizers
        return source.kind, target.kind
    if targets == "text":
        default_source = default_target = "bpe"
    else:
        filled = [line for line in islice(sources, 1000) if line.strip()]
        long = sum(map(len, filled)) > _LONGEST_SOURCE * len(filled)
        default_source, default_target = "bpe" if long else "char", "char" if targets == "words" else "word"
    return (
        options.source_tokenizer or options.tokenizer or default_source,
        options.target_tokenizer or options.tokenizer or default_target,
    )


def _decided(options: PrepareOptions, tokenizers: tuple[TokenizerKind, TokenizerKind]) -> tuple[str, ...]:
    """What was not asked for, in words."""
    decided = []
    if options.keep_identical is None:
        decided.append("identical pairs are kept")
    if options.keep_duplicates is None:
        decided.append("duplicate pairs are kept")
    if options.max_ratio is None:
        decided.append("lengths are not compared")
    if options.tokenizers is None and not (
        options.tokenizer or (options.source_tokenizer and options.target_tokenizer)
    ):
        source, target = tokenizers
        kinds = source if source == target else f"{source} and {target}"
        decided.append(f"the tokenizer is {kinds}")
    return tuple(decided)


def _units(kind: TokenizerKind) -> str:
    """What a tokenizer's lengths count."""
    return _UNITS[columns_of(kind)[0]]


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / max(len(found), 1)


def _is_word(text: str) -> bool:
    limit = _LONGEST_UNSPACED if any(map(_is_unspaced, text)) else _LONGEST_WORD
    return len(text) <= limit


def _is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _UNSPACED)
