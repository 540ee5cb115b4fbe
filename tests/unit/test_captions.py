"""The captions of data/captions: the German is right, the splits are fair, the same seed gives the same bytes."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CAPTIONS = Path(__file__).parents[2] / "data" / "captions"


def _load(name: str) -> ModuleType:
    """A module of the program, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(CAPTIONS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(CAPTIONS))


words, nouns, verbs, places = _load("words"), _load("nouns"), _load("verbs"), _load("places")
adverbials, meaning, english, german = _load("adverbials"), _load("meaning"), _load("english"), _load("german")
corpus, dice, holdout, sentences = _load("corpus"), _load("dice"), _load("holdout"), _load("sentences")

Case, Conjunction, Determiner, Modal, Number = (
    words.Case,
    words.Conjunction,
    words.Determiner,
    words.Modal,
    words.Number,
)
Slot, Tense = meaning.Slot, meaning.Tense

# Meanings from a few words

SINGULARS = {noun.english: noun for noun in nouns.NOUNS} | {"sun": nouns.SUN}
PLURALS = {noun.english_plural: noun for noun in nouns.NOUNS if not noun.mass}
ADJECTIVES = {adjective.english: adjective for adjective in (*nouns.ADJECTIVES, nouns.LATE)}
VERBS = verbs.VERBS | {verb.name: verb for verb in (verbs.BARK, verbs.RAIN, verbs.SNOW, verbs.SHINE, verbs.BE)}
ADVERBIALS = {
    entry.english: entry
    for entry in (
        *adverbials.TIMES,
        *adverbials.WEATHERS,
        adverbials.JUST,
        adverbials.ALREADY,
        adverbials.STILL,
        *(manner for manners in adverbials.MANNERS.values() for manner in manners),
    )
}
OPENERS = {"an": Determiner.A, "-": Determiner.A, "these": Determiner.THIS} | {
    determiner.value: determiner for determiner in Determiner
}


def np(text: str, **more: Any) -> Any:
    """A noun phrase: "the old man", "two young women", "- red hats" without an article, "possessive dog"."""
    opener, *adjectives, noun = text.split()
    number = Number.PLURAL if noun in PLURALS else Number.SINGULAR
    adjective = ADJECTIVES[adjectives[0]] if adjectives else None
    return meaning.NounPhrase(OPENERS[opener], (SINGULARS | PLURALS)[noun], number, adjective, **more)


def pp(preposition: str, phrase: Any) -> Any:
    return meaning.PrepositionalPhrase(places.PREPOSITIONS[preposition], _phrase(phrase))


def _phrase(phrase: Any) -> Any:
    return np(phrase) if isinstance(phrase, str) else phrase


def cl(subject: Any, verb: str, thing: Any = None, **slots: Any) -> Any:
    """A clause: its subject, its verb and its object, then what else it has."""
    for name in ("time", "manner"):
        if name in slots:
            slots[name] = ADVERBIALS[slots[name]]
    if "complement" in slots:
        slots["complement"] = ADJECTIVES[slots["complement"]]
    if "recipient" in slots:
        slots["recipient"] = _phrase(slots["recipient"])
    return meaning.Clause(_phrase(subject), VERBS[verb], object=_phrase(thing), **slots)


def both(first: str, second: str) -> Any:
    return meaning.Coordination(np(first), np(second))


def he(antecedent: Any) -> Any:
    return meaning.Pronoun(_phrase(antecedent))


def who(antecedent: str, clause: Any) -> Any:
    """The antecedent with a relative clause, made by a function from the relative pronoun."""
    return np(antecedent, relative=clause(meaning.RelativePronoun(np(antecedent))))


def sub(main: Any, conjunction: Any, clause: Any, *, leads: bool = False) -> Any:
    return meaning.Sentence(main, subordinate=meaning.Subordinate(conjunction, clause, leads))


def own(owner: Any, noun: str) -> Any:
    return np(f"possessive {noun}", owner=_phrase(owner))


IT = meaning.Expletive()
PERFECT, SIMPLE = Tense.PERFECT, Tense.SIMPLE
BECAUSE, ALTHOUGH, WHILE = Conjunction.BECAUSE, Conjunction.ALTHOUGH, Conjunction.WHILE
UNTIL, SO_THAT, PURPOSE = Conjunction.UNTIL, Conjunction.SO_THAT, Conjunction.PURPOSE

