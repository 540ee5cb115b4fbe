"""Prepositions, and where things are, go and are put.

English tells place from direction by other words (in, into) or by the verb (is sitting on, is sitting down
on); German tells them by the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from nouns import ANIMALS, CLOTHES, FIXTURES, PERSONS, PLACES, VEHICLES
from verbs import (
    CLIMB,
    COME,
    DRIVE,
    FLY,
    JUMP,
    LAY,
    LEAN,
    PASTIMES,
    PLACE,
    POSTURES,
    RUN,
    SIT_DOWN,
    VERBS,
    WALK,
)
from words import Case, Noun, Preposition, Verb

PREPOSITIONS = {
    entry.english: entry
    for entry in (
        # Two-way prepositions: dative where something is, accusative where it goes.
        Preposition("in", "in", None),
        Preposition("on", "auf", None),
        Preposition("at", "an", None),
        Preposition("in front of", "vor", None),
        Preposition("behind", "hinter", None),
        Preposition("next to", "neben", None),
        Preposition("under", "unter", None),
        Preposition("between", "zwischen", None),
        # The English word alone says where to.
        Preposition("into", "in", Case.ACCUSATIVE),
        Preposition("onto", "auf", Case.ACCUSATIVE),
        Preposition("against", "an", Case.ACCUSATIVE),
        Preposition("over", "über", Case.ACCUSATIVE),
        Preposition("across", "über", Case.ACCUSATIVE),
        Preposition("through", "durch", Case.ACCUSATIVE),
        Preposition("around", "um", Case.ACCUSATIVE),
        Preposition("for", "für", Case.ACCUSATIVE),
        Preposition("near", "bei", Case.DATIVE),
        Preposition("to", "zu", Case.DATIVE),
        Preposition("from", "von", Case.DATIVE),
        Preposition("out of", "aus", Case.DATIVE),
        Preposition("with", "mit", Case.DATIVE),
    )
}

_NOUNS = {noun.english: noun for noun in (*PLACES, *FIXTURES, *PERSONS, *ANIMALS, *VEHICLES, *CLOTHES)}


@dataclass(frozen=True, eq=False)
class Spot:
    """A preposition with a noun it goes with. For a place, `setting` says what can go on there.

    outdoors: anything; indoors: nothing that large things take part in; beside: only postures and pastimes;
    seat: these, of persons and small animals; nook: these, of small animals, and hiding.
    """

    preposition: Preposition
    noun: Noun
    setting: str = ""


def _spots(table: str) -> tuple[Spot, ...]:
    """A table of prepositions | settings, for places | nouns."""
    rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return tuple(
        Spot(PREPOSITIONS[preposition], _NOUNS[noun], *setting)
        for preposition, *setting, nouns in rows
        for noun in nouns.split()
    )


# Where something is.
LOCATIONS = _spots("""
    in          | indoors  | house church school museum castle tower hospital shop kitchen tent station
    in          | outdoors | park garden forest
    on          | outdoors | bridge street square meadow
    on          | seat     | bench sofa wall roof
    at          | outdoors | station river lake beach gate
    at          | seat     | window table door
    in front of | outdoors | house station church school museum castle hospital shop tent tower gate
    in front of | seat     | door window sofa
    behind      | outdoors | house church school tower wall fence hospital shop
    behind      | nook     | sofa door
    next to     | outdoors | tree fence church bench tower tent street river
    next to     | seat     | table sofa
    under       | outdoors | tree bridge
    under       | nook     | table bench sofa
    near        | outdoors | station river lake castle church market school bridge hospital meadow
    between     | outdoors | tree house tent car
    next to     | beside   | man woman child policeman lady waiter dog horse cow car bus truck bicycle
    behind      | beside   | car bus truck horse lady policeman
    in front of | beside   | car bus train taxi
