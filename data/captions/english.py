"""Meanings in English: present progressive for what goes on, present perfect for what is done."""

from __future__ import annotations

from collections.abc import Iterable

from meaning import (
    Clause,
    Coordination,
    Expletive,
    NounPhrase,
    Phrase,
    PrepositionalPhrase,
    Pronoun,
    RelativePronoun,
    Sentence,
    Slot,
    Tense,
    relative_slot,
)
from words import Conjunction, Determiner, Gender, Modal, Number, Verb

_PRONOUNS = {"he": "his", "she": "her", "it": "its", "they": "their"}


def english(sentence: Sentence) -> str:
    """The sentence in English, capitalised, with its full stop."""
    main, subordinate = sentence.main, sentence.subordinate
    opened = _subordinate(subordinate.conjunction, subordinate.clause) if subordinate else []
    words = _main(main, sentence.first)
    if sentence.second:
        words += ["and", *_predicate(sentence.second)[1:]]
    if subordinate:
        words = [*opened, ",", *words] if subordinate.leads else [*words, *opened]
    return _written(words)


def _written(words: Iterable[str]) -> str:
    text = " ".join(word for word in words if word).replace(" ,", ",")
    return text[0].upper() + text[1:] + "."


# Clauses


def _main(clause: Clause, first: Slot) -> list[str]:
    if first is Slot.SUBJECT:
        return [_phrase(clause.subject), *_predicate(clause)]
    fronted = clause.time.english if first is Slot.TIME and clause.time else _prepositional(clause.place)
    return [fronted, ",", _phrase(clause.subject), *_predicate(clause, without=first)]


def _subordinate(conjunction: Conjunction, clause: Clause) -> list[str]:
    if conjunction is Conjunction.PURPOSE:
        negation = "not" if clause.negated else ""
        return [conjunction.english, negation, "to", clause.verb.base, *_complements(clause)]
    return [conjunction.english, _phrase(clause.subject), *_predicate(clause)]


def _relative_clause(clause: Clause) -> list[str]:
    """A relative clause: the relative pronoun first, a gap where it came from."""
    slot = relative_slot(clause)
    if slot is Slot.SUBJECT:
        return [_phrase(clause.subject), *_predicate(clause)]
    if slot is Slot.PLACE:
        return [_prepositional(clause.place), _phrase(clause.subject), *_predicate(clause, without=slot)]
    front = "whom" if _is_person(clause.object) else "that"
    return [front, _phrase(clause.subject), *_predicate(clause, without=slot)]


def _predicate(clause: Clause, without: Slot | None = None) -> list[str]:
    """The verb with its auxiliaries, then all that follows it but what stands elsewhere in the sentence."""
    return [*_verb_group(clause), *_complements(clause, without)]


def _complements(clause: Clause, without: Slot | None = None) -> list[str]:
    """What follows the verb: particle, recipient, object, goal, companion, place and time."""
    phrases = {
        Slot.RECIPIENT: _phrase(clause.recipient),
        Slot.OBJECT: _object(clause),
        Slot.COMPLEMENT: clause.complement.english if clause.complement else "",
        Slot.GOAL: _prepositional(clause.goal),
        Slot.COMPANION: _prepositional(clause.companion),
        Slot.PLACE: _prepositional(clause.place),
        Slot.TIME: clause.time.english if clause.time and not clause.time.medial else "",
    }
    return [clause.verb.particle, *(text for slot, text in phrases.items() if text and slot is not without)]


def _object(clause: Clause) -> str:
    """The object; a bare one under negation takes "any": is not drinking any milk."""
    phrase, text = clause.object, _phrase(clause.object)
    bare = (
        isinstance(phrase, NounPhrase)
        and phrase.determiner is Determiner.A
        and not text.startswith(("a ", "an "))
    )
    return f"any {text}" if clause.negated and bare else text


# Verbs