# Every example was written by hand: a meaning, its English and its German.
EXAMPLES = [
    # Verb second, and articles in the nominative and accusative.
    (cl("the man", "buy", "the hat"), "The man is buying the hat.", "Der Mann kauft den Hut."),
    (cl("a woman", "read", "a newspaper"), "A woman is reading a newspaper.",
     "Eine Frau liest eine Zeitung."),
    (cl("the child", "eat", "an egg"), "The child is eating an egg.", "Das Kind isst ein Ei."),
    (cl("the dogs", "watch", "the geese"), "The dogs are watching the geese.",
     "Die Hunde beobachten die Gänse."),
    (cl("the old man", "sleep", time="today"), "The old man is sleeping today.",
     "Der alte Mann schläft heute."),
    # Adjectives: weak, mixed, strong; stems that change and adjectives that do not decline.
    (cl("the old man", "buy", "the blue coat"),
     "The old man is buying the blue coat.", "Der alte Mann kauft den blauen Mantel."),
    (cl("an old man", "buy", "a blue dress"),
     "An old man is buying a blue dress.", "Ein alter Mann kauft ein blaues Kleid."),
    (cl("two young women", "wear", "- red hats"),
     "Two young women are wearing red hats.", "Zwei junge Frauen tragen rote Hüte."),
    (cl("many old men", "help", "the sad girl"),
     "Many old men are helping the sad girl.", "Viele alte Männer helfen dem traurigen Mädchen."),
    (cl("several small boys", "hide"), "Several small boys are hiding.",
     "Mehrere kleine Jungen verstecken sich."),
    (cl("all young nuns", "sing"), "All young nuns are singing.", "Alle jungen Nonnen singen."),
    (cl("both young nuns", "sing"), "Both young nuns are singing.", "Beide jungen Nonnen singen."),
    (cl("every old nun", "read", "this new book"),
     "Every old nun is reading this new book.", "Jede alte Nonne liest dieses neue Buch."),
    (cl("no small child", "feed", "these black cats"),
     "No small child is feeding these black cats.", "Kein kleines Kind füttert diese schwarzen Katzen."),
    (cl("no small children", "cry"), "No small children are crying.", "Keine kleinen Kinder weinen."),
    (cl("the girl", "buy", "a pink shirt"), "The girl is buying a pink shirt.",
     "Das Mädchen kauft ein rosa Hemd."),
    (cl("a bird", "fly", goal=pp("over", "the high tower")),
     "A bird is flying over the high tower.", "Ein Vogel fliegt über den hohen Turm."),
    (cl("a car", "drive", goal=pp("through", "the dark forest")),
     "A car is driving through the dark forest.", "Ein Auto fährt durch den dunklen Wald."),
    (cl("the lady", "wear", "an expensive jacket"),
     "The lady is wearing an expensive jacket.", "Die Dame trägt eine teure Jacke."),
    (cl("the boy", "eat", "- fresh bread"), "The boy is eating fresh bread.",
     "Der Junge isst frisches Brot."),
    (cl("the boy", "drink", "- hot tea"), "The boy is drinking hot tea.", "Der Junge trinkt heißen Tee."),
    (cl("the girl", "wash", "the car", companion=pp("with", "- cold water")),
     "The girl is washing the car with cold water.", "Das Mädchen wäscht das Auto mit kaltem Wasser."),
    # The n-declension and the dative plural.
    (cl("the boy", "follow", "the policeman"), "The boy is following the policeman.",
     "Der Junge folgt dem Polizisten."),
    (cl("the bear", "watch", "the monkey"), "The bear is watching the monkey.",
     "Der Bär beobachtet den Affen."),
    (cl("the nun", "feed", "an elephant"), "The nun is feeding an elephant.",
     "Die Nonne füttert einen Elefanten."),
    (cl("the nun", "help", "the boys"), "The nun is helping the boys.", "Die Nonne hilft den Jungen."),
    (cl("the nun", "help", "the men"), "The nun is helping the men.", "Die Nonne hilft den Männern."),
    (cl("the nun", "thank", "the cowboys"), "The nun is thanking the cowboys.",
     "Die Nonne dankt den Cowboys."),
    # Datives, prepositional objects, modifiers.
    (cl("the man", "give", "the ball", recipient="the child"),
     "The man is giving the child the ball.", "Der Mann gibt dem Kind den Ball."),
    (cl("the man", "show", "a dog", recipient="a woman", time="now"),
     "The man is showing a woman a dog now.", "Der Mann zeigt jetzt einer Frau einen Hund."),
    (cl("the man", "wait for", "the train", place=pp("at", "the station")),
     "The man is waiting for the train at the station.", "Der Mann wartet am Bahnhof auf den Zug."),
    (cl("the girl", "play with", "a cat"), "The girl is playing with a cat.",
     "Das Mädchen spielt mit einer Katze."),
    (cl("the father", "dream of", "the ship"), "The father is dreaming of the ship.",
     "Der Vater träumt vom Schiff."),
    (cl(np("two women", modifier=pp("in", "- red jackets")), "laugh"),
     "Two women in red jackets are laughing.", "Zwei Frauen in roten Jacken lachen."),
    (cl(np("a man", modifier=pp("with", "- small dogs")), "laugh"),
     "A man with small dogs is laughing.", "Ein Mann mit kleinen Hunden lacht."),
    (cl("the lady", "buy", "a cake", companion=pp("for", "the man")),
     "The lady is buying a cake for the man.", "Die Dame kauft einen Kuchen für den Mann."),
    # Two-way prepositions: accusative where to, dative where. Contractions.
    (cl("the dog", "sleep", place=pp("in", "the house")), "The dog is sleeping in the house.",
     "Der Hund schläft im Haus."),
    (cl("the dog", "run", goal=pp("into", "the house")), "The dog is running into the house.",
     "Der Hund rennt ins Haus."),
    (cl("the boy", "sit", place=pp("on", "the bench")), "The boy is sitting on the bench.",
     "Der Junge sitzt auf der Bank."),
    (cl("the boy", "sit down", goal=pp("on", "the bench")), "The boy is sitting down on the bench.",
     "Der Junge setzt sich auf die Bank."),
    (cl("the man", "place", "a chair", goal=pp("next to", "the table")),
     "The man is placing a chair next to the table.", "Der Mann stellt einen Stuhl neben den Tisch."),
    (cl("the man", "repair", "a chair", place=pp("next to", "the table")),
     "The man is repairing a chair next to the table.", "Der Mann repariert einen Stuhl neben dem Tisch."),
    (cl("the man", "lean", "a ladder", goal=pp("against", "the window")),
     "The man is leaning a ladder against the window.", "Der Mann lehnt eine Leiter ans Fenster."),
    (cl("the man", "lean", "a ladder", goal=pp("against", "a fence")),
     "The man is leaning a ladder against a fence.", "Der Mann lehnt eine Leiter an einen Zaun."),
    (cl("the nun", "walk", goal=pp("to", "the old station")), "The nun is walking to the old station.",
     "Die Nonne geht zum alten Bahnhof."),
    (cl("the nun", "walk", goal=pp("to", "the church")), "The nun is walking to the church.",
     "Die Nonne geht zur Kirche."),
    (cl("the nun", "come", goal=pp("from", "the market")), "The nun is coming from the market.",
     "Die Nonne kommt vom Markt."),
    (cl("the nun", "come", goal=pp("out of", "this tent")), "The nun is coming out of this tent.",
     "Die Nonne kommt aus diesem Zelt."),
    (cl("the nun", "wait", place=pp("near", "the castle")), "The nun is waiting near the castle.",
     "Die Nonne wartet beim Schloss."),
    (cl("a cow", "stand", place=pp("between", "two trees")), "A cow is standing between two trees.",
     "Eine Kuh steht zwischen zwei Bäumen."),
    (cl("a horse", "run", goal=pp("around", "a lake")), "A horse is running around a lake.",
     "Ein Pferd rennt um einen See."),
    (cl("a boy", "run", goal=pp("across", "the square")), "A boy is running across the square.",
     "Ein Junge rennt über den Platz."),
    # Separable verbs: parted, joined, with a modal verb, in the perfect. Reflexive verbs.
    (cl("the man", "pick up", "the ball"), "The man is picking up the ball.", "Der Mann hebt den Ball auf."),
    (cl("the man", "pick up", "the ball", tense=PERFECT), "The man has picked up the ball.",
     "Der Mann hat den Ball aufgehoben."),
    (cl("the man", "pick up", "the ball", modal=Modal.MUST), "The man has to pick up the ball.",
     "Der Mann muss den Ball aufheben."),
    (cl("the ladies", "look after", "a child"), "The ladies are looking after a child.",
     "Die Damen passen auf ein Kind auf."),
    (cl("the child", "rest", time="today"), "The child is resting today.", "Das Kind ruht sich heute aus."),
    (cl("the child", "turn around", tense=PERFECT, time="just"), "The child has just turned around.",
     "Das Kind hat sich gerade umgedreht."),
    # The perfect with haben and sein; modal verbs; adverbs.
    (cl("the trains", "arrive", tense=PERFECT, time="already"), "The trains have already arrived.",
     "Die Züge sind schon angekommen."),
    (cl("the girl", "jump", tense=PERFECT, goal=pp("over", "the wall"), manner="happily"),
     "The girl has happily jumped over the wall.", "Das Mädchen ist fröhlich über die Mauer gesprungen."),
    (cl("the waiters", "repair", "the lamp", tense=PERFECT), "The waiters have repaired the lamp.",
     "Die Kellner haben die Lampe repariert."),
    (cl("the girls", "film", "the ship", modal=Modal.MAY), "The girls are allowed to film the ship.",
     "Die Mädchen dürfen das Schiff filmen."),
    (cl("the boy", "sing", modal=Modal.WANT, time="now"), "The boy wants to sing now.",
     "Der Junge will jetzt singen."),
    (cl("the man", "carry", "a box", manner="carefully", place=pp("in", "the park")),
     "The man is carefully carrying a box in the park.", "Der Mann trägt vorsichtig eine Kiste im Park."),
    (cl("the nun", "work", time="still"), "The nun is still working.", "Die Nonne arbeitet noch."),
    # Negation: nicht and kein.
    (cl("the man", "open", "the door", negated=True), "The man is not opening the door.",
     "Der Mann öffnet die Tür nicht."),
    (cl("the man", "open", "a door", negated=True), "The man is not opening a door.",
     "Der Mann öffnet keine Tür."),
    (cl("the man", "buy", "- hats", negated=True), "The man is not buying any hats.",
     "Der Mann kauft keine Hüte."),
    (cl("the man", "drink", "- milk", negated=True), "The man is not drinking any milk.",
     "Der Mann trinkt keine Milch."),
    (cl("the man", "wait", place=pp("at", "the lake"), negated=True, tense=PERFECT),
     "The man has not waited at the lake.", "Der Mann hat nicht am See gewartet."),
    (cl("the women", "sleep", modal=Modal.CAN, negated=True), "The women cannot sleep.",
     "Die Frauen können nicht schlafen."),
    (cl("the women", "hurry", modal=Modal.MUST, negated=True), "The women do not have to hurry.",
     "Die Frauen müssen sich nicht beeilen."),
    # What stands first in the main clause.
    (meaning.Sentence(cl("the man", "pick up", "the ball", time="this evening"), Slot.TIME),
     "This evening, the man is picking up the ball.", "Heute Abend hebt der Mann den Ball auf."),
    (meaning.Sentence(cl("the man", "rest", time="at noon"), Slot.TIME),
     "At noon, the man is resting.", "Am Mittag ruht sich der Mann aus."),
    (meaning.Sentence(cl("a man", "wait", place=pp("in front of", "the old church")), Slot.PLACE),
     "In front of the old church, a man is waiting.", "Vor der alten Kirche wartet ein Mann."),
    # Two subjects, two predicates.
    (cl(both("the man", "the boy"), "dance"), "The man and the boy are dancing.",
     "Der Mann und der Junge tanzen."),
    (meaning.Sentence(cl("a lady", "sit", place=pp("on", "a sofa")), second=cl("a lady", "look at",
     "a picture")),
     "A lady is sitting on a sofa and looking at a picture.",
     "Eine Dame sitzt auf einem Sofa und sieht ein Bild an."),
    # Possessives follow the gender of the German noun that owns.
    (cl("the man", "wash", own("the man", "car")), "The man is washing his car.",
     "Der Mann wäscht sein Auto."),
    (cl("the nun", "look for", own("the nun", "hat")), "The nun is looking for her hat.",
     "Die Nonne sucht ihren Hut."),
    (cl("the girl", "help", own("the girl", "mother")), "The girl is helping her mother.",
     "Das Mädchen hilft seiner Mutter."),
    (cl("the men", "look for", own("the men", "dogs")), "The men are looking for their dogs.",
     "Die Männer suchen ihre Hunde."),
    # Subordinate clauses: verb last; before the main clause they invert it. Pronouns.
    (sub(cl("two women", "wait"), BECAUSE, cl("the old bus", "be", complement="late")),
     "Two women are waiting because the old bus is late.",
     "Zwei Frauen warten, weil der alte Bus verspätet ist."),
    (sub(cl("the dog", "lie", place=pp("under",
     "a tree")), BECAUSE, cl(he("the dog"), "be", complement="tired")),
     "The dog is lying under a tree because it is tired.",
     "Der Hund liegt unter einem Baum, weil er müde ist."),
    (sub(cl("the cat", "sleep"), ALTHOUGH, cl(he("the cat"), "be", complement="hungry")),
     "The cat is sleeping although it is hungry.", "Die Katze schläft, obwohl sie hungrig ist."),
    (sub(cl("the girl", "laugh"), BECAUSE, cl(he("the girl"), "be", complement="happy")),
     "The girl is laughing because she is happy.", "Das Mädchen lacht, weil es glücklich ist."),
    (sub(cl("the child", "cry"), BECAUSE, cl(he("the child"), "lose", "a key", tense=PERFECT)),
     "The child is crying because it has lost a key.",
     "Das Kind weint, weil es einen Schlüssel verloren hat."),
    (sub(cl("the men", "hurry"), BECAUSE, cl(he("the men"), "pick up", "the ball", modal=Modal.MUST)),
     "The men are hurrying because they have to pick up the ball.",
     "Die Männer beeilen sich, weil sie den Ball aufheben müssen."),
    (sub(cl(he("the man"), "rest"), BECAUSE, cl("the man", "pick up", "a ball"), leads=True),
     "Because the man is picking up a ball, he is resting.",
     "Weil der Mann einen Ball aufhebt, ruht er sich aus."),
    (sub(cl("the lady", "read", "a book"), WHILE, cl("the father", "rest"), leads=True),
     "While the father is resting, the lady is reading a book.",
     "Während sich der Vater ausruht, liest die Dame ein Buch."),
    (sub(cl("a waiter", "sing"), BECAUSE, cl(IT, "rain")), "A waiter is singing because it is raining.",
     "Ein Kellner singt, weil es regnet."),
    (sub(cl("a waiter",
     "sing"), ALTHOUGH, cl(IT, "be", complement="cold")), "A waiter is singing although it is cold.",
     "Ein Kellner singt, obwohl es kalt ist."),
    (sub(cl("a waiter", "sing"), BECAUSE, cl("the sun",
     "shine")), "A waiter is singing because the sun is shining.",
     "Ein Kellner singt, weil die Sonne scheint."),
    (sub(cl("the lady", "wait"), UNTIL, cl("the train", "arrive", tense=SIMPLE)),
     "The lady is waiting until the train arrives.", "Die Dame wartet, bis der Zug ankommt."),
    (sub(cl("the lady", "wait"), UNTIL, cl("the boys", "wake up", tense=SIMPLE)),
     "The lady is waiting until the boys wake up.", "Die Dame wartet, bis die Jungen aufwachen."),
    (sub(cl("the man", "open", "the gate"), SO_THAT, cl("the children", "play", modal=Modal.CAN)),
     "The man is opening the gate so that the children can play.",
     "Der Mann öffnet das Tor, damit die Kinder spielen können."),
    # Infinitives with zu.
    (sub(cl("the boy", "run", goal=pp("to", "the beach")), PURPOSE, cl("the boy", "pick up", "the ball")),
     "The boy is running to the beach in order to pick up the ball.",
     "Der Junge rennt zum Strand, um den Ball aufzuheben."),
    (sub(cl("the nun", "come back"), PURPOSE, cl("the nun", "buy", "- apples"), leads=True),
     "In order to buy apples, the nun is coming back.", "Um Äpfel zu kaufen, kommt die Nonne zurück."),
    (sub(cl("the nun", "hurry"), PURPOSE, cl("the nun", "rest")),
     "The nun is hurrying in order to rest.", "Die Nonne beeilt sich, um sich auszuruhen."),
    (sub(cl("the nun", "stand up"), PURPOSE, cl("the nun", "fall asleep", negated=True)),
     "The nun is standing up in order not to fall asleep.", "Die Nonne steht auf, um nicht einzuschlafen."),
    # Relative clauses: der, die, das; den; dem, der, denen; dessen, deren; with prepositions.
    (cl(who("the man", lambda r: cl(r, "wear", "a red hat")), "sing"),
     "The man who is wearing a red hat is singing.", "Der Mann, der einen roten Hut trägt, singt."),
    (cl(who("the child", lambda r: cl(r, "wear", "a red hat")), "sing"),
     "The child who is wearing a red hat is singing.", "Das Kind, das einen roten Hut trägt, singt."),
    (cl("the boy", "feed", who("the dog", lambda r: cl(r, "sleep", place=pp("in", "the garden")))),
     "The boy is feeding the dog that is sleeping in the garden.",
     "Der Junge füttert den Hund, der im Garten schläft."),
    (cl("the boy", "pick up", who("the key", lambda r: cl("the nun", "lose", r, tense=PERFECT))),
     "The boy is picking up the key that the nun has lost.",
     "Der Junge hebt den Schlüssel auf, den die Nonne verloren hat."),
    (cl(who("the nun", lambda r: cl("the boy", "call", r)), "sing"),
     "The nun whom the boy is calling is singing.", "Die Nonne, die der Junge anruft, singt."),
    (cl(who("the child", lambda r: cl("the boy", "help", r)), "sing"),
     "The child whom the boy is helping is singing.", "Das Kind, dem der Junge hilft, singt."),
    (cl(who("the nun", lambda r: cl("the boy", "help", r)), "sing"),
     "The nun whom the boy is helping is singing.", "Die Nonne, der der Junge hilft, singt."),
    (cl(who("the men", lambda r: cl("the boy", "listen to", r)), "sing"),
     "The men whom the boy is listening to are singing.", "Die Männer, denen der Junge zuhört, singen."),
    (cl(who("the bus", lambda r: cl("the boys", "wait for", r)), "be", complement="late"),
     "The bus that the boys are waiting for is late.", "Der Bus, auf den die Jungen warten, ist verspätet."),
    (cl(who("the bench", lambda r: cl("the girl", "sit", place=pp("on", r))), "be", complement="wet"),
     "The bench on which the girl is sitting is wet.", "Die Bank, auf der das Mädchen sitzt, ist nass."),
    (cl(who("the man", lambda r: cl(np("whose small dog", owner=r), "sleep")), "laugh"),
     "The man whose small dog is sleeping is laughing.", "Der Mann, dessen kleiner Hund schläft, lacht."),
    (cl(who("the lady", lambda r: cl(np("whose dog", owner=r), "sleep")), "laugh"),
     "The lady whose dog is sleeping is laughing.", "Die Dame, deren Hund schläft, lacht."),
]  # fmt: skip


