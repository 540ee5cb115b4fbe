"""Prepositions, and where things are, go and are put: which preposition goes with which noun. Also the adverbials.

English tells place from direction by other words (in, into) or by the verb (is sitting on, is sitting down on);
German tells them by the case.
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
from words import Adverbial, Case, Noun, Preposition, Verb

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
    """A preposition with a noun it goes with. `setting` says what can go on there.

    outdoors: anything; indoors: nothing that large things take part in; beside: only postures and pastimes;
    seat: these, of persons and small animals; nook: these, of small animals, and hiding.
    """

    preposition: Preposition
    noun: Noun
    setting: str


def _spots(table: str) -> tuple[Spot, ...]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return tuple(
        Spot(PREPOSITIONS[preposition.strip()], _NOUNS[noun], setting.strip())
        for preposition, setting, nouns in rows
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
    next to     | outdoors | tree fence church bench tower tent
    next to     | seat     | table sofa
    under       | outdoors | tree bridge
    under       | nook     | table bench sofa
    near        | outdoors | station river lake castle church market school bridge hospital
    between     | outdoors | tree house tent car
    next to     | beside   | man woman child policeman lady waiter dog horse cow car bus truck bicycle
    behind      | beside   | car bus truck horse lady policeman
    in front of | beside   | car bus train taxi
""")
_OUTDOORS = frozenset((spot.preposition, spot.noun) for spot in LOCATIONS if spot.setting == "outdoors")

# Where somebody is going, by the way of going.
DIRECTIONS: dict[Verb, tuple[Spot, ...]] = {}
_ON_FOOT = _spots("""
    into    | outdoors | house church school museum castle hospital shop kitchen tent park garden forest
    out of  | outdoors | house church school museum castle hospital shop kitchen tent garden forest
    to      | outdoors | station market beach church school museum castle hospital lake bridge window door gate
    through | outdoors | park garden forest kitchen castle gate
    across  | outdoors | bridge street square meadow
    around  | outdoors | house lake tree tower castle table church
""")
DIRECTIONS[WALK] = DIRECTIONS[RUN] = _ON_FOOT
DIRECTIONS[COME] = _spots("""
    out of  | outdoors | house church school museum castle hospital shop kitchen tent garden forest
    from    | outdoors | station market beach lake
""")
DIRECTIONS[JUMP] = _spots("""
    into    | outdoors | river lake
    onto    | outdoors | table bench sofa wall
    over    | outdoors | fence wall bench
""")
DIRECTIONS[CLIMB] = _spots("""
    onto    | outdoors | roof wall table
    over    | outdoors | fence wall gate
    out of  | outdoors | window
    through | outdoors | window
""")
DIRECTIONS[DRIVE] = _spots("""
    across  | outdoors | bridge street square
    through | outdoors | forest gate park
    to      | outdoors | station market beach museum hospital castle lake
    around  | outdoors | lake castle square
""")
DIRECTIONS[FLY] = _spots("""
    over    | outdoors | house church lake forest tree castle river bridge tower
    to      | outdoors | lake river tower
    into    | outdoors | forest garden
""")

# Where somebody puts something.
GOALS: dict[Verb, tuple[Spot, ...]] = {
    PLACE: _spots("""
    on          | outdoors | table bench wall
    under       | outdoors | table bench tree
    next to     | outdoors | table sofa bench door
    behind      | outdoors | door sofa house
    in front of | outdoors | door house gate window
    """),
    LAY: _spots("""
    on          | outdoors | table sofa bench wall
    under       | outdoors | table sofa bench
    next to     | outdoors | sofa table
    """),
    LEAN: _spots("""
    against     | outdoors | wall fence house tree window door gate
    """),
    SIT_DOWN: _spots("""
    on          | outdoors | bench sofa wall
    under       | outdoors | tree
    next to     | outdoors | tree fence tent
    at          | outdoors | table window river
    """),
}


def _adverbials(table: str, *, medial: bool = False) -> tuple[Adverbial, ...]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return tuple(Adverbial(english.strip(), german.strip(), medial) for english, german in rows)


# When something goes on, and in what weather.
TIMES = _adverbials("""
    today            | heute
    this morning     | heute Morgen
    this evening     | heute Abend
    now              | jetzt
    at noon          | am Mittag
    after lunch      | nach dem Mittagessen
    during the game  | während des Spiels
""")
WEATHERS = _adverbials("""
    in the rain      | im Regen
    in the sun       | in der Sonne
""")
PERFECT_TIMES = (*TIMES[:2], *_adverbials("just | gerade\n already | schon", medial=True))
(STILL,) = _adverbials("still | noch", medial=True)

_MANNERS = {
    entry.english: entry
    for entry in _adverbials(
        """
    slowly    | langsam
    quickly   | schnell
    quietly   | leise
    carefully | vorsichtig
    happily   | fröhlich
""",
        medial=True,
    )
}

_MANNERS_BY_VERB = """
    slowly    | walk, run, climb, drive, open, close, eat, read, stand up, turn around, push, follow, drink
    quickly   | walk, run, climb, drive, open, close, eat, read, stand up, pick up, unpack, put on, wash, repair
    quietly   | walk, sing, cry, laugh, play, follow, close, open, talk to, read
    carefully | climb, drive, open, close, push, carry, wash, wipe, repair, place, lay, lean, pick up, hang up
    happily   | sing, dance, play, laugh, work, run, jump, play with
"""

MANNERS: dict[Verb, tuple[Adverbial, ...]] = {
    verb: tuple(
        _MANNERS[row.split("|")[0].strip()]
        for row in _MANNERS_BY_VERB.strip().splitlines()
        if name in [cell.strip() for cell in row.split("|")[1].split(",")]
    )
    for name, verb in VERBS.items()
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
