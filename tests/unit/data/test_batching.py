"""Batches: every pair once, few shapes, and a plan that follows from the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqkit.data import batching
from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import (
    PairBatches,
    grid_length,
    length_batches,
    pad,
    pair_batch,
    validation_batches,
)
from seqkit.data.corpus import Corpus
from seqkit.data.tokenizers import END, PAD, START


@pytest.mark.parametrize(
    ("length", "rounded"),
    [
        (0, 4),
        (1, 4),
        (4, 4),
        (5, 8),
        (28, 28),
        (29, 32),
        (32, 32),
        (33, 40),
        (40, 40),
        (41, 48),
        (1000, 1000),
    ],
)
def test_the_shape_grid(length: int, rounded: int) -> None:
    assert grid_length(length) == rounded


def lengths(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    target = random.geometric(0.08, count)
    return np.maximum(1, target + random.integers(-3, 4, count)), target


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=120),
    st.integers(1, 600),
    st.integers(0, 2**63 - 1),
    st.integers(0, 1000),
)
def test_every_pair_is_in_one_batch_that_is_not_too_large(
    pairs: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    source, target = np.array(pairs).T
    batches = length_batches(source, target, batch_tokens=batch_tokens, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
    for batch in batches:
        size = len(batch) * int(grid_length(target[batch]).max())
        assert len(batch) == 1 or size <= batch_tokens


def test_rows_come_in_eights() -> None:
    source, target = lengths(5000)
    batches = length_batches(source, target, batch_tokens=2000, seed=1, epoch=0)
    odd = [batch for batch in batches if len(batch) > 8 and len(batch) % 8]
    assert len(odd) <= 1, "only what is left at the end of a window may be odd"


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_no_batch_has_more_rows_than_asked_for(rows: int) -> None:
    source, target = lengths(500)
    batches = length_batches(source, target, batch_tokens=2000, batch_rows=rows, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert max(map(len, batches)) == rows
    assert all(len(batch) * int(grid_length(target[batch]).max()) <= 2000 for batch in batches)


def test_little_padding_and_few_shapes() -> None:
    source, target = lengths(5000)
    batches = length_batches(source, target, batch_tokens=1000, seed=1, epoch=0)
    padded = sum(len(batch) * int(grid_length(target[batch]).max()) for batch in batches)
    assert target.sum() / padded > 0.8
    assert len({int(grid_length(target[batch]).max()) for batch in batches}) < 25


def test_the_plan_follows_from_seed_and_epoch() -> None:
    source, target = lengths(500)

    def plan(seed: int, epoch: int) -> list[list[int]]:
        found = length_batches(source, target, batch_tokens=200, seed=seed, epoch=epoch)
        return [batch.tolist() for batch in found]

    assert plan(1, 0) == plan(1, 0)
    assert plan(1, 0) != plan(1, 1)
    assert plan(1, 0) != plan(2, 0)
    first, second = (set(map(frozenset, plan(1, epoch))) for epoch in (0, 1))
    assert len(first & second) < len(first) / 2, "epochs do not repeat the same batches in another order"
    longest = [max(target[batch]) for batch in plan(1, 0)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True)), "lengths come in random order"


def test_a_large_corpus_is_sorted_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "SORT_WINDOW", 50)
    source, target = lengths(180)
    batches = length_batches(source, target, batch_tokens=10_000, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(180))
    assert sorted(map(len, batches), reverse=True)[0] <= 50


def test_padding() -> None:
    padded = pad([np.array([7, 8, 9]), np.array([5]), np.array([], dtype=np.int64)])
    assert padded.values.tolist() == [[7, 8, 9, PAD], [5, PAD, PAD, PAD], [PAD] * 4]
    assert padded.lengths.tolist() == [3, 1, 0]
    assert padded.mask.tolist() == [[True] * 3 + [False], [True] + [False] * 3, [False] * 4]
    assert pad([np.arange(4, 9)]).values.shape == (1, 8)
    assert pad([np.arange(4, 9)], on_grid=False).values.shape == (1, 5)
    assert pad([]).values.shape == (0, 4)


def test_a_pair_is_framed() -> None:
    batch = pair_batch([np.array([9, 8], np.uint16)], [np.array([4, 5, 6, 7], np.uint16)])
    assert batch.source is not None
    assert batch.source.values.tolist() == [[9, 8, END, PAD]]
    assert batch.inputs.values.tolist() == [[START, 4, 5, 6, 7, PAD, PAD, PAD]]
    assert batch.targets.values.tolist() == [[4, 5, 6, 7, END, PAD, PAD, PAD]]
    assert batch.source.lengths.tolist() == [3]
    assert batch.inputs.lengths.tolist() == batch.targets.lengths.tolist() == [5]
    assert batch.inputs.values.dtype == torch.int64
    assert not batch.continues


@pytest.fixture(scope="module")
def corpus(toy_corpus: Path) -> Corpus:
    return Corpus.open(toy_corpus)


def test_batches_hold_the_corpus(corpus: Corpus) -> None:
    assert corpus.train.source is not None
    batches = PairBatches(corpus, batch_tokens=256, seed=3)
    plan = batches.plan(2)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(corpus.train)))
    batch = batches.load(plan[0], seed=0)
    assert batch.source is not None
    for row, number in enumerate(plan[0].tolist()):
        source, target = corpus.train.source[number], corpus.train.target[number]
        assert batch.source.values[row, : len(source)].tolist() == source.tolist()
        assert batch.targets.values[row, : len(target) + 1].tolist() == [*target.tolist(), END]


def test_batches_are_sorted_by_what_they_are_padded_to(corpus: Corpus) -> None:
    """A source has an end token, too: by its bare length one of 4 would share a batch with one of 3."""
    assert corpus.train.source is not None
    source, target = corpus.train.source.lengths + 1, corpus.train.target.lengths + 1
    plan = PairBatches(corpus, batch_tokens=256, seed=3).plan(2)
    expected = length_batches(source, target, batch_tokens=256, seed=3, epoch=2)
    assert [batch.tolist() for batch in plan] == [batch.tolist() for batch in expected]
    crossing = [batch for batch in plan if len(np.unique(grid_length(target[batch]))) == 1]
    shapes = [len(np.unique(grid_length(source[batch]))) for batch in crossing]
    assert np.mean(shapes) < 1.6, "a batch holds sources of one padded length, or of two where they meet"


def test_sampled_segmentation_follows_its_seed_and_keeps_the_text(corpus: Corpus) -> None:
    batches = PairBatches(corpus, batch_tokens=256, seed=3, subword_sampling=0.5)
    index = batches.plan(0)[0]
    first, again, other = (batches.load(index, seed=seed) for seed in (11, 11, 12))
    still = PairBatches(corpus, batch_tokens=256, seed=3).load(index, seed=11)
    assert torch.equal(first.targets.values, again.targets.values)
    assert not torch.equal(first.targets.values, other.targets.values)
    assert first.targets.lengths.sum() > still.targets.lengths.sum()

    def texts(values: torch.Tensor, sizes: torch.Tensor) -> list[str]:
        rows = zip(values.numpy(), sizes.tolist(), strict=True)
        return corpus.target_tokenizer.decode([row[: size - 1] for row, size in rows])

    expected = texts(still.targets.values, still.targets.lengths)
    assert texts(first.targets.values, first.targets.lengths) == expected
    assert texts(other.targets.values, other.targets.lengths) == expected


def test_case_noise_follows_its_seed_and_touches_its_share_of_the_sources(corpus: Corpus) -> None:
    """Targets, and all other sources, are the same; what is changed has capitals or small letters alone."""
    still = PairBatches(corpus, batch_tokens=256, seed=3)
    noisy = PairBatches(corpus, batch_tokens=256, seed=3, case_noise=0.5)

    def texts(batch: Batch) -> list[str]:
        assert batch.source is not None
        rows = zip(batch.source.values.numpy(), batch.source.lengths.tolist(), strict=True)
        return corpus.source_tokenizer.decode([row[: size - 1] for row, size in rows])

    counts = {"same": 0, "capitals": 0, "small": 0}
    for number, index in enumerate(still.plan(0)):
        first, again = (noisy.load(index, seed=number) for _ in range(2))
        assert texts(first) == texts(again)
        plain = still.load(index, seed=number)
        assert torch.equal(first.targets.values, plain.targets.values)
        for found, text in zip(texts(first), texts(plain), strict=True):
            assert found in {text, text.upper(), text.lower()}
            counts["capitals" if found == text.upper() else "same" if found == text else "small"] += 1
    total = sum(counts.values())
    assert total > 100
    assert 0.15 < counts["capitals"] / total < 0.35, counts
    everything = PairBatches(corpus, batch_tokens=256, seed=3, case_noise=1.0).load(still.plan(0)[0], seed=1)
    assert all(text in {text.upper(), text.lower()} for text in texts(everything))
    index = still.plan(0)[0]
    assert texts(noisy.load(index, seed=1)) != texts(noisy.load(index, seed=2))


def test_case_noise_and_sampled_segmentation_go_together(corpus: Corpus) -> None:
    both = PairBatches(corpus, batch_tokens=256, seed=3, subword_sampling=0.5, case_noise=1.0)
    index = both.plan(0)[0]
    cased = PairBatches(corpus, batch_tokens=256, seed=3, case_noise=1.0).load(index, seed=4).source
    found = both.load(index, seed=4).source
    assert found is not None
    assert cased is not None

    def texts(source: Padded) -> list[str]:
        rows = zip(source.values.numpy(), source.lengths.tolist(), strict=True)
        return corpus.source_tokenizer.decode([row[: size - 1] for row, size in rows])

    assert texts(found) == texts(cased)
    assert found.lengths.sum() > cased.lengths.sum()


def test_validation_is_whole_and_sorted(corpus: Corpus) -> None:
    batches = validation_batches(corpus.valid, batch_tokens=64)
    assert len(batches) > 2
    sizes = [size for batch in batches for size in batch.targets.lengths.tolist()]
    assert sorted(sizes) == sorted((corpus.valid.target.lengths + 1).tolist())
    widths = [batch.targets.values.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)
    assert all(batch.targets.values.numel() <= 64 or len(batch.targets.lengths) == 1 for batch in batches)
