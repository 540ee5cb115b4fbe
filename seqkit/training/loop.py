"""The training loop: a generator of step reports that does no input or output of its own.

Whoever iterates validates, saves, prints and stops. Randomness of a step is seeded with (seed, step), so a
resumed run draws what the uninterrupted one would have drawn. A crew of several processes takes a step
together: each reads its share of the step's batches, and all do the same with the sum of their gradients.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqkit.data.batch import Batch
from seqkit.device import autocast, return_memory
from seqkit.errors import RunFailed, is_out_of_memory
from seqkit.nn.recurrent import DecoderState
from seqkit.training.crew import ALONE, Crew, Votes
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
    """What one optimizer step did, in all processes. Losses are sums over `positions`, in nats."""

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
    """This process's batches of one step, at least one, and where the step stands in the data."""

    step: int
    epoch: float
    batches: list[Batch]


class NotFinite(RunFailed):
    """Gradients or weights are NaN or infinite; what was saved before is intact."""


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
    crew: Crew = ALONE,
) -> Iterator[StepReport]:
    """Take one optimizer step for each item of `work` and report it.

    Batches that continue others begin with the state that the learner carries and leave theirs there:
    back-propagation through time, truncated at the batch's first position (Williams and Peng 1990).

    A step whose loss or gradient is not finite leaves weights and optimizer as they were;
    `MAX_NONFINITE_STEPS` of them in a row, `failures` before the first one included, are a `NotFinite`.
    A step for which there is no memory is taken in parts; RunFailed when single sentences are too much.
    """
    most = MAX_OVERFLOWS if learner.scaler.is_enabled() else MAX_NONFINITE_STEPS
    for item in work:
        rate = rate_at(item.step)
        report = _take_step(learner, item, rate, seed, clip_norm, crew)
        failures = 0 if report.finite else failures + 1
        if failures >= most:
            raise NotFinite(
                f"the gradient was not finite {failures} steps in a row, last at step {item.step:,}; "
                "the weights are those before the first of them",
                hint=f"{BETTER_ARITHMETIC} (the rate is {rate:.2g} now)",
            )
        yield report


def _take_step(
    learner: Learner, item: StepBatches, rate: float, seed: int, clip_norm: float, crew: Crew
) -> StepReport:
    """One optimizer step, whose gradient is that of the mean loss over the predictions of all processes."""
    optimizer, scaler = learner.optimizer, learner.scaler
    for group in optimizer.param_groups:
        group["lr"] = rate
    learner.model.train()
    counts = _counts(item.batches)
    crew.sum([counts])
    positions, source_positions = counts.tolist()
    # Dropout differs between processes; the first one's is that of a process alone.
    own_seed = derived_seed(derived_seed(seed, crew.rank) if crew.rank else seed, item.step)
    losses = _gradients(learner, item.batches, positions, own_seed, crew)
    parameters = list(learner.model.parameters())
    gradients = [p.grad for p in parameters if p.grad is not None]
    crew.sum([*gradients, losses])
    scaler.unscale_(optimizer)
    objective, nats, norms = _on_host(losses, _norms(parameters))
    norm = float(torch.linalg.vector_norm(norms))
    failed = not (math.isfinite(norm) and math.isfinite(objective))
    finite = not crew.agree(Votes(not_finite=failed)).not_finite
    clipped = finite and 0 < clip_norm < norm
    if clipped:
        torch._foreach_mul_(gradients, clip_norm / norm)
    if finite:
        scaler.step(optimizer)
    else:
        learner.carried = None  # it may hold what is not a number
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return StepReport(
        step=item.step,
        epoch=item.epoch,
        objective=objective,
        nats=nats,
        positions=positions,
        source_positions=source_positions,
        learning_rate=rate,
        gradient_norm=norm,
        clipped=clipped,
        finite=finite,
        norms=norms,
    )


def _gradients(learner: Learner, batches: list[Batch], positions: int, seed: int, crew: Crew) -> Tensor:
    """Gradients of the summed loss over `positions`, those of the whole step; objective and nats, (2,).

    Where memory is short, here or in another process, every batch is taken in parts, which changes the
    gradient by rounding alone (and the masks of dropout): no sentence is left out.
    """
    before, parts = learner.carried, 1
    while True:
        torch.manual_seed(seed)
        losses, failed = None, "in another process"
        try:
            losses = _accumulate(learner, batches, positions, parts)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            failed = str(error)
        # Behind the handler: its traceback held the tensors of the attempt.
        rows = max(batch.rows for batch in batches)
        short = crew.agree(Votes(short_of_memory=rows if losses is None else 0)).short_of_memory
        if losses is not None and not short:
            return losses
        learner.carried = before
        learner.optimizer.zero_grad(set_to_none=True)
        return_memory()
        if parts >= short:
            raise RunFailed(
                f"a step does not fit into memory, not even sentence by sentence: {failed}",
                hint="take a smaller --preset, or free some memory and run the same command again",
            )
        parts *= 2
        if parts > learner.most_parts:  # said when it begins and when it gets worse, not at every step
            learner.most_parts = parts
            _LOG.warning("out of memory: each step is computed in %d parts", parts)


def _accumulate(learner: Learner, batches: list[Batch], positions: int, parts: int) -> Tensor:
    """One attempt, with every batch in so many parts; the sums of objective and nats, (2,)."""
    losses = torch.zeros(2, dtype=torch.float64, device=learner.device)
    for batch in batches:
        before, after = learner.carried if batch.continues else None, []
        for rows, part in batch.split(parts):
            with autocast(learner.precision, learner.device):
                own = before if before is None or parts == 1 else before.select(rows.to(learner.device))
                loss, state = learner.model.loss(part.to(learner.device), own)
            # Divided before the gradient is summed: in fp16 a sum over all positions would overflow.
            learner.scaler.scale(loss.objective / positions).backward()  # type: ignore[no-untyped-call]
            losses += torch.stack([loss.objective.detach(), loss.nats])
            if batch.carries and state is not None:
                after.append(state.detach())
        learner.carried = DecoderState.joined(after) if after else None
    return losses


def _counts(batches: list[Batch]) -> Tensor:
    """Predictions, by which a step's loss is divided, and source positions: (2,), on the host."""
    targets = sum(batch.weight for batch in batches)
    sources = sum(int(batch.source.lengths.sum()) for batch in batches if batch.source is not None)
    return torch.tensor([targets, sources])


def _norms(parameters: list[nn.Parameter]) -> Tensor:
    """The 2-norm of each parameter's gradient, zero where there is none."""
    gradients = [p.new_zeros(1) if p.grad is None else p.grad for p in parameters]
    return torch.stack(torch._foreach_norm(gradients)).float()


def _on_host(losses: Tensor, norms: Tensor) -> tuple[float, float, Tensor]:
    """Objective, nats and norms in one transfer: each would make the host wait for the device."""
    values = torch.cat([losses, norms.double()]).cpu()
    objective, nats = values[:2].tolist()
    return objective, nats, values[2:].float()
