"""A text is compared with the training text as a reader would see both."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from seqkit import __version__
from seqkit.data.corpus import Corpus
from seqkit.data.prepare.options import PrepareTextOptions
from seqkit.data.prepare.plain import prepare_text
from seqkit.errors import DataError
from seqkit.evaluation.novelty import evaluate_novelty, read_generated

TRAINING = "The quick brown fox jumps over the lazy dog.\nPack my box with five dozen liquor jugs.\n"
VALIDATION = "The quick brown cat jumps over a lazy pig.\n"


def make_corpus(folder: Path, training: bytes | str = TRAINING, **options: str) -> Corpus:
    content = training if isinstance(training, bytes) else training.encode()
    (folder / "training").write_bytes(content)
    (folder / "validation").write_text(VALIDATION)
    prepare_text(
        PrepareTextOptions(
            folder / "corpus",
            text=(str(folder / "training"),),
            valid_text=(str(folder / "validation"),),
            **options,  # type: ignore[arg-type]
        ),
        lambda *_: None,
    )
    return Corpus.open(folder / "corpus")


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_copies_are_measured_beside_those_of_the_validation_text(tokenizer: str, tmp_path: Path) -> None:
    text = "A fox jumps over the lazy dog.\nPack it!"
    report = evaluate_novelty(text, make_corpus(tmp_path, tokenizer=tokenizer))
    scores = {score.metric: score for score in report.scores}
    assert list(scores) == [
        *("longest_copy", "mean_copy", "copied_20", "copied_50", "copied_100"),
        *("new_10grams", "new_20grams", "new_words"),
    ]
    copy = " fox jumps over the lazy dog.\nPack "
    assert (report.longest_start, report.longest_text) == (1, copy)
    assert scores["longest_copy"].score == len(copy)
    assert scores["longest_copy"].validation == len("The quick brown ")
    assert scores["copied_20"].score == pytest.approx(100 * len(copy) / len(text))
    assert (scores["copied_20"].validation, scores["copied_50"].score) == (0, 0)
    assert scores["new_words"].score == pytest.approx(100 * 2 / 9)  # A, it
    assert scores["new_words"].validation == pytest.approx(100 * 3 / 9)  # cat, a, pig
    assert scores["new_10grams"].score == pytest.approx(100 * (1 - (len(copy) - 9) / (len(text) - 9)))
    assert report.signature == (
        f"unit:character|characters:{len(text)}|training:{len(TRAINING)}|validation:{len(VALIDATION)}"
        f"|seqkit:{__version__}"
    )


def test_the_training_text_is_new_to_nobody(tmp_path: Path) -> None:
    report = evaluate_novelty(TRAINING, make_corpus(tmp_path))
    scores = {score.metric: score.score for score in report.scores}
    assert report.longest_text == TRAINING
    assert (scores["new_10grams"], scores["new_words"], scores["copied_50"]) == (0, 0, 100)


def test_between_documents_a_reader_sees_what_was_there(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, documents="line")
    assert evaluate_novelty("lazy dog.\nPack my", corpus).longest_text == "lazy dog.\nPack my"
    assert evaluate_novelty("lazy dog.Pack my", corpus).longest_text == "lazy dog."


def test_characters_that_are_spelt_in_bytes_are_characters(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, "naïve Ωmega, once\n")
    assert corpus.target_tokenizer.byte_count(corpus.train.target.values) > 4  # each is there only once
    report = evaluate_novelty("naïve Ωmega", corpus)
    assert report.longest_text == "naïve Ωmega"
    assert {score.metric: score.score for score in report.scores}["longest_copy"] == 11


def test_bytes_that_are_no_text_are_compared_too(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, b"abc\xff\xfe def\r\nghi" * 3, tokenizer="byte")
    (tmp_path / "generated").write_bytes(b"--c\xff\xfe def\r\ng--")
    text = read_generated(str(tmp_path / "generated"), corpus)
    report = evaluate_novelty(text, corpus)
    assert report.longest_text.encode("utf-8", "surrogateescape") == b"c\xff\xfe def\r\ng"


def test_a_text_is_read_in_the_corpus_s_normal_form(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, "caf\u00e9 au lait\n", normalization="nfc")
    (tmp_path / "generated").write_bytes(gzip.compress("cafe\u0301 au lait\n".encode()))
    assert read_generated(str(tmp_path / "generated"), corpus) == "caf\u00e9 au lait\n"


def test_an_empty_text_is_an_error(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DataError, match="nothing to compare"):
        read_generated(str(tmp_path / "empty"), corpus)


def test_progress_reaches_the_end_of_the_training_text(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    evaluate_novelty("abc", make_corpus(tmp_path), progress=lambda *what: heard.append(what))
    assert heard[-1] == ("comparing", len(TRAINING), len(TRAINING))
