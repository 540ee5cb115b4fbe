"""Novelty of generated text: what of it stands in the training text already, and how long the copies are.

For every position of a text the longest substring that begins there and occurs in the training text is found
exactly, through a suffix array (Manber and Myers 1993) of both together: the training suffixes nearest to a
suffix of the text in the sorted order have the most in common with it. Everything else follows from these
lengths: an n-gram is new where the length is below n, a copy is maximal where it cannot begin a character
earlier. The training text is searched in pieces that overlap, so that memory is bounded: by half a gigabyte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]  # code points, (n,)
Lengths = NDArray[np.int64]

COPY_LENGTHS = (20, 50, 100)
NGRAM_LENGTHS = (10, 20)

LONGEST = 1 << 12  # characters of a match, a power of two; longer copies are joined from such matches
_PIECE = 1 << 21  # characters of training text that are searched together
_QUERY = 1 << 20  # characters of a text that are looked for together
_SEPARATOR = 0x110000  # beyond Unicode: no match runs over it
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Novelty:
    """What a text has in common with the training text.

    `lengths` (n,) says for every character how long the longest training substring is that begins there, up
    to `LONGEST`. `words` and `new_words` count its words (runs of letters, digits and _) and those that the
    training text lacks.
    """

    text: str
    lengths: Lengths
    words: int
    new_words: int

    @cached_property
    def copies(self) -> tuple[Lengths, Lengths]:
        """Where the maximal copies begin, and their lengths in characters."""
        lengths = self.lengths
        whole = lengths == LONGEST
        before = np.concatenate([[0], lengths])[:-1]
        begins = (lengths > 0) & (before <= lengths) & (before < LONGEST)
        # A copy that is longer than one step goes on while the matches behind it are whole too.
        places = np.arange(len(lengths))
        last_whole = np.minimum.accumulate(np.where(whole, len(lengths), places)[::-1])[::-1] - 1
        ends = np.where(whole, last_whole + LONGEST, places + lengths)
        starts = np.flatnonzero(begins)
        return starts, (ends - places)[starts]

    @property
    def longest_copy(self) -> tuple[int, int]:
        """Where the longest copy begins, and its length."""
        starts, lengths = self.copies
        if not len(lengths):
            return 0, 0
        first = int(lengths.argmax())
        return int(starts[first]), int(lengths[first])

    @property
    def mean_copy(self) -> float:
        """The mean length of maximal copies."""
        lengths = self.copies[1]
        return float(lengths.mean()) if len(lengths) else 0.0

    def share_copied(self, length: int) -> float:
        """The share of characters that lie in a copy of at least `length` characters."""
        starts, lengths = self.copies
        long = lengths >= length
        change = np.zeros(len(self.text) + 1, np.int64)
        np.add.at(change, starts[long], 1)
        np.add.at(change, (starts + lengths)[long], -1)
        return _share(int((change.cumsum() > 0).sum()), len(self.text))

    def share_of_new_ngrams(self, length: int) -> float:
        """The share of substrings of `length` characters that the training text lacks; 0 without any."""
        found = self.lengths[: max(len(self.text) - length + 1, 0)]
        return _share(int((found < length).sum()), len(found))

    @property
    def share_of_new_words(self) -> float:
        """The share of words that the training text lacks."""
        return _share(self.new_words, self.words)

    def typical_longest_copy(self, size: int) -> float:
        """The mean length of the longest copies in parts of `size` characters, or of the one shorter part.

        A longer text has a longer longest copy by chance alone: this compares texts of different length.
        """
        size = min(size, len(self.text))
        starts, lengths = self.copies
        longest = []
        for first in range(0, len(self.text) - size + 1, max(size, 1)):
            inside = np.minimum(starts + lengths, first + size) - np.maximum(starts, first)
            longest.append(max(int(inside.max(initial=0)), 0))
        return sum(longest) / max(len(longest), 1)


def measure_novelty(
    texts: Sequence[str], training: Iterable[str], progress: Callable[[int], None] = lambda _done: None
) -> list[Novelty]:
    """The novelty of every one of `texts`, in one pass over the training text, which comes in parts.

    The parts may be cut anywhere. `progress` hears how many characters of them are done.
    """
    queries = [_codes(text) for text in texts]
    joined = np.concatenate([np.append(query, _SEPARATOR) for query in queries] or [np.zeros(0, np.int64)])
    lengths = np.zeros(len(joined), np.int64)
    words: set[str] = set()
    done = 0
    for piece in _pieces(training):
        words.update(_whole_words(piece))
        block = _codes(piece.text)
        for start in range(0, len(joined), _QUERY):
            part = joined[start : start + _QUERY + LONGEST]
            found = _match_lengths(part, block)[:_QUERY]
            np.maximum(lengths[start : start + _QUERY], found, out=lengths[start : start + _QUERY])
        done += len(piece.text) - piece.repeated
        progress(done)
    ends = np.cumsum([len(query) + 1 for query in queries])
    results = []
    for text, end in zip(texts, ends.tolist(), strict=True):
        found_words = _WORD.findall(text)
        new = sum(word not in words for word in found_words)
        results.append(Novelty(text, lengths[end - 1 - len(text) : end - 1], len(found_words), new))
    return results


@dataclass(frozen=True)
class _Piece:
    """A stretch of training text; its first `repeated` characters end the piece before it."""

    text: str
    repeated: int
    last: bool


def _pieces(parts: Iterable[str]) -> Iterator[_Piece]:
    """The text in stretches of about `_PIECE` characters, which overlap by a longest match."""
    text, repeated = "", 0
    for part in parts:
        text += part
        while len(text) >= _PIECE + LONGEST:
            yield _Piece(text[:_PIECE], repeated, last=False)
            text, repeated = text[_PIECE - LONGEST :], LONGEST
    if len(text) > repeated:
        yield _Piece(text, repeated, last=True)


def _whole_words(piece: _Piece) -> Iterator[str]:
    """The words of a piece without those that its ends cut: its neighbours have them whole."""
    for match in _WORD.finditer(piece.text):
        cut = (match.start() == 0 and piece.repeated) or (match.end() == len(piece.text) and not piece.last)
        if not cut:
            yield match[0]


def _codes(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)


def _match_lengths(query: Codes, block: Codes) -> Lengths:
    """For every position of `query` the longest match that begins there and occurs in `block`. (n,)"""
    joined = np.concatenate([query, [_SEPARATOR], block])
    levels = _substring_ranks(joined)
    suffixes = np.argsort(levels[-1])  # where the suffixes begin, sorted
    places = np.arange(len(joined))
    from_block = suffixes > len(query)
    below = np.maximum.accumulate(np.where(from_block, places, -1))
    above = np.minimum.accumulate(np.where(from_block, places, len(joined))[::-1])[::-1]
    asked = np.flatnonzero(suffixes < len(query))
    lengths = np.zeros(len(query), np.int64)
    for nearest in (below[asked], above[asked]):
        there = (nearest >= 0) & (nearest < len(joined))
        own = suffixes[asked[there]]
        common = _common_lengths(levels, own, suffixes[nearest[there]])
        lengths[own] = np.maximum(lengths[own], common)
    return lengths.clip(max=LONGEST)


def _substring_ranks(codes: Codes) -> list[NDArray[np.int32]]:
    """For lengths 1, 2, 4, … the rank of the substring that begins at every position, each (n,).

    Equal substrings have equal ranks. It ends when all differ, or at `LONGEST`. The last are the suffixes'
    ranks (prefix doubling).
    """
    ranks = np.unique(codes, return_inverse=True)[1]
    levels = [ranks.astype(np.int32)]
    length = 1
    while length < LONGEST and int(ranks.max()) < len(codes) - 1:
        following = np.zeros(len(codes), np.int64)  # 0 beyond the end
        following[:-length] = ranks[length:] + 1
        ranks = np.unique(ranks * (len(codes) + 1) + following, return_inverse=True)[1]
        levels.append(ranks.astype(np.int32))
        length *= 2
    return levels


def _common_lengths(levels: Sequence[NDArray[np.int32]], left: Lengths, right: Lengths) -> Lengths:
    """How many characters the suffixes at two positions have in common, pair by pair. (m,)"""
    size = len(levels[0])
    common = np.zeros(len(left), np.int64)
    for level in reversed(range(len(levels))):
        there = np.maximum(left, right) + common < size
        here, other = (np.minimum(side + common, size - 1) for side in (left, right))
        common += ((levels[level][here] == levels[level][other]) & there) << level
    return common


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
