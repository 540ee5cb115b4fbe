"""Draws a corpus of captions: training, validation and test pairs that are fair to each other.

No pair occurs twice, in either language. Validation and test pairs have a combination that training never
shows (holdout.py) and no word that training never shows, as written, in either language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from dice import Dice
from holdout import is_held_out
from sentences import draw_caption

LARGEST = 1_000_000  # pairs of a split: few beside all that the grammar makes, so new ones are always at hand
_DRAWS_PER_PAIR = 500  # after so many draws for each pair wanted the search is given up

_WORD = re.compile(r"\w+")

Words: TypeAlias = frozenset[tuple[str, str]]  # language and word


class Pair(NamedTuple):
    """A caption in both languages."""

    english: str
    german: str

    @property
    def words(self) -> Words:
        """Its words as written."""
        sides = zip(self._fields, self, strict=True)
        return frozenset((language, word) for language, text in sides for word in _WORD.findall(text))


@dataclass(frozen=True)
class Corpus:
    """The pairs of the three splits."""

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]


class ExhaustedError(Exception):
    """The words of the training pairs do not make so many other pairs; the message is one for the user."""


def draw_corpus(train: int, valid: int, test: int, seed: int) -> Corpus:
    """A corpus with so many pairs in each split; LARGEST is the most that a split may have."""
    drawn = _Drawn()
    train_pairs = drawn.split("train", train, seed, None)
    words = frozenset(word for pair in train_pairs for word in pair.words)
    test_pairs = drawn.split("test", test, seed, words)
    valid_pairs = drawn.split("valid", valid, seed, words)
    return Corpus(train_pairs, valid_pairs, test_pairs)


@dataclass
class _Drawn:
    """All pairs that have been drawn so far, for whichever split."""

    german_of: dict[str, str] = field(default_factory=dict)
    german: set[str] = field(default_factory=set)

    def split(self, name: str, size: int, seed: int, words: Words | None) -> list[Pair]:
        """New pairs: without held-out combinations, or, given words, with one and of these words only."""
        dice = Dice(f"captions {seed} {name}")
        pairs: list[Pair] = []
        for _ in range(_DRAWS_PER_PAIR * (size + 20)):
            if len(pairs) == size:
                break
            meaning, english, german = draw_caption(dice)
            pair = Pair(english, german)
            held_out = is_held_out(meaning)
            belongs = not held_out if words is None else held_out and pair.words <= words
            if belongs and self._adds(pair):
                pairs.append(pair)
        if len(pairs) < size:
            raise ExhaustedError(
                f"--{name} {size}: the words of the training pairs make only {len(pairs)} other pairs;"
                " ask for more training pairs"
            )
        return pairs

    def _adds(self, pair: Pair) -> bool:
        """Whether the pair was new in both languages. That English has one German is checked, not hoped."""
        known = self.german_of.get(pair.english)
        if known is None and pair.german not in self.german:
            self.german_of[pair.english] = pair.german
            self.german.add(pair.german)
            return True
        if known is not None and known != pair.german:
            raise AssertionError(f"two translations of {pair.english!r}: {known!r} and {pair.german!r}")
        return False
