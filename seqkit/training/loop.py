"""The training loop: a generator of step reports that does no input or output of its own.

Whoever iterates validates, saves, prints and stops. Randomness of a step is seeded with (seed, step), so a
resumed run draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqkit.batch import Batch
from seqkit.device import autocast, return_memory
from seqkit.errors import RunFailed, is_out_of_memory
from seqkit.nn.heads import Loss
from seqkit.nn.recurrent import DecoderState
from seqkit.training.learner import Learner

_LOG = logging.getLogger(__name__)

MAX_NONFINITE_STEPS = 5  # in a row
# With loss scaling an overflow now and then is how the scale is found: it is halved each time.
MAX_OVERFLOWS = 30
BETTER_ARITHMETIC = (
    "lower training.learning_rate (--on-nonfinite rollback does), or use training.precision = fp32"
)


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


class NotFinite(RunFailed):
    """Gradients, or weights, that are not numbers; what was saved before is whole."""


def derived_seed(*parts: int) -> int:
    """A well-mixed 63-bit seed from a run's seed, a step number and so on."""
    digest = hashlib.blake2b(b"/".join(str(part).encode() for part in parts), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def train_steps(
    learner: Learner,
    work: Iterator[StepBatches],
    rate_at: Callable[[int], float],
    seed: int,
    clip_norm: float,
    failures: int = 0,
) -> Iterator[StepReport]:
    """Take one optimizer step for each item of `work` and report it.

    Batches that continue others begin with the state that the learner carries and leave theirs there:
    back-propagation through time, truncated at the batch's first position (Williams and Peng 1990).

    A step whose loss or gradient is not finite leaves weights and optimizer as they were;
    `MAX_NONFINITE_STEPS` of them in a row, `failures` before the first one included, are a `NotFinite`.
    A step for which there is no memory is taken in parts; RunFailed when single sentences are too much.
    """
    parameters = list(learner.model.parameters())
    optimizer, scaler = learner.optimizer, learner.scaler
    for item in work:
        learner.model.train()
        rate = rate_at(item.step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses = _gradients(learner, item.batches, derived_seed(seed, item.step))
        objective = sum(float(loss.objective.detach()) for loss in losses)
        scaler.unscale_(optimizer)
        norms = _norms(parameters)  # (number of parameters,)
        norm = float(torch.linalg.vector_norm(norms))
        finite = math.isfinite(norm) and math.isfinite(objective)
        clipped = finite and 0 < clip_norm < norm
        if clipped:
            torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], clip_norm / norm)
        if finite:
            scaler.step(optimizer)
        else:
            learner.carried = None  # it may hold what is not a number
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        failures = 0 if finite else failures + 1
        if failures >= (MAX_OVERFLOWS if scaler.is_enabled() else MAX_NONFINITE_STEPS):
            raise NotFinite(
                f"the gradient was not finite {failures} steps in a row, last at step {item.step:,}; "
                "the weights are those before the first of them",
                hint=f"{BETTER_ARITHMETIC} (the rate is {rate:.2g} now)",
            )
        yield StepReport(
            step=item.step,
            epoch=item.epoch,
            objective=objective,
            nats=sum(float(loss.nats) for loss in losses),
            positions=_positions(item.batches),
            source_positions=sum(int(b.source.lengths.sum()) for b in item.batches if b.source is not None),
            learning_rate=rate,
            gradient_norm=norm,
            clipped=clipped,
            finite=finite,
            norms=norms,
        )


def _gradients(learner: Learner, batches: list[Batch], seed: int) -> list[Loss]:
    """Gradients of the mean loss over all positions of all batches.

    Where memory is short every batch is taken in parts, which changes the gradient by rounding alone (and
    the masks of dropout): no sentence is left out.
    """
    before, parts = learner.carried, 1
    while True:
        torch.manual_seed(seed)
        try:
            return _accumulate(learner, batches, parts)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            failed = str(error)
        # Behind the handler: its traceback held the tensors of the attempt.
        learner.carried = before
        learner.optimizer.zero_grad(set_to_none=True)
        return_memory()
        if parts >= max(len(batch.inputs.lengths) for batch in batches):
            raise RunFailed(
                f"a step does not fit into memory, not even sentence by sentence: {failed}",
                hint="take a smaller --preset, or free some memory and run the same command again",
            )
        parts *= 2
        if parts > learner.most_parts:  # said when it begins and when it gets worse, not at every step
            learner.most_parts = parts
            _LOG.warning("out of memory: a step's sentences are taken in %d parts", parts)


def _accumulate(learner: Learner, batches: list[Batch], parts: int) -> list[Loss]:
    """One attempt, with every batch in so many parts."""
    positions = _positions(batches)
    losses = []
    for batch in batches:
        before, after = learner.carried if batch.continues else None, []
        for rows, part in batch.split(parts):
            with autocast(learner.precision, learner.device):
                own = before if before is None or parts == 1 else before.select(rows.to(learner.device))
                loss, state = learner.model.loss(part.to(learner.device), own)
            learner.scaler.scale(loss.objective / positions).backward()  # type: ignore[no-untyped-call]
            losses.append(loss)
            after.append(state.detach())
        learner.carried = DecoderState.joined(after) if batch.source is None else None
    return losses


def _positions(batches: list[Batch]) -> int:
    return sum(int(batch.targets.lengths.sum()) for batch in batches)


def _norms(parameters: list[nn.Parameter]) -> Tensor:
    """The 2-norm of each parameter's gradient, zero where there is none."""
    gradients = [p.new_zeros(1) if p.grad is None else p.grad for p in parameters]
    return torch.stack(torch._foreach_norm(gradients)).float().cpu()
