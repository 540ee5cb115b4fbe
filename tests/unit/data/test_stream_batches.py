"""Streams of one text: what an epoch reads, how slices go on, and what follows from the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.data.batching import StreamBatches, fitting_streams


def batches(tokens: int, streams: int, slice_length: int, seed: int = 1) -> StreamBatches:
    return StreamBatches(np.arange(tokens, dtype=np.uint16), streams, slice_length, seed)


@given(
    tokens=st.integers(2, 300),
    streams=st.integers(1, 6),
    slice_length=st.integers(1, 20),
    epoch=st.integers(0, 5),
)
def test_slices_go_on_where_the_last_ended(tokens: int, streams: int, slice_length: int, epoch: int) -> None:
    streams = fitting_streams(tokens, streams, slice_length)
    if not streams:
        assert tokens < slice_length + 1
        return
    data = batches(tokens, streams, slice_length)
    plan = data.plan(epoch)
    assert len(plan) == tokens // streams // slice_length > 0
    assert [piece.continues for piece in plan] == [False] + [True] * (len(plan) - 1)
    loaded = [data.load(piece, seed=0) for piece in plan]
    inputs = np.concatenate([batch.inputs.values.numpy() for batch in loaded], axis=1)  # (B, T)
    targets = np.concatenate([batch.targets.values.numpy() for batch in loaded], axis=1)
    assert inputs.shape == targets.shape == (streams, len(plan) * slice_length)
    # Every stream is a piece of the ring, and its targets are its inputs one place on.
    assert ((inputs + 1) % tokens == targets).all()
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    # No place of the text is read twice in an epoch, and hardly one is left out.
    assert len(np.unique(inputs)) == inputs.size > tokens - streams * slice_length - streams
    for batch in loaded:
        assert batch.source is None
        assert batch.inputs.lengths.tolist() == batch.targets.lengths.tolist() == [slice_length] * streams


def test_epochs_begin_elsewhere_and_follow_from_the_seed() -> None:
    def first(seed: int, epoch: int) -> list[list[int]]:
        data = batches(1000, 4, 10, seed)
        values: list[list[int]] = data.load(data.plan(epoch)[0], seed=0).inputs.values.tolist()
        return values

    assert first(1, 0) == first(1, 0)
    assert len({str(first(1, epoch)) for epoch in range(20)}) > 15
    assert first(1, 0) != first(2, 0)


@pytest.mark.parametrize(
    ("tokens", "expected"), [(10, 0), (11, 1), (21, 1), (22, 2), (43, 3), (44, 4), (10_000, 4)]
)
def test_as_many_streams_as_fit(tokens: int, expected: int) -> None:
    assert fitting_streams(tokens, streams=4, slice_length=10) == expected
