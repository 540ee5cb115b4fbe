"""What is translated at a time: long lines in pieces, pieces of similar length in batches."""

from __future__ import annotations

import codecs
import logging
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from seqkit.data.tokenizers import Tokenizer, is_blank

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """A line to translate, or a part of one. `prefix` are target tokens to begin with."""

    line: int
    number: int
    ids: np.ndarray
    prefix: np.ndarray


@dataclass(frozen=True)
class Encoder:
    """Lines to pieces of at most `longest` source tokens."""

    source: Tokenizer
    target: Tokenizer
    longest: int

    def pieces(self, lines: Sequence[str], prefixes: Sequence[str | None] | None) -> list[Piece]:
        """What is translated: one piece per line, more for a long line, none for a blank one."""
        pieces: list[Piece] = []
        encoded = self.source.encode(list(lines))
        starts = self.target.encode([prefix or "" for prefix in prefixes or [None] * len(lines)])
        for number, (line, ids, start) in enumerate(zip(lines, encoded, starts, strict=True)):
            if is_blank(line) or not len(ids):
                continue
            pieces.extend(
                Piece(number, place, part, start if place == 0 else start[:0])
                for place, part in enumerate(split(ids, self.longest, self.source))
            )
        if too_long := sum(piece.number == 1 for piece in pieces):
            _LOG.warning(
                "%s longer than the longest training sentence (%s tokens): translated in segments",
                "1 line is" if too_long == 1 else f"{too_long:,} lines are",
                f"{self.longest:,}",
            )
        return pieces


def split(ids: np.ndarray, longest: int, tokenizer: Tokenizer) -> list[np.ndarray]:
    """Cut a line of more than `longest` tokens into parts of at most as many, about equal ones.

    Behind the end of a sentence where one is near, or at least in reach; else behind a comma or at a space.
    """
    if len(ids) <= longest:
        return [ids]
    places = CutPlaces(ids, tokenizer)
    cuts = [0]
    while (rest := len(ids) - cuts[-1]) > longest:
        count = -(-rest // max(longest * 3 // 4, 1))
        cuts.append(_cut(places, cuts[-1], cuts[-1] + rest // count, longest))
    return [ids[start:end] for start, end in pairwise([*cuts, len(ids)])]


def _cut(places: CutPlaces, start: int, goal: int, longest: int) -> int:
    """Where a part that begins at `start` ends, at about `goal`."""

    def best(low: int, high: int) -> int:
        low = max(low, start + 1)
        within = range(low, max(min(high, start + longest), low) + 1)
        return max(within, key=lambda place: (places.quality(place), -abs(place - goal)))

    near = best(goal - longest // 8, goal + longest // 8)
    if places.quality(near) >= SENTENCE_END:
        return near
    far = best(start + longest // 4, start + longest)
    return far if places.quality(far) > places.quality(near) else near


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


# What ends a sentence, or a part of one that stands by itself (Unicode: Sentence_Terminal, and colons and
# semicolons). Behind those of ASCII a space must follow: "3.14", "e.g." and "seqkit.load" go on.
_ENDS = frozenset(
    ".!?;:…‼⁇⁈⁉‽。｡！？．；：︒﹒﹔﹕﹖﹗؟؛۔؞।॥෴๚๛།༎༏༐༑။។៕៖።፧፨፤᙮᠃᠉։՞՜܀܁܂߹꓿꘎꘏꛳꛷᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫⸮⸼"
)
_CLOSING = frozenset("\"')]}»›”’」』）】》〉〕｝］〗〙〛｠")
_COMMAS = frozenset("，、､،؍፣၊᠂᠈߸꘍﹐﹑")  # a space need not follow
_WITHIN_CHARACTER = range(0x80, 0xC0)  # the later bytes of UTF-8 characters
_JOINERS = "\u200c\u200d"

SENTENCE_END, PHRASE_END, BETWEEN_CHARACTERS, WITHIN_CHARACTER = 3, 2, 1, 0


class CutPlaces:
    """How good it is to cut a line before each of its tokens."""

    def __init__(self, ids: np.ndarray, tokenizer: Tokenizer) -> None:
        spelling = tokenizer.token_bytes()
        spelt = [spelling[token] for token in ids.tolist()]
        self._within = [bool(content) and content[0] in _WITHIN_CHARACTER for content in spelt]
        # Characters before every token. Bytes that make no character count as one, which ends nothing.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        texts = [decoder.decode(content) for content in spelt]
        self._starts = [0, *accumulate(map(len, texts))]
        self._text = "".join(texts)

    def quality(self, place: int) -> int:
        """SENTENCE_END, PHRASE_END (also at a space), BETWEEN_CHARACTERS or WITHIN_CHARACTER.

        What a reader sees as one character, as a letter with its marks or an emoji, is one here too.
        """
        if self._within[place]:
            return WITHIN_CHARACTER
        start = self._starts[place]
        before, after = self._text[max(start - 8, 0) : start], self._text[start : start + 1]
        if after in _JOINERS or before[-1:] == "\u200d" or unicodedata.category(after or " ")[0] == "M":
            return WITHIN_CHARACTER
        at_space = after == " "
        told = before.rstrip("".join(_CLOSING))
        if told[-1:] in _ENDS and (
            at_space or not (told[-1].isascii() or after in _ENDS or after in _CLOSING)
        ):
            return SENTENCE_END
        return PHRASE_END if at_space or before[-1:] in _COMMAS else BETWEEN_CHARACTERS
