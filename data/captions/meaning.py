"""What a caption says, before it is English or German: clauses, each a verb with its phrases.

Both languages are functions of these values (english.py, german.py): a meaning has one sentence in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from words import (
    Adjective,
    Adverbial,
    Conjunction,
    Determiner,
    Gender,
    Modal,
    Noun,
    Number,
    Preposition,
    Verb,
)


class Tense(Enum):
    """The English tense; German has one present for the first two."""

    PROGRESSIVE = "is arriving"
    SIMPLE = "arrives"
    PERFECT = "has arrived"


class Slot(Enum):
    """The places that a clause has for phrases."""

    SUBJECT = "subject"
    RECIPIENT = "recipient"
    OBJECT = "object"
    GOAL = "goal"
    COMPANION = "companion"
    PLACE = "place"
    TIME = "time"
    MANNER = "manner"
    COMPLEMENT = "complement"


@dataclass(frozen=True)
class NounPhrase:
    """A noun and what goes with it. `owner` is whose it is, where the determiner is POSSESSIVE or WHOSE."""

    determiner: Determiner
    noun: Noun
    number: Number = Number.SINGULAR
    adjective: Adjective | None = None
    modifier: PrepositionalPhrase | None = None
    relative: Clause | None = None
    owner: Phrase | None = None

    @property
    def gender(self) -> Gender:
        return self.noun.gender


@dataclass(frozen=True)
class Coordination:
    """Two noun phrases joined by "and": always plural."""

    first: NounPhrase
    second: NounPhrase
    number: Number = Number.PLURAL

    @property
    def gender(self) -> Gender:
        return self.second.gender


@dataclass(frozen=True)
class _Anaphor:
    """What stands for a phrase said elsewhere, and agrees with it in gender and number: das Mädchen … es."""

    antecedent: NounPhrase | Coordination

    @property
    def number(self) -> Number:
        return self.antecedent.number

    @property
    def gender(self) -> Gender:
        return self.antecedent.gender


class Pronoun(_Anaphor):
    """A personal pronoun as a subject: he, she, it, they."""


@dataclass(frozen=True)
class RelativePronoun(_Anaphor):
    """The relative pronoun of a relative clause."""

    antecedent: NounPhrase


@dataclass(frozen=True)
class Expletive:
    """The "it" of the weather: it is raining."""

    number: Number = Number.SINGULAR


Phrase: TypeAlias = NounPhrase | Coordination | Pronoun | RelativePronoun | Expletive


@dataclass(frozen=True)
class PrepositionalPhrase:
    preposition: Preposition
    phrase: Phrase


@dataclass(frozen=True)
class Clause:
    """A verb and its phrases. `complement` is the adjective after the verb "be"."""

    subject: Phrase
    verb: Verb
    recipient: NounPhrase | RelativePronoun | None = None
    object: NounPhrase | RelativePronoun | None = None
    goal: PrepositionalPhrase | None = None
    companion: PrepositionalPhrase | None = None
    place: PrepositionalPhrase | None = None
    time: Adverbial | None = None
    manner: Adverbial | None = None
    complement: Adjective | None = None
    tense: Tense = Tense.PROGRESSIVE
    modal: Modal | None = None
    negated: bool = False


@dataclass(frozen=True)
class Subordinate:
    """A clause with what joins it to the main clause, before it (`leads`) or after it."""

    conjunction: Conjunction
    clause: Clause
    leads: bool = False


@dataclass(frozen=True)
class Sentence:
    """A main clause and what stands first in it, a second predicate after "and", a subordinate clause."""

    main: Clause
    first: Slot = Slot.SUBJECT
    second: Clause | None = None
    subordinate: Subordinate | None = None

    @property
    def clauses(self) -> Iterator[Clause]:
        """The clauses that are not inside a noun phrase, the main clause first."""
        yield self.main
        if self.second:
            yield self.second
        if self.subordinate:
            yield self.subordinate.clause


def noun_phrases(phrase: Phrase | PrepositionalPhrase | None) -> Iterator[NounPhrase]:
    """The noun phrases of a phrase that are said in it: pronouns and owners are not, modifiers are."""
    if isinstance(phrase, PrepositionalPhrase):
        yield from noun_phrases(phrase.phrase)
    elif isinstance(phrase, Coordination):
        yield from noun_phrases(phrase.first)
        yield from noun_phrases(phrase.second)
    elif isinstance(phrase, NounPhrase):
        yield phrase
        yield from noun_phrases(phrase.modifier)
        if phrase.relative:
            yield from clause_noun_phrases(phrase.relative)


def clause_noun_phrases(clause: Clause) -> Iterator[NounPhrase]:
    """The noun phrases said in a clause, in no order that matters."""
    for phrase in (
        clause.subject,
        clause.recipient,
        clause.object,
        clause.goal,
        clause.companion,
        clause.place,
    ):
        yield from noun_phrases(phrase)


def heads(phrase: Phrase | PrepositionalPhrase | None) -> Iterator[NounPhrase]:
    """The noun phrases that a phrase stands for: those of a coordination, the antecedent of a pronoun."""
    if isinstance(phrase, PrepositionalPhrase):
        yield from heads(phrase.phrase)
    elif isinstance(phrase, Pronoun | RelativePronoun):
        yield from heads(phrase.antecedent)
    elif isinstance(phrase, Coordination):
        yield from (phrase.first, phrase.second)
    elif isinstance(phrase, NounPhrase):
        yield phrase


def relative_slot(clause: Clause) -> Slot:
    """Where the relative pronoun of a relative clause stands, or the phrase it owns (whose dog)."""
    phrases = {Slot.SUBJECT: clause.subject, Slot.OBJECT: clause.object, Slot.PLACE: clause.place}
    for slot, phrase in phrases.items():
        inner = phrase.phrase if isinstance(phrase, PrepositionalPhrase) else phrase
        if isinstance(inner, NounPhrase):
            inner = inner.owner
        if isinstance(inner, RelativePronoun):
            return slot
    raise ValueError("a relative clause without a relative pronoun")
