"""Random segmentations into subwords: BPE-dropout and unigram sampling.

SentencePiece can draw them too, but salts its generator differently in every process, and a run that is
continued must see the same batches as one that was never interrupted. Its pieces do not cross spaces, so
words are cut one by one. A word is cut in one of a fixed number of variants, each a function of the word
alone: the seed decides which variant is taken, and the variants of frequent words stay at hand.
"""

from __future__ import annotations

import heapq
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from seqkit.data.tokenizers.vocabulary import UNKNOWN, Ids
from seqkit.randomness import default_rng

SPACE_MARK = "\u2581"  # how SentencePiece writes the space before a word
VARIANTS = 64  # of one word

_CACHED_VARIANTS = 1 << 17
_CACHED_LENGTH = 24  # characters of a word that is worth keeping
_UNKNOWN_PENALTY = 10.0  # SentencePiece's, below the worst score
# A mark in the text: twice as long as the mark before a word, so no piece of a vocabulary equals it.
_LITERAL_MARK = SPACE_MARK * 2

# Symbols of a word, strength and generator to the word's pieces.
Segment = Callable[[Sequence[str], float, random.Random], list[str]]


class SubwordSampler:
    """Draws segmentations from a vocabulary."""

    def __init__(
        self,
        segment: Segment,
        ids: Mapping[str, int],
        byte_ids: Sequence[int],
        symbols: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """`ids` are of all pieces that were learnt, `byte_ids` of the 256 bytes, `symbols` stay whole."""
        self._segment = segment
        self._ids = ids
        self._byte_ids = byte_ids
        self._symbols = symbols
        self._symbol = pattern_of(symbols)
        self._cached_variant = lru_cache(_CACHED_VARIANTS)(self._variant)

    def encode(self, texts: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """One random segmentation of each normalised text, a function of the arguments alone."""
        words = [text.split(" ") if text else [] for text in texts]
        draws = iter(default_rng(seed).integers(VARIANTS, size=sum(map(len, words))).tolist())
        return [
            np.array([token for word in line for token in self._draw(word, strength, next(draws))], np.int32)
            for line in words
        ]

    def _draw(self, word: str, strength: float, variant: int) -> tuple[int, ...]:
        draw = self._cached_variant if len(word) <= _CACHED_LENGTH else self._variant
        return draw(word, strength, variant)

    def _variant(self, word: str, strength: float, variant: int) -> tuple[int, ...]:
        generator = random.Random(f"{variant} {word}")
        tokens: list[int] = []
        for place, part in enumerate(self._symbol.split(word)):
            if place % 2:
                tokens.append(self._symbols[part])
                continue
            characters = symbols_of(part)[bool(place) :]  # the mark of the space is before the first part
            if characters:
                pieces = self._segment(characters, strength, generator)
                tokens += [token for piece in pieces for token in self._ids_of(piece)]
        return tuple(tokens)

    def _ids_of(self, piece: str) -> Sequence[int]:
        token = self._ids.get(piece, UNKNOWN)
        if token != UNKNOWN:
            return (token,)
        character = SPACE_MARK if piece == _LITERAL_MARK else piece
        return [self._byte_ids[byte] for byte in character.encode()]


def pattern_of(symbols: Iterable[str]) -> re.Pattern[str]:
    """Splits a text at the symbols, the longest first: what is between them and the symbols take turns."""
    ranked = sorted(symbols, key=lambda symbol: (-len(symbol), symbol))
    return re.compile("(" + "|".join(map(re.escape, ranked)) + ")" if ranked else "((?!))")


def symbols_of(word: str) -> list[str]:
    """The characters of a word behind the mark of its space."""
    return [SPACE_MARK, *(_LITERAL_MARK if character == SPACE_MARK else character for character in word)]


def dropout_merges(scores: Mapping[str, float]) -> Segment:
    """BPE-dropout (Provilkov et al. 2020, section 3): every possible merge is skipped with a probability.

    `scores` fall in the order in which the merges were learnt. A skipped merge is gone until one of its sides
    has changed, as in SentencePiece.
    """

    def segment(symbols: Sequence[str], strength: float, generator: random.Random) -> list[str]:
        parts = list(symbols)
        after = list(range(1, len(parts) + 1))  # the index of the next part that is left
        before = list(range(-1, len(parts) - 1))
        agenda: list[tuple[float, int, int, str]] = []

        def consider(left: int, right: int) -> None:
            if left >= 0 and right < len(parts):
                merged = parts[left] + parts[right]
                if merged in scores:
                    heapq.heappush(agenda, (-scores[merged], left, right, merged))

        for left in range(len(parts) - 1):
            consider(left, left + 1)
        while agenda:
            _, left, right, merged = heapq.heappop(agenda)
            stale = not parts[left] or not parts[right] or parts[left] + parts[right] != merged
            if stale or generator.random() < strength:
                continue
            parts[left], parts[right] = merged, ""
            after[left] = after[right]
            if after[left] < len(parts):
                before[after[left]] = left
            consider(before[left], left)
            consider(left, after[left])
        return [part for part in parts if part]

    return segment


def sample_lattice(scores: Mapping[str, float]) -> Segment:
    """Subword regularisation (Kudo 2018, section 3.2) over all segmentations, l = ∞.

    `scores` are log-probabilities. A segmentation is drawn with a probability proportional to its own to the
    power of the strength, alpha: forward sums, then backward draws.
    """
    longest = max(map(len, scores), default=1)
    unknown = min(scores.values(), default=0.0) - _UNKNOWN_PENALTY

    def segment(symbols: Sequence[str], strength: float, generator: random.Random) -> list[str]:
        # ways[end]: (start, piece, log of the summed weight of all that ends with this piece)
        ways: list[list[tuple[int, str, float]]] = [[]]
        total = [0.0]  # log of the summed weight of all segmentations of the first symbols
        for end in range(1, len(symbols) + 1):
            found = []
            for start in range(max(0, end - longest), end):
                piece = "".join(symbols[start:end])
                if piece in scores:
                    found.append((start, piece, total[start] + strength * scores[piece]))
            if not found or found[-1][0] != end - 1:
                found.append((end - 1, symbols[end - 1], total[end - 1] + strength * unknown))
            ways.append(found)
            best = max(weight for _, _, weight in found)
            total.append(best + math.log(sum(math.exp(weight - best) for _, _, weight in found)))
        pieces, end = [], len(symbols)
        while end > 0:
            weights = [math.exp(weight - total[end]) for _, _, weight in ways[end]]
            ((end, piece, _),) = generator.choices(ways[end], weights)
            pieces.append(piece)
        return pieces[::-1]

    return segment
