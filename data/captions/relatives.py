"""Draws relative clauses: the man who is wearing a hat, the dog that the boy is feeding."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import phrases
from clauses import NO_PERFECT, clause_about, fitting, quality_clause, with_place
from dice import Dice
from meaning import Clause, NounPhrase, PrepositionalPhrase, RelativePronoun, Tense
from places import locations_of
from verbs import LOSE, PASTIMES, POSTURES, TRANSITIVES, WEAR
from words import Determiner, Noun, Preposition, Verb

_OWN = frozenset({"own"})
_PERSONAL = frozenset({"person", "adult", "minor"})
# What is said of a subject, each group as often as the other: what somebody wears, where he is, what he does.
_ABOUT_SUBJECT = ((WEAR,), POSTURES, PASTIMES[:7], TRANSITIVES)


def with_relative_clause(dice: Dice, phrase: NounPhrase) -> NounPhrase:
    """The phrase with a relative clause that suits its noun."""
    pronoun, kinds = RelativePronoun(phrase), phrase.noun.kinds
    if "person" in kinds:
        draw = dice.weighted(((_as_subject, 45.0), (_as_object, 30.0), (_as_owner, 25.0)))
    elif "animal" in kinds:
        draw = dice.pick((_as_subject, _as_object))
    else:
        draw = _as_place if "place" in kinds else _as_object
    return replace(phrase, relative=draw(dice, pronoun))


def _as_subject(dice: Dice, pronoun: RelativePronoun) -> Clause:
    """… who is wearing a red hat; that is lying under the tree."""
    groups = [verbs for verbs in _ABOUT_SUBJECT if fitting(verbs, pronoun)]
    clause = clause_about(dice, pronoun, dice.pick(groups), 0.5)
    return with_place(dice, clause, 0.5) if clause.verb in PASTIMES else clause


def _as_object(dice: Dice, pronoun: RelativePronoun) -> Clause:
    """… that the boy is feeding; that the woman has lost."""
    noun = pronoun.antecedent.noun
    verb = dice.pick([verb for verb in TRANSITIVES if verb.objects & noun.kinds])
    subject = phrases.subject(dice, verb.subjects & _PERSONAL, phrases.OTHER_SUBJECT, 0.3)
    # What is still being done to a thing gets in the way of what the main clause does to it.
    done = verb is LOSE or ("thing" in noun.kinds and verb not in NO_PERFECT)
    return Clause(subject, verb, object=pronoun, tense=Tense.PERFECT if done else Tense.PROGRESSIVE)


def _as_owner(dice: Dice, pronoun: RelativePronoun) -> Clause:
    """… whose dog is sleeping; whose red car is broken."""
    noun = dice.pick(phrases.nouns_of(_OWN))
    adjective = dice.pick(phrases.adjectives_of(noun)) if dice.chance(0.3) else None
    subject = NounPhrase(Determiner.WHOSE, noun, adjective=adjective, owner=pronoun)
    pastimes = fitting(PASTIMES, subject)
    if pastimes:
        return Clause(subject, dice.pick(pastimes))
    return quality_clause(dice, replace(subject, adjective=None))


def _as_place(dice: Dice, pronoun: RelativePronoun) -> Clause:
    """… on which the girl is sitting; next to which two boys are waiting."""
    verb, preposition = dice.pick(_ways_to_be_at(pronoun.antecedent.noun))
    subject = phrases.subject(dice, verb.subjects & {*_PERSONAL, "pet"}, phrases.OTHER_SUBJECT, 0.3)
    return Clause(subject, verb, place=PrepositionalPhrase(preposition, pronoun))


@cache
def _ways_to_be_at(place: Noun) -> tuple[tuple[Verb, Preposition], ...]:
    return tuple(
        (verb, spot.preposition)
        for verb in (*POSTURES, *PASTIMES[:7])
        for spot in locations_of(verb, large=False, small=False)
        if spot.noun is place and spot.preposition.english != "between"
    )