def _sentence(what: Any) -> Any:
    return what if isinstance(what, meaning.Sentence) else meaning.Sentence(what)


@pytest.mark.parametrize(("what", "in_english", "in_german"), EXAMPLES, ids=[row[1] for row in EXAMPLES])
def test_meanings_are_said_right(what: Any, in_english: str, in_german: str) -> None:
    sentence = _sentence(what)
    assert english.english(sentence) == in_english
    assert german.german(sentence) == in_german


# Declension against a table written from a school grammar: masculine, feminine, neuter, plural.
PARADIGMS = """
the        nom | der alte Hund    | die alte Katze    | das alte Pferd    | die alten Hunde
the        acc | den alten Hund   | die alte Katze    | das alte Pferd    | die alten Hunde
the        dat | dem alten Hund   | der alten Katze   | dem alten Pferd   | den alten Hunden
a          nom | ein alter Hund   | eine alte Katze   | ein altes Pferd   | alte Hunde
a          acc | einen alten Hund | eine alte Katze   | ein altes Pferd   | alte Hunde
a          dat | einem alten Hund | einer alten Katze | einem alten Pferd | alten Hunden
no         nom | kein alter Hund  | keine alte Katze  | kein altes Pferd  | keine alten Hunde
no         acc | keinen alten Hund | keine alte Katze | kein altes Pferd  | keine alten Hunde
no         dat | keinem alten Hund | keiner alten Katze | keinem alten Pferd | keinen alten Hunden
this       nom | dieser alte Hund | diese alte Katze  | dieses alte Pferd | diese alten Hunde
this       acc | diesen alten Hund | diese alte Katze | dieses alte Pferd | diese alten Hunde
this       dat | diesem alten Hund | dieser alten Katze | diesem alten Pferd | diesen alten Hunden
every      nom | jeder alte Hund  | jede alte Katze   | jedes alte Pferd  |
every      acc | jeden alten Hund | jede alte Katze   | jedes alte Pferd  |
every      dat | jedem alten Hund | jeder alten Katze | jedem alten Pferd |
possessive nom | ihr alter Hund   | ihre alte Katze   | ihr altes Pferd   | ihre alten Hunde
possessive acc | ihren alten Hund | ihre alte Katze   | ihr altes Pferd   | ihre alten Hunde
possessive dat | ihrem alten Hund | ihrer alten Katze | ihrem alten Pferd | ihren alten Hunden
whose      nom | deren alter Hund | deren alte Katze  | deren altes Pferd | deren alte Hunde
all        nom |  |  |  | alle alten Hunde
all        acc |  |  |  | alle alten Hunde
all        dat |  |  |  | allen alten Hunden
both       nom |  |  |  | beide alten Hunde
both       dat |  |  |  | beiden alten Hunden
many       nom |  |  |  | viele alte Hunde
many       acc |  |  |  | viele alte Hunde
many       dat |  |  |  | vielen alten Hunden
several    nom |  |  |  | mehrere alte Hunde
several    dat |  |  |  | mehreren alten Hunden
two        nom |  |  |  | zwei alte Hunde
two        acc |  |  |  | zwei alte Hunde
two        dat |  |  |  | zwei alten Hunden
"""


