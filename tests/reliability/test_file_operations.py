"""A kill or a disk error at every single file operation of a run: nothing is lost, nothing is half."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.config import Config
from seqkit.errors import ExitCode, OutputError, StorageError
from seqkit.training.checkpoints import load_newest
from tests.laws.runs import assert_same, left_behind, state_of, tiny_config, tiny_text_config, train
from tests.reliability.faults import Disk, Fault, Killed, broken_disk, full_disk

# Two steps, a validation after each, a checkpoint after each.
SHORT: dict[str, Any] = {
    "training__steps": 2,
    "training__validate_every": 1,
    "training__checkpoint_every": 1,
    "training__samples": 0,
}


@dataclass(frozen=True)
class Case:
    """A run, its corpus, and what an uninterrupted one leaves."""

    corpus: Path
    config: Config
    whole: Path
    operations: list[str]


@pytest.fixture(scope="module", params=["translation", "generation"])
def case(
    request: pytest.FixtureRequest,
    toy_corpus: Path,
    toy_text_corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    if request.param == "translation":
        corpus, config = toy_corpus, tiny_config(**SHORT, training__validation_sentences=2)
    else:
        corpus, config = toy_text_corpus, tiny_text_config(**SHORT)
    whole = tmp_path_factory.mktemp("whole") / "model"
    disk = Disk(whole)
    with pytest.MonkeyPatch.context() as patch, disk.installed(patch):
        train(corpus, whole, config)
    return Case(corpus, config, whole, disk.done)


def test_all_kinds_of_operations_are_among_them(case: Case) -> None:
    assert set(case.operations) >= {"open", "write", "fsync", "rename", "replace", "unlink", "mkdir"}
    assert len(case.operations) > 100


# All of them take minutes.
strides = pytest.mark.parametrize(
    "stride", [pytest.param(1, marks=pytest.mark.slow), 9], ids=["each", "every ninth"]
)


def begun(
    case: Case, model: Path, at: int, fault: Fault, monkeypatch: pytest.MonkeyPatch, lasting: int = 1
) -> BaseException | None:
    """Train on a disk with a fault; what came of it."""
    disk = Disk(model, at, fault, lasting)
    try:
        with disk.installed(monkeypatch):
            train(case.corpus, model, case.config)
    except (Killed, StorageError, OutputError) as error:
        return error
    return None


@strides
def test_a_kill_at_each_of_them_changes_nothing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    for at in range(1, len(case.operations) + 1, stride):
        model = tmp_path / f"killed{at}"
        error = begun(case, model, at, Killed, monkeypatch)
        assert isinstance(error, Killed), at
        if (model / "manifest.json").exists():
            state_of(model)
        train(case.corpus, model, case.config)
        assert_same(case.whole, model)
        for folder in (model, model / "training"):
            assert not list(folder.glob(".tmp*")), f"a killed writer's leftovers, {at}"


@strides
@pytest.mark.parametrize("fault", [full_disk, broken_disk], ids=["ENOSPC", "EIO"])
def test_a_disk_error_at_each_of_them_harms_nothing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[], OSError], stride: int
) -> None:
    words = fault().strerror
    assert words is not None
    tidying = 0
    for at in range(1, len(case.operations) + 1, stride):
        model, name = tmp_path / f"full{at}", case.operations[at - 1]
        error = begun(case, model, at, fault, monkeypatch, lasting=3)
        if error is None:  # deleting what is old, or is ours alone, may fail without harm
            assert name in {"unlink", "remove", "rmdir", "rename"}, (at, name)
            tidying += 1
        else:
            assert isinstance(error, StorageError), (at, name, error)
            assert error.exit_code == ExitCode.IO_ERROR == 74
            assert words in error.message
            assert str(model) in str(error.where)
            assert error.hint is not None
            if "checkpoint-" in str(error.where) and name in {"open", "write", "fsync", "mkdir"}:
                assert re.search(r"needs [\d,]+ bytes, [\d,]+ are free", str(error.where))
        if (model / "training").is_dir() and list((model / "training").glob("checkpoint-*")):
            assert load_newest(model / "training") is not None
        if (model / "manifest.json").exists():
            state_of(model)
        train(case.corpus, model, case.config)
        assert_same(case.whole, model)
    assert tidying < len(case.operations) / stride / 3


def test_the_checkpoint_before_is_whole_when_the_disk_fills_up(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From each operation on the disk stays full: what was published and saved before is still there."""
    saved = 0
    for at in range(1, len(case.operations) + 1, 25):
        model = tmp_path / f"full{at}"
        error = begun(case, model, at, full_disk, monkeypatch, lasting=1 << 30)
        assert isinstance(error, StorageError), at
        found = load_newest(model / "training") if (model / "training").is_dir() else None
        steps = 0 if found is None else int(found.state["step"])
        if steps > 0:
            saved += 1
            assert model_directory.load(model).facts.step >= 1
        train(case.corpus, model, case.config)
        assert left_behind(model) == left_behind(case.whole)
    assert saved > 0
