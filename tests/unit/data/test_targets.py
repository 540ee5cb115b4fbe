"""What `prepare` finds targets to be, what it then does unasked, and that it drops little in silence."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from seqkit.data.corpus import Corpus
from seqkit.data.manifest import SideRecord, read_manifest
from seqkit.data.prepare.parallel import PrepareOptions, PrepareReport, prepare_parallel
from seqkit.data.prepare.targets import targets_of
from seqkit.errors import DataError
from tests.conftest import write_lines

Pairs = Sequence[tuple[str, str]]
SYLLABLES = ("ba", "di", "fu", "ge", "ho", "ka", "li", "mo", "nu", "pa")
LEMMAS = [f"{a}{b}{c}" for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES[:3]]
WORDS = [(lemma, lemma if number % 2 else f"{lemma}st") for number, lemma in enumerate(LEMMAS)]
PHONES = [(lemma, " ".join(lemma.upper())) for lemma in LEMMAS]
SENTENCES = [(f"a dog sees {number} cats", f"ein Hund sieht {number} Katzen") for number in range(300)]
CHINESE = [(f"a dog sees {number} cats", f"有一只狗看见了{number}只猫在那里") for number in range(300)]
KATAKANA = [(lemma, "".join(chr(0x30A0 + ord(letter) % 80) for letter in lemma)) for lemma in LEMMAS]


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """The warnings of the package's logger."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, collector = logging.getLogger("seqkit"), Collector(logging.WARNING)
    logger.addHandler(collector)
    yield messages
    logger.removeHandler(collector)


def prepare(folder: Path, pairs: Pairs, **options: Any) -> PrepareReport:
    path = write_lines(folder / "pairs.tsv", ["\t".join(pair) for pair in pairs])
    options = {"overwrite": True, **options}
    return prepare_parallel(PrepareOptions(folder / "corpus", pairs=(str(path),), **options), lambda *_: None)


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        (WORDS, "words"),
        ([("one hundred and five", "105"), ("samedi 3 mai 1975", "1975-05-03")], "words"),
        (KATAKANA, "words"),
        (PHONES, "symbols"),
        ([(lemma, " ".join(f"{letter}ː" for letter in lemma)) for lemma in LEMMAS], "symbols"),
        (SENTENCES, "text"),
        (CHINESE, "text"),
        ([("hello", "有一只狗看见了三只猫在那里")] * 10, "text"),
        ([("hello", "http://example.org/" + "a" * 60)] * 10, "text"),
        ([("ba di fu ge", "ge fu di ba")] * 100, "text"),
        ([("a", "b c")], "text"),
        ([("a", "")], "text"),
        ([], "text"),
    ],
)
def test_what_targets_are(pairs: Pairs, kind: str) -> None:
    assert targets_of([source for source, _ in pairs], [target for _, target in pairs]) == kind


def test_words_keep_what_sentences_drop_and_it_is_said(tmp_path: Path) -> None:
    report = prepare(tmp_path, [*WORDS, *WORDS[:100]], valid_size=10)
    assert (report.targets, report.kept + report.valid + report.dropped["held_out"]) == ("words", 400)
    assert report.dropped["identical"] == report.dropped["duplicate"] == 0
    assert report.decided == (
        "identical pairs are kept",
        "duplicate pairs are kept",
        "lengths are not compared",
        "the tokenizer is char",
    )
    corpus = Corpus.open(tmp_path / "corpus", verify=True)
    assert corpus.manifest.filters is not None
    assert (corpus.manifest.filters.keep_identical, corpus.manifest.filters.max_ratio) == (True, 0)
    assert corpus.source_tokenizer is corpus.target_tokenizer