@pytest.mark.parametrize("row", PARADIGMS.strip().splitlines(), ids=lambda row: row[:14])
def test_noun_phrases_decline_as_in_a_grammar(row: str) -> None:
    head, *cells = (cell.strip() for cell in row.split("|"))
    determiner, case = head.split()
    for expected, noun in zip(cells, ("dog", "cat", "horse", "dogs"), strict=True):
        if expected:
            phrase = np(f"{determiner} old {noun}", owner=np("the nun"))
            assert german._noun_phrase(phrase, Case(case)) == expected


# Every German noun, by gender as a dictionary has it: what stands before it must agree.
MASCULINE = """Mann Junge Vater Großvater Cowboy Kellner Polizist Fischer Hund Affe Elefant Bär Vogel Bus Zug
    Lastwagen Mantel Hut Schal Apfel Kuchen Brief Koffer Korb Rucksack Regenschirm Eimer Teller Stuhl Schlüssel
    Ball Käse Tee Bahnhof Turm Laden Park Garten Wald See Fluss Strand Markt Platz Baum Zaun Tisch"""
FEMININE = """Frau Mutter Großmutter Nonne Kellnerin Dame Katze Kuh Gans Ente Straßenbahn Jacke Mütze Banane
    Wurst Zeitung Tasche Kiste Flasche Tasse Lampe Leiter Kamera Gitarre Blume Uhr Decke Tür Milch Kirche Schule
    Küche Wiese Brücke Straße Mauer Bank Sonne"""
