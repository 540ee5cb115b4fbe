"""Languages that a model of this kind must be able to learn, to a stated score."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel
from seqkit.inference.translator import TranslateOptions, Translator
from seqkit.metrics.sacre import MetricOptions, score_translations
from tests.conftest import write_lines
from tests.laws.runs import tiny_config, train

WORDS = ["ba", "di", "fu", "go", "ke", "lo", "mi", "nu", "pa", "ri", "su", "to", "ve", "wa", "xi", "zu"]
LANGUAGES: dict[str, Callable[[list[str]], list[str]]] = {
    "copy": list,
    "reverse": lambda words: words[::-1],
    "sort": sorted,
}
LEARNER: dict[str, Any] = {
    "model__embedding_size": 48,
    "model__hidden_size": 96,
    "model__attention_heads": 4,
    "model__dropout": 0.0,
    "model__word_dropout": 0.0,
    "training__batch_tokens": 256,
    "training__learning_rate": 1e-2,
    "training__warmup": 0.04,
    "training__validate_every": 200,
    "training__checkpoint_every": 0,
    "training__validation_sentences": 10,
    "training__ema": 0.98,
    "training__best_metric": "loss",
}


def pairs(language: str, count: int, seed: int, longest: int) -> list[tuple[str, str]]:
    generator, change = random.Random(seed), LANGUAGES[language]
    found = []
    for _ in range(count):
        words = [generator.choice(WORDS) for _ in range(generator.randint(4, longest))]
        found.append((" ".join(words), " ".join(change(words))))
    return found


def score(language: str, folder: Path, *, longest: int, count: int = 3000, **changes: Any) -> float:
    """BLEU on 200 unseen sentences of a model that was trained from nothing."""
    parts = {
        "train": pairs(language, count, 1, longest),
        "valid": pairs(language, 50, 2, longest),
    }
    files = {
        f"{name}.{side}": str(write_lines(folder / f"{name}.{side}", [pair[side] for pair in part]))
        for name, part in parts.items()
        for side in (0, 1)
    }
    prepare_parallel(
        PrepareOptions(
            directory=folder / "corpus",
            source=(files["train.0"],),
            target=(files["train.1"],),
            valid_source=(files["valid.0"],),
            valid_target=(files["valid.1"],),
            vocabulary_size=340,  # a piece a word, and all bytes
            keep_identical=True,
        ),
        lambda _stage, _done, _total: None,
    )
    train(folder / "corpus", folder / "model", tiny_config(**{**LEARNER, **changes}))
    known = set(parts["train"])
    unseen = [pair for pair in pairs(language, 400, 3, longest) if pair not in known][:200]
    assert len(unseen) == 200
    translator = Translator.load(folder / "model", device="cpu", threads=1)
    translations = translator.translate([source for source, _ in unseen], TranslateOptions(beam_size=1))
    references = [reference for _, reference in unseen]
    (found,) = score_translations(
        [translation.text for translation in translations], [references], MetricOptions(metrics=("bleu",))
    )
    return found.score


@pytest.mark.parametrize(
    ("language", "steps", "bleu"), [("copy", 300, 98), ("reverse", 450, 95), ("sort", 350, 90)]
)
def test_a_language_is_learnt(language: str, steps: int, bleu: float, tmp_path: Path) -> None:
    assert score(language, tmp_path, longest=6, training__steps=steps) >= bleu


@pytest.mark.parametrize(
    "changes",
    [
        {"model__cell": "gru"},
        {"model__cell": "rnn"},
        {"model__input_feeding": True},
        {"model__attention": "additive", "training__steps": 400},
    ],
    ids=str,
)
def test_other_networks_learn_to_copy(changes: dict[str, Any], tmp_path: Path) -> None:
    assert score("copy", tmp_path, longest=6, **{"training__steps": 250, **changes}) >= 95


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_longer_sentences_are_learnt_almost_without_a_mistake(language: str, tmp_path: Path) -> None:
    changes = {"model__hidden_size": 192, "training__batch_tokens": 512, "training__learning_rate": 5e-3}
    assert score(language, tmp_path, longest=15, count=8000, training__steps=1500, **changes) >= 98