def test_symbols_are_whole_and_sides_differ(tmp_path: Path) -> None:
    report = prepare(tmp_path, PHONES)
    assert report.targets == "symbols"
    corpus = Corpus.open(tmp_path / "corpus", verify=True)
    assert corpus.manifest.tokenizer.sides == (
        SideRecord("char", "clean-nfc"),
        SideRecord("word", "clean-nfc"),
    )
    assert report.target_tokens_per_line == 6
    assert {"source.characters.json", "target.symbols.json"} <= set(corpus.manifest.files)


def test_sentences_are_as_ever(tmp_path: Path) -> None:
    report = prepare(tmp_path, [*SENTENCES, ("ab cd", "ab cd"), SENTENCES[0]], vocabulary_size=300)
    assert (report.targets, report.decided) == ("text", ())
    assert (report.dropped["identical"], report.dropped["duplicate"]) == (1, 1)
    value = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    assert value["tokenizer"] == {"kind": "bpe", "normalization": "clean-nfc", "sizes": [300]}


def test_an_option_overrides_each_decision(tmp_path: Path) -> None:
    report = prepare(
        tmp_path, WORDS, keep_identical=False, keep_duplicates=False, max_ratio=9.0, tokenizer="byte"
    )
    assert report.decided == ()
    assert report.dropped["identical"] == 150
    assert read_manifest(tmp_path / "corpus").tokenizer.kind == "byte"


IDENTICAL = [(f"see page {number}", f"see page {number}") for number in range(100)]
LONG = [(f"{source} " + "so " * 300, target) for source, target in SENTENCES[:100]]
UNEQUAL = [(f"{number}", "ein Hund und noch ein Hund und noch ein Hund " * 3) for number in range(100)]


@pytest.mark.parametrize(
    ("more", "reason", "count", "keep", "drop"),
    [
        (IDENTICAL, "identical", 100, {"keep_identical": True}, {"keep_identical": False}),
        (SENTENCES[:100], "duplicate", 100, {"keep_duplicates": True}, {"keep_duplicates": False}),
        (LONG, "too_long", 100, {"max_tokens": 0, "max_ratio": 0.0}, {"max_tokens": 200}),
        (UNEQUAL, "length_ratio", 100, {"max_ratio": 0.0}, {"max_ratio": 9.0}),
    ],
)
def test_a_fifth_of_the_data_is_dropped_only_when_asked(
    more: Pairs,
    reason: str,
    count: int,
    keep: dict[str, Any],
    drop: dict[str, Any],
    tmp_path: Path,
    warnings: list[str],
) -> None:
    valid = write_lines(tmp_path / "valid.tsv", ["x y\tz z"])
    options = {"valid_pairs": (str(valid),), "vocabulary_size": 300}
    with pytest.raises(DataError, match=rf"{count} of 400 pairs \(25%\) would be dropped") as caught:
        prepare(tmp_path, [*SENTENCES, *more], **options)
    assert str(caught.value.where).startswith("--")
    assert "keeps them" in str(caught.value.hint)
    assert "drops them" in str(caught.value.hint)
    assert not (tmp_path / "corpus").exists()
    assert warnings == []
    assert prepare(tmp_path, [*SENTENCES, *more], **options, **drop).dropped[reason] == count
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{count} of 400 pairs (25%) are dropped: ")
    assert prepare(tmp_path, [*SENTENCES, *more], **options, **keep).dropped[reason] == 0
    assert len(warnings) == 1


def test_a_twentieth_is_a_warning_and_less_is_not(tmp_path: Path, warnings: list[str]) -> None:
    valid = write_lines(tmp_path / "valid.tsv", ["x y\tz z"])
    options = {"valid_pairs": (str(valid),), "vocabulary_size": 300}
    prepare(tmp_path, [*SENTENCES, *IDENTICAL[:10]], **options)
    assert warnings == []
    prepare(tmp_path, [*SENTENCES, *IDENTICAL[:30]], **options)
    assert warnings == [
        "30 of 330 pairs (9%) are dropped: their target is their source; --keep-identical keeps them"
    ]
    warnings.clear()
    prepare(tmp_path, [*SENTENCES, *[("", "leer")] * 100], **options)
    (warning,) = warnings
    assert warning.startswith("100 of 400 pairs (25%) are dropped: a side is empty")


