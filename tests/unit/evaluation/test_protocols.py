"""A generator and n-grams are compared on the same predictions, or not at all."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from seqkit.config import Config, ModelConfig
from seqkit.data.corpus import Corpus
from seqkit.data.prepare.options import PrepareTextOptions
from seqkit.data.prepare.plain import prepare_text
from seqkit.data.tokenizers import END
from seqkit.errors import DataError, ModelError
from seqkit.evaluation.dynamic_options import DynamicOptions
from seqkit.evaluation.encoded_text import documents_of, open_text_corpus
from seqkit.evaluation.language import stream_nats, window_nats
from seqkit.evaluation.protocols import (
    Predictors,
    Protocols,
    open_predictors,
    score_text,
)
from seqkit.metrics.ngram import NgramModel
from seqkit.metrics.sacre import Score
from seqkit.model_directory import Facts, LoadedModel
from tests.networks import build_language_model

CPU = torch.device("cpu")
LINES = [f"the {noun} {verb} in the {place}" for noun in ("cat", "dog") for verb in ("sits", "runs")
         for place in ("house", "garden", "street")]  # fmt: skip


def make_corpus(folder: Path, documents: str = "none", tokenizer: str = "char", lines: int = 200) -> Corpus:
    folder.mkdir(exist_ok=True)
    text = folder / "text"
    text.write_text("".join(LINES[number * 7 % len(LINES)] + "\n" for number in range(lines)))
    options = PrepareTextOptions(
        folder / "corpus",
        text=(str(text),),
        documents=documents,  # type: ignore[arg-type]
        tokenizer=tokenizer,  # type: ignore[arg-type]
    )
    prepare_text(options, lambda *_: None)
    return Corpus.open(folder / "corpus")


def make_model(corpus: Corpus) -> LoadedModel:
    torch.manual_seed(1)
    config = ModelConfig(embedding_size=8, hidden_size=16, decoder_layers=1, tied_embeddings="none")
    documents = documents_of(corpus)
    facts = Facts(
        kind="generation",
        corpus=corpus.fingerprint,
        documents=documents,
        boundary=END if documents != "none" else int(corpus.target_tokenizer.encode_text("\n")[0]),
    )
    return LoadedModel(
        build_language_model(config, size=corpus.target_tokenizer.size),
        Config(model=config),
        facts,
        corpus.fields,
    )


def by_protocol(scores: list[Score]) -> dict[str, dict[str, Score]]:
    found: dict[str, dict[str, Score]] = {}
    for score in scores:
        found.setdefault(score.details["protocol"], {})[score.metric] = score
    return found


@pytest.mark.parametrize("documents", ["none", "line"])
def test_every_protocol_has_its_own_scores_of_the_same_predictions(documents: str, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, documents)
    predictors = Predictors(make_model(corpus), corpus)
    (tmp_path / "test").write_text("the cat runs\nin the café\n")
    text = predictors.encode_file(str(tmp_path / "test"))
    options = DynamicOptions()
    protocols = Protocols(windows=(5, 9), dynamic=options, ngram_order=3)
    found = by_protocol(score_text(predictors, text, protocols, device=CPU))
    assert list(found) == ["stream", "window-5", "window-9", "dynamic", "ngram-3", "ngram-3-adaptive"]
    assert {tuple(scores) for scores in found.values()} == {
        ("bits_per_character", "nats_per_character", "perplexity")
    }
    ends = 2 if documents == "line" else 0
    characters = 25 - ends  # ends stand in the newlines' place
    assert (text.characters, text.ends, len(text.ids)) == (characters, ends, 26)
    for name, scores in found.items():
        nats = scores["nats_per_character"]
        assert nats.score == pytest.approx(nats.details["nats"] / characters)
        assert scores["perplexity"].score == pytest.approx(math.exp(nats.details["nats"] / 26))
        assert nats.signature.startswith(f"protocol:{name}|")
        assert f"|unit:char|tokens:26|ends:{ends}|characters:{characters}|" in nats.signature
    assert predictors.generator is not None
    model = predictors.generator.model
    assert found["stream"]["bits_per_character"].details["nats"] == pytest.approx(
        stream_nats(model, text.ids, text.boundary, device=CPU)[0]
    )
    assert found["window-5"]["bits_per_character"].details["nats"] == pytest.approx(
        window_nats(model, text.ids, text.boundary, 5, device=CPU)
    )
    assert "|state:zero|" in found["window-5"]["perplexity"].signature
    assert f"|rate:{options.rate}|decay:{options.decay}|segment:{options.segment}|" in (
        found["dynamic"]["perplexity"].signature
    )
    assert "|counts:fixed|" in found["ngram-3"]["perplexity"].signature
    assert "|counts:growing|" in found["ngram-3-adaptive"]["perplexity"].signature


def test_ngrams_learn_the_training_text_only(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    predictors = Predictors(None, corpus)
    text = predictors.encode_file(str(tmp_path / "text"))
    scores = by_protocol(score_text(predictors, text, Protocols(), device=CPU))
    assert list(scores) == ["ngram-5"]
    training = corpus.train.target.values
    size = corpus.target_tokenizer.size
    base = np.r_[np.zeros(4), np.full(size - 4, 1 / (size - 4))]
    expected = NgramModel(training, 5, base).nats(text.ids, np.array([text.boundary])).mean()
    assert scores["ngram-5"]["nats_per_character"].score == pytest.approx(expected)
    assert f"|trained:{len(training)}|" in scores["ngram-5"]["perplexity"].signature
    assert len(training) < len(text.ids)


def test_only_the_end_of_a_long_training_text_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqkit.evaluation.protocols.TOKEN_LIMIT", 100)
    predictors = Predictors(None, make_corpus(tmp_path))
    text = predictors.encode_file(str(tmp_path / "text"))
    (score, *_) = score_text(predictors, text, Protocols(), device=CPU)
    assert "|trained:100|" in score.signature


@pytest.mark.parametrize("documents", ["none", "line"])
def test_ngrams_can_predict_every_text(documents: str, tmp_path: Path) -> None:
    predictors = Predictors(None, make_corpus(tmp_path, documents))
    (tmp_path / "odd").write_bytes("\U0001f600\x00 Ω\n\xff".encode("utf-8", "surrogateescape"))
    text = predictors.encode_file(str(tmp_path / "odd"))
    (score, *_) = score_text(predictors, text, Protocols(), device=CPU)
    assert math.isfinite(score.score)


@pytest.mark.parametrize("changes", [{"documents": "line"}, {"tokenizer": "byte"}])
def test_what_cuts_text_differently_is_not_compared(changes: dict[str, str], tmp_path: Path) -> None:
    model = make_model(make_corpus(tmp_path / "a"))
    other = make_corpus(tmp_path / "b", **changes)
    with pytest.raises(DataError, match="cannot be compared") as caught:
        Predictors(model, other)
    assert caught.value.where == str(other.directory)


def test_another_text_than_the_models_is_warned_of(tmp_path: Path, warnings: list[str]) -> None:
    first, second = make_corpus(tmp_path / "a"), make_corpus(tmp_path / "b", lines=150)
    Predictors(make_model(first), first)
    assert warnings == []
    Predictors(make_model(first), second)
    assert warnings == [f"{second.directory} is not the corpus that the model was trained on"]


def test_a_model_that_diverged_is_no_scorer(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    loaded = make_model(corpus)
    with torch.no_grad():
        loaded.model.head.output.bias.fill_(math.nan)  # type: ignore[union-attr, operator]
    predictors = Predictors(loaded, None)
    text = predictors.encode_file(str(tmp_path / "text"))
    with pytest.raises(ModelError, match="the model's probabilities are NaN or infinite"):
        score_text(predictors, text, Protocols(), device=CPU)


def test_models_and_corpora_of_translation_are_refused(toy_model: Path, toy_corpus: Path) -> None:
    with pytest.raises(ModelError, match="translator") as caught:
        open_predictors(str(toy_model), None)
    assert caught.value.where == str(toy_model)
    with pytest.raises(DataError, match="parallel text"):
        open_predictors(None, str(toy_corpus))
    with pytest.raises(DataError, match="parallel text"):
        open_text_corpus(str(toy_corpus))
    with pytest.raises(ValueError, match="predicted by"):
        Predictors(None, None)


def test_progress_hears_of_every_stage(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    predictors = Predictors(make_model(corpus), None)
    text = predictors.encode_file(str(tmp_path / "text"))
    text = dataclasses.replace(text, ids=text.ids[:50])
    heard: dict[str, tuple[int, int]] = {}
    protocols = Protocols(windows=(10,), dynamic=DynamicOptions())
    score_text(
        predictors,
        text,
        protocols,
        device=CPU,
        progress=lambda stage, done, total: heard.update({stage: (done, total)}),
    )
    assert heard == {"stream": (50, 50), "window-10": (50, 50), "dynamic": (50, 50)}
