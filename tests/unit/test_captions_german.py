"""The grammar of data/captions, meaning by meaning: English and German against sentences written by hand."""

from __future__ import annotations

import importlib
import sys
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
adverbials, meaning, holdout = _load("adverbials"), _load("meaning"), _load("holdout")
english, german = _load("english"), _load("german")

Case, Conjunction, Determiner, Modal, Number = (
    getattr(words, name) for name in ("Case", "Conjunction", "Determiner", "Modal", "Number")
)
Slot, Tense = meaning.Slot, meaning.Tense

# Meanings from a few words

SINGULARS = {noun.english: noun for noun in nouns.NOUNS} | {"sun": nouns.SUN}
PLURALS = {noun.english_plural: noun for noun in nouns.NOUNS if not noun.mass}
ADJECTIVES = {adjective.english: adjective for adjective in (*nouns.ADJECTIVES, nouns.LATE)}
VERBS = verbs.VERBS | {verb.name: verb for verb in (verbs.RAIN, verbs.SHINE, verbs.BE)}
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
    """A noun phrase: "the old man", "two women", "possessive dog"; "- red hats" is one without an article."""
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
    (meaning.Sentence(cl(np("two women", modifier=pp("in", "- red jackets")), "wait for", "the bus",
                         place=pp("in front of", "the station")), Slot.PLACE),
     "In front of the station, two women in red jackets are waiting for the bus.",
     "Vor dem Bahnhof warten zwei Frauen in roten Jacken auf den Bus."),
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
