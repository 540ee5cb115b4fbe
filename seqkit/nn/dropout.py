"""Dropout that knows sequences: one mask a sequence, or whole words."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SequenceDropout(nn.Module):
    """Variational dropout: one mask for all positions of a sequence (Gal and Ghahramani 2016, section 4)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """(B, T, F) -> (B, T, F)"""
        return masked(values, self.draw(values.shape[0], values.shape[2], values.device))

    def draw(self, rows: int, features: int, device: torch.device) -> Tensor | None:
        """A mask (B, 1, F) for `masked`, or None while nothing is dropped."""
        if not self.training or self.rate == 0:
            return None
        keep = 1 - self.rate
        return torch.empty(rows, 1, features, device=device).bernoulli_(keep).div_(keep)


def masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """(B, T, F), (B, 1, F) -> (B, T, F)"""
    return values if mask is None else values * mask.to(values.dtype)


class WordDropout(nn.Module):
    """Drops whole embeddings, so that no single word is relied on (Sennrich and Zhang 2019, section 3.2)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """(B, T, E) -> (B, T, E)"""
        if not self.training or self.rate == 0:
            return values
        keep = 1 - self.rate
        mask = (
            torch.empty(*values.shape[:2], 1, device=values.device).bernoulli_(keep).div_(keep)
        )  # (B, T, 1)
        return values * mask.to(values.dtype)
