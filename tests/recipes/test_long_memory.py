"""The long-memory recipe: tasks are what they say, gradients are right, the claims of the quick run hold."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "long-memory"


def load_module(name: str) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPE))


tasks, learner, ledger, experiments = map(load_module, ("tasks", "learner", "ledger", "experiments"))
views = load_module("views")
Trial, Outcome, train = learner.Trial, learner.Outcome, learner.train
SMALL = Trial("adding", 6, "lstm", hidden_size=8, batch=4, steps=60)


def drawn(name: str, length: int, seed: int, rows: int = 16) -> Any:
    return tasks.task(name, length).draw(torch.Generator().manual_seed(seed), rows)


# Tasks

SEEDS = st.integers(min_value=0, max_value=2**32)


@settings(max_examples=20)
@given(length=st.integers(min_value=2, max_value=50), seed=SEEDS)
def test_adding_asks_for_the_sum_of_the_two_marked_numbers(length: int, seed: int) -> None:
    examples = drawn("adding", length, seed)
    numbers, marks = examples.inputs.unbind(dim=2)
    assert numbers.shape == (16, length)
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert (marks[:, : length // 2].sum(dim=1) == 1).all()
    assert (marks[:, length // 2 :].sum(dim=1) == 1).all()
    for row in range(16):
        assert examples.targets[row].item() == pytest.approx(numbers[row][marks[row] == 1].sum().item())


@settings(max_examples=20)
@given(length=st.integers(min_value=10, max_value=60), seed=SEEDS)
def test_order_asks_which_of_x_and_y_came_first_and_second(length: int, seed: int) -> None:
    examples = drawn("order", length, seed)
    for sequence, target in zip(
        examples.inputs.argmax(dim=2).tolist(), examples.targets.tolist(), strict=True
    ):
        first, second = [place for place, symbol in enumerate(sequence) if symbol >= 4]
        assert length // 10 <= first < 2 * length // 10
        assert 5 * length // 10 <= second < 6 * length // 10
        assert target == [2 * (sequence[first] - 4) + (sequence[second] - 4)]


@settings(max_examples=20)
@given(length=st.integers(min_value=6, max_value=40), seed=SEEDS)
def test_copy_asks_each_symbol_that_many_steps_after_it_was_seen(length: int, seed: int) -> None:
    examples = drawn("copy", length, seed)
    answered_at = range(examples.inputs.shape[1] - 5, examples.inputs.shape[1])
    for sequence, target in zip(
        examples.inputs.argmax(dim=2).tolist(), examples.targets.tolist(), strict=True
    ):
        assert [sequence[position - length] for position in answered_at] == target
        assert all(0 <= symbol < 8 for symbol in target)
        assert sequence[5:] == [8] * (length - 6) + [9] + [8] * 5  # a pause, the signal, blanks to answer at


@settings(max_examples=20)
@given(length=st.integers(min_value=5, max_value=30), seed=SEEDS)
def test_recall_asks_for_the_value_that_followed_the_key(length: int, seed: int) -> None:
    examples = drawn("recall", length, seed)
    for sequence, target in zip(
        examples.inputs.argmax(dim=2).tolist(), examples.targets.tolist(), strict=True
    ):
        keys, values = sequence[0:4:2], sequence[1:4:2]
        assert len(set(keys)) == 2
        assert all(0 <= key < 4 for key in keys)
        assert sequence[4:-1] == [8] * (length - 5)
        assert target == [values[keys.index(sequence[-1])] - 4]


def test_the_baselines_are_those_of_answers_without_memory() -> None:
    adding = tasks.task("adding", 20)
    targets = drawn("adding", 20, 1, rows=20_000).targets
    assert adding.baseline(targets) == pytest.approx(1 / 6, rel=0.03)
    best = min(((targets - guess / 10).square().mean().item(), guess / 10) for guess in range(5, 16))
    assert best[1] == 1.0  # no constant does better
    for name in ("order", "copy", "recall"):
        work, examples = tasks.task(name, 20), drawn(name, 20, 1)
        alike = torch.zeros(*examples.targets.shape, work.outputs)
        assert work.baseline(examples.targets) == pytest.approx(work.loss(alike, examples.targets).item())


# Learning


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("name", ["adding", "copy"])
def test_state_gradients_agree_with_finite_differences(cell: str, name: str) -> None:
    work = tasks.task(name, 7)
    trial = Trial(name, 7, cell, hidden_size=4)
    model, single = learner.build(trial, work).double(), drawn(name, 7, 3, rows=3)
    targets = single.targets.double() if name == "adding" else single.targets
    examples = tasks.Examples(single.inputs.double(), targets)
    found = learner.state_gradients(model, work, examples)
    assert list(found) == (["h", "c"] if cell == "lstm" else ["h"])
    total = examples.inputs.shape[1]

    def losses(state: tuple[torch.Tensor, ...], begin: int) -> torch.Tensor:
        """Each sequence's loss of its last answer when the network goes on from `state` at `begin`."""
        hidden = state[0]
        if begin < total:
            outputs, _ = model.layer(examples.inputs[:, begin:], state)
            hidden = outputs[:, -1]
        answers = model.output(hidden)[:, None]
        rows = [work.loss(answers[row : row + 1], examples.targets[row : row + 1, -1:]) for row in range(3)]
        return torch.stack(rows)

    with torch.no_grad():
        for position in range(1, total + 1):
            start = model.layer.zero_state(3, examples.inputs)
            _, state = model.layer(examples.inputs[:, :position], start)
            for part, label in enumerate(found):
                slopes = []
                for unit in range(4):
                    nudge = torch.zeros(4, dtype=torch.float64)
                    nudge[unit] = 1e-5
                    up, down = (
                        tuple(each + sign * nudge if at == part else each for at, each in enumerate(state))
                        for sign in (1, -1)
                    )
                    slopes.append((losses(up, position) - losses(down, position)) / 2e-5)
                expected = torch.stack(slopes, dim=1).norm(dim=1).mean().item()
                assert found[label][position - 1] == pytest.approx(expected, rel=2e-3, abs=1e-9)


