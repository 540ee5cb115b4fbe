"""What learns: a network, its optimizer, the average of its weights, the state that its streams carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seqkit.config import TrainingConfig
from seqkit.nn import weights
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import DecoderState
from seqkit.training.checkpoints import Checkpoint
from seqkit.training.optim import build_optimizer, optimizer_tensors, restore_optimizer


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

    `carried` is the state that a generator's streams continue with: where the last step left it, or None at a
    text's beginning. `most_parts` is the largest number of parts that a step was divided into to save memory.
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

    def begin_average(self) -> None:
        """Let the average, where one is kept, be the present weights."""
        if self.average is not None:
            self.average = WeightAverage(self.model)

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
        kept = {name: tensor.clone() for name, tensor in weights.parameter_tensors(self.model).items()}
        weights.set_parameters(self.model, parameters)
        try:
            yield
        finally:
            weights.set_parameters(self.model, kept)

    def averages(self) -> dict[str, Tensor]:
        """The average of the weights by name, which keeps changing; nothing where none is kept."""
        if self.average is None:
            return {}
        return dict(zip(weights.parameter_tensors(self.model), self.average.average, strict=True))

    def delivered(self) -> dict[str, Tensor]:
        """What a reader of the model gets, by name: the average, or the weights themselves."""
        return self.averages() or weights.parameter_tensors(self.model)

    @property
    def is_finite(self) -> bool:
        """Whether all weights, and their average, are numbers."""
        tensors = [*weights.parameter_tensors(self.model).values(), *self.averages().values()]
        return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())

    @property
    def size(self) -> int:
        """Bytes of a checkpoint's tensors; the optimizer has its own from the first step on."""
        tensors = {**weights.parameter_tensors(self.model), **optimizer_tensors(self.optimizer)}
        return sum(
            tensor.numel() * tensor.element_size()
            for tensor in [*tensors.values(), *self.averages().values()]
        )

    def checkpoint(self, state: dict[str, Any], metrics: bytes) -> Checkpoint:
        """What it takes to continue from here; the tensors share memory with what learns."""
        return Checkpoint(
            state,
            weights.parameter_tensors(self.model),
            self.averages(),
            optimizer_tensors(self.optimizer),
            {} if self.carried is None else self.carried.to_tensors(),
            metrics,
        )

    def restore(self, checkpoint: Checkpoint, scaler: dict[str, Any]) -> None:
        """Go on from a checkpoint, or back to it; `scaler` is the state of the loss's scale."""
        weights.set_parameters(self.model, checkpoint.parameters)
        restore_optimizer(self.optimizer, checkpoint.optimizer)
        self.carried = None
        if checkpoint.carried:
            self.carried = DecoderState.from_tensors(checkpoint.carried, self.device)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)
        for name, average in self.averages().items():
            average.copy_(checkpoint.averages[name])
