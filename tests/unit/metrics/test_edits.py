"""Exact match and error rates; the expected values of rates are those of jiwer 4.0."""

from __future__ import annotations

import math

import pytest

from seqkit.metrics.sacre import MetricOptions, score_translations
from seqkit.scores import Score

REFERENCES = ["the cat sat on the mat", "HH AH0 L OW1", "schön", "one two three"]
HYPOTHESES = ["the cat sat on mat", "HH AH0 L OW1 Z", "schon", "one three two four"]
# Edits and reference units by jiwer.process_words and jiwer.process_characters of these texts.
JIWER_WORDS, JIWER_CHARACTERS = (5, 14), (18, 52)


def scores_of(
    hypotheses: list[str], references: list[list[str | None]], *metrics: str, **options: object
) -> dict[str, Score]:
    made = MetricOptions(metrics=metrics or ("exact", "cer", "wer", "per"), **options)  # type: ignore[arg-type]
    return {score.metric: score for score in score_translations(hypotheses, references, made)}


def test_rates_are_those_of_jiwer() -> None:
    found = scores_of(HYPOTHESES, [[*REFERENCES]])
    assert found["wer"].details == {"edits": JIWER_WORDS[0], "reference_length": JIWER_WORDS[1]}
    assert found["wer"].score == pytest.approx(100 * JIWER_WORDS[0] / JIWER_WORDS[1])
    assert found["cer"].details == {"edits": JIWER_CHARACTERS[0], "reference_length": JIWER_CHARACTERS[1]}
    assert found["per"].score == found["wer"].score
    assert (found["exact"].score, found["exact"].details) == (0, {"matches": 0, "lines": 4})


def test_a_rate_may_be_above_100() -> None:
    assert scores_of(["a b c d"], [["x"]], "wer")["wer"].score == 400


def test_the_nearest_reference_counts_with_its_own_length() -> None:
    """As pronunciations are scored: edits to the nearest, over the length of that one."""
    hypotheses = ["T AH M EY T OW", "R UW T"]
    first = ["T AH M AA T OW", "R AW T"]
    second = ["T AH M EY T OW", None]
    found = scores_of(hypotheses, [first, second])  # type: ignore[list-item]
    assert found["per"].details == {"edits": 1, "reference_length": 9}
    assert found["exact"].score == 50
    assert found["per"].signature.startswith("nrefs:var|case:mixed|unit:symbol|rapidfuzz:")


def test_of_references_that_are_as_near_the_longest_counts() -> None:
    found = scores_of(["a b"], [["a"], ["a b c"]], "per")
    assert found["per"].details == {"edits": 1, "reference_length": 3}


def test_case_is_ignored_where_the_protocol_says_so_but_in_symbols() -> None:
    """`T` and `t` are different sounds in X-SAMPA."""
    found = scores_of(["Haus T"], [["haus t"]], protocol="lowercased-tokenized")
    assert (found["exact"].score, found["cer"].score, found["wer"].score) == (100, 0, 0)
    assert found["per"].score == 100
    assert "case:lc" in found["wer"].signature
    assert "case:mixed" in found["per"].signature


def test_runs_of_spaces_are_one_space() -> None:
    found = scores_of([" a  b "], [["a b"]])
    assert (found["exact"].score, found["cer"].score) == (100, 0)


def test_empty_references_allow_no_rate() -> None:
    found = scores_of(["a", ""], [["", ""]])
    assert {name for name, score in found.items() if score.undefined} == {"cer", "wer", "per"}
    assert found["exact"].score == 50


def test_scores_of_lines() -> None:
    found = scores_of(["a b", "x", "y"], [["a c", "", "y"]], "wer", "exact", line_scores=True)
    assert found["exact"].line_scores == (0, 0, 100)
    first, second, third = found["wer"].line_scores
    assert (first, third) == (50, 0)
    assert math.isnan(second)


def test_words_of_a_script_without_spaces_are_said_not_to_be_words() -> None:
    found = scores_of(["我喜欢猫"], [["我喜欢狗"]])
    assert found["wer"].note == "the references have no spaces between words: cer suits them better"
    assert found["cer"].score == 25
    assert found["cer"].note == ""


def test_resampling_is_in_the_signature() -> None:
    found = scores_of(HYPOTHESES, [[*REFERENCES]], "exact", "per", confidence=True, resamples=50)
    assert found["exact"].signature.startswith("nrefs:1|bs:50|seed:12345|case:mixed|seqkit:")
    assert found["per"].confidence is not None
    assert found["per"].confidence.low <= found["per"].score <= found["per"].confidence.high