def test_frequent_words_are_not_held_out(tmp_path: Path) -> None:
    pairs = [("the", "THE"), ("of", "OF"), ("and", "AND")] * 100 + WORDS
    for seed in range(5):
        report = prepare(tmp_path, pairs, seed=seed)
        assert (report.kept, report.valid, report.dropped["held_out"]) == (570, 30, 0)
        valid = Corpus.open(tmp_path / "corpus").valid_text("source")
        assert len(set(valid)) == 30
        assert not {"the", "of", "and"} & set(valid)
    assert prepare(tmp_path, WORDS * 2).valid == 30, "where none occurs once, those that repeat must do"


def test_what_is_held_out_with_a_frequent_source_is_told(tmp_path: Path) -> None:
    pairs = [("the dog", f"{number} x") for number in range(200)] + [
        (f"{lemma} a", "y z") for lemma in LEMMAS[:200]
    ]
    seeds = [seed for seed in range(40) if "error" in _outcome(tmp_path, pairs, seed)]
    assert seeds, "some seed holds `the` out"
    assert "their source is in the validation set" in _outcome(tmp_path, pairs, seeds[0])
    assert prepare(tmp_path, pairs, seed=seeds[0], valid_size=20).dropped["held_out"] > 150


def _outcome(folder: Path, pairs: Pairs, seed: int) -> str:
    try:
        prepare(folder, pairs, seed=seed)
    except DataError as error:
        return f"error: {error.message}"
    return "fine"


def test_each_side_has_its_own_tokenizer_and_size(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "source", [f"{lemma}\tV;PRS;2" for lemma in LEMMAS])
    target = write_lines(tmp_path / "target", [f"{lemma}st" for lemma in LEMMAS])
    report = prepare_parallel(
        PrepareOptions(
            tmp_path / "corpus",
            source=(str(source),),
            target=(str(target),),
            source_tokenizer="char,tags",
            target_tokenizer="unigram",
            target_vocabulary_size=290,
        ),
        lambda *_: None,
    )
    corpus = Corpus.open(tmp_path / "corpus", verify=True)
    assert [side.kind for side in corpus.manifest.tokenizer.sides] == ["char,tags", "unigram"]
    assert report.vocabulary_sizes[1] <= 290
    assert corpus.train.source is not None
    (line,) = corpus.source_tokenizer.decode([corpus.train.source[0]])
    assert line.endswith("\tV PRS 2")
    assert report.source_tokens_per_line == 6 + 1 + 3


def test_symbols_come_from_a_file(tmp_path: Path) -> None:
    symbols = write_lines(tmp_path / "symbols", ["<x>", "st"])
    prepare(tmp_path, WORDS, symbols=str(symbols))
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.target_tokenizer.pieces(corpus.target_tokenizer.encode(["ba<x>st"])[0]) == [
        "b",
        "a",
        "<x>",
        "st",
    ]


def test_another_corpus_s_tokenizers_are_used_as_they_are(tmp_path: Path) -> None:
    prepare(tmp_path, PHONES)
    first = Corpus.open(tmp_path / "corpus")
    given = first.source_tokenizer, first.target_tokenizer
    (tmp_path / "new").mkdir()
    report = prepare(tmp_path / "new", [("zzz", "Z Z Z"), *PHONES[:30]], tokenizers=given, valid_size=2)
    second = Corpus.open(tmp_path / "new" / "corpus", verify=True)
    assert second.source_tokenizer.fingerprint == first.source_tokenizer.fingerprint
    assert second.target_tokenizer.fingerprint == first.target_tokenizer.fingerprint
    assert report.byte_rate > 0
    assert not any("tokenizer" in words for words in report.decided)
