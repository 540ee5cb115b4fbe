"""Where memory is short a step is taken in parts: nothing is left out, and the gradient is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from seqkit.data.batch import Batch
from seqkit.errors import RunFailed, is_out_of_memory
from seqkit.nn.model import SequenceModel
from tests.unit.training.test_loop import PLAIN, Trainer, batch_of, generator, make, pairs, slices

ALLOCATOR = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
ERRORS = [MemoryError(), ALLOCATOR, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")]


def short_of_memory(
    model: SequenceModel, monkeypatch: pytest.MonkeyPatch, error: Exception, most: int, *, late: bool = False
) -> list[int]:
    """Let the model fail for batches of more than `most` rows; what it was given, in rows, is listed.

    A `late` failure comes in the backward pass, when some gradients have been added up.
    """
    loss, given = model.loss, []

    def fail(_gradient: Tensor) -> Tensor:
        raise error

    def limited(batch: Batch, *rest: Any) -> Any:
        rows = len(batch.inputs.lengths)
        given.append(rows)
        if rows <= most:
            return loss(batch, *rest)
        if not late:
            raise error
        found, state = loss(batch, *rest)
        embedding = model.target_frontend.embedding.weight
        hook = embedding.register_hook(lambda gradient: (hook.remove(), fail(gradient))[1])
        return found, state

    monkeypatch.setattr(model, "loss", limited)
    return given


def step_of(trainer: Trainer, work: list[list[Batch]]) -> tuple[dict[str, Tensor], list[Any]]:
    """The weights after some plain steps with a rate of 1, which show their gradients, and the reports."""
    reports = list(trainer.steps(work, rate=1.0))
    return trainer.parameters(), reports


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("late", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("most", [1, 3, 6])
def test_the_gradient_is_that_of_the_whole_step(
    monkeypatch: pytest.MonkeyPatch, error: Exception, late: bool, most: int
) -> None:
    work = [[batch_of(pairs(8, seed=1)), batch_of(pairs(5, seed=2))], [batch_of(pairs(2, seed=3))]]
    whole, expected = step_of(Trainer(make(), **PLAIN), work)
    trainer = Trainer(make(), **PLAIN)
    given = short_of_memory(trainer.model, monkeypatch, error, most, late=late)
    parts, reports = step_of(trainer, work)
    assert given[0] == 8 > most, "the whole batch is tried first"
    for name, tensor in whole.items():
        assert torch.allclose(parts[name], tensor, rtol=0, atol=1e-6), name
    for report, other in zip(reports, expected, strict=True):
        assert (report.positions, report.source_positions) == (other.positions, other.source_positions)
        assert report.nats == pytest.approx(other.nats, rel=1e-6)
        assert report.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-5)


def test_streams_carry_their_state_on(monkeypatch: pytest.MonkeyPatch) -> None:
    work = [[part] for part in slices(count=3, length=5)]
    whole, _ = step_of(Trainer(generator(), **PLAIN), work)
    trainer = Trainer(generator(), **PLAIN)
    given = short_of_memory(trainer.model, monkeypatch, MemoryError(), 1)
    parts, _ = step_of(trainer, work)
    assert given.count(1) == 3 * given[0]
    for name, tensor in whole.items():
        assert torch.allclose(parts[name], tensor, rtol=0, atol=1e-6), name
    assert trainer.learner.carried is not None
    assert len(trainer.learner.carried.layers[0][0]) == given[0]


def test_it_is_said_when_it_begins_and_when_it_gets_worse(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = Trainer(make(), **PLAIN)
    short_of_memory(trainer.model, monkeypatch, MemoryError(), 2)
    said = []
    for sentences in (8, 8, 3, 16):
        caplog.clear()
        list(trainer.steps([[batch_of(pairs(sentences, seed=1))]]))
        said.append([record.getMessage().removeprefix("out of memory: ") for record in caplog.records])
    parts = "each step is computed in {} parts".format
    assert said == [[parts(2), parts(4)], [], [], [parts(8)]]


def test_what_cannot_be_helped_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(make(), **PLAIN)
    given = short_of_memory(trainer.model, monkeypatch, ALLOCATOR, 0)
    before = trainer.parameters()
    with pytest.raises(
        RunFailed, match=r"a step does not fit into memory, not even sentence by sentence: .*can't"
    ) as caught:
        list(trainer.steps([[batch_of(pairs(5, seed=1))]]))
    assert given[0] == 5
    assert given[-1] == 1
    assert "--preset" in str(caught.value.hint)
    assert all(torch.equal(before[name], tensor) for name, tensor in trainer.parameters().items())


@pytest.mark.parametrize(
    "make_error",
    [
        lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        lambda: ValueError("nothing to do with room"),
    ],
)
def test_other_errors_are_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, make_error: Callable[[], Exception]
) -> None:
    error = make_error()
    assert not is_out_of_memory(error)
    trainer = Trainer(make(), **PLAIN)
    given = short_of_memory(trainer.model, monkeypatch, error, 0)
    with pytest.raises(type(error)):
        list(trainer.steps([[batch_of(pairs(5, seed=1))]]))
    assert given == [5]


def test_a_real_failure_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    with pytest.raises(MemoryError) as python:
        bytearray(1 << 60)
    assert is_out_of_memory(python.value)
