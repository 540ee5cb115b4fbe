"""What the first pass finds in slices is what a plain one finds in memory; its sample is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.prepare import keys
from seqkit.data.prepare.keys import KEY_TYPE, keys_of, repeats, smallest
from seqkit.data.prepare.scan import PairSample


@settings(max_examples=100)
@given(
    values=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    chunk=st.integers(1, 9),
    partition=st.integers(1, 9),
    count=st.integers(1, 15),
)
def test_repeats_and_smallest_in_slices(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], chunk: int, partition: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("keys") / "keys"
    np.array(values, KEY_TYPE).tofile(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_CHUNK", chunk)
        patch.setattr(keys, "_PARTITION", partition)
        repeated = sorted(index for part in repeats(path) for index in part.tolist())
        least = smallest(path, count).tolist()
    seen: set[int] = set()
    expected = [index for index, value in enumerate(values) if value and (value in seen or seen.add(value))]  # type: ignore[func-returns-value]
    assert repeated == expected
    assert least == sorted(set(values) - {0})[:count]


def test_a_key_is_the_same_everywhere() -> None:
    assert keys_of(["Hund", "", "Hund"]).tolist() == [6309810047129440894, *keys_of(["", "Hund"]).tolist()]
    assert keys_of([""]).tolist() != [0]
    assert len(keys_of([])) == 0


def test_a_sample_is_bounded_fair_and_in_order() -> None:
    sample = PairSample(seed=1, pairs=1000, characters=10**9)
    for start in range(0, 50_000, 500):
        lines = [str(number) for number in range(start, start + 500)]
        sample.add(np.ones(500, np.uint64), (lines, lines))
    numbers = [int(source) for source, _ in sample.pairs(np.uint64(0))]
    assert 400 < len(numbers) <= 1000
    assert numbers == sorted(numbers)
    assert np.mean(numbers) == pytest.approx(25_000, abs=2500)


def test_a_sample_is_bounded_in_characters() -> None:
    sample = PairSample(seed=1, pairs=10**6, characters=10_000)
    for _ in range(100):
        sample.add(np.ones(10, np.uint64), (["x" * 100] * 10, ["y" * 5000] * 10))
    kept = sample.pairs(np.uint64(0))
    assert 0 < sum(len(source) + len(target) for source, target in kept) <= 10_000
    assert {len(target) for _, target in kept} == {1000}  # long lines are cut


def test_a_sample_has_no_dropped_and_no_held_out_pairs() -> None:
    sample = PairSample(seed=1)
    sample.add(np.array([0, 5, 9], np.uint64), (["a", "b", "c"], ["x", "y", "z"]))
    assert sample.pairs(np.uint64(6)) == [("c", "z")]


def test_the_sample_follows_from_the_seed() -> None:
    def draw(seed: int) -> list[tuple[str, str]]:
        sample = PairSample(seed, pairs=100)
        lines = [str(number) for number in range(1000)]
        sample.add(np.ones(1000, np.uint64), (lines, lines))
        return sample.pairs(np.uint64(0))

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