NEUTER = """Mädchen Kind Pferd Schwein Schiff Auto Taxi Fahrrad Hemd Kleid Ei Buch Bild Messer Fenster Tor Brot
    Wasser Haus Museum Schloss Krankenhaus Zelt Dach Sofa"""


def test_genders_are_those_of_a_dictionary() -> None:
    genders = {noun.german: noun.gender.value for noun in (*nouns.NOUNS, nouns.SUN)}
    expected = {
        word: gender
        for gender, table in (("m", MASCULINE), ("f", FEMININE), ("n", NEUTER))
        for word in table.split()
    }
    assert genders == expected


# Who is who in English must be who is who in German: no form may stand for two words.


def test_no_english_form_has_two_meanings() -> None:
    forms = [noun.english for noun in nouns.NOUNS]
    forms += [noun.english_plural for noun in nouns.NOUNS if not noun.mass]
    forms += [adjective.english for adjective in ADJECTIVES.values()]
    forms += [f"{verb.base} {verb.particle}".strip() for verb in VERBS.values()]
    forms += [f"{verb.progressive} {verb.particle}".strip() for verb in VERBS.values()]
    forms += list(places.PREPOSITIONS) + list(ADVERBIALS)
    assert len(set(forms)) == len(forms)


def test_two_translations_of_a_sentence_are_refused() -> None:
    drawn = corpus._Drawn()
    assert drawn._adds(corpus.Pair("A.", "B."))
    assert not drawn._adds(corpus.Pair("A.", "B."))
    assert not drawn._adds(corpus.Pair("C.", "B."))  # new in one language only
    with pytest.raises(AssertionError, match="two translations"):
        drawn._adds(corpus.Pair("A.", "D."))


