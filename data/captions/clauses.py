"""Draws clauses: a verb, phrases that make sense with it, and its tense, modal verb and negation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import phrases
from adverbials import ALREADY, JUST, MANNERS, PERFECT_TIMES, STILL, TIMES, WEATHERS
from dice import Dice
from meaning import Clause, NounPhrase, Phrase, PrepositionalPhrase, Tense, heads
from nouns import ADJECTIVES
from phrases import Determiners
from places import (
    COMPANIONS,
    DIRECTIONS,
    GOALS,
    is_outdoors,
    locations_of,
)
from verbs import BE, BUY, COME, GIVINGS, HOLD, LOSE, PASTIMES, POSTURES, PUT_ON, TRANSITIVES, WEAR
from words import Adverbial, Case, Determiner, Modal, Verb

NO_PERFECT = frozenset({*POSTURES, WEAR, HOLD})
PERSON, ANIMATE, _MINOR, _PET = (frozenset({kind}) for kind in ("person", "animate", "minor", "pet"))
_STATES = tuple(entry for entry in ADJECTIVES if entry.english in ("tired", "hungry", "happy", "sad"))
_WITH_PLACE = frozenset({*PASTIMES, *TRANSITIVES}) - {WEAR, LOSE}
_MODALS = ((Modal.CAN, 30.0), (Modal.MUST, 30.0), (Modal.WANT, 25.0), (Modal.MAY, 15.0))
_LIFELESS_MODALS = ((Modal.CAN, 50.0), (Modal.MUST, 50.0))
_DEFINITES = frozenset({Determiner.THE, Determiner.THIS, Determiner.POSSESSIVE})


def fitting(verbs: Sequence[Verb], subject: Phrase) -> tuple[Verb, ...]:
    """The verbs that the subject can be the subject of."""
    return tuple(verb for verb in verbs if phrases.fits(verb.subjects, subject))


# What the verb needs


def new_clause(dice: Dice, verbs: Sequence[Verb], determiners: Determiners, detail: float) -> Clause:
    """A clause about a new subject, with what its verb needs and nothing more, in the present progressive."""
    verb = dice.pick(verbs)
    return _completed(dice, phrases.subject(dice, verb.subjects, determiners, detail), verb, detail)


def clause_about(dice: Dice, subject: Phrase, verbs: Sequence[Verb], detail: float) -> Clause:
    """The same about a given subject; at least one of the verbs must fit it."""
    return _completed(dice, subject, dice.pick(fitting(verbs, subject)), detail)


def _completed(dice: Dice, subject: Phrase, verb: Verb, detail: float) -> Clause:
    clause = Clause(subject, verb, tense=Tense.PERFECT if verb is LOSE else Tense.PROGRESSIVE)
    if verb.objects:
        clause = replace(clause, object=_object(dice, subject, verb, detail))
    if verb in GIVINGS:
        recipient = dice.pick(phrases.nouns_of(PERSON))
        phrase = phrases.noun_phrase(dice, recipient, phrases.PERSON_OBJECT, 0.2 * detail)
        clause = replace(clause, recipient=phrase)
    if verb in DIRECTIONS or verb in GOALS:
        spot = dice.pick(DIRECTIONS.get(verb) or GOALS[verb])
        clause = replace(clause, goal=phrases.at_spot(dice, spot, detail))
    return with_place(dice, clause, detail) if verb in POSTURES else clause


def _object(dice: Dice, subject: Phrase, verb: Verb, detail: float) -> NounPhrase:
    noun = dice.pick([noun for noun in phrases.nouns_of(verb.objects) if phrases.suits(noun, subject)])
    determiners = phrases.PERSON_OBJECT if verb.object_case is Case.DATIVE else phrases.OBJECT
    phrase = phrases.noun_phrase(dice, noun, determiners, 0.4 * detail)
    if verb in (WEAR, PUT_ON):
        determiner = dice.pick((Determiner.A, Determiner.A, Determiner.THE, Determiner.POSSESSIVE))
        return _of(subject, replace(phrase, determiner=determiner, number=subject.number))
    if verb is not BUY and verb not in GIVINGS and _can_own(subject, phrase) and dice.chance(0.25):
        return _of(subject, replace(phrase, determiner=Determiner.POSSESSIVE))
    return phrase


def _can_own(subject: Phrase, phrase: NounPhrase) -> bool:
    """Whether the phrase can be "his", "her": things and pets of a person, parents of a child."""
    owned = "own" in phrase.noun.kinds or ("elder" in phrase.noun.kinds and phrases.fits(_MINOR, subject))
    return owned and phrases.fits(PERSON, subject) and phrase.determiner in (Determiner.THE, Determiner.A)


def _of(owner: Phrase, phrase: NounPhrase) -> NounPhrase:
    return replace(phrase, owner=owner) if phrase.determiner is Determiner.POSSESSIVE else phrase


def with_place(dice: Dice, clause: Clause, detail: float) -> Clause:
    """The clause with the place where it goes on."""
    participants = [*heads(clause.subject), *heads(clause.object)]
    large = any(head.noun.kinds & {"large", "place"} for head in participants)
    spots = locations_of(clause.verb, large=large, small=phrases.fits(_PET, clause.subject))
    return replace(clause, place=phrases.at_spot(dice, dice.pick(spots), detail))


# Clauses with the verb "be"


def state_clause(dice: Dice, subject: Phrase) -> Clause:
    """How somebody feels: he is tired."""
    states = [adjective for adjective in _STATES if phrases.fits(adjective.kinds, subject)]
    return Clause(subject, BE, complement=dice.pick(states))


def quality_clause(dice: Dice, subject: NounPhrase) -> Clause:
    """What somebody or something is like: the bench is wet."""
    return Clause(subject, BE, complement=dice.pick(phrases.adjectives_of(subject.noun)))


# What a clause can have beside


def elaborated(dice: Dice, clause: Clause, detail: float) -> Clause:
    """The clause with perhaps a companion or place, a time, a manner, another verb form, a negation."""
    clause = with_verb_form(dice, clause)
    if clause.verb in COMPANIONS and dice.chance(0.3 * detail):
        clause = _with_companion(dice, clause)
    elif _can_have_place(clause) and dice.chance(0.5 * detail):
        clause = with_place(dice, clause, detail)
    if dice.chance(0.25 * detail):
        clause = _with_time(dice, clause)
    if _can_have_manner(clause) and dice.chance(0.4 * detail):
        clause = replace(clause, manner=dice.pick(MANNERS[clause.verb]))
    if _can_be_negated(clause) and dice.chance(0.2):
        clause = replace(clause, negated=True)
    return clause


def with_verb_form(dice: Dice, clause: Clause) -> Clause:
    """The clause, one time in three, in the perfect or with a modal verb."""
    if clause.tense is not Tense.PROGRESSIVE or clause.verb is BE or not dice.chance(0.32):
        return clause
    if clause.verb is COME or (clause.verb not in NO_PERFECT and dice.chance(0.45)):
        return replace(clause, tense=Tense.PERFECT)
    alive = phrases.fits(ANIMATE, clause.subject)
    return replace(clause, modal=dice.weighted(_MODALS if alive else _LIFELESS_MODALS))


def _with_companion(dice: Dice, clause: Clause) -> Clause:
    preposition, kind = COMPANIONS[clause.verb]
    noun = dice.pick(phrases.nouns_of(frozenset({kind})))
    phrase = phrases.noun_phrase(dice, noun, phrases.PERSON_OBJECT, 0.5)
    if noun.mass:
        phrase = replace(phrase, determiner=Determiner.A)
    return replace(clause, companion=PrepositionalPhrase(preposition, phrase))


def _can_have_place(clause: Clause) -> bool:
    fixture = any("fixture" in head.noun.kinds for head in heads(clause.object))
    return clause.verb in _WITH_PLACE and clause.place is None and not fixture


def _with_time(dice: Dice, clause: Clause) -> Clause:
    times = (*TIMES, *WEATHERS) if _is_outdoors(clause) else TIMES
    medials: tuple[Adverbial, ...] = ()
    if clause.tense is Tense.PERFECT:
        times, medials = PERFECT_TIMES, (JUST, ALREADY)
    elif clause.verb in PASTIMES and not clause.modal:
        medials = (STILL,)
    if medials and not _is_nobody(clause.subject) and dice.chance(0.35):
        return replace(clause, time=dice.pick(medials))
    return replace(clause, time=dice.pick(times))


def _is_outdoors(clause: Clause) -> bool:
    """Whether the place, if one is told, is out in the rain or the sun."""
    if clause.goal or not clause.place:
        return clause.goal is None
    return all(is_outdoors(clause.place.preposition, head.noun) for head in heads(clause.place))


def _can_have_manner(clause: Clause) -> bool:
    crowded = clause.modal or (clause.time and clause.time.medial)
    return clause.verb in MANNERS and not crowded and not _is_nobody(clause.subject)


def _is_nobody(phrase: Phrase) -> bool:
    return any(head.determiner is Determiner.NO for head in heads(phrase))


def _can_be_negated(clause: Clause) -> bool:
    """Whether "not" says one thing only: nothing vague stands in its scope, and nothing else narrows it."""
    narrow = clause.companion or clause.manner or clause.recipient or (clause.time and clause.time.medial)
    subject_known = all(head.determiner in _DEFINITES for head in heads(clause.subject))
    return not narrow and subject_known and object_can_be_negated(clause)


def object_can_be_negated(clause: Clause) -> bool:
    """Whether the object, if there is one, is definite or can take "kein"."""
    phrase, verb = clause.object, clause.verb
    if not isinstance(phrase, NounPhrase):
        return True
    takes_kein = verb.object_case is Case.ACCUSATIVE and not verb.object_preposition
    return phrase.determiner in _DEFINITES or (takes_kein and phrase.determiner is Determiner.A)
