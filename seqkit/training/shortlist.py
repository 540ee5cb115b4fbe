"""Learning a lexical shortlist from a trained model's own attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from seqkit.data.batch import Batch
from seqkit.data.batching import length_batches, pair_batch
from seqkit.data.corpus import Corpus
from seqkit.data.tokenizers import END, PAD, START, UNKNOWN
from seqkit.device import autocast
from seqkit.model_directory import LoadedModel
from seqkit.network.shortlist import Shortlist
from seqkit.nn.modes import evaluating
from seqkit.randomness import default_rng

PAIRS = 20_000  # that are read, at most
FREQUENT = 100  # target tokens that are every sentence's candidates

_LEAST = 1 / 256  # weights below it are noise, and most of all weights
_MERGE = 1 << 21  # weights that are collected before they are summed
_BATCH_TOKENS = 4096


def learn_shortlist(
    loaded: LoadedModel,
    corpus: Corpus,
    size: int,
    *,
    frequent: int = FREQUENT,
    seed: int = 1,
    device: torch.device | None = None,
    precision: str = "fp32",
    tick: Callable[[], None] = lambda: None,
) -> Shortlist:
    """Read training pairs and count which target tokens attend to which source tokens.

    The partners of a source token are the `size` target tokens with the most attention to it, its own copy
    first where both sides have one vocabulary; the `frequent` target tokens, the end token the first of
    them, are no partners. `tick` is called between batches.
    """
    device = device or torch.device("cpu")
    model = loaded.model.to(device)
    sources, targets = loaded.fields["source"].size, loaded.fields["target"].size
    counts = np.zeros(targets, np.int64)
    masses = _Masses()
    with evaluating(model), autocast(precision, device):
        for batch in _sample(corpus, seed):
            tick()
            attention = model.run(batch.to(device)).attention
            assert batch.source is not None  # of pairs
            assert attention is not None  # of a translation model
            weights = attention.float().cpu().numpy()  # (B, T, S)
            source, target = batch.source.values.numpy(), batch.targets.values.numpy()
            counts += np.bincount(target.ravel(), minlength=targets)
            seen = (weights > _LEAST) & (target != PAD)[:, :, None] & (source != END)[:, None]
            rows, times, places = np.nonzero(seen)
            masses.add(source[rows, places] * targets + target[rows, times], weights[seen])
    counts[[PAD, START, UNKNOWN]] = -1
    counts[END] = counts.max() + 1  # the first: every sentence ends
    common = np.argsort(-counts, kind="stable")[: min(frequent, targets - 3)].astype(np.int32)
    shared = loaded.fields["source"] is loaded.fields["target"]
    return Shortlist(_partners(masses, common, (sources, targets), size, shared), common)


def _sample(corpus: Corpus, seed: int) -> Iterator[Batch]:
    """Random training pairs, those of one length together."""
    split = corpus.train
    assert split.source is not None  # a translation corpus has both sides
    count = min(PAIRS, len(split))
    chosen = np.sort(default_rng((seed, PAIRS)).choice(len(split), count, replace=False))
    lengths = [side.lengths[chosen] + 1 for side in (split.source, split.target)]
    for index in length_batches(*lengths, batch_tokens=_BATCH_TOKENS, seed=seed, epoch=0):
        yield pair_batch(split.source.gather(chosen[index]), split.target.gather(chosen[index]))


class _Masses:
    """Sums of weights by key, in memory that grows with the keys that occur."""

    def __init__(self) -> None:
        self.keys: np.ndarray = np.zeros(0, np.int64)
        self.sums: np.ndarray = np.zeros(0)
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting = 0

    def add(self, keys: np.ndarray, weights: np.ndarray) -> None:
        """Take weights of keys, any of which may occur many times."""
        self._parts.append((keys, weights.astype(np.float64)))
        self._waiting += len(keys)
        if self._waiting > _MERGE:
            self.merge()

    def merge(self) -> None:
        """Bring `keys`, rising, and `sums` up to date."""
        keys, weights = zip((self.keys, self.sums), *self._parts, strict=True)
        self.keys, places = np.unique(np.concatenate(keys), return_inverse=True)
        self.sums = np.bincount(places, np.concatenate(weights), len(self.keys))
        self._parts, self._waiting = [], 0


def _partners(
    masses: _Masses, frequent: np.ndarray, sizes: tuple[int, int], size: int, shared: bool
) -> np.ndarray:
    """Each source token's `size` partners, (V, N); a frequent token where there are fewer."""
    sources, targets = sizes
    masses.merge()
    source, target = np.divmod(masses.keys, targets)
    rare = ~np.isin(target, frequent)
    source, target, sums = source[rare], target[rare], masses.sums[rare]
    if shared:  # a name, a number, a byte: what is copied
        own = np.setdiff1d(np.arange(sources), np.append(frequent, [PAD, START, UNKNOWN]))
        other = source != target
        source, target = np.append(own, source[other]), np.append(own, target[other])
        sums = np.append(np.full(len(own), np.inf), sums[other])
    order = np.lexsort((target, -sums, source))  # by source token, the most attention first
    source, target = source[order], target[order]
    ranks = np.arange(len(source)) - np.searchsorted(source, source)
    partners = np.full((sources, size), frequent[0], np.int32)
    kept = ranks < size
    partners[source[kept], ranks[kept]] = target[kept]
    return partners