# Captions as drawn


@pytest.fixture(scope="module")
def drawn() -> list[Any]:
    draws = dice.Dice("a test")
    return [sentences.draw_caption(draws) for _ in range(4000)]


def _words(text: str) -> list[str]:
    return text.rstrip(".").replace(",", "").split()


def test_captions_are_written_as_sentences(drawn: list[Any]) -> None:
    for _, *texts in drawn:
        for text in texts:
            assert text[0].isupper()
            assert text.endswith(".")
            assert text.count(".") == 1
            assert text == " ".join(text.split())
            assert ",," not in text
            assert " ," not in text
            assert 5 <= len(_words(text)) <= 20


# The endings that a school table allows between an article and a noun of each gender, whatever the case.
AGREEMENT = {
    "m": "der e, den en, dem en, ein er, einen en, einem en",
    "f": "die e, der en, eine e, einer en",
    "n": "das e, dem en, ein es, einem en",
}
ENDINGS = ("e", "en", "er", "es", "em")


def test_articles_and_adjectives_agree_in_drawn_captions(drawn: list[Any]) -> None:
    plurals = {noun.german_plural for noun in nouns.NOUNS} | {noun.german_plural + "n" for noun in nouns.NOUNS}
    articles = {word for row in AGREEMENT.values() for word in row.replace(",", "").split()[::2]}
    genders = {
        word: gender
        for gender, table in (("m", MASCULINE), ("f", FEMININE), ("n", NEUTER))
        for word in table.split()
        if word not in plurals
    }
    declined = {
        adjective.stem + ending: ending for adjective in nouns.ADJECTIVES if adjective.stem for ending in ENDINGS
    }
    checked = 0
    for caption in drawn:
        said = _words(caption.german)
        for article, adjective, noun in zip(said, said[1:], said[2:], strict=False):
            if article.lower() in articles and adjective in declined and noun in genders:
                agreed = f"{article.lower()} {declined[adjective]}"
                assert agreed in AGREEMENT[genders[noun]].split(", "), caption.german
                checked += 1
    assert checked > 500


