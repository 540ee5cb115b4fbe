"""What a search allows, of numpy's arrays and of torch's tensors, and what is taken from logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from seqkit.data.tokenizers import END
from seqkit.decoding.stepper import Allowed, best_of_logits, log_probabilities, restrict

SIZE = 64


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
class TestRestrict:
    def restricted(self, kind: Callable[[np.ndarray], Any], allowed: Allowed) -> np.ndarray:
        values = kind(np.arange(3 * SIZE, dtype=np.float32).reshape(3, SIZE))
        restrict(values, allowed)
        return np.asarray(values)

    def test_a_forced_token_alone_is_left_with_its_own_value(self, kind: Any) -> None:
        before = np.arange(3 * SIZE).reshape(3, SIZE)
        # 1 is the unknown token, scored when forced.
        values = self.restricted(kind, Allowed(END, END, np.array([-1, END, 1]), may_end=False))
        assert np.isneginf(values[0, : END + 1]).all()
        assert values[0, END + 1 :].tolist() == before[0, END + 1 :].tolist()
        assert np.flatnonzero(np.isfinite(values[1])).tolist() == [END]
        assert values[1, END] == before[1, END]
        assert np.flatnonzero(np.isfinite(values[2])).tolist() == [1]
        assert values[2, 1] == before[2, 1]

    def test_an_end_that_the_model_does_not_know_is_free_when_forced(self, kind: Any) -> None:
        values = self.restricted(kind, Allowed(END + 1, END, np.array([-1, END, 9])))
        assert np.isneginf(values[0, : END + 1]).all()
        assert np.flatnonzero(np.isfinite(values[1])).tolist() == [END]
        assert values[1, END] == 0
        assert values[2, 9] == 2 * SIZE + 9

    def test_where_nothing_is_forbidden_nothing_changes(self, kind: Any) -> None:
        values = self.restricted(kind, Allowed(0, END, np.full(3, -1)))
        assert values.ravel().tolist() == list(range(3 * SIZE))


def test_the_best_of_logits_are_sorted_probabilities() -> None:
    logits = np.random.default_rng(1).normal(0, 9, (5, 30)).astype(np.float32)
    found = best_of_logits(logits, 99, Allowed(0, END, np.full(5, -1)))
    assert found.tokens.shape == (5, 30)
    assert np.exp(found.log_probabilities).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-12)
    assert (np.diff(found.log_probabilities, axis=1) <= 0).all()
    for column in range(30):
        tokens = found.tokens[:, column]
        assert log_probabilities(logits, tokens) == pytest.approx(
            found.log_probabilities[:, column], abs=1e-5
        )
