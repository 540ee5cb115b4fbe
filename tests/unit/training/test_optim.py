"""Every optimizer and schedule against numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from seqkit.config import TrainingConfig
from seqkit.training.optim import (
    average_decay,
    averaging_begins,
    build_optimizer,
    learning_rate,
)
from seqkit.training.state import Rate

GRADIENTS = [0.5, -1.5, 2.0, 0.25]
START, RATE = 1.0, 0.1
Rule = Callable[[], Iterator[float]]


def sgd(momentum: float, nesterov: bool, decay: float) -> Iterator[float]:
    weight, velocity = START, 0.0
    for gradient in GRADIENTS:
        gradient += decay * weight
        velocity = momentum * velocity + gradient
        weight -= RATE * (gradient + momentum * velocity if nesterov else velocity)
        yield weight


def adam(decoupled: bool, decay: float, beta1: float = 0.8, beta2: float = 0.95) -> Iterator[float]:
    weight, first, second = START, 0.0, 0.0
    for step, gradient in enumerate(GRADIENTS, start=1):
        if decoupled:
            weight *= 1 - RATE * decay
        else:
            gradient += decay * weight
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        corrected = math.sqrt(second / (1 - beta2**step))
        weight -= RATE * (first / (1 - beta1**step)) / (corrected + 1e-9)
        yield weight


def adagrad(decay: float) -> Iterator[float]:
    weight, total = START, 0.0
    for gradient in GRADIENTS:
        gradient += decay * weight
        total += gradient**2
        weight -= RATE * gradient / (math.sqrt(total) + 1e-10)
        yield weight


def rmsprop(momentum: float, decay: float) -> Iterator[float]:
    weight, mean, velocity = START, 0.0, 0.0
    for gradient in GRADIENTS:
        gradient += decay * weight
        mean = 0.99 * mean + 0.01 * gradient**2
        velocity = momentum * velocity + gradient / (math.sqrt(mean) + 1e-8)
        weight -= RATE * velocity
        yield weight


CASES: list[tuple[dict[str, Any], Rule]] = [
    ({"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}, lambda: sgd(0.0, False, 0.0)),
    ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1}, lambda: sgd(0.9, False, 0.1)),
    (
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        lambda: sgd(0.9, True, 0.1),
    ),
    ({"optimizer": "adamw", "weight_decay": 0.2, "beta1": 0.8, "beta2": 0.95}, lambda: adam(True, 0.2)),
    ({"optimizer": "adam", "weight_decay": 0.2, "beta1": 0.8, "beta2": 0.95}, lambda: adam(False, 0.2)),
    ({"optimizer": "adagrad", "weight_decay": 0.1}, lambda: adagrad(0.1)),
    ({"optimizer": "rmsprop", "momentum": 0.5, "weight_decay": 0.1}, lambda: rmsprop(0.5, 0.1)),
]


@pytest.mark.parametrize(
    ("settings", "rule"), CASES, ids=lambda value: str(value)[:60] if isinstance(value, dict) else ""
)
def test_optimizers_follow_their_rules(settings: dict[str, Any], rule: Rule) -> None:
    weight = nn.Parameter(torch.tensor([START], dtype=torch.float64))
    optimizer = build_optimizer([weight], TrainingConfig(learning_rate=RATE, **settings))
    found = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        found.append(weight.item())
    assert found == pytest.approx(list(rule()), rel=1e-12)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_fused_kernels_are_used_where_there_are_some(name: Any) -> None:
    optimizer = build_optimizer([nn.Parameter(torch.ones(1))], TrainingConfig(optimizer=name))
    assert optimizer.defaults["fused"] is True


def rates(points: list[float], **settings: Any) -> list[float]:
    config = TrainingConfig(**{"learning_rate": 2.0, "warmup": 0.2, "final_factor": 0.1, **settings})
    return [learning_rate(point, config) for point in points]


WARMUP = ([0.0, 0.05, 0.1, 0.2], [0.0, 0.5, 1.0, 2.0])


@pytest.mark.parametrize(
    ("schedule", "points", "expected"),
    [
        # Half a cosine from 2 to 0.2: the middle between the two lies half way.
        ("cosine", [0.4, 0.6, 0.8, 1.0], [0.2 + 0.9 * (1 + 0.5**0.5), 1.1, 0.2 + 0.9 * (1 - 0.5**0.5), 0.2]),
        ("linear", [0.4, 0.6, 0.8, 1.0], [1.55, 1.1, 0.65, 0.2]),
        # Falls with the root of time: at four times the warm-up's end the rate is half.
        ("inverse_sqrt", [0.45, 0.8, 1.0], [2 / 1.5, 1.0, 2 / 5**0.5]),
        ("constant", [0.4, 1.0], [2.0, 2.0]),
        ("plateau", [0.4, 1.0], [2.0, 2.0]),
    ],
)
def test_schedules(schedule: str, points: list[float], expected: list[float]) -> None:
    assert rates(WARMUP[0], schedule=schedule) == pytest.approx(WARMUP[1])
    assert rates(points, schedule=schedule) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "inverse_sqrt", "constant", "plateau"])
def test_schedules_at_their_edges(schedule: str) -> None:
    assert rates([0.0], schedule=schedule, warmup=0.0) == [2.0], "without a warm-up it starts at the peak"
    assert rates([-1.0, 7.0], schedule=schedule) == rates([0.0, 1.0], schedule=schedule)
    assert rates([0.25, 0.5], schedule=schedule, warmup=1.0) == [0.5, 1.0]
    grid = [n / 200 for n in range(201)]
    for warmup in (0.0, 0.3):
        falling = rates([point for point in grid if point >= warmup], schedule=schedule, warmup=warmup)
        assert all(0 < later <= earlier <= 2 for earlier, later in pairwise(falling))


def test_a_plateau_multiplies_the_rate_down() -> None:
    config = TrainingConfig(schedule="plateau", plateau_factor=0.5, plateau_patience=2)
    rate, factors = Rate(), []
    for improved in [True, False, True, False, False, False, False, True, False, False]:
        rate.validated(improved, config)
        factors.append(rate.share)
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_other_schedules_know_no_plateau() -> None:
    rate = Rate()
    for _ in range(9):
        rate.validated(False, TrainingConfig(schedule="cosine", plateau_patience=1))
    assert rate.share == 1.0


def test_nt_asgd_averages_from_its_trigger_on() -> None:
    config = TrainingConfig(optimizer="nt-asgd")
    mean, values = 0.0, [5.0, -1.0, 4.0, 2.0, 9.0, 7.0]
    for step, value in enumerate(values, start=1):
        decay = average_decay(step, config, averaging_from=3 if step > 3 else 0)
        mean = decay * mean + (1 - decay) * value
        expected = value if step <= 3 else sum(values[2:step]) / (step - 2)
        assert mean == pytest.approx(expected)


def test_nt_asgd_takes_plain_steps() -> None:
    parameter = nn.Parameter(torch.tensor([START]))
    optimizer = build_optimizer(
        [parameter], TrainingConfig(optimizer="nt-asgd", learning_rate=RATE, weight_decay=0.0)
    )
    for expected, gradient in zip(sgd(0.0, False, 0.0), GRADIENTS, strict=True):
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
        assert parameter.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("losses", "begins"),
    [
        ([], False),
        ([3.0, 2.0], False),
        ([3.0, 2.0, 2.5], False),
        ([2.0, 3.0, 2.5], True),
        ([2.0, 3.0, 1.9], False),
    ],
)
def test_the_trigger_is_a_loss_no_better_than_the_best_of_long_ago(losses: list[float], begins: bool) -> None:
    assert averaging_begins(losses, 2) == begins
