"""What ranks the checkpoints of a translator: what suits its data, said, kept by a run that continues."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.training.options import TrainOptions
from seqkit.training.start import session_of
from tests.conftest import Finished, toy_assignments, write_lines

Command = Callable[..., Finished]
LETTERS = "abdegiklmnorstu"


def words(count: int) -> list[str]:
    """Different made-up words of four letters, none the start of another."""
    size = len(LETTERS)
    return [
        "".join(LETTERS[number * 7 // size**place % size] for place in range(4)) for number in range(count)
    ]


@pytest.fixture(scope="module")
def word_corpus(seqkit: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words and their plurals, as an inflection corpus has them."""
    folder = tmp_path_factory.mktemp("words")
    lines = [f"{word}\t{word}ak" for word in words(300)]
    write_lines(folder / "train.tsv", lines[:260])
    write_lines(folder / "valid.tsv", lines[260:])
    done = seqkit(
        *(
            "prepare",
            folder / "corpus",
            "--pairs",
            folder / "train.tsv",
            "--valid-pairs",
            folder / "valid.tsv",
        ),
        *("--tokenizer", "char"),
    )
    assert done.code == 0, done.err
    return folder / "corpus"


def train(corpus: Path, model: Path, *more: object, **settings: object) -> tuple[object, ...]:
    changes: dict[str, Any] = {"training__validate_every": 20, **settings}
    return ("train", corpus, model, "--steps", 60, "--threads", 1, *toy_assignments(**changes), *more)


