"""Training a generator: exact resumption, carried state, and beginnings with another model's rows."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqkit import model_directory
from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.errors import ConfigError, DataError
from seqkit.evaluation.language import stream_nats
from seqkit.kinds import GENERATION
from seqkit.training.events import Finished, Started, Validated
from tests.conftest import make_toy_text_corpus
from tests.laws.runs import assert_same, left_behind, rows, tiny_text_config, train, train_with_stops

VARIANTS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "weight drop": {"model__weight_drop": 0.3, "model__dropout": 0.0},
    "tied": {"model__tied_embeddings": "all"},
    "gru": {"model__cell": "gru", "training__optimizer": "rmsprop"},
    "accumulate": {"training__accumulate": 3, "training__checkpoint_every": 1},
    "several epochs": {"data__slice_length": 300},
    "nt-asgd": {
        "training__optimizer": "nt-asgd",
        "training__learning_rate": 3.0,
        "training__nonmonotone_validations": 1,
        "training__validate_every": 2,
        "training__schedule": "constant",
        "training__steps": 14,
    },
    "average": {"training__average_best": 2, "training__validate_every": 3},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_signals_in_steps_and_validations_change_nothing(
    toy_text_corpus: Path, tmp_path: Path, name: str
) -> None:
    config = tiny_text_config(**VARIANTS[name])
    train(toy_text_corpus, tmp_path / "whole", config)
    generator = random.Random(name)
    stops = [generator.randint(1, 7) for _ in range(5)]
    assert train_with_stops(toy_text_corpus, tmp_path / "stopped", config, stops) >= 2
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    assert "carried.safetensors" in left_behind(tmp_path / "whole")


def test_the_variants_do_what_they_say(toy_text_corpus: Path, tmp_path: Path) -> None:
    train(toy_text_corpus, tmp_path / "asgd", tiny_text_config(**VARIANTS["nt-asgd"]))
    state = next((tmp_path / "asgd/training").glob("checkpoint-*14/state.json")).read_text()
    assert '"averaging_from": 0' not in state, "the trigger must have fired, or nothing is averaged"
    train(toy_text_corpus, tmp_path / "epochs", tiny_text_config(**VARIANTS["several epochs"]))
    assert rows(tmp_path / "epochs")[-1]["epoch"] > 2


def test_what_is_looked_at_does_not_change_what_is_learnt(toy_text_corpus: Path, tmp_path: Path) -> None:
    """Validating, sampling and saving leave the carried state and the random numbers as they are."""
    seldom = tiny_text_config(training__samples=0, training__validate_every=12, training__checkpoint_every=0)
    often = tiny_text_config(training__samples=3, training__validate_every=2, training__checkpoint_every=1)
    for name, config in (("seldom", seldom), ("often", often)):
        train(toy_text_corpus, tmp_path / name, config)
    left, right = left_behind(tmp_path / "seldom"), left_behind(tmp_path / "often")
    for file in (
        "weights.safetensors",
        "averages.safetensors",
        "carried.safetensors",
        "optimizer.safetensors",
    ):
        assert left[file] == right[file], file


def test_a_validation_reads_the_whole_text_once(toy_text_corpus: Path, tmp_path: Path) -> None:
    events = train(toy_text_corpus, tmp_path / "model", tiny_text_config(training__ema=0.0))
    loaded = model_directory.load(tmp_path / "model")
    corpus = Corpus.open(toy_text_corpus)
    ids = corpus.valid.target.values
    nats, positions = stream_nats(loaded.model, ids, loaded.facts.boundary, device=torch.device("cpu"))
    assert positions == len(ids)
    validated = [event for event in events if isinstance(event, Validated)]
    best = min(validated, key=lambda event: event.measured.loss)
    assert nats / positions == pytest.approx(best.measured.loss, rel=1e-6)
    text = corpus.manifest.text
    assert text is not None
    assert best.measured.metric("nats_per_character") == pytest.approx(nats / text.valid_characters, abs=1e-5)
    assert best.measured.metric("bits_per_character") == pytest.approx(
        nats / text.valid_characters / np.log(2), abs=1e-5
    )
    (sample,) = validated[-1].measured.samples
    assert sample.keys() == {"text"}
    assert 0 < len(sample["text"]) <= 5
    started = events[0]
    assert isinstance(started, Started)
    assert (started.kind, started.size) == (GENERATION, text.train_characters)
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.advice is not None
    assert finished.advice.startswith("no over-fitting")


def test_a_short_text_gets_fewer_streams_and_says_so(tmp_path: Path, warnings: list[str]) -> None:
    corpus = make_toy_text_corpus(tmp_path, "ab cd ef\n" * 6)  # 54 characters, 48 for training
    train(corpus, tmp_path / "model", tiny_text_config(data__streams=8, training__steps=2))
    assert any("4 streams of 10 tokens per step instead of data.streams = 8" in text for text in warnings)


def test_a_text_too_short_for_a_slice_names_the_largest_that_fits(tmp_path: Path) -> None:
    corpus = make_toy_text_corpus(tmp_path, "ab cd ef\n" * 6)
    with pytest.raises(DataError, match="too few for one slice") as caught:
        train(corpus, tmp_path / "model", tiny_text_config(data__slice_length=48))
    assert "data.slice_length=47" in str(caught.value.hint)
    train(corpus, tmp_path / "other", tiny_text_config(data__slice_length=47, training__steps=2))


def prepared(folder: Path, text: str) -> Path:
    folder.mkdir()
    return make_toy_text_corpus(folder, text)


def test_init_from_joins_the_vocabularies_and_keeps_old_rows(tmp_path: Path) -> None:
    first = prepared(tmp_path / "one", "abc abd acd\n" * 40)
    second = prepared(tmp_path / "two", "abx xyz zya\n" * 40)
    config = tiny_text_config(training__steps=4, training__learning_rate=0.0, training__ema=0.0)
    train(first, tmp_path / "old", tiny_text_config(training__steps=4))
    train(second, tmp_path / "new", config, init_from=tmp_path / "old")
    old, new = (model_directory.load(tmp_path / name) for name in ("old", "new"))
    corpus = Corpus.open(second)
    characters = set("abcdxyz \n")
    assert set(new.target_tokenizer.characters) == characters  # type: ignore[attr-defined]
    text = "zabx\n"
    assert (
        new.target_tokenizer.encode_text(text).tolist() == corpus.target_tokenizer.encode_text(text).tolist()
    )
    for name in ("target_frontend.embedding.weight", "head.output.weight", "head.output.bias"):
        theirs, ours = old.model.get_parameter(name), new.model.get_parameter(name)
        for character in "abcd \n":
            (before,), (after,) = (m.target_tokenizer.encode_text(character).tolist() for m in (old, new))
            assert torch.equal(theirs[before], ours[after]), (name, character)
    assert torch.equal(
        old.model.get_parameter("decoder.layers.0.recurrence.weight_hh_l0"),
        new.model.get_parameter("decoder.layers.0.recurrence.weight_hh_l0"),
    )


def test_a_run_with_a_joined_vocabulary_goes_on_exactly(tmp_path: Path) -> None:
    first = prepared(tmp_path / "one", "abc abd acd\n" * 40)
    second = prepared(tmp_path / "two", "abx xyz zya\n" * 40)
    config: Config = tiny_text_config()
    train(first, tmp_path / "old", tiny_text_config(training__steps=4))
    train(second, tmp_path / "whole", config, init_from=tmp_path / "old")
    stopped = tmp_path / "stopped"
    assert train_with_stops(second, stopped, config, [4], init_from=tmp_path / "old") == 1
    assert_same(tmp_path / "whole", stopped)
    # The old model is needed only once.
    again = tmp_path / "again"
    assert train_with_stops(second, again, config, [4], init_from=tmp_path / "old", end=False) == 1
    shutil.rmtree(tmp_path / "old")
    train(second, again, config)
    assert_same(tmp_path / "whole", again)


def test_init_from_refuses_what_does_not_fit(toy_text_corpus: Path, toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is for translation, this corpus for generation"):
        train(toy_text_corpus, tmp_path / "a", tiny_text_config(), init_from=toy_model)
    train(toy_text_corpus, tmp_path / "small", tiny_text_config(training__steps=2))
    wider = tiny_text_config(model__hidden_size=14)
    with pytest.raises(ConfigError, match="network differs at"):
        train(toy_text_corpus, tmp_path / "b", wider, init_from=tmp_path / "small")