def test_a_trial_says_everything_that_its_outcome_follows_from() -> None:
    first, second = train(SMALL), train(SMALL)
    assert replace(first, seconds=0) == replace(second, seconds=0)
    assert train(replace(SMALL, seed=2)).losses != first.losses
    assert len(first.losses) == 3  # before the first step, after 50 and at the end
    assert len(first.before["h"]) == len(first.after["c"]) == 6


def test_no_steps_only_measure() -> None:
    found = train(replace(SMALL, steps=0))
    assert len(found.losses) == 1
    assert found.after == found.before
    assert found.solved_at is None


def test_training_ends_when_the_task_is_solved() -> None:
    found = train(Trial("copy", 6, "rnn", learning_rate=3e-3))
    assert found.solved_at is not None
    assert found.losses[-1] < 0.1 * found.baseline <= found.losses[-2]
    assert len(found.losses) == 1 + found.solved_at // learner.CHECK_EVERY < 31


def test_a_loss_that_is_not_finite_ends_training_and_clipping_prevents_it() -> None:
    wild = Trial(
        "adding", 20, "rnn", optimizer="sgd", momentum=0.9, learning_rate=0.3, clip_norm=0.0, steps=100
    )
    found = train(wild)
    assert found.diverged
    assert found.losses[-1] is None
    assert found.solved_at is None
    assert found.after == {}
    assert views.verdict(found) == "diverged"
    assert not train(replace(wild, clip_norm=1.0)).diverged


def test_the_gain_multiplies_the_recurrent_weights_alone() -> None:
    work = tasks.task("adding", 6)
    plain, scaled = (learner.build(replace(SMALL, gain=gain), work) for gain in (1.0, 1.5))
    for (name, weight), (_, other) in zip(plain.named_parameters(), scaled.named_parameters(), strict=True):
        assert torch.equal(weight * (1.5 if "weight_hh" in name else 1), other)


# The ledger


def test_the_ledger_finds_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.jsonl"
    trials = [replace(SMALL, steps=1, seed=seed) for seed in (1, 2)]
    begun = ledger.Ledger(path)
    outcomes = [begun.outcome(trial) for trial in trials]
    assert [json.loads(line)["trial"] for line in path.read_text().splitlines()] == [
        asdict(t) for t in trials
    ]
    monkeypatch.setattr(ledger, "train", lambda trial: pytest.fail(f"{trial} was done again"))
    again = ledger.Ledger(path)
    assert [again.outcome(trial) for trial in trials] == outcomes


