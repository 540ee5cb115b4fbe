"""Draws captions: which clauses go together, what stands first, and which draws are thrown away."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import phrases
from clauses import (
    ANIMATE,
    PERSON,
    clause_about,
    elaborated,
    fitting,
    new_clause,
    object_can_be_negated,
    quality_clause,
    state_clause,
    with_place,
    with_verb_form,
)
from dice import Dice
from english import english, pronoun
from german import german
from meaning import (
    Clause,
    Coordination,
    Expletive,
    NounPhrase,
    Phrase,
    Pronoun,
    Sentence,
    Slot,
    Subordinate,
    Tense,
    clause_noun_phrases,
    heads,
)
from nouns import ANIMALS, CLOTHES, COLD, FIXTURES, LATE, PERSONS, SUN, THINGS, VEHICLES
from places import LOCATIONS
from relatives import with_relative_clause
from verbs import (
    BARK,
    BE,
    EVENTS,
    GIVINGS,
    HOLD,
    LOSE,
    MOTIONS,
    PASTIMES,
    PLACINGS,
    POSTURES,
    RAIN,
    SHINE,
    SNOW,
    TRAFFIC,
    TRANSITIVES,
    VERBS,
    WEAR,
)
from words import Conjunction, Determiner, Modal, Verb

_SHORTEST, _LONGEST = 5, 20  # words of a caption, in either language


def _named(names: str) -> tuple[Verb, ...]:
    return tuple(VERBS[name] for name in names.split(", "))


_ACTIONS = tuple(verb for verb in TRANSITIVES if verb is not LOSE)
_ACTIVITIES = (
    (PASTIMES, 20.0),
    (POSTURES, 10.0),
    (MOTIONS, 16.0),
    (PLACINGS, 10.0),
    (_ACTIONS, 48.0),
    (GIVINGS, 8.0),
    (EVENTS, 6.0),
    (TRAFFIC, 3.0),
)
_LASTING = _ACTIVITIES[:5]  # what can go on while something else does
_DISTURBANCES = (BARK, *_named("sleep, sing, laugh, dance, cry, wake up, come back, arrive, depart, stop"))
_WISHES = _named(
    "buy, look for, film, feed, help, pick up, call, put on, unpack, hang up, wash, repair, open, rest,"
    " sleep, thank, listen to, talk to, wait for, wipe, take along, look after, dance"
)
_DREADS = (LOSE, VERBS["fall asleep"])
_ERRANDS = (*MOTIONS[:3], *_named("stand up, hurry, come back"))
_SECONDS = _named(
    "read, eat, drink, listen to, talk to, watch, wait for, hold, look at, dream of, sing, laugh, cry"
)
_RELATABLE = (
    *PERSONS,
    *ANIMALS,
    *VEHICLES,
    *CLOTHES,
    *THINGS,
    *FIXTURES,
    *(spot.noun for spot in LOCATIONS if spot.setting == "seat" and "place" in spot.noun.kinds),
)


class Caption(NamedTuple):
    """What a caption means and how it is said."""

    meaning: Sentence
    english: str
    german: str


def draw_caption(dice: Dice) -> Caption:
    """One caption; draws that are not sound or come out too short or too long do not count."""
    while True:
        meaning = dice.weighted(_FRAMES)(dice)
        if meaning is None or not is_sound(meaning):
            continue
        caption = Caption(meaning, english(meaning), german(meaning))
        if all(_SHORTEST <= text.count(" ") + 1 <= _LONGEST for text in (caption.english, caption.german)):
            return caption


# What makes a sentence sound


def is_sound(sentence: Sentence) -> bool:
    """Whether no word is repeated or contradicted, and every pronoun can only mean its antecedent."""
    # By identity, because a second predicate and an infinitive share the subject of the main clause.
    said = list(
        {id(phrase): phrase for clause in sentence.clauses for phrase in clause_noun_phrases(clause)}.values()
    )
    clauses = [*sentence.clauses, *(phrase.relative for phrase in said if phrase.relative)]
    words = [
        *(phrase.noun.english for phrase in said),
        *(phrase.adjective.english for phrase in said if phrase.adjective),
        *(clause.complement.english for clause in clauses if clause.complement),
        *(clause.verb.base for clause in clauses),
        *(clause.manner.english for clause in clauses if clause.manner),
    ]
    if len(set(words)) < len(words) or any(pair <= set(words) for pair in _CONTRADICTIONS):
        return False
    return all(_is_clear(clause.subject, said) for clause in clauses)


_CONTRADICTIONS = tuple(
    frozenset(pair.split()) for pair in ("happily sad", "happily cry", "happy cry", "sad laugh", "sad happy")
)


def _is_clear(subject: Phrase, said: list[NounPhrase]) -> bool:
    """Whether a pronoun, if the subject is one, means nothing else that is said in the sentence."""
    if not isinstance(subject, Pronoun):
        return True
    antecedents = list(heads(subject))
    others = (phrase for phrase in said if all(phrase is not antecedent for antecedent in antecedents))
    return all(pronoun(phrase) != pronoun(subject) for phrase in others)


# Frames: each draws a sentence of one build, or none where its parts do not go together.


def _simple(dice: Dice) -> Sentence | None:
    """In front of the station, two women in red jackets are waiting for the bus."""
    main = new_clause(dice, dice.weighted(_ACTIVITIES), phrases.ANY_SUBJECT, 1.0)
    main = elaborated(dice, main, 1.0)
    if main.time and not main.time.medial and dice.chance(0.5):
        return Sentence(main, Slot.TIME)
    if main.place and not main.negated and dice.chance(0.3):
        return Sentence(main, Slot.PLACE)
    return Sentence(main)


def _main(dice: Dice) -> Clause:
    """The main clause of a longer sentence: short, with a subject that a pronoun can stand for."""
    clause = new_clause(dice, dice.weighted(_ACTIVITIES), phrases.SOME_SUBJECT, 0.5)
    return replace(elaborated(dice, clause, 0.4), time=None)


def _reason(dice: Dice) -> Sentence | None:
    """The man is waiting because the bus is late; although he is tired; because it is raining."""
    main = _main(dice)
    conjunction = Conjunction.BECAUSE if dice.chance(0.65) else Conjunction.ALTHOUGH
    if not phrases.fits(ANIMATE, main.subject):
        clause = _weather(dice)
    elif dice.chance(0.5):
        clause = state_clause(dice, _pronoun_for(main.subject))
    else:
        clause = _outer_reason(dice, conjunction)
    return _joined(dice, main, conjunction, clause)


def _motive(dice: Dice) -> Sentence | None:
    """The boys are coming back because they have to feed their dog; because they have lost a key."""
    main = new_clause(dice, _ERRANDS, phrases.SOME_SUBJECT, 0.6)
    if not phrases.fits(PERSON, main.subject):
        return None
    if dice.chance(0.25):
        motive = clause_about(dice, _pronoun_for(main.subject), (LOSE,), 0.4)
    else:
        wish = clause_about(dice, _pronoun_for(main.subject), _WISHES, 0.4)
        motive = replace(wish, modal=dice.pick((Modal.MUST, Modal.WANT)))
    return _joined(dice, with_verb_form(dice, main), Conjunction.BECAUSE, motive)


def _pronoun_for(subject: Phrase) -> Pronoun:
    if not isinstance(subject, NounPhrase | Coordination):
        raise TypeError("only a noun phrase has a pronoun")
    return Pronoun(subject)


def _outer_reason(dice: Dice, conjunction: Conjunction) -> Clause:
    """A reason that lies outside: the weather, a late train, what others do."""
    if dice.chance(0.4):
        return _weather(dice)
    if conjunction is Conjunction.ALTHOUGH or dice.chance(0.35):
        return Clause(phrases.subject(dice, _PUBLIC, phrases.OTHER_SUBJECT, 0.5), BE, complement=LATE)
    return new_clause(dice, _DISTURBANCES, phrases.OTHER_SUBJECT, 0.4)


_PUBLIC = frozenset({"public"})


def _weather(dice: Dice) -> Clause:
    return dice.pick(
        (
            Clause(Expletive(), RAIN),
            Clause(Expletive(), SNOW),
            Clause(Expletive(), BE, complement=COLD),
            Clause(NounPhrase(Determiner.THE, SUN), SHINE),
        )
    )


def _joined(dice: Dice, main: Clause, conjunction: Conjunction, clause: Clause) -> Sentence:
    """Main and subordinate clause in either order; a pronoun stands in the later one."""
    leads = dice.chance(0.35)
    if leads and isinstance(clause.subject, Pronoun):
        clause, main = replace(clause, subject=main.subject), replace(main, subject=clause.subject)
    return Sentence(main, subordinate=Subordinate(conjunction, clause, leads))


def _while(dice: Dice) -> Sentence | None:
    """While the children are playing, the father is reading a newspaper."""
    main = _main(dice)
    if main.tense is not Tense.PROGRESSIVE or main.negated:
        return None
    meanwhile = new_clause(dice, dice.weighted(_LASTING), phrases.OTHER_SUBJECT, 0.3)
    return _joined(dice, main, Conjunction.WHILE, meanwhile)


def _until(dice: Dice) -> Sentence | None:
    """The woman is resting in the garden until the child wakes up."""
    main = new_clause(dice, _named("sleep, wait, rest, play, dance, sing"), phrases.SOME_SUBJECT, 0.7)
    main = with_place(dice, main, 0.7) if dice.chance(0.6) else main
    verbs = _named("arrive, depart, wake up, come back, stop")
    event = replace(new_clause(dice, verbs, phrases.OTHER_SUBJECT, 0.4), tense=Tense.SIMPLE)
    return Sentence(_willed(dice, main), subordinate=Subordinate(Conjunction.UNTIL, event))


def _willed(dice: Dice, clause: Clause) -> Clause:
    """The clause, now and then, as a wish or a duty."""
    return replace(clause, modal=dice.pick((Modal.WANT, Modal.MUST))) if dice.chance(0.25) else clause


def _so_that(dice: Dice) -> Sentence | None:
    """The man is opening the gate so that the children can play in the garden."""
    mains = _named("work, hurry, stand up, come back, open, close, look after, help, sing")
    main = new_clause(dice, mains, phrases.SOME_SUBJECT, 0.5)
    if not phrases.fits(PERSON, main.subject):
        return None
    pastimes = _named("sleep, wait, laugh, sing, dance, play, work, rest")
    verbs = (*pastimes, *_named("read, eat, drink, wipe, open, feed, film, listen to, come back"))
    clause = replace(new_clause(dice, verbs, phrases.OTHER_SUBJECT, 0.4), modal=Modal.CAN)
    return Sentence(_willed(dice, main), subordinate=Subordinate(Conjunction.SO_THAT, clause))


def _purpose(dice: Dice) -> Sentence | None:
    """The woman is walking to the market in order to buy apples."""
    main = new_clause(dice, _ERRANDS, phrases.SOME_SUBJECT, 0.5)
    if not phrases.fits(PERSON, main.subject):
        return None
    if dice.chance(0.12):
        purpose = replace(clause_about(dice, main.subject, _DREADS, 0.4), negated=True)
        if not object_can_be_negated(purpose):
            return None
    else:
        purpose = clause_about(dice, main.subject, _WISHES, 0.4)
    return Sentence(main, subordinate=Subordinate(Conjunction.PURPOSE, purpose, dice.chance(0.25)))


def _and(dice: Dice) -> Sentence | None:
    """The lady is sitting on a bench and reading a book."""
    main = new_clause(dice, (*POSTURES, VERBS["wait"]), phrases.SOME_SUBJECT, 0.6)
    if not fitting(_SECONDS, main.subject):
        return None
    second = clause_about(dice, main.subject, _SECONDS, 0.6)
    return Sentence(with_place(dice, main, 0.6), dice.pick((Slot.SUBJECT, Slot.SUBJECT, Slot.PLACE)), second)


def _subject_with_relative(dice: Dice) -> Sentence | None:
    """The man whose dog is sleeping is happy; the bench on which the girl is sitting is wet."""
    subject = phrases.noun_phrase(dice, dice.pick(_RELATABLE), phrases.ANTECEDENT, 0.2)
    verbs = fitting((*PASTIMES, *_ACTIONS), subject)
    if verbs and dice.chance(0.7):
        main = clause_about(dice, subject, verbs, 0.5)
    else:
        # "The pink shirt … is green": what is told of the subject last must not be told first.
        subject = replace(subject, adjective=None)
        main = quality_clause(dice, subject)
    related = with_relative_clause(dice, subject)
    if (
        related.relative
        and main.complement
        and (related.relative.verb.base, main.complement.english) in _UNDONE
    ):
        return None
    return Sentence(with_verb_form(dice, replace(main, subject=related)))


# What something that this has been done to is not.
_UNDONE = frozenset({("repair", "broken"), ("wash", "dirty"), ("wipe", "dirty")})


def _object_with_relative(dice: Dice) -> Sentence | None:
    """The boy is picking up the key that the woman has lost."""
    main = with_verb_form(dice, new_clause(dice, _ACTIONS, phrases.ANY_SUBJECT, 0.6))
    if not isinstance(main.object, NounPhrase) or main.object.noun.mass:
        return None
    phrase = phrases.noun_phrase(dice, main.object.noun, phrases.ANTECEDENT, 0.2)
    related = with_relative_clause(dice, phrase)
    if related.relative and related.relative.verb in (HOLD, WEAR):
        return None  # What one has in hand or wears is not at another's disposal.
    return Sentence(replace(main, object=related))


_FRAMES = (
    (_simple, 40.0),
    (_reason, 12.0),
    (_motive, 6.0),
    (_while, 7.0),
    (_until, 4.0),
    (_so_that, 4.0),
    (_purpose, 8.0),
    (_and, 7.0),
    (_subject_with_relative, 10.0),
    (_object_with_relative, 6.0),
)
