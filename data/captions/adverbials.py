"""When and how something goes on: adverbs and fixed phrases, and the manners that go with a verb."""

from __future__ import annotations

from verbs import VERBS
from words import Adverbial, Verb


def _adverbials(table: str, *, medial: bool = False) -> tuple[Adverbial, ...]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return tuple(Adverbial(english.strip(), german.strip(), medial) for english, german in rows)


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
PERFECT_TIMES = TIMES[:2]
JUST, ALREADY = _adverbials("just | gerade\n already | schon", medial=True)  # with the perfect
(STILL,) = _adverbials("still | noch", medial=True)  # with the progressive


def _manners(table: str) -> dict[Verb, tuple[Adverbial, ...]]:
    """The manners of each verb, from a table of manners in both languages | verbs."""
    manners: dict[Verb, tuple[Adverbial, ...]] = {}
    for line in table.strip().splitlines():
        words, verbs = line.split("|")
        english, german = words.split()
        manner = Adverbial(english, german, medial=True)
        for name in verbs.split(","):
            verb = VERBS[name.strip()]
            manners[verb] = (*manners.get(verb, ()), manner)
    return manners


MANNERS = _manners("""
    slowly langsam      | walk, climb, drive, open, close, eat, read, stand up, turn around, push, drink
    slowly langsam      | follow
    quickly schnell     | walk, run, climb, drive, open, close, eat, read, stand up, pick up, unpack, put on
    quickly schnell     | wash, repair
    quietly leise       | walk, sing, cry, laugh, play, follow, close, open, talk to, read
    carefully vorsichtig | climb, drive, open, close, push, carry, wash, wipe, repair, place, lay, lean
    carefully vorsichtig | pick up, hang up
    happily fröhlich    | sing, dance, play, laugh, work, run, jump, play with
""")
