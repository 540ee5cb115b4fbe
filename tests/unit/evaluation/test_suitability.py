"""Which metric suits a text, by what its lines are."""

from __future__ import annotations

import pytest

from seqkit.evaluation.suitability import are_words, ranking_metric, suitable_metrics

SENTENCES = [f"the {n} dogs see {n} cats near the house." for n in range(20)]
WORDS = [f"word{n}" for n in range(20)]
SYMBOLS = [f"HH AH{n} L OW S" for n in range(20)]
CHINESE = ["我昨天在图书馆看了一本很有意思的书。", "他们明天要去北京开会。"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (WORDS, True),
        ([*WORDS, "two words"], True),
        ([*WORDS[:8], "two words", "and three words"], False),
        (["2026-11-28", "19", ""], True),
        (SENTENCES, False),
        (CHINESE, False),  # no spaces, and no words
        (["คนอ่านหนังสือ"], False),
        (["도서관", "책"], True),
        ([], False),
        (["", " "], False),
    ],
)
def test_words(lines: list[str], expected: bool) -> None:
    assert are_words(lines) == expected


@pytest.mark.parametrize(
    ("sources", "targets", "tokenizer", "metric"),
    [
        (SENTENCES, SENTENCES, "13a", "bleu"),
        (CHINESE, CHINESE, "zh", "bleu"),
        (WORDS, WORDS, "13a", "exact"),
        (["walk V PST", "go V PST"], ["walked", "went"], "13a", "exact"),
        (["3 + 4", "12 * 5"], ["7", "60"], "13a", "exact"),
        (WORDS, SYMBOLS, "13a", "per"),
        (SENTENCES, ["yes please", "no"] * 10, "13a", "chrf"),
        (CHINESE, ["狗", "猫"], "zh", "chrf"),
        (["", ""], ["", ""], "13a", "bleu"),
    ],
)
def test_what_ranks_checkpoints(sources: list[str], targets: list[str], tokenizer: str, metric: str) -> None:
    assert ranking_metric(sources, targets, tokenizer).metric == metric


def test_what_an_evaluation_measures_that_names_nothing() -> None:
    assert suitable_metrics([SENTENCES]) == ("bleu", "chrf")
    assert suitable_metrics([WORDS, SENTENCES]) == ("bleu", "chrf", "exact", "cer")
