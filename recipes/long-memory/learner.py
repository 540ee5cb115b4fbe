"""One training from a fixed seed, and how much of the loss's gradient reaches each time step.

The layer, its initialisation and the optimizers are those of seqkit; a `Trial` says everything that the
outcome follows from.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal

import torch
from tasks import Examples, Task, task
from torch import Tensor, nn

from seqkit.config import Cell, TrainingConfig
from seqkit.nn.recurrent import RecurrentLayer, initialize
from seqkit.training.loop import derived_seed
from seqkit.training.optim import build_optimizer

SOLVED = 0.1  # of the baseline
CHECK_EVERY = 50  # steps
HELD_OUT = 256  # sequences that no training step sees
PROBED = 128  # sequences whose gradients are averaged


@dataclass(frozen=True)
class Trial:
    """A training. `gain` multiplies the recurrent weights once they are initialised."""

    task: str
    length: int
    cell: Cell
    initialization: Literal["orthogonal", "xavier", "uniform"] = "orthogonal"
    forget_bias: float = 1.0
    gain: float = 1.0
    hidden_size: int = 64
    optimizer: Literal["adamw", "adam", "sgd", "adagrad", "rmsprop"] = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    learning_rate: float = 1e-2
    clip_norm: float = 1.0
    batch: int = 32
    steps: int = 1500
    seed: int = 1

    def training_config(self) -> TrainingConfig:
        """The same in the settings of `seqkit train`."""
        return TrainingConfig(
            seed=self.seed,
            steps=self.steps,
            optimizer=self.optimizer,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            learning_rate=self.learning_rate,
            clip_norm=self.clip_norm,
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a trial. Losses are those of held-out sequences, None where they were not finite.

    `solved_at` is the step at which the loss fell below a tenth of the baseline: training ends there.
    `losses` holds one value every `CHECK_EVERY` steps, the first before any step; `peaks` the largest norm of
    the gradient (before clipping) in between. `before` and `after` map a part of the state to its gradient
    norms, first time step first.
    """

    baseline: float
    solved_at: int | None
    diverged: bool
    losses: list[float | None]
    peaks: list[float | None]
    before: dict[str, list[float]]
    after: dict[str, list[float]]
    seconds: float


class Memoriser(nn.Module):
    """A recurrent layer and a linear output: no embedding, no attention, nothing else to remember with."""

    def __init__(self, cell: Cell, input_size: int, hidden_size: int, outputs: int) -> None:
        super().__init__()
        self.layer = RecurrentLayer(cell, input_size, hidden_size)
        self.output = nn.Linear(hidden_size, outputs)

    def forward(self, inputs: Tensor, answers: int) -> Tensor:
        """(N, T, I) -> predictions at the last K positions, (N, K, O)"""
        hidden, _ = self.layer(inputs, self.layer.zero_state(len(inputs), inputs))  # (N, T, H)
        predictions: Tensor = self.output(hidden[:, -answers:])
        return predictions


def build(trial: Trial, work: Task) -> Memoriser:
    """The network of a trial before its first step."""
    torch.manual_seed(derived_seed(trial.seed, 0))
    inputs = work.draw(torch.Generator(), 1).inputs
    model = Memoriser(trial.cell, inputs.shape[2], trial.hidden_size, work.outputs)
    initialize(model, trial.initialization, trial.forget_bias)
    with torch.no_grad():
        model.layer.recurrence.get_parameter("weight_hh_l0").mul_(trial.gain)
    return model


def train(trial: Trial) -> Outcome:
    """Train until the task is solved, the loss is not finite, or the steps are spent."""
    started = time.process_time()
    work = task(trial.task, trial.length)
    model = build(trial, work)
    parameters = list(model.parameters())
    optimizer = build_optimizer(parameters, trial.training_config())
    held_out = work.draw(_generator(trial.seed, -1), HELD_OUT)
    baseline = work.baseline(held_out.targets)
    probed = work.draw(_generator(trial.seed, -2), PROBED)
    before = state_gradients(model, work, probed)
    losses, peaks = [_loss(model, work, held_out)], []
    solved_at, peak = None, 0.0
    for step in range(1, trial.steps + 1):
        examples = work.draw(_generator(trial.seed, step), trial.batch)
        loss = work.loss(model(examples.inputs, examples.targets.shape[1]), examples.targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters, trial.clip_norm or math.inf).item()
        peak = max(peak, norm) if math.isfinite(norm) else norm
        optimizer.step()
        if step % CHECK_EVERY and step < trial.steps and math.isfinite(norm):
            continue
        losses.append(_loss(model, work, held_out))
        peaks.append(peak)
        peak = 0.0
        if not math.isfinite(losses[-1]) or not math.isfinite(norm):
            break
        if losses[-1] < SOLVED * baseline:
            solved_at = step
            break
    finite = math.isfinite(losses[-1])
    return Outcome(
        baseline=_rounded(baseline),
        solved_at=solved_at,
        diverged=not finite,
        losses=[_rounded(loss) if math.isfinite(loss) else None for loss in losses],
        peaks=[_rounded(norm) if math.isfinite(norm) else None for norm in peaks],
        before=before,
        after=state_gradients(model, work, probed) if finite else {},
        seconds=round(time.process_time() - started, 2),
    )


def state_gradients(model: Memoriser, work: Task, examples: Examples) -> dict[str, list[float]]:
    """For every time step t the norm of dL/dh_t, a mean over sequences; L is the loss of the last answer.

    An LSTM has a second entry, `c`: its state has two parts and the loss depends on both. Each is the
    gradient with the other part held, so what reaches step t through the state is the two together.
    """
    state = model.layer.zero_state(len(examples.inputs), examples.inputs)
    history = []
    for position in range(examples.inputs.shape[1]):
        _, state = model.layer(examples.inputs[:, position : position + 1], state)
        history.append(state)  # each part (N, H)
    answer = model.output(state[0])[:, None]  # (N, 1, O)
    # The sum over the sequences: each sequence's gradient is that of its own loss.
    loss = work.loss(answer, examples.targets[:, -1:]) * len(examples.inputs)
    found = {}
    for name, parts in zip(("h", "c"), zip(*history, strict=True), strict=False):
        gradients = torch.autograd.grad(loss, parts, retain_graph=True, allow_unused=True)
        # The last cell state has no gradient of its own: the loss sees it through h alone.
        norms = [0.0 if each is None else each.norm(dim=1).mean().item() for each in gradients]
        found[name] = [_rounded(norm) for norm in norms]
    return found


@torch.no_grad()
def _loss(model: Memoriser, work: Task, examples: Examples) -> float:
    return work.loss(model(examples.inputs, examples.targets.shape[1]), examples.targets).item()


def _generator(seed: int, step: int) -> torch.Generator:
    """Data follow from (seed, step), as in seqkit; steps below 0 are the data that are not trained on."""
    return torch.Generator().manual_seed(derived_seed(seed, 1, step))


def _rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")