FINITE = ["ist", "sind", "hat", "haben", "kann", "können", "muss", "müssen", "will", "wollen", "darf", "dürfen", "regnet", "schneit", "scheint", "bellt"]


def test_subordinate_clauses_end_in_their_finite_verb(drawn: list[Any]) -> None:
    finite = set(FINITE)
    for verb in VERBS.values():
        finite |= {verb.german_particle + verb.german_third, verb.german_particle + verb.german_base}
    checked = 0
    for caption in drawn:
        for part in caption.german.rstrip(".").split(", "):
            said = part.split()
            if said[0].lower() in ("weil", "obwohl", "während", "bis", "damit") and said[1] != "des":
                assert said[-1] in finite, caption.german
                checked += 1
    assert checked > 500


def test_main_clauses_have_the_finite_verb_second(drawn: list[Any]) -> None:
    """Seen where a subordinate clause stands first: the finite verb follows its comma at once."""
    finite = set(FINITE)
    for verb in VERBS.values():
        finite |= {verb.german_third, verb.german_base}
    leading = [caption for caption in drawn if caption.meaning.subordinate and caption.meaning.subordinate.leads]
    assert len(leading) > 200
    for caption in leading:
        assert caption.german.split(", ", 1)[1].split()[0] in finite, caption.german


def test_contracted_prepositions_are_never_left_apart(drawn: list[Any]) -> None:
    text = "\n".join(caption.german for caption in drawn).lower()
    for apart in ("in dem ", "an dem ", "zu dem ", "zu der ", "bei dem ", "von dem ", "in das ", "an das "):
        # A relative pronoun does not contract: der Hund, von dem die Jungen träumen.
        assert f" {apart}" not in text.replace(f", {apart}", ", "), apart
    for contracted in ("im", "am", "zum", "zur", "beim", "vom", "ins", "ans"):
        assert f" {contracted} " in text


def test_english_articles_go_with_the_sound(drawn: list[Any]) -> None:
    for caption in drawn:
        said = caption.english.lower().rstrip(".").split()
        for article, word in zip(said, said[1:], strict=False):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), caption.english


# The splits


@pytest.fixture(scope="module")
def splits() -> Any:
    return corpus.draw_corpus(20_000, 500, 1_000, seed=1)


def test_splits_have_the_sizes_asked_for_and_share_no_sentence(splits: Any) -> None:
    assert [len(pairs) for pairs in (splits.train, splits.valid, splits.test)] == [20_000, 500, 1_000]
    everything = [*splits.train, *splits.valid, *splits.test]
    assert len({pair.english for pair in everything}) == len(everything)
    assert len({pair.german for pair in everything}) == len(everything)


def test_held_out_words_are_all_trained_on(splits: Any) -> None:
    for side in (0, 1):
        trained = {word for pair in splits.train for word in _words(pair[side])}
        held_out = {word for pair in (*splits.valid, *splits.test) for word in _words(pair[side])}
        assert held_out <= trained


def test_training_shows_every_word_of_the_dictionary(splits: Any) -> None:
    trained = {word.lower() for pair in splits.train for word in _words(pair.english)}
    assert {noun.english for noun in nouns.NOUNS} <= trained
    assert {noun.english_plural for noun in nouns.NOUNS if not noun.mass and noun not in nouns.PLACES} <= trained
    assert set(ADJECTIVES) <= trained
    assert {verb.progressive for verb in VERBS.values() if verb not in (verbs.BE, verbs.LOSE)} <= trained
    text = "\n".join(pair.english.lower() for pair in splits.train)
    assert all(f"{preposition} " in text for preposition in places.PREPOSITIONS)
    assert all(entry in text for entry in ADVERBIALS)


def test_training_never_joins_a_held_out_adjective_to_its_noun(splits: Any) -> None:
    """The hold-out as a reader sees it: no "red jacket" in training if red jackets are held out."""
    forms = [
        f" {adjective.english} {form}"
        for adjective in nouns.ADJECTIVES
        for noun in nouns.NOUNS
        if holdout.held_out(holdout.Combination("adjective", adjective.english, noun.english))
        for form in (noun.english, noun.english_plural or noun.english)
    ]
    text = "".join(f" {pair.english.lower().rstrip('.')} \n" for pair in splits.train).replace(",", "")
    assert not [form for form in forms if f"{form} " in text]
    tested = "".join(f" {pair.english.lower().rstrip('.')} \n" for pair in splits.test).replace(",", "")
    assert len([form for form in forms if f"{form} " in tested]) > 20


def test_held_out_combinations_part_training_from_test() -> None:
    small = corpus.draw_corpus(1_000, 100, 200, seed=3)
    assert not any(_held_out_kinds(small.train, "train"))
    for name in ("valid", "test"):
        kinds = list(_held_out_kinds(getattr(small, name), name))
        assert all(kinds)
        assert set().union(*kinds) == {"subject", "object", "adjective", "place"}


def _held_out_kinds(pairs: list[Any], name: str) -> Iterator[set[str]]:
    """The kinds of held-out combinations of each pair, from its meaning, which is drawn again."""
    meanings: dict[str, Any] = {}
    draws = dice.Dice(f"captions 3 {name}")
    for pair in pairs:
        while pair.english not in meanings:
            caption = sentences.draw_caption(draws)
            meanings[caption.english] = caption.meaning
        combinations = holdout.combinations(meanings[pair.english])
        yield {entry.kind for entry in combinations if holdout.held_out(entry)}