def rows_of(model: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(
    seqkit: Command, word_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Finished]:
    model = tmp_path_factory.mktemp("ranked") / "model"
    done = seqkit(*train(word_corpus, model, "--json"))
    assert done.code == 0, done.err
    return model, done


def test_words_are_ranked_by_exact_match_and_it_is_said(trained: tuple[Path, Finished]) -> None:
    model, done = trained
    assert 'ranked_by=exact ranked_so_because="targets are single words"' in done.err
    rows = rows_of(model)
    assert [[score["metric"] for score in row["scores"]] for row in rows] == [["exact", "cer", "chrf"]] * 3
    assert re.search(r" exact=[\d.]+ cer=[\d.]+ chrf=[\d.]+ ", done.err)
    summary = json.loads(done.out)
    assert (summary["best_metric"], summary["best_decided_by"]) in {("exact", "exact"), ("exact", "cer")}
    assert json.loads((model / "config.json").read_text())["training"]["best_metric"] == "exact"
    assert "| exact |" in (model / "README.md").read_text()


def test_the_best_checkpoint_is_the_best_one(trained: tuple[Path, Finished]) -> None:
    """By exact match, then the character error rate, then chrF, then the loss; not the first of equals."""
    model, done = trained
    rows = rows_of(model)

    def rank(row: dict[str, Any]) -> tuple[float, ...]:
        scores = {score["metric"]: score["score"] for score in row["scores"]}
        return (-scores["exact"], scores["cer"], -scores["chrf"], row["valid_nats"])

    assert json.loads(done.out)["best_step"] == min(rows, key=rank)["step"] != rows[0]["step"]


def test_the_same_command_continues_it(
    trained: tuple[Path, Finished], word_corpus: Path, seqkit: Command
) -> None:
    model, _ = trained
    done = seqkit(*train(word_corpus, model))
    assert done.code == 0, done.err
    assert "The run was finished already" in done.err


def test_bleu_that_is_undefined_falls_back_and_says_so(
    word_corpus: Path, seqkit: Command, tmp_path: Path
) -> None:
    """As in a run that an earlier version began; and that run keeps its metric without being told."""
    asked = train(word_corpus, tmp_path / "model", training__best_metric="bleu")
    done = seqkit(*asked)
    assert done.code == 0, done.err
    assert "bleu=undefined" in done.err
    assert done.err.count("the best checkpoint is chosen by chrF, then loss") == 1
    rows = rows_of(tmp_path / "model")
    assert rows[0]["scores"][0]["undefined"].startswith("no reference line has four tokens")
    best = max(rows, key=lambda row: (row["scores"][1]["score"], -row["valid_nats"]))["step"]
    assert re.search(rf"step {best}, by bleu, then (chrf|loss)\n", done.err)
    assert re.search(r"valid BLEU +undefined", done.err)
    again = seqkit(*train(word_corpus, tmp_path / "model"))
    assert again.code == 0, again.err
    assert "The run was finished already" in again.err


def test_the_configuration_says_where_the_metric_came_from(
    word_corpus: Path, toy_corpus: Path, seqkit: Command
) -> None:
    shown = seqkit("train", word_corpus, "model", "--print-config").out.decode()
    assert re.search(r'training\.best_metric = "exact" +# the validation text\n', shown)
    shown = seqkit(
        "train", word_corpus, "model", "--print-config", "--set", "training.best_metric=cer"
    ).out.decode()
    assert re.search(r'training\.best_metric = "cer" +# --set\n', shown)
    shown = seqkit("train", toy_corpus, "model", "--print-config").out.decode()
    assert re.search(r'training\.best_metric = "bleu" +# default\n', shown)


@pytest.mark.parametrize("metric", ["cer", "wer", "per", "ter", "chrf", "loss"])
def test_every_metric_may_rank(metric: str, word_corpus: Path, seqkit: Command, tmp_path: Path) -> None:
    done = seqkit(
        *train(
            word_corpus, tmp_path / "model", "--json", "--quiet", "--steps", 2, training__best_metric=metric
        )
    )
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["best_metric"] == metric
    assert metric == "loss" or metric in {score["metric"] for score in summary["scores"]}


def test_references_are_compared_in_the_form_of_outputs(tmp_path: Path, seqkit: Command) -> None:
    """The text is NFD, as a Mac's keyboard writes it; a model with NFC that makes no error scores 100."""
    sentences = [f"Tôi thấy {number} con chó rất đẹp ở Hà Nội." for number in range(60)]
    pairs = [
        f"I see {number} very fine dogs in Hanoi.\t{unicodedata.normalize('NFD', text)}"
        for number, text in enumerate(sentences)
    ]
    write_lines(tmp_path / "train.tsv", pairs[:50])
    write_lines(tmp_path / "valid.tsv", pairs[50:])
    done = seqkit(
        *("prepare", tmp_path / "corpus", "--pairs", tmp_path / "train.tsv"),
        *("--valid-pairs", tmp_path / "valid.tsv", "--vocab-size", 330),
    )
    assert done.code == 0, done.err
    config = Config()
    tiny = replace(config.model, embedding_size=16, hidden_size=16, attention_heads=2)
    options = TrainOptions(tmp_path / "corpus", tmp_path / "model", replace(config, model=tiny), threads=1)
    session = session_of(options, Corpus.open(tmp_path / "corpus"))
    validator: Any = session.task.validator
    validator._translate = lambda _should_stop: sentences[50:]
    bleu, chrf = validator.measure(session.model, lambda: False, validator.whole).scores
    assert (bleu["score"], chrf["score"]) == (100, 100)
    assert "|form:nfc|" in bleu["signature"]


def test_the_tokenizer_of_a_validation_suits_its_references(tmp_path: Path, seqkit: Command) -> None:
    sentences = [f"我昨天看了第{number}本很有意思的书。" for number in range(60)]
    pairs = [f"Yesterday I read book {number}, a good one.\t{text}" for number, text in enumerate(sentences)]
    write_lines(tmp_path / "train.tsv", pairs[:50])
    write_lines(tmp_path / "valid.tsv", pairs[50:])
    prepared = seqkit(
        *("prepare", tmp_path / "corpus", "--pairs", tmp_path / "train.tsv"),
        *("--valid-pairs", tmp_path / "valid.tsv", "--tokenizer", "char"),
    )
    assert prepared.code == 0, prepared.err
    for tokenizer, more in (("zh", {}), ("char", {"training__tokenize": "char"})):
        model = tmp_path / tokenizer
        done = seqkit(*train(tmp_path / "corpus", model, "--quiet", "--steps", 2, **more))
        assert done.code == 0, done.err
        (bleu, _) = rows_of(model)[-1]["scores"]
        assert f"|tok:{tokenizer}|" in bleu["signature"]
