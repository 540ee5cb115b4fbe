"""What is translated at a time: long lines in pieces, pieces of similar length in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqkit.data.tokenizers import Tokenizer


@dataclass(frozen=True)
class Piece:
    """A line to translate, or a part of one. `prefix` are target tokens to begin with."""

    line: int
    number: int
    ids: np.ndarray
    prefix: np.ndarray


def split(ids: np.ndarray, longest: int, tokenizer: Tokenizer) -> list[np.ndarray]:
    """Cut a line of more than `longest` tokens into about equal parts.

    After punctuation or at a space where one is near.
    """
    if len(ids) <= longest:
        return [ids]
    count = -(-len(ids) // max(longest * 3 // 4, 1))
    pieces = tokenizer.pieces(ids)
    cuts, start = [0], 0
    for number in range(1, count):
        goal = len(ids) * number // count
        low = max(start + 1, goal - longest // 8)
        high = min(start + longest, goal + longest // 8, len(ids) - 1)
        places = range(low, max(high, low) + 1)
        start = max(places, key=lambda place: (_cut_quality(pieces, place), -abs(place - goal)))
        cuts.append(start)
    return [ids[a:b] for a, b in zip(cuts, [*cuts[1:], len(ids)], strict=True) if b > a]


def batches(pieces: Sequence[Piece], tokens: int) -> Iterator[list[Piece]]:
    """Pieces of similar length together, longest first, with at most `tokens` source positions per batch."""
    batch: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece.ids)):
        longest = len((batch or [piece])[0].ids) + 1  # the end token is a position, too
        if batch and (len(batch) + 1) * longest > tokens:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _byte_pieces(values: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"<0x{value:02X}>" for value in values)


_SPACES = ("▁", " ", *_byte_pieces(b" "))
_SENTENCE_ENDS = (*".!?;:", *_byte_pieces(b".!?;:"))
_WITHIN_CHARACTER = _byte_pieces(range(0x80, 0xC0))  # the later bytes of UTF-8 characters


def _cut_quality(pieces: Sequence[str], place: int) -> int:
    """How good it is to cut before a piece.

    3 after the end of a sentence, 2 at a space, 1 within a word, 0 within a character encoded as bytes.
    """
    if not pieces[place].startswith(_SPACES):
        return 0 if pieces[place] in _WITHIN_CHARACTER else 1
    return 3 if pieces[place - 1].endswith(_SENTENCE_ENDS) else 2
