"""The compositional hold-out: which captions may be trained on and which only test.

What a caption puts together is a set of combinations: a subject with its verb, a verb with its object, an
adjective with its noun, a preposition with its place. A hash holds out one combination in ten, whatever the
seed and the sizes. A caption with none of these is for training; one with any of them is for validation and
test, so that each of those puts together at least two words that no training caption does. Compare the splits
of SCAN (Lake and Baroni 2018, https://arxiv.org/abs/1711.00350), which hold out compositions of known words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from meaning import Clause, Sentence, clause_noun_phrases, heads
from verbs import VERBS

HELD_OUT_SHARE = 0.1
# Mixed into the hash: the one of 1,500 numbers tried that leaves every word most of its combinations.
_SALT = "922"


class Combination(NamedTuple):
    """Two words, by their English dictionary forms, and how they belong together."""

    kind: str
    first: str
    second: str


def is_held_out(sentence: Sentence) -> bool:
    """Whether the sentence has a combination that training never shows."""
    return any(map(held_out, combinations(sentence)))


@cache
def held_out(combination: Combination) -> bool:
    digest = hashlib.sha256(" ".join((_SALT, *combination)).encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def combinations(sentence: Sentence) -> Iterator[Combination]:
    """The combinations of a sentence, those of its relative clauses included."""
    for clause in sentence.clauses:
        yield from _clause_combinations(clause)


def _clause_combinations(clause: Clause) -> Iterator[Combination]:
    # A verb with one subject in all the world (the sun shines) is not split from it.
    if clause.verb.name in VERBS:
        for head in heads(clause.subject):
            yield Combination("subject", head.noun.english, clause.verb.name)
    for phrase in (clause.object, clause.recipient):
        for head in heads(phrase):
            yield Combination("object", clause.verb.name, head.noun.english)
    for adjunct in (clause.place, clause.goal):
        for head in heads(adjunct):
            if adjunct:
                yield Combination("place", adjunct.preposition.english, head.noun.english)
    if clause.complement:
        for head in heads(clause.subject):
            yield Combination("adjective", clause.complement.english, head.noun.english)
    for phrase in clause_noun_phrases(clause):
        if phrase.adjective:
            yield Combination("adjective", phrase.adjective.english, phrase.noun.english)
        if phrase.relative:
            yield from _clause_combinations(phrase.relative)
