"""Front-ends: what turns an input sequence into vectors.

A front-end takes and returns values *and* lengths, because others than this one may change the length
(audio frames that are sub-sampled, say).
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from seqkit.data.batch import Padded
from seqkit.nn.dropout import SequenceDropout, WordDropout


class Frontend(Protocol):
    """Anything that makes vectors of `output_size` out of an input sequence."""

    output_size: int

    def __call__(self, inputs: Padded) -> Padded:
        """(B, T) or (B, T, F) -> (B, T', output_size)"""
        ...


class TokenFrontend(nn.Module):
    """Token ids to embeddings."""

    def __init__(self, embedding: nn.Embedding, *, dropout: float, word_dropout: float) -> None:
        super().__init__()
        self.embedding = embedding
        self.output_size = embedding.embedding_dim
        self.word_dropout = WordDropout(word_dropout)
        self.dropout = SequenceDropout(dropout)

    def forward(self, inputs: Padded) -> Padded:
        """(B, T) -> (B, T, E)"""
        vectors: Tensor = self.embedding(inputs.values)  # (B, T, E)
        return Padded(self.dropout(self.word_dropout(vectors)), inputs.lengths)
