"""How frames are changed in training: each change by itself, within its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from seqkit.config import DataConfig
from seqkit.randomness import default_rng
from seqkit.training.jobs.classification import augmented

FRAMES = np.stack([np.arange(20.0), np.ones(20)], axis=1).astype(np.float32)  # (T, F)


def changed(seed: int, **settings: float) -> np.ndarray:
    return augmented(FRAMES, DataConfig(**settings), default_rng(seed))  # type: ignore[arg-type]


def test_nothing_is_changed_unasked() -> None:
    assert np.array_equal(changed(1), FRAMES)


@pytest.mark.parametrize("setting", ["noise", "scaling", "time_mask", "time_crop", "time_warp"])
def test_a_seed_gives_one_change_and_the_frames_stay(setting: str) -> None:
    before = FRAMES.copy()
    found = [changed(seed, **{setting: 0.5}) for seed in (1, 1, 2, 3, 4)]
    assert np.array_equal(found[0], found[1])
    assert any(not np.array_equal(found[0], other) for other in found[2:])
    assert all(each.dtype == np.float32 for each in found)
    assert np.array_equal(FRAMES, before)


def test_a_crop_is_a_stretch_of_the_sequence() -> None:
    lengths = set()
    for seed in range(60):
        found = changed(seed, time_crop=0.25)
        start = int(found[0, 0])
        assert np.array_equal(found, FRAMES[start : start + len(found)])
        lengths.add(len(found))
    assert lengths == {15, 16, 17, 18, 19, 20}


def test_a_warp_keeps_both_ends_and_the_order() -> None:
    lengths = []
    for seed in range(60):
        found = changed(seed, time_warp=0.2)
        assert found[0] == pytest.approx(FRAMES[0])
        assert found[-1] == pytest.approx(FRAMES[-1])
        np.testing.assert_allclose(np.diff(found[:, 0]), 19 / (len(found) - 1), rtol=1e-5)
        lengths.append(len(found))
    assert min(lengths) < 18
    assert max(lengths) > 22


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_sequences_keep_a_frame(length: int) -> None:
    settings = DataConfig(noise=0.1, scaling=0.1, time_mask=0.9, time_crop=0.9, time_warp=0.5)
    for seed in range(40):
        found = augmented(FRAMES[:length], settings, default_rng(seed))
        assert len(found) >= 1
        assert np.isfinite(found).all()
