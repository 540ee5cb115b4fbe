"""Tables of embeddings behind an affine map: rows are computed when needed, always to the same bits."""

import numpy as np
import pytest

from seqkit.engines.fixed.tables import EmbeddedTable

RANDOM = np.random.default_rng(5)


def table_of(vocabulary: int, groups: int = 2) -> tuple[EmbeddedTable, np.ndarray]:
    """A table of random weights, and its rows (V, groups * 3) as one product makes them."""
    embedding = RANDOM.normal(size=(vocabulary, 7)).astype(np.float32)
    weight = RANDOM.normal(size=(3 * groups, 7)).astype(np.float32)
    bias = RANDOM.normal(size=3 * groups).astype(np.float32)
    return EmbeddedTable(embedding, weight, bias, groups), embedding @ weight.T + bias


def rows_of(table: EmbeddedTable, tokens: np.ndarray) -> np.ndarray:
    """The groups side by side: (*shape, groups * M)"""
    return np.concatenate(list(table.take(tokens)), axis=-1)


@pytest.mark.parametrize("vocabulary", [1, 5, 63, 64, 65, 130, 1000])
def test_rows_are_those_of_the_product(vocabulary: int) -> None:
    table, rows = table_of(vocabulary)
    tokens = RANDOM.integers(vocabulary, size=(2, 9))
    assert rows_of(table, tokens) == pytest.approx(rows[tokens], abs=1e-5)
    table.complete()
    assert rows_of(table, np.arange(vocabulary)) == pytest.approx(rows, abs=1e-5)


def test_a_row_does_not_depend_on_when_it_is_computed() -> None:
    table, _ = table_of(1000)
    by_need = EmbeddedTable(table._embedding, *_weights(table), 2)
    table.complete()
    every = np.arange(1000)
    for tokens in (np.array([999]), np.array([3, 940, 3]), every[::-7], every):
        assert np.array_equal(rows_of(by_need, tokens), rows_of(table, tokens))


def test_only_what_is_needed_is_computed() -> None:
    table, _ = table_of(1000)
    table.take(np.array([[70, 71], [128, 70]]))
    assert set(np.flatnonzero(table._has)) == set(range(64, 192))
    table.take(np.array([999]))
    assert set(np.flatnonzero(table._has)) == {*range(64, 192), *range(936, 1000)}


def test_rows_are_added_by_token() -> None:
    table, rows = table_of(5, groups=3)
    tokens = np.array([4, 0, 0, 2])
    values = np.ones((3, 4, 3), np.float32)
    table.add_to(values, tokens, np.empty_like(values))
    assert np.concatenate(list(values), axis=1) == pytest.approx(1 + rows[tokens], abs=1e-5)


def _weights(table: EmbeddedTable) -> tuple[np.ndarray, np.ndarray]:
    weights, biases = zip(*table._maps, strict=True)
    return np.concatenate([weight.T for weight in weights]), np.concatenate(biases)
