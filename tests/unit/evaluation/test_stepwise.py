"""Nats by the hand-written step are those of torch, of single steps, and the same however a text is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.evaluation import language, stepwise
from seqkit.evaluation.stepwise import log_totals, stream_nats, window_nats
from tests.generators import small_generator, some_tokens

LOADED = small_generator()
IDS = some_tokens(LOADED.model, 150).astype(np.uint16)
DECODER = FixedPointDecoder(LOADED.blueprint, LOADED.parameters, "fp32")
CPU = torch.device("cpu")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_nats_are_those_of_torch(cell: str) -> None:
    loaded = small_generator(cell, tied="target" if cell == "gru" else "none")
    decoder = FixedPointDecoder(loaded.blueprint, loaded.parameters, "fp32")
    stream, _ = language.stream_nats(loaded.model, IDS, 7, device=CPU)
    assert stream_nats(decoder, IDS, 7) == pytest.approx(stream, rel=1e-5)
    for window in (1, 40, 1000):
        expected = language.window_nats(loaded.model, IDS, 7, window, device=CPU)
        assert window_nats(decoder, IDS, 7, window) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 80), st.integers(1, 7), st.integers(1, 40))
def test_a_window_is_a_stream_of_its_own(length: int, window: int, together: int, slice_length: int) -> None:
    ids = IDS[:length]
    expected = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stepwise, "SLICE_LENGTH", slice_length)
        patch.setattr(stepwise, "WINDOWS_TOGETHER", together)
        for start in range(0, length, window):
            before = int(ids[start - 1]) if start else 9
            expected += stream_nats(DECODER, ids[start : start + window], before)
        found = window_nats(DECODER, ids, 9, window)
    assert found == pytest.approx(expected, rel=1e-12)


def test_progress_counts_predictions() -> None:
    heard: list[int] = []
    stream_nats(DECODER, IDS, 5, progress=heard.append)
    assert heard == [64, 128, 150]
    heard.clear()
    window_nats(DECODER, IDS, 5, 60, progress=heard.append)
    assert heard[-1] == 150
    assert heard == sorted(set(heard))


def test_totals_hold_for_large_logits() -> None:
    logits = np.array([[1000.0, 1000.0], [-1000.0, -1001.0]], np.float32)
    np.testing.assert_allclose(log_totals(logits), [1000 + np.log(2), -1000 + np.log1p(np.exp(-1))])
