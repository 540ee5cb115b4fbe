"""Front-ends: what turns an input sequence into vectors.

A front-end takes and returns values *and* lengths, because others than this one may change the length
(audio frames that are sub-sampled, say).
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from seqkit.data.batch import Padded
from seqkit.network.parts import KERNEL, FrameFrontendPart
from seqkit.nn.dropout import SequenceDropout, WordDropout


class Frontend(Protocol):
    """Anything that makes vectors of `output_size` out of an input sequence."""

    output_size: int

    def __call__(self, inputs: Padded) -> Padded:
        """(B, T) or (B, T, F) -> (B, T', output_size)"""
        ...


class FrameFrontend(nn.Module):
    """Frames to vectors: by convolutions, each of which halves the length, or by a linear map."""

    def __init__(self, part: FrameFrontendPart, *, dropout: float) -> None:
        super().__init__()
        self.output_size = part.output_size
        linear = part.projection
        self.projection = None if linear is None else nn.Linear(linear.inputs, linear.outputs)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(part.output_size if number else part.inputs, part.output_size, KERNEL, 2, KERNEL // 2)
            for number in range(part.convolutions)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(part.output_size) for _ in range(part.convolutions))
        self.dropout = SequenceDropout(dropout)

    def forward(self, inputs: Padded) -> Padded:
        """(B, T, F) -> (B, T', E), T' = T / 2^n rounded up"""
        if self.projection is not None:
            return Padded(self.dropout(self.projection(inputs.values)), inputs.lengths)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            kept = inputs.values * inputs.mask[:, :, None]  # (B, T, F): what pads is 0 for every layer
            found = norm(convolution(kept.transpose(1, 2)).transpose(1, 2))  # (B, T', E)
            inputs = Padded(nn.functional.gelu(found), (inputs.lengths + 1) // 2)
        return Padded(self.dropout(inputs.values), inputs.lengths)


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
