"""A translator that begins with another one's weights: vocabularies of characters and symbols are joined."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel
from seqkit.data.tokenizers import Tokenizer
from seqkit.errors import ConfigError
from tests.conftest import write_lines
from tests.laws.runs import assert_same, tiny_config, train, train_with_stops


def spelt(first: str, second: str, third: str) -> list[tuple[str, str]]:
    """Words of three letters, and their letters backwards."""
    words = [(a, b, c) for a in first for b in second for c in third] * 4
    return [("".join(word), " ".join(word[::-1]).upper()) for word in words]


OLD, NEW = spelt("abc", "abcd", "bcd"), spelt("bcx", "bcyz", "bcz")
SEPARATE: dict[str, Any] = {"source_tokenizer": "char", "target_tokenizer": "word"}
JOINT: dict[str, Any] = {"tokenizer": "char"}


def prepared(folder: Path, pairs: Sequence[tuple[str, str]], **options: Any) -> Path:
    path = write_lines(folder.with_suffix(".tsv"), ["\t".join(pair) for pair in pairs])
    prepare_parallel(PrepareOptions(folder, pairs=(str(path),), valid_size=4, **options), lambda *_: None)
    return folder


def small(**changes: object) -> Config:
    settings: dict[str, object] = {"training__best_metric": "loss", "training__steps": 4, **changes}
    return tiny_config(**settings)


def settings_for(options: dict[str, Any]) -> dict[str, Any]:
    return {"model__tied_embeddings": "target"} if options is SEPARATE else {}


def word(tokenizer: Tokenizer, text: str) -> int:
    (token,) = tokenizer.encode([text])[0].tolist()
    return int(token)


@pytest.mark.parametrize("options", [SEPARATE, JOINT], ids=["separate", "joint"])
def test_what_the_old_model_knew_keeps_its_rows(options: dict[str, Any], tmp_path: Path) -> None:
    first, second = prepared(tmp_path / "one", OLD, **options), prepared(tmp_path / "two", NEW, **options)
    tied = settings_for(options)
    train(first, tmp_path / "old", small(**tied))
    still = small(training__learning_rate=0.0, training__ema=0.0, **tied)
    train(second, tmp_path / "new", still, init_from=tmp_path / "old")
    old, new = (model_directory.load(tmp_path / name) for name in ("old", "new"))
    corpus = Corpus.open(second)
    for line in ("xyz", "bcb"):
        ids = [each.source_tokenizer.encode([line])[0].tolist() for each in (new, corpus)]
        assert ids[0] == ids[1], "the corpus's ids mean the same"
    assert new.source_tokenizer.byte_count(new.source_tokenizer.encode(["axd"])[0]) == 0
    assert new.target_tokenizer.byte_count(new.target_tokenizer.encode(["A X D"])[0]) == 0
    for name in old.blueprint.per_token():
        side = "source_tokenizer" if name.startswith("source") else "target_tokenizer"
        for text in "abcd" if name.startswith("source") else "ABCD":
            before, after = (word(getattr(model, side), text) for model in (old, new))
            assert (old.parameters[name][before] == new.parameters[name][after]).all(), (name, text)
    name = "decoder.layers.0.recurrence.weight_hh_l0"
    assert (old.parameters[name] == new.parameters[name]).all()


@pytest.mark.parametrize("options", [SEPARATE, JOINT], ids=["separate", "joint"])
def test_a_run_with_joined_vocabularies_goes_on_exactly(options: dict[str, Any], tmp_path: Path) -> None:
    first, second = prepared(tmp_path / "one", OLD, **options), prepared(tmp_path / "two", NEW, **options)
    config = small(training__steps=8, **settings_for(options))
    train(first, tmp_path / "old", config)
    train(second, tmp_path / "whole", config, init_from=tmp_path / "old")
    again = tmp_path / "again"
    assert train_with_stops(second, again, config, [4], init_from=tmp_path / "old", end=False) == 1
    shutil.rmtree(tmp_path / "old")
    train(second, again, config)
    assert_same(tmp_path / "whole", again)


def test_subwords_need_the_model_s_own_vocabulary(tmp_path: Path) -> None:
    options = {"tokenizer": "bpe", "vocabulary_size": 290}
    first, second = prepared(tmp_path / "one", OLD, **options), prepared(tmp_path / "two", NEW, **options)
    train(first, tmp_path / "old", small())
    with pytest.raises(ConfigError, match="has another vocabulary than this corpus") as caught:
        train(second, tmp_path / "new", small(), init_from=tmp_path / "old")
    assert "--tokenizer-from" in str(caught.value.hint)
    old = model_directory.load(tmp_path / "old")
    own = prepared(tmp_path / "own", NEW, tokenizers=(old.source_tokenizer, old.target_tokenizer))
    train(own, tmp_path / "fine", small(), init_from=tmp_path / "old")
    new = model_directory.load(tmp_path / "fine")
    assert new.target_tokenizer.fingerprint == old.target_tokenizer.fingerprint


def test_one_vocabulary_and_two_are_not_joined(tmp_path: Path) -> None:
    first = prepared(tmp_path / "one", OLD, **JOINT)
    second = prepared(tmp_path / "two", NEW, tokenizer="char", separate_vocabularies=True)
    train(first, tmp_path / "old", small())
    with pytest.raises(ConfigError, match="--init-from"):
        train(second, tmp_path / "new", small(model__tied_embeddings="target"), init_from=tmp_path / "old")
