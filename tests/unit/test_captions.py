"""The captions of data/captions: words agree, splits are fair, the same seed gives the same bytes."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
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


nouns, verbs, places, adverbials = _load("nouns"), _load("verbs"), _load("places"), _load("adverbials")
words, meaning = _load("words"), _load("meaning")
corpus, dice, holdout, sentences = _load("corpus"), _load("dice"), _load("holdout"), _load("sentences")

# The dictionary

VERBS = [*verbs.VERBS.values(), verbs.BARK, verbs.RAIN, verbs.SNOW, verbs.SHINE, verbs.BE]
ADJECTIVES = [adjective.english for adjective in (*nouns.ADJECTIVES, nouns.LATE)]
ADVERBIALS = {
    entry.english
    for entry in (
        *adverbials.TIMES,
        *adverbials.WEATHERS,
        adverbials.JUST,
        adverbials.ALREADY,
        adverbials.STILL,
        *(manner for manners in adverbials.MANNERS.values() for manner in manners),
    )
}

# Every German noun, by gender as a dictionary has it: what stands before it must agree.
MASCULINE = """Mann Junge Vater Großvater Cowboy Kellner Polizist Fischer Hund Affe Elefant Bär Vogel
    Bus Zug Lastwagen Mantel Hut Schal Apfel Kuchen Brief Koffer Korb Rucksack Regenschirm Eimer Teller
    Stuhl Schlüssel Ball Käse Tee Bahnhof Turm Laden Park Garten Wald See Fluss Strand Markt Platz Baum
    Zaun Tisch"""
FEMININE = """Frau Mutter Großmutter Nonne Kellnerin Dame Katze Kuh Gans Ente Straßenbahn Jacke Mütze Banane
    Wurst Zeitung Tasche Kiste Flasche Tasse Lampe Leiter Kamera Gitarre Blume Uhr Decke Tür Milch
    Kirche Schule Küche Wiese Brücke Straße Mauer Bank Sonne"""
NEUTER = """Mädchen Kind Pferd Schwein Schiff Auto Taxi Fahrrad Hemd Kleid Ei Buch Bild Messer Fenster
    Tor Brot Wasser Haus Museum Schloss Krankenhaus Zelt Dach Sofa"""


def test_genders_are_those_of_a_dictionary() -> None:
    genders = {noun.german: noun.gender.value for noun in (*nouns.NOUNS, nouns.SUN)}
    expected = {
        word: gender
        for gender, table in (("m", MASCULINE), ("f", FEMININE), ("n", NEUTER))
        for word in table.split()
    }
    assert genders == expected


def test_no_english_form_has_two_meanings() -> None:
    forms = [noun.english for noun in nouns.NOUNS]
    forms += [noun.english_plural for noun in nouns.NOUNS if not noun.mass]
    forms += ADJECTIVES
    forms += [f"{verb.base} {verb.particle}".strip() for verb in VERBS]
    forms += [f"{verb.progressive} {verb.particle}".strip() for verb in VERBS]
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


def test_captions_use_all_that_the_grammar_has(drawn: list[Any]) -> None:
    clauses = [clause for caption in drawn for clause in caption.meaning.clauses]
    said = [phrase for clause in clauses for phrase in meaning.clause_noun_phrases(clause)]
    subordinates = [caption.meaning.subordinate for caption in drawn if caption.meaning.subordinate]
    assert {phrase.determiner for phrase in said} == set(words.Determiner)
    assert {clause.modal for clause in clauses} == {None, *words.Modal}
    assert {clause.tense for clause in clauses} == set(meaning.Tense)
    assert {entry.conjunction for entry in subordinates} == set(words.Conjunction)
    assert {entry.leads for entry in subordinates} == {True, False}
    assert {caption.meaning.first for caption in drawn} == {
        meaning.Slot.SUBJECT,
        meaning.Slot.TIME,
        meaning.Slot.PLACE,
    }
    for name in (
        "recipient",
        "object",
        "goal",
        "companion",
        "place",
        "time",
        "manner",
        "complement",
        "negated",
    ):
        assert any(getattr(clause, name) for clause in clauses), name
    assert any(caption.meaning.second for caption in drawn)
    assert {meaning.relative_slot(phrase.relative) for phrase in said if phrase.relative} == {
        meaning.Slot.SUBJECT,
        meaning.Slot.OBJECT,
        meaning.Slot.PLACE,
    }


# The endings that a school table allows between an article and a noun of each gender, whatever the case.
AGREEMENT = {
    "m": "der e, den en, dem en, ein er, einen en, einem en",
    "f": "die e, der en, eine e, einer en",
    "n": "das e, dem en, ein es, einem en",
}


def test_articles_and_adjectives_agree_in_drawn_captions(drawn: list[Any]) -> None:
    plurals = {noun.german_plural for noun in nouns.NOUNS} | {
        noun.german_plural + "n" for noun in nouns.NOUNS
    }
    articles = {word for row in AGREEMENT.values() for word in row.replace(",", "").split()[::2]}
    genders = {
        word: gender
        for gender, table in (("m", MASCULINE), ("f", FEMININE), ("n", NEUTER))
        for word in table.split()
        if word not in plurals
    }
    declined = {
        adjective.stem + ending: ending
        for adjective in nouns.ADJECTIVES
        if adjective.stem
        for ending in ("e", "en", "er", "es", "em")
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


FINITE = frozenset(
    (
        *("ist", "sind", "hat", "haben", "kann", "können", "muss", "müssen", "will", "wollen"),
        *("darf", "dürfen", "regnet", "schneit", "scheint", "bellt"),
    )
)


def test_subordinate_clauses_end_in_their_finite_verb(drawn: list[Any]) -> None:
    finite = set(FINITE)
    for verb in VERBS:
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
    for verb in VERBS:
        finite |= {verb.german_third, verb.german_base}
    leading = [said for meant, _, said in drawn if meant.subordinate and meant.subordinate.leads]
    assert len(leading) > 200
    for said in leading:
        assert said.split(", ", 1)[1].split()[0] in finite, said


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
        for article, word in pairwise(said):
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
    assert {noun.english_plural for noun in nouns.NOUNS if noun not in nouns.PLACES} - {""} <= trained
    assert set(ADJECTIVES) <= trained
    assert {verb.progressive for verb in VERBS if verb not in (verbs.BE, verbs.LOSE)} <= trained
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
    line = r"train    150 pairs of [\d.]+ \(\d+ different\) English, [\d.]+ \(\d+ different\) German words"
    assert re.fullmatch(line, once.stderr.splitlines()[0])
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
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == "8e29c6c61fb9c7d2"


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
            "--test 1000: the words of the training pairs make only 0 other pairs;"
            " ask for more training pairs",
        ),
    ],
)
def test_bad_sizes_are_errors_of_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
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
