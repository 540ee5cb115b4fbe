"""Multi-head attention of a recurrent decoder over the encoder's outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqkit.network.parts import AdditiveAttentionPart, AttentionPart


@dataclass(frozen=True)
class Memory:
    """The source as attention sees it, projected once a sentence.

    `keys` and `values` are (B, A, S, H/A); `mask` is (B, S), True where there is a word.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor

    def select(self, sentences: Tensor) -> Memory:
        """The memory of the given sentences (B',)."""
        return Memory(
            self.keys.index_select(0, sentences),
            self.values.index_select(0, sentences),
            self.mask.index_select(0, sentences),
        )


class Attention(nn.Module):
    """Dot (Luong et al. 2015, section 3.1; heads: Vaswani et al. 2017) or additive (Bahdanau et al. 2015).

    Several rows may share a memory: with N = B * k queries, row i attends to sentence i // k, so that the
    hypotheses of a beam need no copies of the keys.
    """

    def __init__(self, part: AttentionPart, *, dropout: float) -> None:
        super().__init__()
        self.heads = part.heads
        self.output_size = part.size
        self.query, self.key, self.value = (
            nn.Linear(projection.inputs, projection.outputs, bias=False)
            for projection in (part.query, part.key, part.value)
        )
        self.energy: nn.Parameter | None = None
        if isinstance(part, AdditiveAttentionPart):
            self.energy = nn.Parameter(torch.empty(part.heads, part.size // part.heads))
            nn.init.normal_(self.energy, std=self.energy.shape[1] ** -0.5)
        self.dropout = nn.Dropout(dropout)

    def remember(self, outputs: Tensor, mask: Tensor) -> Memory:
        """Project the encoder's outputs (B, S, H) once."""
        return Memory(self._split(self.key(outputs)), self._split(self.value(outputs)), mask)

    def forward(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(N, T, H), memory of B sentences -> context (N, T, H), weights averaged over heads (N, T, S)"""
        rows, time = queries.shape[:2]
        sentences = memory.keys.shape[0]
        grouped = self.query(queries).view(sentences, -1, self.output_size)  # (B, k * T, H)
        scores = self._scores(self._split(grouped), memory.keys)  # (B, A, k * T, S)
        scores = scores.masked_fill(~memory.mask[:, None, None], -torch.inf)
        weights = torch.softmax(scores.float(), dim=3)  # (B, A, k * T, S)
        context = self.dropout(weights).to(memory.values.dtype) @ memory.values  # (B, A, k * T, H/A)
        context = context.transpose(1, 2).reshape(rows, time, self.output_size)  # (N, T, H)
        return context, weights.mean(dim=1).view(rows, time, -1)

    def _scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, A, Q, H/A), (B, A, S, H/A) -> (B, A, Q, S)"""
        if self.energy is None:
            return queries @ keys.transpose(2, 3) / math.sqrt(keys.shape[3])
        mixed = torch.tanh(queries[:, :, :, None] + keys[:, :, None])  # (B, A, Q, S, H/A)
        return (mixed * self.energy[None, :, None, None]).sum(dim=4)

    def _split(self, values: Tensor) -> Tensor:
        """(B, T, H) -> (B, A, T, H/A)"""
        batch, time, size = values.shape
        return values.view(batch, time, self.heads, size // self.heads).transpose(1, 2)
