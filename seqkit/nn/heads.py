"""Heads: what turns readouts into predictions, and predictions into a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqkit.data.batch import Padded
from seqkit.network.parts import ClassHeadPart


@dataclass(frozen=True)
class Loss:
    """A loss summed over `weight` predictions, in nats.

    `objective` is what training minimises (label-smoothed), `nats` the plain negative log-likelihood.
    """

    objective: Tensor
    nats: Tensor
    weight: int


class Head(Protocol):
    """Owns prediction and loss together. Readouts have lengths: a head may pool over them, or align them."""

    def predict(self, readouts: Tensor) -> Tensor:
        """Readouts (..., R) -> what is predicted at each of them."""
        ...

    def loss(self, readouts: Padded, targets: Padded, weight: int) -> Loss:
        """Readouts (B, T, R) against targets (B, T'), which are so many predictions."""
        ...


class SmoothedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy against (1 - s) * one-hot + s * uniform targets (Szegedy et al. 2016, section 7).

    The gradient, softmax minus target, is made in the forward pass, a cache-sized block of rows at a time:
    composed from library calls the same takes three more passes over the largest tensor of a step.
    Only the first `count` rows are counted. Differentiable once.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, count: int, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        if gradient is not None:
            gradient[count:] = 0
        size = logits.shape[1]
        dtype = _at_least_float(logits.dtype)
        nats, uniform = logits.new_empty(2, count, dtype=dtype)  # (P,): against the target, against all words
        many = max(1, _BLOCK // size)  # rows
        for start in range(0, count, many):
            rows = slice(start, min(start + many, count))
            block, wanted = logits[rows].to(dtype), targets[rows, None]  # (R, V), (R, 1)
            shares = torch.softmax(block, dim=1)  # (R, V)
            # The largest logit's share is 1 / sum(exp(logit - largest)): no second pass of exponentials.
            normaliser = block.amax(dim=1) - shares.amax(dim=1).log()  # (R,)
            torch.sub(normaliser, block.gather(1, wanted)[:, 0], out=nats[rows])
            if smoothing:
                torch.sub(normaliser, block.mean(dim=1), out=uniform[rows])
            if gradient is not None:
                if smoothing:
                    shares.sub_(smoothing / size)
                shares.scatter_add_(1, wanted, shares.new_full(wanted.shape, smoothing - 1))
                gradient[rows] = shares
        summed = nats.sum(dtype=torch.float64)
        objective = (1 - smoothing) * summed
        if smoothing:
            objective = objective + smoothing * uniform.sum(dtype=torch.float64)
        ctx.gradient = gradient
        ctx.mark_non_differentiable(summed)
        return objective, summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        scaled = ctx.gradient.mul_(gradients[0].to(ctx.gradient.dtype))
        ctx.gradient = None
        return scaled, None, None, None


_BLOCK = 1 << 19  # logits that are treated at a time: 2 MB, about a core's own cache
_ROW_GRID = 128


def _at_least_float(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


class TokenHead(nn.Module):
    """A softmax over the vocabulary; its weight may be an embedding's (Press and Wolf 2017)."""

    def __init__(
        self, readout_size: int, vocabulary_size: int, *, tied_to: nn.Embedding | None, label_smoothing: float
    ) -> None:
        super().__init__()
        self.output = nn.Linear(readout_size, vocabulary_size)
        if tied_to is not None:
            self.output.weight = tied_to.weight
        self.label_smoothing = label_smoothing

    def predict(self, readouts: Tensor) -> Tensor:
        """(..., R) -> logits (..., V)"""
        logits: Tensor = self.output(readouts)
        return logits

    def loss(self, readouts: Padded, targets: Padded, weight: int) -> Loss:
        """Cross-entropy at the positions that hold data; padding never reaches the output layer."""
        mask = targets.mask.flatten()  # (B * T,)
        # Matrix kernels are made once a shape: round the number of rows up, with some padding at the end.
        rows = min(-(-weight // _ROW_GRID) * _ROW_GRID, len(mask))
        kept = mask.logical_not().argsort(stable=True)[:rows]  # (P,)
        wanted = targets.values.flatten().index_select(0, kept)  # (P,)
        logits = self.predict(readouts.values.flatten(0, 1).index_select(0, kept))  # (P, V)
        smoothing = self.label_smoothing if self.training else 0.0
        objective, nats = SmoothedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            logits, wanted, weight, smoothing
        )
        return Loss(objective, nats, weight)


class ClassHead(nn.Module):
    """One class per sequence: what all positions say is pooled, then a softmax."""

    def __init__(self, part: ClassHeadPart, *, dropout: float, label_smoothing: float) -> None:
        super().__init__()
        self.output = nn.Linear(part.inputs, part.classes)
        weighing = part.weighing
        self.weighing = None if weighing is None else nn.Linear(weighing.inputs, weighing.outputs)
        self.pooling = part.pooling
        self.dropout = nn.Dropout(dropout)
        self.label_smoothing = label_smoothing

    def predict(self, readouts: Tensor) -> Tensor:
        """(..., R) -> logits (..., C)"""
        logits: Tensor = self.output(self.dropout(readouts))
        return logits

    def answer(self, readouts: Padded) -> Tensor:
        """The logits of each sequence. (B, T, R) -> (B, C)"""
        return self.predict(self._pooled(readouts))

    def loss(self, readouts: Padded, targets: Padded, weight: int) -> Loss:
        """Cross-entropy of one target per sequence, (B, 1)."""
        logits, wanted = self.answer(readouts), targets.values[:, 0]  # (B, C), (B,)
        logits = logits.to(_at_least_float(logits.dtype))
        nats = nn.functional.cross_entropy(logits, wanted, reduction="sum")
        if not (self.training and self.label_smoothing):
            return Loss(nats, nats.detach(), weight)
        smoothing = self.label_smoothing
        smoothed = nn.functional.cross_entropy(logits, wanted, reduction="sum", label_smoothing=smoothing)
        return Loss(smoothed, nats.detach(), weight)

    def _pooled(self, readouts: Padded) -> Tensor:
        """(B, T, R) -> (B, R)"""
        values, mask = readouts.values, readouts.mask[:, :, None]  # (B, T, R), (B, T, 1)
        if self.pooling == "max":
            return values.masked_fill(~mask, -torch.inf).amax(dim=1)
        if self.pooling == "last":
            return values[torch.arange(len(values), device=values.device), readouts.lengths - 1]
        if self.weighing is None:
            return (values * mask).sum(dim=1) / readouts.lengths[:, None]
        scores = self.weighing(values).masked_fill(~mask, -torch.inf)  # (B, T, 1)
        return (values * torch.softmax(scores, dim=1)).sum(dim=1)
