"""The best columns are those of a full sort, and the normaliser is the logarithm of the sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.engines.fixed.selection import CLASSES, best_columns, log_normalizers


@settings(max_examples=60)
@given(
    rows=st.integers(1, 7),
    classes=st.integers(1, 40),
    width=st.integers(1, 50),
    levels=st.integers(1, 1000),
    seed=st.integers(0, 99),
)
def test_best_columns_are_those_of_a_stable_sort(
    rows: int, classes: int, width: int, levels: int, seed: int
) -> None:
    # Few levels make many equal values, of which the first columns come first.
    values = np.random.default_rng(seed).integers(0, levels, (rows, CLASSES * classes)).astype(np.float32)
    width = min(width, values.shape[1])
    expected = np.argsort(-values, axis=1, kind="stable")[:, :width]
    assert best_columns(values, width).tolist() == expected.tolist()


def test_rows_with_fewer_values_than_asked_for_end_in_minus_infinity() -> None:
    values = np.full((2, CLASSES * 16), -np.inf, np.float32)
    values[0] = np.arange(CLASSES * 16)
    values[1, 77] = 1.0
    chosen = best_columns(values, 3)
    assert chosen[0].tolist() == [CLASSES * 16 - 1, CLASSES * 16 - 2, CLASSES * 16 - 3]
    assert chosen[1, 0] == 77
    assert np.isneginf(values[1, chosen[1, 1:]]).all()


def test_normalizers_are_logarithms_of_sums() -> None:
    logits = np.random.default_rng(1).normal(0, 30, (5, CLASSES * 9)).astype(np.float32)
    logits[:, -3:] = -np.inf
    found = log_normalizers(logits, np.empty_like(logits))
    expected = np.logaddexp.reduce(logits.astype(np.float64), axis=1, keepdims=True)
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_rows_normalizer_does_not_depend_on_the_others() -> None:
    logits = np.random.default_rng(2).normal(0, 5, (33, CLASSES * 63)).astype(np.float32)
    together = log_normalizers(logits, np.empty_like(logits))
    for row in range(33):
        alone = log_normalizers(logits[row : row + 1], np.empty_like(logits[:1]))
        assert alone[0, 0] == together[row, 0]
