"""What is not a number never reaches weights, checkpoints or the best model; a run may go back and go on."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from seqkit import model_directory
from seqkit.training import session as session_module
from seqkit.training.checkpoints import load_newest
from seqkit.training.events import Finished, Progress
from seqkit.training.learner import Learner
from seqkit.training.loop import NotFinite, StepReport
from seqkit.training.run import MAX_ROLLBACKS
from tests.laws.runs import left_behind, rows, tiny_config, train, train_with_stops

# Steps far too long for the network: every weight that they touch ends beyond all numbers.
FAR_TOO_FAST: dict[str, Any] = {
    "training__learning_rate": 1e39,
    "training__optimizer": "sgd",
    "training__momentum": 0.0,
    "training__clip_norm": 0.0,
    "training__warmup": 0.0,
    "training__schedule": "constant",
    "training__checkpoint_every": 1,
    "training__validate_every": 3,
}


def break_steps(monkeypatch: pytest.MonkeyPatch, broken: set[int], *, above: float = 0.0) -> None:
    """Make all gradients of some steps NaN while the learning rate is `above` a value."""
    from seqkit.training import loop

    accumulate, reading = loop._accumulate, [0]

    def poisoned(learner: Learner, *rest: Any) -> Any:
        losses = accumulate(learner, *rest)
        if reading[0] in broken and learner.optimizer.param_groups[0]["lr"] > above:
            for parameter in learner.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.fill_(math.nan)
        return losses

    steps = session_module.train_steps

    def counted(learner: Learner, work: Any, *rest: Any, **named: Any) -> Any:
        def numbered() -> Any:
            for item in work:
                reading[0] = item.step
                yield item

        return steps(learner, numbered(), *rest, **named)

    monkeypatch.setattr(loop, "_accumulate", poisoned)
    monkeypatch.setattr(session_module, "train_steps", counted)


def all_finite(model: Path) -> bool:
    found = load_newest(model / "training")
    assert found is not None
    tensors = [*found.parameters.values(), *found.averages.values(), *found.optimizer.values()]
    published = model_directory.load(model).parameters.values()
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors) and all(
        math.isfinite(float(values.sum())) for values in published
    )


def test_weights_beyond_all_numbers_replace_no_checkpoint(toy_corpus: Path, tmp_path: Path) -> None:
    config = tiny_config(**FAR_TOO_FAST, training__ema=0.0)
    with pytest.raises(
        NotFinite, match="weights are not finite after step 1; the checkpoint before is whole"
    ):
        train(toy_corpus, tmp_path / "model", config)
    newest = load_newest(tmp_path / "model" / "training")
    assert newest is not None
    assert newest.state["step"] == 0
    assert all(bool(torch.isfinite(tensor).all()) for tensor in newest.parameters.values())


def test_a_broken_validation_is_never_the_best(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps from the sixth on leave NaN in the loss alone: what was best before stays published."""
    break_steps(monkeypatch, set(range(6, 100)))
    with pytest.raises(NotFinite, match="not finite 5 steps in a row, last at step 10") as caught:
        train(toy_corpus, tmp_path / "model", tiny_config())
    assert "--on-nonfinite rollback" in str(caught.value.hint)
    assert all_finite(tmp_path / "model")
    assert [row["step"] for row in rows(tmp_path / "model") if row["best"]] == [5]


@pytest.mark.parametrize(
    ("checkpoint_every", "back", "share"),
    [(0, [5, 5], 0.25), (2, [9], 0.5)],  # the checkpoint after step 9 has the weights of step 5
    ids=["rare checkpoints", "many"],
)
def test_going_back_halves_the_rate_and_ends_the_run_well(
    toy_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    checkpoint_every: int,
    back: list[int],
    share: float,
) -> None:
    changes: dict[str, Any] = {
        "training__on_nonfinite": "rollback",
        "training__checkpoint_every": checkpoint_every,
        "training__schedule": "constant",
        "training__warmup": 0.0,
    }
    config = tiny_config(**changes)
    break_steps(monkeypatch, {6, 7, 8, 9, 10}, above=5e-3 / 4 * 1.01)
    events = train(toy_corpus, tmp_path / "model", config)
    steps: list[StepReport] = [event.report for event in events if isinstance(event, Progress)]
    rates = {step.step: step.learning_rate for step in steps if step.finite}
    assert isinstance(events[-1], Finished)
    assert (rates[5], rates[12]) == (5e-3, 5e-3 * share)
    assert [int(step) for step in re.findall(r"back to step (\d+) ", caplog.text)] == back
    assert all_finite(tmp_path / "model")
    # The same from pieces: how often it went back is remembered, or happens again.
    for place, stops in (("a", [4, 3, 6, 2]), ("b", [9, 1, 1, 5])):
        train_with_stops(toy_corpus, tmp_path / place, config, stops)
        if checkpoint_every == 0:
            assert left_behind(tmp_path / place)["weights"] == left_behind(tmp_path / "model")["weights"]


def test_it_goes_back_five_times_at_most(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_steps(monkeypatch, set(range(6, 100)))
    changes: dict[str, Any] = {"training__on_nonfinite": "rollback", "training__checkpoint_every": 0}
    with pytest.raises(NotFinite):
        train(toy_corpus, tmp_path / "model", tiny_config(**changes))
    said = [record.getMessage() for record in caplog.records if "back to step 5" in record.getMessage()]
    assert len(said) == MAX_ROLLBACKS == 5
    assert said[-1].endswith("back to step 5 with 0.03125 of the learning rate")
    assert all_finite(tmp_path / "model")


def test_a_stopped_run_goes_on_when_it_may_go_back(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_steps(monkeypatch, set(range(6, 100)), above=4e-3)
    changes: dict[str, Any] = {"training__schedule": "constant", "training__warmup": 0.0}
    with pytest.raises(NotFinite):
        train(toy_corpus, tmp_path / "model", tiny_config(**changes))
    train(toy_corpus, tmp_path / "model", tiny_config(**changes, training__on_nonfinite="rollback"))
    assert all_finite(tmp_path / "model")
    assert rows(tmp_path / "model")[-1]["step"] == 12
