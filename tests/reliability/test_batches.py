"""Many sentences in any order, in any batches, beside a very long one: nothing changes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqkit.inference.translator import TranslateOptions, Translation, Translator
from tests.conftest import toy_pairs

SENTENCES = [source for source, _ in toy_pairs(1000, seed=5, longest=9)]
OPTIONS = TranslateOptions(beam_size=3)
EXACT, CLOSE = 0.0, 1e-4  # nats per token


def translated_alone(translator: Translator, sentences: list[str]) -> dict[str, Translation]:
    """Each sentence by itself."""
    return {line: translator.translate([line], OPTIONS)[0] for line in dict.fromkeys(sentences)}


def assert_as_alone(
    translator: Translator, alone: dict[str, Translation], lines: list[str], tokens: int
) -> None:
    """In whole numbers to the bit; in fp32 within rounding, with equal scores where the words differ."""
    exact = translator.precision == "int8"
    others = 0
    translations = translator.translate(lines, replace(OPTIONS, batch_tokens=tokens))
    for line, found in zip(lines, translations, strict=True):
        expected = alone[line]
        assert found.score == pytest.approx(expected.score, abs=EXACT if exact else CLOSE, rel=0)
        others += found.text != expected.text
    assert others <= (0 if exact else len(lines) // 200), "a tie may fall the other way in fp32, now and then"


def assert_any_batches(translator: Translator, sentences: list[str], alone: dict[str, Translation]) -> None:
    """Of a sentence, of about 7 and 64, by tokens; in another order; beside a very long one."""
    for tokens in (1, 7 * 8, 64 * 8, 100_000):
        assert_as_alone(translator, alone, sentences, tokens)
    shuffled = random.Random(1).sample(sentences, len(sentences))
    assert_as_alone(translator, alone, shuffled, OPTIONS.batch_tokens)
    long = " ".join(sentences[:100])
    alone = {**alone, long: translator.translate([long], OPTIONS)[0]}
    assert_as_alone(translator, alone, [*sentences[:80], long, *sentences[80:]], 100_000)


def assert_forced(translator: Translator, alone: dict[str, Translation]) -> None:
    """The score that the search gives a translation is the one that the model gives its words."""
    lines = [line for line in alone if alone[line].alternatives[0].tokens]
    sources = translator.source_tokenizer.encode(lines)
    pieces = translator.target_tokenizer.pieces(list(range(translator.target_tokenizer.size)))
    number = {piece: place for place, piece in enumerate(pieces)}
    best = [alone[line].alternatives[0] for line in lines]
    whole = [one for one in range(len(lines)) if len(sources[one]) <= translator.longest_source]
    assert len(whole) > len(lines) // 2
    targets = [np.array([number[token] for token in best[one].tokens], np.int64) for one in whole]
    forced = translator.score_tokens([sources[one] for one in whole], targets)
    tolerance = 1e-9 if translator.precision == "int8" else CLOSE
    for one, scores in zip(whole, forced, strict=True):
        assert np.allclose(scores, best[one].token_scores, rtol=0, atol=tolerance)


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_sentences_do_not_depend_on_each_other(precision: str, count: int, toy_model: Path) -> None:
    translator = Translator.load(toy_model, device="cpu", threads=1, precision=precision)
    sentences = SENTENCES[:count]
    alone = translated_alone(translator, sentences)
    assert_any_batches(translator, sentences, alone)
    assert_forced(translator, alone)
