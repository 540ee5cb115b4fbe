"""The n-gram model against one of dictionaries, written from the formula; its probabilities sum to one."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.metrics.ngram import NgramModel, adaptive_nats

SYMBOLS = 4
texts = st.lists(st.integers(0, SYMBOLS - 1), min_size=1, max_size=30)
orders = st.integers(1, 5)


def uniform(size: int = SYMBOLS) -> np.ndarray:
    return np.full(size, 1 / size)


def probability(seen: list[int], context: list[int], token: int, order: int) -> float:
    """Witten–Bell by its definition, over the n-grams of `seen`."""
    value = 1 / SYMBOLS
    for length in range(min(order, len(context) + 1)):
        history = context[len(context) - length :]
        follows = Counter(
            seen[start + length]
            for start in range(len(seen) - length)
            if seen[start : start + length] == history
        )
        total, kinds = sum(follows.values()), len(follows)
        if total:
            value = (follows[token] + kinds * value) / (total + kinds)
    return value


@settings(max_examples=50)
@given(texts, texts, orders)
def test_it_agrees_with_dictionaries(training: list[int], text: list[int], order: int) -> None:
    found = NgramModel(np.array(training, np.uint16), order, uniform()).nats(np.array(text), np.array([1]))
    expected = [
        -math.log(probability(training, [1, *text[:place]], token, order)) for place, token in enumerate(text)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=50)
@given(texts, texts, orders)
def test_the_adaptive_model_counts_each_id_after_it_is_scored(
    training: list[int], text: list[int], order: int
) -> None:
    found = adaptive_nats(np.array(training, np.uint16), np.array(text, np.uint16), order, uniform())
    expected = []
    for place, token in enumerate(text):
        seen = training + text[:place]
        expected.append(-math.log(probability(seen, seen, token, order)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=50)
@given(texts, st.lists(st.integers(0, SYMBOLS - 1), max_size=6), orders)
def test_probabilities_sum_to_one(training: list[int], context: list[int], order: int) -> None:
    model = NgramModel(np.array(training), order, uniform())
    nats = [model.nats(np.array([token]), np.array(context, np.int64))[0] for token in range(SYMBOLS)]
    assert np.exp(-np.array(nats)).sum() == pytest.approx(1, abs=1e-12)


@settings(max_examples=50)
@given(texts, st.integers(1, 6))
def test_blocks_do_not_matter(text: list[int], block: int) -> None:
    model = NgramModel(np.array([0, 1, 0, 2, 0, 1, 3, 3]), 3, uniform())
    whole = model.nats(np.array(text), np.array([2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqkit.metrics.ngram._BLOCK", block)
        np.testing.assert_array_equal(model.nats(np.array(text), np.array([2])), whole)


def test_a_vocabulary_of_any_size_and_a_high_order_fit() -> None:
    size = 1 << 20
    ids = np.array([size - 1, size - 2, size - 3] * 5, np.uint32)
    nats = NgramModel(ids, 12, uniform(size)).nats(ids, ids[:0])
    assert nats[0] == pytest.approx(-math.log((5 + 3 / size) / (15 + 3)))
    assert nats[-1] < 0.7


def test_what_the_base_excludes_is_infinitely_surprising_unless_it_was_seen() -> None:
    model = NgramModel(np.array([0, 1, 0, 2]), 2, np.array([0.5, 0.5, 0, 0]))
    nats = model.nats(np.array([0, 2, 3]), np.array([0]))
    assert np.isfinite(nats[:2]).all()
    assert np.isinf(nats[2])


def test_no_text_is_scored_as_nothing_and_needs_some_to_learn_from() -> None:
    assert len(NgramModel(np.array([0]), 5, uniform()).nats(np.array([], np.int64), np.array([0]))) == 0
    with pytest.raises(ValueError, match="a text"):
        NgramModel(np.array([], np.int64), 2, uniform())
