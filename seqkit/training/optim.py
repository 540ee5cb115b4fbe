"""Optimizers and learning-rate schedules by name.

A schedule maps the run's progress, from 0 to 1 of its budget, to a share of the peak rate; so it is aware of
every kind of budget, and with `--minutes` the rate reaches its end when the time does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from seqkit.config import TrainingConfig


def build_optimizer(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer that `config` names; fused kernels where PyTorch has them."""
    parameters, rate, decay = list(parameters), config.learning_rate, config.weight_decay
    match config.optimizer:
        case "adamw" | "adam":
            kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
            betas = (config.beta1, config.beta2)
            return kind(parameters, lr=rate, betas=betas, eps=1e-9, weight_decay=decay, fused=True)
        case "sgd" | "nt-asgd":
            return torch.optim.SGD(
                parameters,
                lr=rate,
                momentum=0.0 if config.optimizer == "nt-asgd" else config.momentum,
                nesterov=config.nesterov,
                weight_decay=decay,
                fused=True,
            )
        case "adagrad":
            return torch.optim.Adagrad(parameters, lr=rate, weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate, momentum=config.momentum, weight_decay=decay)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as tensors named `parameter number.what`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{key}": value
        for number, values in state.items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def cosine(progress: float, config: TrainingConfig) -> float:
    """Half a cosine down to the final factor (Loshchilov and Hutter 2017, without restarts)."""
    return config.final_factor + (1 - config.final_factor) * 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float, config: TrainingConfig) -> float:
    """A straight line down to the final factor."""
    return 1 - (1 - config.final_factor) * progress


def inverse_sqrt(progress: float, config: TrainingConfig) -> float:
    """Falls with the square root of time after the warm-up (Vaswani et al. 2017, section 5.3)."""
    warmup = max(config.warmup, 0.01)
    return math.sqrt(warmup / (warmup + progress * (1 - warmup)))


def constant(_progress: float, _config: TrainingConfig) -> float:
    """Stays at the peak; `plateau` multiplies it down when validation says so."""
    return 1.0


_SHAPES: dict[str, Callable[[float, TrainingConfig], float]] = {
    "cosine": cosine,
    "linear": linear,
    "inverse_sqrt": inverse_sqrt,
    "constant": constant,
    "plateau": constant,
}


def learning_rate(progress: float, config: TrainingConfig) -> float:
    """The rate at a progress from 0 to 1: a linear warm-up, then the schedule's shape over the rest."""
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    rest = (progress - config.warmup) / (1 - config.warmup) if config.warmup < 1 else 1.0
    return config.learning_rate * _SHAPES[config.schedule](rest, config)


def average_decay(step: int, config: TrainingConfig, averaging_from: int) -> float:
    """The share of the weights' average that stays when the weights after `step` (from 1 on) come in.

    An exponential average's decay grows to its value, so that the first weights are forgotten soon. That of
    NT-ASGD is 0 until the averaging begins, then the mean of all weights since (Polyak and Juditsky 1992).
    """
    if config.optimizer == "nt-asgd":
        count = step - averaging_from if averaging_from else 0
        return count / (count + 1)
    return min(config.ema, (1 + step) / (10 + step))


def averaging_begins(losses: Sequence[float], patience: int) -> bool:
    """The non-monotone trigger (Merity et al. 2018, algorithm 1): the last of the validation losses is no
    better than the best of those more than `patience` validations ago."""
    return len(losses) > patience and losses[-1] > min(losses[:-patience])
