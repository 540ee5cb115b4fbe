"""The training loop: a generator of step reports that does no input or output of its own.

Whoever iterates validates, saves, prints and stops. Randomness of a step is seeded with (seed, step), so a
resumed run draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqkit.batch import Batch
from seqkit.device import autocast
from seqkit.errors import RunFailed
from seqkit.models import SequenceModel
from seqkit.nn.heads import Loss
from seqkit.nn.recurrent import DecoderState

MAX_NONFINITE_STEPS = 5  # in a row
# With loss scaling an overflow now and then is how the scale is found: it is halved each time.
MAX_OVERFLOWS = 30


@dataclass(frozen=True)
class StepReport:
    """What one optimizer step did. Losses are sums over `positions`, in nats."""

    step: int
    epoch: float
    objective: float
    nats: float
    positions: int
    source_positions: int
    learning_rate: float
    gradient_norm: float
    clipped: bool
    finite: bool
    norms: Tensor  # of each parameter's gradient, in the order of model.parameters()


@dataclass(frozen=True)
class StepBatches:
    """The batches of one step and where it stands in the data."""

    step: int
    epoch: float
    batches: list[Batch]


@dataclass(frozen=True)
class LoopOptions:
    """What a step needs to know. `precision` is that of the matrix products."""

    seed: int
    clip_norm: float
    precision: str
    device: torch.device


@dataclass
class Carried:
    """The state that streams go on with: where the last step left it, or nothing at a text's beginning."""

    state: DecoderState | None = None


def derived_seed(*parts: int) -> int:
    """A well-mixed 63-bit seed from a run's seed, a step number and so on."""
    digest = hashlib.blake2b(b"/".join(str(part).encode() for part in parts), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def train_steps(
    model: SequenceModel,
    work: Iterator[StepBatches],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    rate_at: Callable[[int], float],
    options: LoopOptions,
    carried: Carried,
) -> Iterator[StepReport]:
    """Take one optimizer step for each item of `work` and report it.

    Batches that continue others begin with the state in `carried` and leave theirs there: back-propagation
    through time, truncated at the batch's first position (Williams and Peng 1990).

    A step whose gradient is not finite leaves weights and optimizer as they were; `MAX_NONFINITE_STEPS` of
    them in a row are a `RunFailed`.
    """
    parameters = list(model.parameters())
    failures = 0
    for item in work:
        model.train()
        torch.manual_seed(derived_seed(options.seed, item.step))
        rate = rate_at(item.step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses, positions = _accumulate_gradients(model, item.batches, scaler, options, carried)
        scaler.unscale_(optimizer)
        norms = _norms(parameters)  # (number of parameters,)
        norm = float(torch.linalg.vector_norm(norms))
        finite = math.isfinite(norm)
        clipped = finite and 0 < options.clip_norm < norm
        if clipped:
            torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], options.clip_norm / norm)
        if finite:
            scaler.step(optimizer)
        else:
            carried.state = None  # it may hold what is not a number
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        failures = 0 if finite else failures + 1
        if failures >= (MAX_OVERFLOWS if scaler.is_enabled() else MAX_NONFINITE_STEPS):
            raise RunFailed(
                f"the gradient was not finite {failures} steps in a row, last at step {item.step:,}; "
                "the weights are those before the first of them",
                hint=f"lower training.learning_rate (now {rate:.2g}), or use training.precision = fp32",
            )
        yield StepReport(
            step=item.step,
            epoch=item.epoch,
            objective=sum(float(loss.objective.detach()) for loss in losses),
            nats=sum(float(loss.nats) for loss in losses),
            positions=positions,
            source_positions=sum(int(b.source.lengths.sum()) for b in item.batches if b.source is not None),
            learning_rate=rate,
            gradient_norm=norm,
            clipped=clipped,
            finite=finite,
            norms=norms,
        )


def _accumulate_gradients(
    model: SequenceModel,
    batches: list[Batch],
    scaler: torch.amp.GradScaler,
    options: LoopOptions,
    carried: Carried,
) -> tuple[list[Loss], int]:
    """Gradients of the mean loss over all positions of all batches: how they are split changes nothing."""
    positions = sum(int(batch.targets.lengths.sum()) for batch in batches)
    losses = []
    for batch in batches:
        with autocast(options.precision, options.device):
            before = carried.state if batch.continues else None
            loss, after = model.loss(batch.to(options.device), before)
        carried.state = after.detach() if batch.source is None else None
        scaler.scale(loss.objective / positions).backward()  # type: ignore[no-untyped-call]
        losses.append(loss)
    return losses, positions


def _norms(parameters: list[nn.Parameter]) -> Tensor:
    """The 2-norm of each parameter's gradient, zero where there is none."""
    gradients = [p.new_zeros(1) if p.grad is None else p.grad for p in parameters]
    return torch.stack(torch._foreach_norm(gradients)).float().cpu()


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
