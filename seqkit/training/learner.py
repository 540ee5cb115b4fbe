"""What learns: a network, its optimizer, the average of its weights, the state that its streams carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seqkit import weights
from seqkit.config import TrainingConfig
from seqkit.models import SequenceModel
from seqkit.nn.recurrent import DecoderState
from seqkit.training.checkpoints import (
    Checkpoint,
    carried_tensors,
    optimizer_tensors,
    restore_carried,
    restore_optimizer,
)
from seqkit.training.optim import build_optimizer


class WeightAverage:
    """An average of the weights over steps, kept beside them."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = list(model.parameters())
        self.average = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Take in the present weights; of the average so far the share `decay` stays."""
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights and the average; a second call takes it back."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(kept)


class Learner:
    """A network with all that a training step reads and changes.

    `carried` is the state that a generator's streams go on with: where the last step left it, or None at a
    text's beginning. `most_parts` is how many parts a step was taken in at most, for want of memory.
    """

    def __init__(
        self, model: SequenceModel, training: TrainingConfig, device: torch.device, precision: str
    ) -> None:
        self.model, self.device, self.precision = model, device, precision
        self.optimizer = build_optimizer(model.parameters(), training)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.carried: DecoderState | None = None
        self.most_parts = 1
        self.average: WeightAverage | None = None
        if training.ema > 0 or training.optimizer == "nt-asgd":
            self.average = WeightAverage(model)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """While this is open the network has the average of its weights, where one is kept."""
        if self.average is None:
            yield
            return
        self.average.swap()
        try:
            yield
        finally:
            self.average.swap()

    @contextmanager
    def holding(self, parameters: Mapping[str, Tensor]) -> Iterator[None]:
        """While this is open the network has other weights."""
        kept = self.parameters()
        weights.set_parameters(self.model, parameters)
        try:
            yield
        finally:
            weights.set_parameters(self.model, kept)

    def parameters(self) -> dict[str, Tensor]:
        """A copy of the network's weights, by name."""
        return {name: tensor.clone() for name, tensor in weights.parameter_tensors(self.model).items()}

    @property
    def is_finite(self) -> bool:
        """Whether all weights, and their average, are numbers."""
        averages = [] if self.average is None else self.average.average
        return all(bool(torch.isfinite(tensor).all()) for tensor in [*self.model.parameters(), *averages])

    def checkpoint(self, state: dict[str, Any], metrics: bytes) -> Checkpoint:
        """What it takes to go on from here; the tensors share memory with what learns."""
        parameters = weights.parameter_tensors(self.model)
        averages = {}
        if self.average is not None:
            averages = dict(zip(parameters, self.average.average, strict=True))
        optimizer, carried = optimizer_tensors(self.optimizer), carried_tensors(self.carried)
        scaler = self.scaler.state_dict()
        return Checkpoint({**state, "scaler": scaler}, parameters, averages, optimizer, carried, metrics)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, or back to it."""
        weights.set_parameters(self.model, checkpoint.parameters)
        restore_optimizer(self.optimizer, checkpoint.optimizer)
        self.carried = restore_carried(checkpoint.carried, self.device)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(checkpoint.state["scaler"])
        if self.average is not None:
            names = weights.parameter_tensors(self.model)
            for name, average in zip(names, self.average.average, strict=True):
                average.copy_(checkpoint.averages[name])
