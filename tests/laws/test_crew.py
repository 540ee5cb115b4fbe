"""Several processes that take a step together do what one does with all of its batches.

The processes are threads here: they have everything of their own but PyTorch's random numbers, of which
nothing is drawn.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from seqkit.config import TrainingConfig
from seqkit.data.batch import Batch
from seqkit.errors import RunFailed
from seqkit.nn import weights
from seqkit.nn.model import SequenceModel
from seqkit.training.crew import ALONE, Crew, Said, Votes
from seqkit.training.learner import Learner
from seqkit.training.loop import MAX_NONFINITE_STEPS, NotFinite, StepBatches, StepReport, train_steps
from tests.unit.training.test_loop import CPU, batch_of, generator, make, pairs, slices

SIZE = 2


class Exchange:
    """What the members lay down for each other, a round at a time."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(SIZE, timeout=60)
        self.laid: list[Any] = [None] * SIZE

    def swap(self, rank: int, value: Any) -> list[Any]:
        """What all have laid down."""
        self.laid[rank] = value
        self.barrier.wait()
        found = list(self.laid)
        self.barrier.wait()
        return found


class Member:
    """One of the threads of a crew."""

    size = SIZE

    def __init__(self, rank: int, exchange: Exchange) -> None:
        self.rank, self.exchange = rank, exchange

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """See `Crew`."""
        everyone = self.exchange.swap(self.rank, [tensor.clone() for tensor in tensors])
        for tensor, *parts in zip(tensors, *everyone, strict=True):
            tensor.copy_(torch.stack(parts).sum(dim=0))

    def agree(self, votes: Votes) -> Votes:
        """See `Crew`."""
        everyone = self.exchange.swap(self.rank, votes)
        return Votes(
            max(each.short_of_memory for each in everyone),
            any(each.not_finite for each in everyone),
            max(each.signal for each in everyone),
            any(each.save for each in everyone),
        )

    def word(self, speak: Callable[[], Said]) -> Said:
        """See `Crew`."""
        said: Said = self.exchange.swap(self.rank, speak() if self.rank == 0 else None)[0]
        return said


Work = list[list[Batch]]
SETTINGS: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}


def steps(model: SequenceModel, work: Work, crew: Crew = ALONE) -> tuple[list[StepReport], dict[str, Tensor]]:
    """The reports of some steps with a clipped gradient, and the weights after them."""
    learner = Learner(model, TrainingConfig(**SETTINGS), CPU, "fp32")
    items: Iterator[StepBatches] = (StepBatches(n, 0.0, batches) for n, batches in enumerate(work, 1))
    reports = list(train_steps(learner, items, lambda _step: 0.5, seed=1, clip_norm=0.2, crew=crew))
    return reports, weights.parameter_tensors(model)


def together(
    models: list[SequenceModel], works: list[Work]
) -> list[tuple[list[StepReport], dict[str, Tensor]]]:
    """What each member of a crew ends with; the first error where there is one."""
    exchange = Exchange()
    with ThreadPoolExecutor(SIZE) as pool:
        running = [
            pool.submit(steps, model, work, Member(rank, exchange))
            for rank, (model, work) in enumerate(zip(models, works, strict=True))
        ]
        return [each.result(120) for each in running]


WORK: list[Work] = [  # of each member: three steps
    [[batch_of(pairs(5, seed=10 * rank + step))] for step in range(3)] for rank in range(SIZE)
]


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], rtol=0, atol=1e-6), name


