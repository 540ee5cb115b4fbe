"""Attention in whole numbers: keys and values of the source once a sentence, contexts at every step.

Floats hold whole numbers exactly while they are small enough, whatever the order in which they are added up:
so products of floats that are rounded to a fine grid first do not depend on the shape of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.encoder import Encoded
from seqkit.engines.fixed.grid import Grid
from seqkit.network.parts import DotAttentionPart

_EXACT = 1 << 24  # whole numbers below this are exact in fp32
_SHARES = 4096  # what an attention weight of 1 is rounded to
_EXPONENTIALS = np.float32(1 << 16)  # and the largest term of a softmax


@dataclass(frozen=True)
class Memory:
    """The source as attention sees it: A heads, D = H / A numbers each.

    `keys` (B, A, D, S) and `values` (B, A, S, D) are whole numbers, `key_steps` (B, A, 1, S) and
    `value_steps` (B, A, 1, 1) make them real ones; `unseen` (B, 1, 1, S) is -inf where there is padding.
    """

    keys: np.ndarray
    values: np.ndarray
    key_steps: np.ndarray
    value_steps: np.ndarray
    unseen: np.ndarray

    def select(self, sentences: np.ndarray) -> Memory:
        """The memory of the given sentences (B',)."""
        return Memory(
            self.keys[sentences],
            self.values[sentences],
            self.key_steps[sentences],
            self.value_steps[sentences],
            self.unseen[sentences],
        )


class FixedPointAttention:
    """Multi-head dot attention; N = B * k queries attend to the memory of B sentences."""

    def __init__(
        self, part: DotAttentionPart, layers: int, parameters: Mapping[str, np.ndarray], grid: Grid
    ) -> None:
        """What is remembered is the sum of so many `layers` of the encoder."""
        self._heads = part.heads
        depth = part.size // self._heads
        query, key, value = (
            parameters[projection.weight].astype(np.float64)
            for projection in (part.query, part.key, part.value)
        )
        self.query = Affine(query / math.sqrt(depth), None, grid)
        self._key, self._value = (Affine(np.tile(weight, layers), None, grid) for weight in (key, value))
        # A product is at most that of the lengths (Cauchy, Schwarz), and rounding adds a little to these.
        self._length = math.isqrt(_EXACT) - math.isqrt(depth) - 1  # of queries and keys

    def remember(self, encoded: Encoded) -> Memory:
        """Project the encoder's outputs once."""
        count, longest = encoded.mask.shape
        rows = encoded.outputs.reshape(count * longest, -1)
        keys, values = (
            part.apply(rows).reshape(count, longest, self._heads, -1)  # (B, S, A, D)
            for part in (self._key, self._value)
        )
        values[~encoded.mask] = 0
        key_steps = lengths_of(keys) / np.float32(self._length)  # (B, S, A, 1)
        # A sentence's shares are rounded, so they may add up to more.
        levels = _EXACT // (_SHARES + encoded.mask.sum(axis=1) // 2 + 1)  # (B,)
        largest = np.maximum(
            values.max(axis=(1, 3), keepdims=True), -values.min(axis=(1, 3), keepdims=True)
        )  # (B, 1, A, 1)
        value_steps = np.where(largest > 0, largest, 1) / levels[:, None, None, None].astype(np.float32)
        return Memory(
            np.ascontiguousarray(np.rint(keys / key_steps).transpose(0, 2, 3, 1)),
            np.ascontiguousarray(np.rint(values / value_steps).transpose(0, 2, 1, 3)),
            np.ascontiguousarray(key_steps.transpose(0, 2, 3, 1)),
            value_steps.transpose(0, 2, 1, 3) / np.float32(_SHARES),
            np.where(encoded.mask, np.float32(0), np.float32(-np.inf))[:, None, None],
        )

    def attend(self, queries: np.ndarray, memory: Memory, context: np.ndarray) -> np.ndarray:
        """Queries (N, H), overwritten, -> weights (B, A, k, S); the `context` (N, H) is written to."""
        sentences = len(memory.keys)
        grouped = queries.reshape(sentences, -1, self._heads, queries.shape[1] // self._heads)  # (B, k, A, D)
        query_steps = lengths_of(grouped) / np.float32(self._length)  # (B, k, A, 1)
        np.divide(grouped, query_steps, out=grouped)
        np.rint(grouped, out=grouped)
        products = np.matmul(grouped.transpose(0, 2, 1, 3), memory.keys)  # (B, A, k, S)
        # From here on the source comes first in memory: numpy is slow along short last axes.
        scores = np.ascontiguousarray(products.transpose(3, 0, 1, 2))  # (S, B, A, k)
        scores *= query_steps[..., 0].transpose(0, 2, 1)
        scores *= memory.key_steps.transpose(3, 0, 1, 2)
        scores += memory.unseen.transpose(3, 0, 1, 2)
        scores -= scores.max(axis=0)
        np.exp(scores, out=scores)
        scores *= _EXPONENTIALS
        np.rint(scores, out=scores)
        scores /= scores.sum(axis=0, dtype=np.float64).astype(np.float32)  # exact sums: padding adds nothing
        shares = scores * np.float32(_SHARES)
        np.rint(shares, out=shares)
        contexts = np.matmul(shares.transpose(1, 2, 3, 0), memory.values)  # (B, A, k, D)
        np.multiply(
            contexts.transpose(0, 2, 1, 3),
            memory.value_steps.transpose(0, 2, 1, 3),
            out=context.reshape(grouped.shape),
        )
        return scores.transpose(1, 2, 3, 0)


def lengths_of(vectors: np.ndarray) -> np.ndarray:
    """The Euclidean length along the last axis, which stays; 1 where there is none."""
    squares = np.einsum("...d,...d->...", vectors, vectors)[..., None]
    lengths: np.ndarray = np.sqrt(squares)
    lengths[lengths == 0] = 1
    return lengths