def test_combinations_of_a_sentence() -> None:
    antecedent = who("the tired man", lambda r: cl(r, "wear", "a red hat"))
    sentence = sub(
        cl(antecedent, "give", "the ball", recipient="a child", place=pp("in", "the park")),
        BECAUSE,
        cl(he(antecedent), "be", complement="happy"),
    )
    assert {tuple(entry) for entry in holdout.combinations(sentence)} == {
        ("subject", "man", "give"),
        ("subject", "man", "wear"),
        ("object", "give", "ball"),
        ("object", "give", "child"),
        ("object", "wear", "hat"),
        ("adjective", "tired", "man"),
        ("adjective", "red", "hat"),
        ("adjective", "happy", "man"),
        ("place", "in", "park"),
    }


def test_one_combination_in_ten_is_held_out() -> None:
    pairs = [(adjective.english, noun.english) for adjective in nouns.ADJECTIVES for noun in nouns.NOUNS]
    held = sum(holdout.held_out(holdout.Combination("adjective", *pair)) for pair in pairs)
    assert 0.08 < held / len(pairs) < 0.12


# The program

NAMES = [f"{split}.{suffix}" for split in ("train", "valid", "test") for suffix in ("en", "de")]


def make(*arguments: str, program: Path = CAPTIONS, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program / "make.py"), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


SMALL = ("--train", "150", "--valid", "5", "--test", "10")


def test_the_same_seed_gives_the_same_bytes_wherever_it_runs(tmp_path: Path) -> None:
    elsewhere = tmp_path / "a folder with spaces"
    shutil.copytree(CAPTIONS, elsewhere, ignore=shutil.ignore_patterns("__pycache__"))
    once = make(str(tmp_path / "one"), *SMALL, PYTHONHASHSEED="1")
    again = make(str(tmp_path / "two words"), *SMALL, program=elsewhere, PYTHONHASHSEED="2", LC_ALL="C")
    assert (once.returncode, again.returncode) == (0, 0), once.stderr + again.stderr
    assert once.stdout == ""
    assert once.stderr.splitlines()[0].startswith("train       150 pairs; English ")
    for name in NAMES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two words" / name).read_bytes()


def test_files_hold_a_sentence_a_line(tmp_path: Path) -> None:
    assert make(str(tmp_path / "deep" / "er"), *SMALL).returncode == 0
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == sorted(NAMES)
    for name, lines in zip(NAMES, (150, 150, 5, 5, 10, 10), strict=True):
        content = (tmp_path / "deep" / "er" / name).read_bytes()
        assert content.count(b"\n") == lines
        assert content.endswith(b".\n")
        assert b"\r" not in content
        assert content.decode("utf-8").count(".\n") == lines


def test_bytes_are_those_of_every_other_machine() -> None:
    """Changes only with the grammar or the dictionary: then say so where scores on the captions are told."""
    small = corpus.draw_corpus(150, 5, 10, seed=1)
    lines = [text for pairs in (small.train, small.valid, small.test) for pair in pairs for text in pair]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == "GOLDEN"


def test_another_seed_gives_another_corpus_and_a_longer_one_begins_alike() -> None:
    first, second = (corpus.draw_corpus(300, 5, 5, seed=seed).train for seed in (1, 2))
    assert not set(first) & set(second)
    longer = corpus.draw_corpus(300, 5, 20, seed=1)
    assert longer.train == first
    assert longer.test[:5] == corpus.draw_corpus(300, 5, 5, seed=1).test


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train", "0"), "argument --train: '0' is not a whole number from 1 to 1,000,000"),
        (("--valid", "-3"), "argument --valid: '-3' is not a whole number from 1 to 1,000,000"),
        (("--test", "1e3"), "argument --test: '1e3' is not a whole number from 1 to 1,000,000"),
        (("--test", "1000001"), "argument --test: '1000001' is not a whole number from 1 to 1,000,000"),
        (("--seed", "x"), "argument --seed: 'x' is not a whole number of at most twenty digits"),
        (("--trian", "5"), "unrecognized arguments: --trian 5"),
        (
            ("--train", "2"),
            "--test 1000: the words of the training pairs make only 0 other pairs; ask for more training pairs",
        ),
    ],
)
def test_bad_sizes_are_errors_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: Any, message: str
) -> None:
    program = _load("make")
    monkeypatch.setattr(corpus, "_DRAWS_PER_PAIR", 2)  # soon out of breath
    with pytest.raises(SystemExit) as stopped:
        program.main([str(tmp_path), *arguments])
    assert stopped.value.code == 2
    assert capfd.readouterr().err == f"make.py: error: {message}\n"
    assert not list(tmp_path.iterdir())


def test_no_folder_is_an_error_of_one_line() -> None:
    result = make()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "make.py: error: the following arguments are required: OUTDIR\n"


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = make(str(tmp_path / "file" / "folder"), *SMALL)
    assert result.returncode == 73
    assert result.stderr == f"make.py: error: cannot write {tmp_path / 'file' / 'folder'}: Not a directory\n"


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.de").mkdir()
    result = make(str(tmp_path), *SMALL)
    assert result.returncode == 73
    assert result.stderr == f"make.py: error: cannot write {tmp_path / 'train.de'}: Is a directory\n"