def test_two_processes_are_one_with_the_batches_of_both() -> None:
    reports, whole = steps(make(), [[*one, *other] for one, other in zip(*WORK, strict=True)])
    (first, own), (second, others) = together([make(), make()], WORK)
    assert_close(whole, own)
    for name, tensor in own.items():
        assert torch.equal(tensor, others[name]), name
    assert [report.clipped for report in reports] == [True] * 3
    for alone, here, there in zip(reports, first, second, strict=True):
        assert (here.positions, here.source_positions) == (alone.positions, alone.source_positions)
        assert (here.objective, here.nats, here.gradient_norm) == (
            there.objective,
            there.nats,
            there.gradient_norm,
        )
        assert here.nats == pytest.approx(alone.nats, rel=1e-6)
        assert here.gradient_norm == pytest.approx(alone.gradient_norm, rel=1e-5)


def test_streams_are_divided_by_rows() -> None:
    whole = slices(count=3, length=5, rows=4)
    shares = [
        [[part] for batch in whole for _, part in list(batch.split(SIZE))[rank : rank + 1]]
        for rank in range(SIZE)
    ]
    _, expected = steps(generator(), [[batch] for batch in whole])
    for _, found in together([generator(), generator()], shares):
        assert_close(expected, found)


def test_two_runs_of_the_same_crew_are_the_same_to_the_bit() -> None:
    (_, one), (_, other) = (together([make(), make()], WORK)[0] for _ in range(2))
    assert weights.to_bytes(one) == weights.to_bytes(other)


@pytest.mark.parametrize("rank", range(SIZE))
def test_a_gradient_that_is_not_finite_anywhere_is_skipped_everywhere(rank: int) -> None:
    models, passes = [make(), make()], [0]

    def hook(gradient: Tensor) -> Tensor:
        passes[0] += 1
        return gradient * math.nan if passes[0] == 2 else gradient

    models[rank].decoder.readout.weight.register_hook(hook)  # type: ignore[union-attr]
    (first, own), (second, others) = together(models, WORK)
    assert [report.finite for report in first] == [report.finite for report in second] == [True, False, True]
    assert weights.to_bytes(own) == weights.to_bytes(others)


@pytest.mark.parametrize("rank", range(SIZE))
def test_too_many_of_them_end_the_run_everywhere(rank: int) -> None:
    models = [make(), make()]
    models[rank].decoder.readout.weight.register_hook(lambda gradient: gradient * math.nan)  # type: ignore[union-attr]
    works = [work * MAX_NONFINITE_STEPS for work in WORK]
    with pytest.raises(NotFinite, match=f"last at step {MAX_NONFINITE_STEPS};"):
        together(models, works)


def short_of_memory(model: SequenceModel, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let a model fail for batches of more than `most` rows; what it was given, in rows, is listed."""
    loss, given = model.loss, []

    def limited(batch: Batch, *rest: Any) -> Any:
        given.append(len(batch.inputs.lengths))
        if given[-1] > most:
            raise MemoryError
        return loss(batch, *rest)

    monkeypatch.setattr(model, "loss", limited)
    return given


@pytest.mark.parametrize("rank", range(SIZE))
def test_short_memory_anywhere_is_taken_in_parts_everywhere(
    monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    _, whole = together([make(), make()], WORK)[0]
    models = [make(), make()]
    given = [short_of_memory(model, monkeypatch, 2 if n == rank else 99) for n, model in enumerate(models)]
    for _, found in together(models, WORK):
        assert_close(whole, found)
    assert given[1 - rank][:8] == [5, 3, 2, 2, 2, 1, 5, 3], "whole, in two parts, in four; the next step"


def test_what_cannot_be_helped_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [make(), make()]
    short_of_memory(models[1], monkeypatch, 0)
    with pytest.raises(RunFailed, match="not even sentence by sentence: in another process"):
        together(models, WORK)  # of the first one, in which there is memory


def test_a_process_alone_has_the_last_word() -> None:
    votes, tensor = Votes(3, True, 15, True), torch.tensor([1.0, 2.0])
    ALONE.sum([tensor])
    assert (ALONE.rank, ALONE.size, tensor.tolist()) == (0, 1, [1.0, 2.0])
    assert ALONE.agree(votes) == votes
    assert ALONE.word(lambda: "said") == "said"
