"""Draws noun phrases: which determiner, number and adjective, and what modifies the noun."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TypeAlias

from dice import Dice
from meaning import Coordination, NounPhrase, Phrase, PrepositionalPhrase, heads
from nouns import ADJECTIVES, NOUNS, PERSONS
from places import PREPOSITIONS, Spot
from words import Adjective, Determiner, Noun, Number

Determiners: TypeAlias = tuple[tuple[tuple[Determiner, Number], float], ...]


def _determiners(weights: str) -> Determiners:
    """Determiners with how often each is drawn; "+" marks the plural."""
    return tuple(_weighed(*cell.split(":")) for cell in weights.split())


def _weighed(word: str, weight: str) -> tuple[tuple[Determiner, Number], float]:
    number = Number.PLURAL if word.endswith("+") else Number.SINGULAR
    return (Determiner(word.removesuffix("+")), number), float(weight)


ANY_SUBJECT = _determiners(
    "the:32 the+:10 a:20 a+:5 this:4 this+:2 two+:5 three+:3 four+:3 many+:3 several+:3"
    " every:2 all+:2 both+:2 no:1.5 no+:1.5"
)
# Subjects that "he", "she", "it" and "they" can stand for.
SOME_SUBJECT = _determiners(
    "the:36 the+:12 a:22 a+:5 this:4 this+:2 two+:6 three+:3 four+:3 many+:3 several+:3"
)
OTHER_SUBJECT = _determiners("the:65 the+:20 this:5 two+:5 a:5")  # of a subordinate clause
OBJECT = _determiners("the:32 the+:12 a:30 a+:10 this:5 two+:3 three+:2 four+:2 many+:2 several+:2")
# German has no bare plural in the dative without an adjective to show the case.
PERSON_OBJECT = _determiners("the:55 the+:20 a:20 this:5")
ANTECEDENT = _determiners("the:60 the+:20 a:12 two+:8")  # of a relative clause
_PLACE = _determiners("the:70 a:24 this:6")
_BETWEEN = _determiners("the+:60 two+:40")
_MASS = _determiners("the:30 a:70")


@cache
def nouns_of(kinds: frozenset[str]) -> tuple[Noun, ...]:
    """The nouns that belong to one of the kinds."""
    return tuple(noun for noun in NOUNS if noun.kinds & kinds)


@cache
def adjectives_of(noun: Noun) -> tuple[Adjective, ...]:
    """The adjectives that can describe the noun."""
    return tuple(adjective for adjective in ADJECTIVES if adjective.kinds & noun.kinds)


def fits(kinds: frozenset[str], phrase: Phrase) -> bool:
    """Whether all that the phrase stands for is of one of the kinds."""
    return all(kinds & head.noun.kinds for head in heads(phrase))


def noun_phrase(dice: Dice, noun: Noun, determiners: Determiners, described: float) -> NounPhrase:
    """The noun with a determiner and, with probability `described`, an adjective."""
    determiner, number = dice.weighted(_MASS if noun.mass else determiners)
    adjective = dice.pick(adjectives_of(noun)) if dice.chance(described) else None
    return NounPhrase(determiner, noun, number, adjective)


def subject(
    dice: Dice, kinds: frozenset[str], determiners: Determiners, detail: float
) -> NounPhrase | Coordination:
    """A subject of one of the kinds; `detail` says how much is told of it, from 0 to 1."""
    noun = dice.pick(nouns_of(kinds))
    if noun in PERSONS and dice.chance(0.08 * detail):
        other = dice.pick([person for person in PERSONS if person.kinds & kinds])
        determiner = dice.pick((Determiner.THE, Determiner.A))  # both known or both new
        return Coordination(NounPhrase(determiner, noun), NounPhrase(determiner, other))
    phrase = noun_phrase(dice, noun, determiners, 0.4 * detail)
    return _modified(dice, phrase) if noun in PERSONS and dice.chance(0.25 * detail) else phrase


def _modified(dice: Dice, phrase: NounPhrase) -> NounPhrase:
    """The phrase with what is worn or at hand: two men in red jackets, a woman with a dog."""
    preposition, kind = dice.pick(_AT_HAND)
    noun = dice.pick([noun for noun in nouns_of(frozenset({kind})) if suits(noun, phrase)])
    adjective = dice.pick(adjectives_of(noun)) if preposition == "in" or dice.chance(0.5) else None
    worn = NounPhrase(Determiner.A, noun, phrase.number, adjective)
    return replace(phrase, modifier=PrepositionalPhrase(PREPOSITIONS[preposition], worn))


_AT_HAND = (("in", "garment"), ("with", "headwear"), ("with", "pet"), ("with", "luggage"))


def suits(noun: Noun, wearer: Phrase) -> bool:
    """Whether the wearer would wear it: dresses are for women and girls."""
    return "dress" not in noun.kinds or fits(frozenset({"female"}), wearer)


def at_spot(dice: Dice, spot: Spot, detail: float) -> PrepositionalPhrase:
    """A preposition and its noun as a phrase: in front of the old house."""
    determiners = _BETWEEN if spot.preposition.english == "between" else _PLACE
    return PrepositionalPhrase(spot.preposition, noun_phrase(dice, spot.noun, determiners, 0.35 * detail))