def test_a_damaged_or_older_line_of_the_ledger_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    trials = [replace(SMALL, steps=1, seed=seed) for seed in (1, 2, 3)]
    for trial in trials:
        ledger.Ledger(path).outcome(trial)
    first, second, third = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second.replace(b'"schema": 1', b'"schema": 0') + b"\n\xff" + third[:40])
    found = ledger.Ledger(path)
    assert list(found.outcomes) == trials[:1]
    found.outcome(trials[2])
    assert list(ledger.Ledger(path).outcomes) == [trials[0], trials[2]]


# The whole recipe


def recipe(work: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe in the environment that runs the tests."""
    return subprocess.run(
        ["bash", str(RECIPE / "run.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "VIRTUAL_ENV": sys.prefix,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WORK": str(work),
            **environment,
        },
    )


def results(folder: Path) -> dict[Any, Any]:
    """The outcomes in a folder by trial."""
    found: dict[Any, Any] = ledger.Ledger(folder / "results.jsonl").outcomes
    return found


def named(
    found: dict[Any, Any], grid: str, row: str, *, seed: int = 1, quick: bool = False
) -> dict[str, Any]:
    """The outcomes of a grid's row by column."""
    (wanted,) = (each for each in experiments.grids(seed, quick) if each.name == grid)
    return {column: found[trial] for column, trial in wanted.row(row).items()}


@pytest.mark.timeout(1800)
def test_the_quick_run_keeps_its_promises_and_is_found_again(tmp_path: Path) -> None:
    work = tmp_path / "a folder"
    first = recipe(work, "--quick")
    assert first.returncode == 0, first.stderr
    assert max(map(len, first.stdout.splitlines())) <= 80
    folder = work / "quick-seed-1"
    for name in ("gradients", "learning", "solved"):
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")

    networks = named(results(folder), "cells", "adding 30", quick=True)
    assert networks["lstm"].solved_at is not None
    assert networks["gru"].solved_at is not None
    for name in ("rnn uniform", "rnn orthogonal"):
        assert networks[name].solved_at is None
        assert views.least(networks[name]) > 0.3
    # 29 steps back: what is left of the gradient at the answer.
    left = {name: series[-1] for name, series in views.gradients(networks, "before").items()}
    assert left["rnn uniform"] < 1e-5
    assert left["lstm c"] > 1e-3
    assert left["lstm c"] > 1e3 * left["rnn uniform"]
    trained = {name: series[-1] for name, series in views.gradients(networks, "after").items()}
    assert trained["lstm c"] > 0.3
    clipping = named(results(folder), "clipping", "rate 0.1", quick=True)
    assert clipping["at 0.3"].solved_at is not None
    assert clipping["off"].solved_at is None

    second = recipe(work, "--quick")
    assert second.returncode == 0
    assert second.stdout == first.stdout
    assert "cells: adding" in first.stderr
    assert "cells: adding" not in second.stderr


def test_wrong_arguments_and_places(tmp_path: Path) -> None:
    done = recipe(tmp_path, "--fast")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "run.sh: error: unknown argument: --fast\n  try:   bash recipes/long-memory"
    )
    assert done.stdout == ""
    (tmp_path / "file").write_text("in the way")
    done = recipe(tmp_path / "file", "--quick")
    assert done.returncode == 73
    assert "long_memory.py: error: cannot create" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_recipe_shows_what_the_readme_says(tmp_path: Path) -> None:
    assert recipe(tmp_path).returncode == 0
    found = results(tmp_path / "seed-1")
    networks = named(found, "cells", "adding 100")
    assert networks["lstm"].solved_at is not None
    assert networks["gru"].solved_at is not None
    assert min(views.least(networks[name]) for name in ("rnn uniform", "rnn orthogonal")) > 0.8
    order = named(found, "cells", "order 80")
    assert order["lstm"].solved_at is not None
    assert order["rnn uniform"].solved_at is order["rnn orthogonal"].solved_at is None
    for length in (20, 40):
        copying = named(found, "cells", f"copy {length}")
        assert copying["rnn orthogonal"].solved_at is not None
        assert copying["rnn uniform"].solved_at is None
    biases = named(found, "forget-bias", "copy 20")
    assert biases["bias 0"].solved_at is None
    assert biases["bias 3"].solved_at is not None
    for rate in ("0.03", "0.1", "0.3"):
        clipping = named(found, "clipping", f"rate {rate}")
        assert clipping["off"].solved_at is None
        assert clipping["at 0.3"].solved_at is not None
