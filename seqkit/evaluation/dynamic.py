"""Dynamic evaluation: the weights learn from the text while it is scored (Krause et al. 2018).

The paper divides an update by the root mean square that a weight's gradient had over the training text. A
model directory holds no training text, so here the squares are averaged over the segments scored so far.

Every prediction is made before anything is learnt from it, so its nats are those of an honest predictor; but
of another one than the trained model: the figure belongs beside the static one, not in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from seqkit.evaluation.dynamic_options import DynamicOptions
from seqkit.evaluation.encoded_text import IdStream
from seqkit.evaluation.language import slice_losses
from seqkit.nn.model import SequenceModel

_EPSILON = 1e-5  # keeps an update finite where a weight has had no gradient yet


def dynamic_nats(
    model: SequenceModel,
    ids: IdStream,
    boundary: int,
    options: DynamicOptions,
    *,
    device: torch.device,
    progress: Callable[[int], None] = lambda _done: None,
) -> float:
    """Nats of predicting every one of `ids` (n,) from all before it, learning from each segment behind it.

    The state is carried on. The model leaves with the weights and in the mode in which it came.
    """
    nats, positions = 0.0, 0
    with _learning(model) as weights:
        optimizer = _RunningRms(weights, options)
        for loss in slice_losses(model, ids[None], np.array([boundary]), options.segment, device):
            nats, positions = nats + float(loss.nats), positions + loss.weight
            optimizer.step(torch.autograd.grad(loss.objective / options.segment, weights))
            progress(positions)
    return nats


@contextmanager
def _learning(model: SequenceModel) -> Iterator[list[nn.Parameter]]:
    """The weights, ready to learn without dropout; everything is as it was afterwards."""
    training = model.training
    weights = list(model.parameters())
    trained = [weight.detach().clone() for weight in weights]
    required = [weight.requires_grad for weight in weights]
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):  # cuDNN has no backward pass in evaluation mode
            module.train()
    try:
        for weight in weights:
            weight.requires_grad_(True)
        with torch.enable_grad():
            yield weights
    finally:
        with torch.no_grad():
            for weight, value, needed in zip(weights, trained, required, strict=True):
                weight.copy_(value)
                weight.requires_grad_(needed)
        model.train(training)


class _RunningRms:
    """The update rule of `DynamicOptions`."""

    def __init__(self, weights: Sequence[Tensor], options: DynamicOptions) -> None:
        self.weights = list(weights)
        self.options = options
        self.trained = [weight.detach().clone() for weight in weights]
        self.squares = [torch.zeros_like(weight) for weight in weights]  # mean over the segments so far
        self.segments = 0

    @torch.no_grad()
    def step(self, gradients: tuple[Tensor, ...]) -> None:
        """Learn from the gradients of one segment."""
        self.segments += 1
        kept = 1 - 1 / self.segments
        torch._foreach_mul_(self.squares, kept)
        torch._foreach_addcmul_(self.squares, gradients, gradients, value=1 - kept)
        scales = torch._foreach_sqrt(self.squares)
        torch._foreach_add_(scales, _EPSILON)
        torch._foreach_addcdiv_(self.weights, gradients, scales, value=-self.options.rate)
        torch._foreach_lerp_(self.weights, self.trained, self.options.decay)
