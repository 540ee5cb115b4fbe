"""The kinds of words in captions, each with what a dictionary says of it in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Case(Enum):
    """The German cases that captions need; the genitive occurs in fixed phrases only."""

    NOMINATIVE = "nom"
    ACCUSATIVE = "acc"
    DATIVE = "dat"


class Number(Enum):
    SINGULAR = "singular"
    PLURAL = "plural"


class Gender(Enum):
    MASCULINE = "m"
    FEMININE = "f"
    NEUTER = "n"


class Determiner(Enum):
    """What opens a noun phrase, by the English word; A and POSSESSIVE have several (a, an; his, her)."""

    THE = "the"
    A = "a"
    THIS = "this"
    EVERY = "every"
    NO = "no"
    ALL = "all"
    BOTH = "both"
    MANY = "many"
    SEVERAL = "several"
    TWO = "two"
    THREE = "three"
    FOUR = "four"
    POSSESSIVE = "possessive"
    WHOSE = "whose"


class Modal(Enum):
    """A modal verb of German and the English phrase that always stands for it."""

    CAN = "can"
    MUST = "have to"
    WANT = "want to"
    MAY = "be allowed to"


class Conjunction(Enum):
    """What opens a subordinate clause: English, German. PURPOSE opens an infinitive clause."""

    BECAUSE = ("because", "weil")
    ALTHOUGH = ("although", "obwohl")
    WHILE = ("while", "während")
    UNTIL = ("until", "bis")
    SO_THAT = ("so that", "damit")
    PURPOSE = ("in order", "um")

    @property
    def english(self) -> str:
        return self.value[0]

    @property
    def german(self) -> str:
        return self.value[1]


# Entries are compared by identity (eq=False): each word exists once, in the tables of the dictionary.


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun. `kinds` are the classes that verbs and adjectives select it by; a mass noun has no plural.

    `weak` is the n-declension: every form but the nominative singular ends in -(e)n (der Junge, den Jungen).
    """

    english: str
    english_plural: str
    german: str
    gender: Gender
    german_plural: str
    weak: bool
    kinds: frozenset[str]

    @property
    def mass(self) -> bool:
        return not self.german_plural


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective. `stem` takes the endings (hoch, ein hoh-er Turm); without a stem it has none (rosa)."""

    english: str
    german: str
    stem: str
    kinds: frozenset[str]


@dataclass(frozen=True, eq=False)
class Preposition:
    """A preposition. `case` is None for a two-way preposition: accusative where to, dative where."""

    english: str
    german: str
    case: Case | None


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb with its principal parts in both languages.

    The German particle of a separable verb is kept apart from its base: auf + heben. `german_third` is the
    third person singular of the base. An object stands in `object_case`, after `object_preposition` where
    there is one (warten auf + accusative).
    """

    base: str
    progressive: str
    participle: str
    particle: str
    german_base: str
    german_particle: str
    german_third: str
    german_participle: str
    takes_sein: bool
    reflexive: bool
    object_case: Case | None
    object_preposition: str
    subjects: frozenset[str]
    objects: frozenset[str]

    @property
    def name(self) -> str:
        """The dictionary form in English: look for."""
        return f"{self.base} {self.particle}".strip()

    @property
    def german_plural(self) -> str:
        """The third person plural of the base: the infinitive, in every verb but sein."""
        return "sind" if self.german_base == "sein" else self.german_base


@dataclass(frozen=True, eq=False)
class Adverbial:
    """An adverb or adverbial phrase. A `medial` one stands before the English verb: has just opened."""

    english: str
    german: str
    medial: bool = False