""")
_OUTDOORS = frozenset((spot.preposition, spot.noun) for spot in LOCATIONS if spot.setting == "outdoors")

# Where somebody is going, by the way of going.
DIRECTIONS: dict[Verb, tuple[Spot, ...]] = {}
_ON_FOOT = _spots("""
    into    | house church school museum castle hospital shop kitchen tent park garden forest
    out of  | house church school museum castle hospital shop kitchen tent garden forest
    to      | station market beach church school museum castle hospital lake bridge window door gate meadow
    through | park garden forest kitchen castle gate
    across  | bridge street square meadow
    around  | house lake tree tower castle table church
""")
DIRECTIONS[WALK] = DIRECTIONS[RUN] = _ON_FOOT
DIRECTIONS[COME] = _spots("""
    out of  | house church school museum castle hospital shop kitchen tent garden forest
    from    | station market beach lake
""")
DIRECTIONS[JUMP] = _spots("""
    into    | river lake
    onto    | table bench sofa wall
    over    | fence wall bench
""")
DIRECTIONS[CLIMB] = _spots("""
    onto    | roof wall table
    over    | fence wall gate
    out of  | window
    through | window
""")
DIRECTIONS[DRIVE] = _spots("""
    across  | bridge street square
    through | forest gate park
    to      | station market beach museum hospital castle lake
    around  | lake castle square
""")
DIRECTIONS[FLY] = _spots("""
    over    | house church lake forest tree castle river bridge tower
    to      | lake river tower
    into    | forest garden
""")

# Where somebody puts something.
GOALS: dict[Verb, tuple[Spot, ...]] = {
    PLACE: _spots("""
    on          | table bench wall
    under       | table bench tree
    next to     | table sofa bench door
    behind      | door sofa house
    in front of | door house gate window
    """),
    LAY: _spots("""
    on          | table sofa bench wall
    under       | table sofa bench
    next to     | sofa table
    """),
    LEAN: _spots("""
    against     | wall fence house tree window door gate
    """),
    SIT_DOWN: _spots("""
    on          | bench sofa wall
    under       | tree
    next to     | tree fence tent
    at          | table window river
    """),
}


# Verbs that choose the preposition of their place.
_PREPOSITIONS_BY_VERB = {
    "hide": ("in", "behind", "under", "between"),
    "lie": ("in", "on", "behind", "next to", "under", "in front of"),
    "sit": ("in", "on", "at", "behind", "next to", "under", "in front of", "near"),
}
# What is done with an object and still at rest: these go with every place that postures go with.
_AT_REST = frozenset(
    ("wait for", "listen to", "talk to", "read", "eat", "drink", "dream of", "look after", "play with")
)


@cache
def locations_of(verb: Verb, *, large: bool, small: bool) -> tuple[Spot, ...]:
    """Where what the verb says can go on, if something large takes part in it or only small animals do."""
    settings = {"outdoors"} if large else {"outdoors", "indoors"}
    if verb in (*PASTIMES, *POSTURES) or verb.name in _AT_REST:
        settings |= {"beside"} if large else {"beside", "seat"}
        prepositions = _PREPOSITIONS_BY_VERB.get(verb.name)
    else:
        prepositions = ("in", "on", "at", "in front of", "near")
    if small or verb.name == "hide":
        settings |= {"nook"}
    return tuple(
        spot
        for spot in LOCATIONS
        if spot.setting in settings and (not prepositions or spot.preposition.english in prepositions)
    )


def is_outdoors(place: Preposition, noun: Noun) -> bool:
    return (place, noun) in _OUTDOORS


# With what or with whom something is done, or for whom: the preposition and the kind of noun.
COMPANIONS: dict[Verb, tuple[Preposition, str]] = {
    VERBS[name]: (PREPOSITIONS[preposition], kind)
    for name, preposition, kind in (
        ("wash", "with", "water"),
        ("wipe", "with", "water"),
        ("feed", "with", "baked"),
        ("buy", "for", "person"),
        ("dance", "with", "person"),
        ("sing", "with", "person"),
    )
}