def _verb_group(clause: Clause) -> list[str]:
    """The auxiliaries and the verb, with "not" and the adverbs that stand between them."""
    verb, plural = clause.verb, clause.subject.number is Number.PLURAL
    negation = "not" if clause.negated else ""
    if clause.modal:
        return [*_modal(clause.modal, plural, clause.negated), verb.base]
    time = clause.time.english if clause.time and clause.time.medial else ""
    adverbs = [negation, time, clause.manner.english if clause.manner else ""]
    if clause.tense is Tense.PERFECT:
        return ["have" if plural else "has", *adverbs, verb.participle]
    if clause.complement:
        return ["are" if plural else "is", *adverbs]
    if clause.tense is Tense.SIMPLE:
        return [verb.base if plural else _third_person(verb)]
    return ["are" if plural else "is", *adverbs, verb.progressive]


def _modal(modal: Modal, plural: bool, negated: bool) -> list[str]:
    do = "do" if plural else "does"
    match modal:
        case Modal.CAN:
            return ["cannot" if negated else "can"]
        case Modal.MAY:
            return ["are" if plural else "is", "not" if negated else "", "allowed to"]
        case Modal.MUST:
            return [do, "not have to"] if negated else ["have to" if plural else "has to"]
        case Modal.WANT:
            return [do, "not want to"] if negated else ["want to" if plural else "wants to"]


def _third_person(verb: Verb) -> str:
    """The third person singular of the simple present: arrives, watches, carries."""
    base = verb.base
    if base.endswith(("s", "sh", "ch", "x")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


# Phrases


def _phrase(phrase: Phrase | None) -> str:
    match phrase:
        case None:
            return ""
        case Expletive():
            return "it"
        case Pronoun():
            return pronoun(phrase)
        case RelativePronoun():
            return "who" if _is_person(phrase) else "that"
        case Coordination():
            return f"{_noun_phrase(phrase.first)} and {_noun_phrase(phrase.second)}"
        case NounPhrase():
            return _noun_phrase(phrase)


def _is_person(phrase: Phrase | None) -> bool:
    if isinstance(phrase, RelativePronoun):
        phrase = phrase.antecedent
    return isinstance(phrase, NounPhrase) and "person" in phrase.noun.kinds


def pronoun(phrase: NounPhrase | Coordination | Pronoun | RelativePronoun) -> str:
    """he, she, it or they, by the sex of a person where English knows it: a child is "it"."""
    if isinstance(phrase, Pronoun | RelativePronoun):
        phrase = phrase.antecedent
    if isinstance(phrase, Coordination) or phrase.number is Number.PLURAL:
        return "they"
    if not _is_person(phrase) or phrase.noun.english == "child":
        return "it"
    return "he" if phrase.gender is Gender.MASCULINE else "she"


def _noun_phrase(phrase: NounPhrase) -> str:
    noun = phrase.noun.english if phrase.number is Number.SINGULAR else phrase.noun.english_plural
    words = [phrase.adjective.english] if phrase.adjective else []
    words.append(noun)
    words.insert(0, _determiner(phrase, words[0]))
    words.append(_prepositional(phrase.modifier))
    if phrase.relative:
        words += _relative_clause(phrase.relative)
    return " ".join(word for word in words if word)


def _determiner(phrase: NounPhrase, following: str) -> str:
    plural = phrase.number is Number.PLURAL
    match phrase.determiner:
        case Determiner.A if plural or phrase.noun.mass:
            return ""
        case Determiner.A:
            return "an" if following[0] in "aeiou" else "a"
        case Determiner.THIS if plural:
            return "these"
        case Determiner.POSSESSIVE:
            if phrase.owner is None or isinstance(phrase.owner, Expletive):
                raise ValueError("a possessive without an owner")
            return _PRONOUNS[pronoun(phrase.owner)]
    word: str = phrase.determiner.value
    return word


def _prepositional(phrase: PrepositionalPhrase | None) -> str:
    if phrase is None:
        return ""
    inner = "which" if isinstance(phrase.phrase, RelativePronoun) else _phrase(phrase.phrase)
    return f"{phrase.preposition.english} {inner}"
