"""Draws a corpus of captions: training, validation and test pairs that are fair to each other.

No pair occurs twice, in either language. Validation and test pairs have a combination that training never shows
(holdout.py) and no word that training never shows, as written, in either language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from dice import Dice
from holdout import is_held_out
from sentences import draw_caption

LARGEST = 1_000_000  # pairs of a split: so few beside all that the grammar makes that new ones are always at hand
_DRAWS_PER_PAIR = 500  # after so many for each pair wanted the search is given up

_WORD = re.compile(r"\w+")


class Pair(NamedTuple):
    """A caption in both languages."""

    english: str
    german: str

    @property
    def words(self) -> set[tuple[str, str]]:
        """Its words as written, each with its language."""
        return {
            (language, word) for language, text in zip(self._fields, self, strict=True) for word in _WORD.findall(text)
        }


@dataclass(frozen=True)
class Corpus:
    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]


class ExhaustedError(Exception):
    """The training pairs have too few words to make so many other pairs of; the message is one for the user."""


def draw_corpus(train: int, valid: int, test: int, seed: int) -> Corpus:
    """So many pairs of each split. A split is the beginning of the same split of a larger size, if train is as large."""
    drawn = _Drawn()
    train_pairs = drawn.split("train", train, seed, None)
    words = set().union(*(pair.words for pair in train_pairs))
    test_pairs = drawn.split("test", test, seed, words)
    return Corpus(train_pairs, drawn.split("valid", valid, seed, words), test_pairs)


@dataclass
class _Drawn:
    """The pairs that have been drawn for any split."""

    german_of: dict[str, str] = field(default_factory=dict)
    german: set[str] = field(default_factory=set)

    def split(self, name: str, size: int, seed: int, words: set[tuple[str, str]] | None) -> list[Pair]:
        """New pairs: without held-out combinations, or else with one and of the given words only."""
        dice = Dice(f"captions {seed} {name}")
        pairs: list[Pair] = []
        for _ in range(_DRAWS_PER_PAIR * size):
            if len(pairs) == size:
                break
            meaning, english, german = draw_caption(dice)
            pair = Pair(english, german)
            fits = not is_held_out(meaning) if words is None else is_held_out(meaning) and pair.words <= words
            if fits and self.add(pair):
                pairs.append(pair)
        if len(pairs) < size:
            raise ExhaustedError(
                f"--{name} {size:,}: only {len(pairs):,} pairs found that have no word but those of the training pairs;"
                " ask for more of these (--train) or for fewer of those"
            )
        return pairs

    def add(self, pair: Pair) -> bool:
        """Whether the pair was new in both languages. That English has one German is the grammar's first law."""
        known = self.german_of.get(pair.english)
        if known is None and pair.german not in self.german:
            self.german_of[pair.english] = pair.german
            self.german.add(pair.german)
            return True
        if known is not None and known != pair.german:
            raise AssertionError(f"two translations of {pair.english!r}: {known!r} and {pair.german!r}")
        return False
