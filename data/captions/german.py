"""Meanings in German.

A clause is laid out by the topological fields of German grammars (Duden, Die Grammatik, 8th edition 2009, on
the structure of the sentence). In a main clause one phrase stands first (the prefield), the finite verb
second (the left bracket), then the middle field, then what else belongs to the verb (the right bracket:
particle, participle or infinitive). In a subordinate clause the whole verb stands in the right bracket. The
relative clause of an object follows the right bracket (the postfield).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

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
from words import Adjective, Case, Conjunction, Determiner, Gender, Modal, Noun, Number, Verb

# Endings by case: masculine, feminine, neuter, plural.
Endings = dict[Case, tuple[str, str, str, str]]

_DEFINITE: Endings = {
    Case.NOMINATIVE: ("der", "die", "das", "die"),
    Case.ACCUSATIVE: ("den", "die", "das", "die"),
    Case.DATIVE: ("dem", "der", "dem", "den"),
}
# Der-words (dies-er, jed-er) end as an adjective does that has to show the case itself.
_STRONG: Endings = {
    Case.NOMINATIVE: ("er", "e", "es", "e"),
    Case.ACCUSATIVE: ("en", "e", "es", "e"),
    Case.DATIVE: ("em", "er", "em", "en"),
}
_WEAK: Endings = {
    Case.NOMINATIVE: ("e", "e", "e", "en"),
    Case.ACCUSATIVE: ("en", "e", "e", "en"),
    Case.DATIVE: ("en", "en", "en", "en"),
}
_EIN: Endings = {
    Case.NOMINATIVE: ("", "e", "", "e"),
    Case.ACCUSATIVE: ("en", "e", "", "e"),
    Case.DATIVE: ("em", "er", "em", "en"),
}

_DER_WORDS = {
    Determiner.THIS: "dies",
    Determiner.EVERY: "jed",
    Determiner.ALL: "all",
    Determiner.BOTH: "beid",
    Determiner.MANY: "viel",
    Determiner.SEVERAL: "mehrer",
}
_NUMERALS = {Determiner.TWO: "zwei", Determiner.THREE: "drei", Determiner.FOUR: "vier"}
# The adjective after these is strong although they have endings: viele junge Frauen, but alle jungen Frauen.
_PARALLEL = frozenset({Determiner.MANY, Determiner.SEVERAL})

_MODALS = {
    Modal.CAN: ("kann", "können"),
    Modal.MUST: ("muss", "müssen"),
    Modal.WANT: ("will", "wollen"),
    Modal.MAY: ("darf", "dürfen"),
}
_CONTRACTIONS = {
    "an dem": "am",
    "bei dem": "beim",
    "in dem": "im",
    "von dem": "vom",
    "zu dem": "zum",
    "zu der": "zur",
    "an das": "ans",
    "in das": "ins",
}


def german(sentence: Sentence) -> str:
    """The sentence in German, capitalised, with its full stop."""
    main, subordinate = sentence.main, sentence.subordinate
    opened = _subordinate(subordinate.conjunction, subordinate.clause) if subordinate else []
    if subordinate and subordinate.leads:
        words = [*opened, ",", *_verb_second(main, first=None)]
    else:
        words = _verb_second(main, first=sentence.first)
        if sentence.second:
            words += ["und", *_verb_second(sentence.second, first=Slot.SUBJECT)[1:]]
        if subordinate:
            words += [",", *opened]
    return _punctuated(words)


def _punctuated(words: Iterable[str]) -> str:
    """The words as written: commas close up; one does where two clauses meet, none at the end."""
    text = " ".join(word for word in words if word).replace(" ,", ",")
    text = text.replace(",,", ",").rstrip(",")
    return text[0].upper() + text[1:] + "."


# Clauses


def _verb_second(clause: Clause, first: Slot | None) -> list[str]:
    """A main clause: what stands first (without `first`, a clause before it), the finite verb, the rest."""
    verb = _verb_complex(clause)
    fields = _fields(clause)
    prefield = [field.text for field in fields if field.slot is first and first]
    middle = [field.text for field in fields if field.slot is not first or not first]
    return [*prefield, verb.finite, *middle, verb.closing, *_postfield(clause)]


def _subordinate(conjunction: Conjunction, clause: Clause) -> list[str]:
    """A clause after a conjunction; after "um" the subject is unsaid and the verb an infinitive with "zu"."""
    if conjunction is Conjunction.PURPOSE:
        middle = [field.text for field in _fields(clause) if field.slot is not Slot.SUBJECT]
        return [conjunction.german, *middle, _zu_infinitive(clause.verb)]
    return [conjunction.german, *_verb_final(clause), *_postfield(clause)]


def _verb_final(clause: Clause, first: Slot | None = None) -> list[str]:
    """The middle field and the whole verb, without what the caller moves to the front of the clause."""
    verb = _verb_complex(clause)
    middle = [field.text for field in _fields(clause) if field.slot is not first or not first]
    if _is_separated(clause):
        return [*middle, verb.closing + verb.finite]
    return [*middle, verb.closing, verb.finite]


def _relative_clause(clause: Clause) -> list[str]:
    """A relative clause between its commas: the phrase with the relative pronoun, then the rest."""
    slot = relative_slot(clause)
    front = next(field.text for field in _fields(clause) if field.slot is slot)
    return [",", front, *_verb_final(clause, first=slot), ","]


def _postfield(clause: Clause) -> list[str]:
    phrase = clause.object
    return _relative_clause(phrase.relative) if isinstance(phrase, NounPhrase) and phrase.relative else []


class _Field(NamedTuple):
    slot: Slot | None
    text: str


def _fields(clause: Clause) -> list[_Field]:
    """The phrases of a clause in the order of the middle field.

    Pronouns come first, then the subject and the time; what belongs closest to the verb comes last. "Nicht"
    stands after the object and before all else.
    """
    clause = _with_negated_object(clause)
    subject = _phrase(clause.subject, Case.NOMINATIVE)
    is_pronoun = isinstance(clause.subject, Pronoun | Expletive | RelativePronoun)
    dative = clause.verb.object_case is Case.DATIVE
    prepositional = bool(clause.verb.object_preposition)
    obj = _object(clause)
    fields = (
        _Field(Slot.SUBJECT, subject if is_pronoun else ""),
        _Field(None, "sich" if clause.verb.reflexive else ""),
        _Field(Slot.SUBJECT, "" if is_pronoun else subject),
        _Field(Slot.TIME, clause.time.german if clause.time else ""),
        _Field(Slot.RECIPIENT, _phrase(clause.recipient, Case.DATIVE)),
        _Field(Slot.OBJECT, obj if dative and not prepositional else ""),
        _Field(Slot.MANNER, clause.manner.german if clause.manner else ""),
        _Field(Slot.OBJECT, obj if not dative and not prepositional else ""),
        _Field(None, "nicht" if clause.negated else ""),
        _Field(Slot.PLACE, _prepositional(clause.place, Case.DATIVE)),
        _Field(Slot.GOAL, _prepositional(clause.goal, Case.ACCUSATIVE)),
        _Field(Slot.COMPANION, _prepositional(clause.companion, Case.DATIVE)),
        _Field(Slot.OBJECT, obj if prepositional else ""),
        _Field(Slot.COMPLEMENT, clause.complement.german if clause.complement else ""),
    )
    return [field for field in fields if field.text]


def _with_negated_object(clause: Clause) -> Clause:
    """The clause with "kein" at an indefinite object in place of "nicht": er kauft keinen Hut."""
    phrase = clause.object
    if clause.negated and isinstance(phrase, NounPhrase) and phrase.determiner is Determiner.A:
        return replace(clause, object=replace(phrase, determiner=Determiner.NO), negated=False)
    return clause


def _object(clause: Clause) -> str:
    """The object as its verb governs it, without its relative clause, which stands in the postfield."""
    phrase, case = clause.object, clause.verb.object_case
    if phrase is None or case is None:
        return ""
    if isinstance(phrase, NounPhrase):
        phrase = replace(phrase, relative=None)
    return _contracted(clause.verb.object_preposition, phrase, case)


# Verbs


class _VerbComplex(NamedTuple):
    finite: str
    closing: str


def _verb_complex(clause: Clause) -> _VerbComplex:
    """The finite verb and what stands in the right bracket with it."""
    verb = clause.verb
    plural = clause.subject.number is Number.PLURAL
    if clause.modal:
        return _VerbComplex(_MODALS[clause.modal][plural], verb.german_particle + verb.german_base)
    if clause.tense is Tense.PERFECT:
        return _VerbComplex(_auxiliary(verb, plural), verb.german_participle)
    return _VerbComplex(verb.german_plural if plural else verb.german_third, verb.german_particle)


def _auxiliary(verb: Verb, plural: bool) -> str:
    singular_form, plural_form = ("ist", "sind") if verb.takes_sein else ("hat", "haben")
    return plural_form if plural else singular_form


def _is_separated(clause: Clause) -> bool:
    """Whether a main clause would part the finite verb from its particle: hebt … auf, but aufhebt."""
    return bool(clause.verb.german_particle) and not clause.modal and clause.tense is not Tense.PERFECT


def _zu_infinitive(verb: Verb) -> str:
    """zu kaufen, but aufzuheben."""
    if verb.german_particle:
        return f"{verb.german_particle}zu{verb.german_base}"
    return f"zu {verb.german_base}"


# Phrases


def _phrase(phrase: Phrase | None, case: Case) -> str:
    match phrase:
        case None:
            return ""
        case Expletive():
            return "es"
        case Pronoun():
            return ("er", "sie", "es", "sie")[_column(phrase)]
        case RelativePronoun():
            # The relative pronoun is the definite article but for the dative plural.
            text = _DEFINITE[case][_column(phrase)]
            return "denen" if case is Case.DATIVE and phrase.number is Number.PLURAL else text
        case Coordination():
            return f"{_noun_phrase(phrase.first, case)} und {_noun_phrase(phrase.second, case)}"
        case NounPhrase():
            return _noun_phrase(phrase, case)


def _column(phrase: NounPhrase | Coordination | Pronoun | RelativePronoun) -> int:
    """Where the phrase is in a table of endings: German has no gender in the plural."""
    if phrase.number is Number.PLURAL:
        return 3
    return (Gender.MASCULINE, Gender.FEMININE, Gender.NEUTER).index(phrase.gender)


def _noun_phrase(phrase: NounPhrase, case: Case) -> str:
    words = [_determiner(phrase, case)]
    if phrase.adjective:
        words.append(_adjective(phrase.adjective, phrase, case))
    words.append(_noun(phrase.noun, phrase.number, case))
    words.append(_prepositional(phrase.modifier, Case.DATIVE))
    if phrase.relative:
        words += _relative_clause(phrase.relative)
    return " ".join(word for word in words if word)


def _noun(noun: Noun, number: Number, case: Case) -> str:
    if number is Number.SINGULAR:
        # A weak noun has one form for everything but the nominative singular.
        return noun.german_plural if noun.weak and case is not Case.NOMINATIVE else noun.german
    takes_n = case is Case.DATIVE and not noun.german_plural.endswith(("n", "s"))
    return noun.german_plural + "n" if takes_n else noun.german_plural


def _determiner(phrase: NounPhrase, case: Case) -> str:
    determiner, column = phrase.determiner, _column(phrase)
    if determiner is Determiner.THE:
        return _DEFINITE[case][column]
    if determiner in _DER_WORDS:
        return _DER_WORDS[determiner] + _STRONG[case][column]
    if determiner in _NUMERALS:
        return _NUMERALS[determiner]
    if determiner is Determiner.WHOSE:
        return "dessen" if _owner_is_his(phrase) else "deren"
    stem = _ein_word(phrase)
    return stem + _EIN[case][column] if stem else ""


def _ein_word(phrase: NounPhrase) -> str:
    """The stem of ein, kein, sein or ihr; empty where there is no article."""
    match phrase.determiner:
        case Determiner.NO:
            return "kein"
        case Determiner.POSSESSIVE:
            return "sein" if _owner_is_his(phrase) else "ihr"
        case Determiner.A if phrase.number is Number.SINGULAR and not phrase.noun.mass:
            return "ein"
    return ""


def _owner_is_his(phrase: NounPhrase) -> bool:
    """Whether the owner is masculine or neuter: sein, dessen; else ihr, deren."""
    owner = phrase.owner
    if owner is None or isinstance(owner, Expletive):
        raise ValueError("a possessive without an owner")
    return owner.number is Number.SINGULAR and owner.gender is not Gender.FEMININE


def _adjective(adjective: Adjective, phrase: NounPhrase, case: Case) -> str:
    if not adjective.stem:
        return adjective.german
    endings = _WEAK if _shows_case(phrase, case) else _STRONG
    return adjective.stem + endings[case][_column(phrase)]


def _shows_case(phrase: NounPhrase, case: Case) -> bool:
    """Whether the determiner has an ending of its own, so that the adjective need not show the case."""
    determiner = phrase.determiner
    if determiner is Determiner.THE:
        return True
    if determiner in _DER_WORDS:
        return determiner not in _PARALLEL
    return bool(_ein_word(phrase)) and bool(_EIN[case][_column(phrase)])


def _prepositional(phrase: PrepositionalPhrase | None, two_way_case: Case) -> str:
    if phrase is None:
        return ""
    case = phrase.preposition.case or two_way_case
    return _contracted(phrase.preposition.german, phrase.phrase, case)


def _contracted(preposition: str, phrase: Phrase, case: Case) -> str:
    """Preposition and phrase; a definite article melts into the preposition: in dem Haus, im Haus."""
    text = f"{preposition} {_phrase(phrase, case)}".strip()
    if not (isinstance(phrase, NounPhrase) and phrase.determiner is Determiner.THE):
        return text
    head, article, rest = [*text.split(" ", 2), "", ""][:3]
    return f"{_CONTRACTIONS.get(f'{head} {article}', f'{head} {article}')} {rest}".strip()
