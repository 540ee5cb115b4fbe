"""Scores are sacreBLEU's, always with their signature, and resampling is its resampling."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter

import pytest

from seqkit.errors import ConfigError, DataError
from seqkit.metrics.sacre import (
    METRICS,
    MetricOptions,
    bits_per_character,
    corpus_bleu,
    corpus_chrf,
    perplexity,
    score_translations,
)

WORDS = [
    "ein",
    "Hund",
    "läuft",
    "über",
    "die",
    "grüne",
    "Wiese",
    "und",
    "eine",
    "Frau",
    "sieht",
    "dem",
    "kleinen",
    "Kind",
    "im",
    "Wasser",
    "zu",
]


def make_references(lines: int = 120) -> list[str]:
    generator = random.Random(3)
    return [" ".join(generator.choices(WORDS, k=generator.randint(5, 14))) + "." for _ in range(lines)]


def garble(lines: list[str], share: float, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [
        " ".join(generator.choice(WORDS) if generator.random() < share else word for word in line.split())
        for line in lines
    ]


REFERENCES = make_references()
HYPOTHESES = garble(REFERENCES, 0.15, seed=1)
BASELINE = garble(REFERENCES, 0.2, seed=2)


def bleu_by_hand(hypotheses: list[str], references: list[str]) -> float:
    """BLEU (Papineni et al. 2002, section 2.3) of text whose tokens are its words."""
    matches, totals = [0] * 4, [0] * 4
    hypothesis_length = reference_length = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        words, reference_words = hypothesis.split(), reference.split()
        hypothesis_length += len(words)
        reference_length += len(reference_words)
        for order in range(1, 5):
            ngrams = Counter(zip(*(words[start:] for start in range(order)), strict=False))
            known = Counter(zip(*(reference_words[start:] for start in range(order)), strict=False))
            matches[order - 1] += (ngrams & known).total()
            totals[order - 1] += ngrams.total()
    precision = sum(math.log(match / total) for match, total in zip(matches, totals, strict=True)) / 4
    return 100 * math.exp(min(0.0, 1 - reference_length / hypothesis_length) + precision)


def test_bleu_is_the_papers() -> None:
    hypotheses = ["a b c d e f", "g h i j"]
    references = ["a b c d x f", "g h i j k l"]
    assert corpus_bleu(hypotheses, [references]) == pytest.approx(bleu_by_hand(hypotheses, references))


def test_scores_and_signatures_are_those_of_sacrebleu() -> None:
    import sacrebleu

    bleu, chrf, ter = score_translations(HYPOTHESES, [REFERENCES], MetricOptions(metrics=METRICS))

    assert bleu.score == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert chrf.score == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    assert ter.score == sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]).score
    version = sacrebleu.__version__
    assert bleu.signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    assert chrf.signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"
    assert ter.signature == f"nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:{version}"
    assert (bleu.confidence, bleu.paired) == (None, None)


def test_conveniences_give_the_default_scores() -> None:
    scores = {score.metric: score.score for score in score_translations(HYPOTHESES, [REFERENCES])}
    assert scores == {
        "bleu": corpus_bleu(HYPOTHESES, [REFERENCES]),
        "chrf": corpus_chrf(HYPOTHESES, [REFERENCES]),
    }


def test_bleu_details_explain_the_score() -> None:
    short = [line.rsplit(" ", 1)[0] for line in REFERENCES]
    (bleu,) = score_translations(short, [REFERENCES], MetricOptions(metrics=("bleu",)))
    details = bleu.details
    assert details["precisions"] == [100.0] * 4
    assert details["length_ratio"] == pytest.approx(
        details["hypothesis_length"] / details["reference_length"]
    )
    assert details["brevity_penalty"] == pytest.approx(math.exp(1 - 1 / details["length_ratio"]))
    assert bleu.score == pytest.approx(100 * details["brevity_penalty"])


def test_protocols_differ_and_say_so() -> None:
    hypotheses = ["L' Herbe est verte .", "Un homme &apos; dort ."]
    references = ["l' herbe est verte .", "un homme &apos; dort ."]
    options = MetricOptions(metrics=("bleu", "chrf"), protocol="lowercased-tokenized")
    bleu, chrf = score_translations(hypotheses, [references], options)
    assert bleu.score == pytest.approx(100)
    assert chrf.score == pytest.approx(100)
    assert "case:lc" in bleu.signature
    assert "tok:none" in bleu.signature
    assert "case:lc" in chrf.signature
    assert corpus_bleu(hypotheses, [references]) < 90
    assert score_translations(["a-b c (d) e"], [["a - b c ( d ) e"]], options)[0].score < 50


def test_each_line_is_scored_against_all_its_references() -> None:
    halves = [[REFERENCES[0], "x y z w"], ["v w x y", REFERENCES[1]]]
    (bleu,) = score_translations(REFERENCES[:2], halves, MetricOptions(metrics=("bleu",)))
    assert bleu.score == pytest.approx(100)
    assert bleu.signature.startswith("nrefs:2|")


def test_word_order_makes_chrf_plus_plus() -> None:
    from sacrebleu.metrics import CHRF

    options = MetricOptions(metrics=("chrf",), chrf_word_order=2)
    (chrf,) = score_translations(HYPOTHESES, [REFERENCES], options)
    assert chrf.score == CHRF(word_order=2).corpus_score(HYPOTHESES, [REFERENCES]).score
    assert "|nw:2|" in chrf.signature


def test_resampling_is_that_of_sacrebleu() -> None:
    from sacrebleu.metrics import BLEU, CHRF, TER
    from sacrebleu.significance import PairedTest

    signatures, results = PairedTest(
        [("baseline", BASELINE), ("system", HYPOTHESES)],
        {"bleu": BLEU(force=True), "chrf": CHRF(), "ter": TER()},
        [REFERENCES],
        test_type="bs",
        n_samples=200,
    )()
    options = MetricOptions(metrics=METRICS, confidence=True, resamples=200)
    scores = score_translations(HYPOTHESES, [REFERENCES], options, baseline=BASELINE)

    for score, name in zip(scores, ("BLEU", "chrF2", "TER"), strict=True):
        theirs_of_baseline, theirs = results[name]
        assert score.paired is not None
        assert score.confidence is not None
        assert score.signature == str(signatures[name])
        assert score.score == theirs.score
        assert score.paired.baseline_score == theirs_of_baseline.score
        assert score.paired.difference == theirs.score - theirs_of_baseline.score
        assert score.paired.p_value == theirs.p_value
        assert score.confidence.mean == pytest.approx(theirs.mean, rel=1e-5)
        assert (score.confidence.high - score.confidence.low) / 2 == pytest.approx(theirs.ci, rel=1e-4)
        assert score.confidence.low < score.score < score.confidence.high


def test_confidence_alone_is_in_the_signature() -> None:
    options = MetricOptions(metrics=("bleu",), confidence=True, resamples=50)
    (bleu,) = score_translations(HYPOTHESES, [REFERENCES], options)
    assert "|bs:50|seed:12345|" in bleu.signature
    assert bleu.paired is None
    assert bleu.confidence is not None
    assert bleu.confidence.resamples == 50


def test_the_seed_is_fixed_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    options = MetricOptions(metrics=("bleu",), confidence=True, resamples=50)
    first = score_translations(HYPOTHESES, [REFERENCES], options)
    monkeypatch.setenv("SACREBLEU_SEED", "none")
    assert score_translations(HYPOTHESES, [REFERENCES], options) == first


def test_a_system_does_not_differ_from_itself() -> None:
    options = MetricOptions(metrics=METRICS, resamples=50)
    for score in score_translations(HYPOTHESES, [REFERENCES], options, baseline=HYPOTHESES):
        assert score.paired is not None
        assert score.paired.difference == 0
        assert score.paired.p_value == 1
        assert score.confidence is None


def test_a_clear_difference_is_found() -> None:
    options = MetricOptions(metrics=("bleu",), resamples=200)
    (bleu,) = score_translations(HYPOTHESES, [REFERENCES], options, baseline=garble(REFERENCES, 0.6, seed=5))
    assert bleu.paired is not None
    assert bleu.paired.difference > 10
    assert bleu.paired.p_value < 0.01


def test_empty_lines_are_scored_not_dropped() -> None:
    bleu, chrf, ter = score_translations([""] * 3, [["a b", "c", "d"]], MetricOptions(metrics=METRICS))
    assert (bleu.score, chrf.score, ter.score) == (0, 0, 100)


@pytest.mark.parametrize(
    ("hypotheses", "references", "baseline"),
    [(["a"], [["a", "b"]], None), (["a"], [["a"]], []), ([], [[]], None), (["a"], [], None)],
)
def test_what_cannot_be_scored_is_an_error(
    hypotheses: list[str], references: list[list[str]], baseline: list[str] | None
) -> None:
    with pytest.raises(DataError):
        score_translations(hypotheses, references, baseline=baseline)


def test_one_reference_must_be_a_set_too() -> None:
    with pytest.raises(TypeError):
        score_translations(["a"], ["a"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"metrics": ()}, "no metric"),
        ({"metrics": ("bleu", "blue")}, "'blue'"),
        ({"metrics": ("bleu", "bleu")}, "twice"),
        ({"protocol": "lowercase"}, "'lowercase'"),
        ({"chrf_word_order": -1}, "-1"),
        ({"chrf_word_order": 2, "metrics": ("bleu",)}, "chrf"),
        ({"resamples": 1}, "resamples"),
    ],
)
def test_impossible_options_are_refused_by_name(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MetricOptions(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "nearest"), [("BLEU", "bleu"), ("chrf++", "chrf"), ("tre", "ter")])
def test_the_nearest_metric_is_suggested(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MetricOptions(metrics=(name,))
    assert caught.value.hint == f"did you mean {nearest}?"


def test_options_and_scores_are_frozen() -> None:
    (score,) = score_translations(["a"], [["a"]], MetricOptions(metrics=("bleu",)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        score.score = 1.0  # type: ignore[misc]


def test_perplexity() -> None:
    assert perplexity(0) == 1
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(1e6) == math.inf


def test_bits_per_character() -> None:
    assert bits_per_character(10 * math.log(2), 5) == pytest.approx(2)
    with pytest.raises(DataError):
        bits_per_character(1.0, 0)
