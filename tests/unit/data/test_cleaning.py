"""Invisible characters: what says nothing goes, what is part of the spelling stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.corpus import Corpus
from seqkit.data.prepare.options import PrepareOptions
from seqkit.data.prepare.parallel import prepare_parallel
from seqkit.data.tokenizers import NORMALIZATIONS, load_tokenizer, normalize_text, train_tokenizer
from seqkit.data.tokenizers.cleaning import clean, clean_lines, is_blank

REMOVED = {
    "cat\u200bs": "cats",
    "Zu\u00adsam\u00admen": "Zusammen",
    "\ufeffThe": "The",
    "\u202babc\u202c\u200e": "abc",
    "a\0b\x1b\x7f\x9c": "ab",
    "a\u2060b\u2064c": "abc",
    "a\ufdd0b\uffff\U0010fffe": "ab",
    "a\u034fb\u180e": "ab",
    "a\ufe0fb\ufe00": "ab",
    "auf\u200clage": "auflage",
    "a\u200db": "ab",
    "\u3164name\uffa0": "name",
    "کتاب\u200c ها": "کتاب ها",  # ZWNJ before a space joins nothing
    "👩\u200d": "👩",
    "👩\u200dx": "👩x",
    "1\ufe0f": "1",
    "a\U000e0067\U000e007f": "a",
    "می\u200c\u200c\u200eخواهم": "می\u200cخواهم",  # one of several
    "a\x85b\u2028c\x1fd\re": "a b c d e",
    "\u2800\u2800a": "  a",
}
KEPT = [
    "می\u200cخواهم",  # Persian
    "PDF\u200cها",
    "ه\u200d",
    "क्\u200dष क्\u200cष",  # Devanagari
    "র\u200d্য",  # Bengali
    "ශ්\u200dරී",  # Sinhala
    "ന്\u200d",  # Malayalam
    "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 👩🏽\u200d🚀 🏳\ufe0f\u200d🌈 ⛹🏿\u200d♀\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
    "1\ufe0f\u20e3 #\ufe0f\u20e3 ©\ufe0f ‼\ufe0f ☺\ufe0e",
    "葛\U000e0100城 ∩\ufe00 \u1000\ufe00",
    "ᠠ\u180b ᠨ\u180eᠠ",  # Mongolian
    "ខ្មែរ\u200bភាសា ไทย\u200bภาษา",
    "\u1100\u1160\u11a8 \u2801\u2800\u2803",
    "a\tb\nc\u00a0d\u3000e \ufffd \u2581",
]
ODD = "ab1 #é漢👩👍🏽❤🏴\u20e3\ufe0f\ufe0e\ufe00\u200d\u200c\u200b\xad\u180e\u180bᠠ"
ODD += "\u115f\u1160\u1100\u2800\u2801\u2028\0\n\U000e0067\U000e007f\U000e0100葛कمق\u0e44\u17b4\ufdd0"
any_text = st.text(st.sampled_from(ODD) | st.characters(exclude_categories=()), max_size=12)


@pytest.mark.parametrize("text", REMOVED)
def test_what_says_nothing_goes(text: str) -> None:
    assert clean(text) == REMOVED[text]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_part_of_the_spelling_stays(text: str) -> None:
    assert clean(text) == text


@settings(max_examples=500)
@given(text=any_text, others=st.lists(any_text, max_size=3))
def test_cleaning_again_changes_nothing(text: str, others: list[str]) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_lines([text, *others]) == [clean(text), *map(clean, others)]
    for normalization in NORMALIZATIONS[3:]:
        normal = normalize_text(text, normalization)
        assert normalize_text(normal, normalization) == normal


@pytest.mark.parametrize(
    "line", ["", " ", "\u200b", "\u200b \ufeff\u2060", "\u2800\u3164", "\x07\x85", "\u00a0\ufdd0"]
)
def test_nothing_is_to_be_seen_of_a_blank_line(line: str) -> None:
    assert is_blank(line)
    assert not is_blank(line + "👍")


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char", "byte"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_tokenizer_remembers_how_its_text_was_cleaned(kind: str, normalization: str) -> None:
    tokenizer = train_tokenizer(kind, ["the cat sees the dog"] * 9, 270, normalization)  # type: ignore[arg-type]
    again = load_tokenizer(tokenizer.to_bytes(), f"x{tokenizer.file_name}")
    assert again.normalization == normalization
    plain, odd = again.encode(["the cat", "\u200bthe c\u00adat"])
    assert (plain.tolist() == odd.tolist()) == normalization.startswith("clean-")
    assert (len(again.encode(["\u200b"])[0]) == 0) == normalization.startswith("clean-")


PAIRS = [(f"the cat sees {number} dogs", f"die Katze sieht {number} Hunde") for number in range(40)]


def prepare(folder: Path, **options: str) -> tuple[int, Corpus]:
    pairs = [
        *PAIRS,
        ("\u200b", "unsichtbar"),
        ("the\u200b cow", "die Ku\u00adh"),
        ("a c\u0301ow", "die K\u200duh"),
    ]
    (folder / "pairs").write_text(
        "".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8"
    )
    (folder / "valid").write_text("the c\u200bow\tdie\u200b Kuh\n", encoding="utf-8")
    given = PrepareOptions(
        folder / "corpus",
        pairs=(str(folder / "pairs"),),
        valid_pairs=(str(folder / "valid"),),
        tokenizer="char",
        **options,  # type: ignore[arg-type]
    )
    report = prepare_parallel(given, lambda *_: None)
    return report.cleaned, Corpus.open(folder / "corpus")


def test_prepare_cleans_and_counts(tmp_path: Path) -> None:
    cleaned, corpus = prepare(tmp_path)
    assert cleaned == 3
    assert corpus.manifest.dropped["empty"] == 1
    assert corpus.manifest.tokenizer.normalization == "clean-nfc"
    assert (corpus.valid_text("source"), corpus.valid_text("target")) == (["the cow"], ["die Kuh"])
    assert not {"\u200b", "\u00ad", "\u200d"} & set(vars(corpus.fields["source"])["characters"])


def test_cleaning_is_off_by_option(tmp_path: Path) -> None:
    cleaned, corpus = prepare(tmp_path, normalization="nfc")
    assert cleaned == 0
    assert corpus.manifest.dropped["empty"] == 0
    assert (corpus.valid_text("source"), corpus.valid_text("target")) == (
        ["the c\u200bow"],
        ["die\u200b Kuh"],
    )
