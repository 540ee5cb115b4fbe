"""Checkpoints under damage, a full disk, kills, and two runs that want the same directory."""

from __future__ import annotations

import builtins
import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seqkit.cli import run
from seqkit.config import TrainingConfig
from seqkit.errors import DataError, ExitCode, LockedError, ModelError, StorageError
from seqkit.training import checkpoints, lock
from seqkit.training.checkpoints import Checkpoint, load_newest, save
from seqkit.training.lock import locked
from seqkit.training.optim import build_optimizer, optimizer_tensors, restore_optimizer
from seqkit.training.record import json_line
from tests.conftest import toy_assignments
from tests.laws.processes import process_of

FILES = [
    "state.json",
    "weights.safetensors",
    "averages.safetensors",
    "optimizer.safetensors",
    "carried.safetensors",
    "metrics.jsonl",
]


def checkpoint(step: int) -> Checkpoint:
    value = float(step)
    return Checkpoint(
        state={"step": step, "epoch": 1, "loss": 0.1 + value},
        parameters={"w": torch.full((3, 4), value)},
        averages={"w": torch.full((3, 4), value / 2)},
        optimizer={"0.step": torch.tensor(value), "0.exp_avg": torch.full((3, 4), -value)},
        carried={"0.0": torch.full((2, 5), value)},
        metrics=b'{"step": 1}\n' * step,
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def newest(training: Path) -> int:
    found = load_newest(training)
    assert found is not None
    return int(found.state["step"])


def test_there_and_back(tmp_path: Path) -> None:
    assert load_newest(tmp_path) is None
    save(tmp_path, checkpoint(3))
    found, expected = load_newest(tmp_path), checkpoint(3)
    assert found is not None
    assert (found.state, found.metrics) == (expected.state, expected.metrics)
    for part in ("parameters", "averages", "optimizer"):
        ours, theirs = getattr(found, part), getattr(expected, part)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_newest_two_are_kept_by_number(tmp_path: Path) -> None:
    for step in (8, 9, 10, 99_999_999, 100_000_000):
        save(tmp_path, Checkpoint({"step": step}, {}, {}, {}, {}, b""))
    assert names(tmp_path) == {"checkpoint-99999999", "checkpoint-100000000"}
    assert newest(tmp_path) == 100_000_000


def test_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(4))
    save(tmp_path, Checkpoint({"step": 4, "again": True}, {}, {}, {}, {}, b""))
    found = load_newest(tmp_path)
    assert found is not None
    assert found.state == {"step": 4, "again": True}
    assert names(tmp_path) == {"checkpoint-00000004"}


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "link"])
def test_a_damaged_one_is_skipped_with_a_warning(
    tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("seqkit").propagate = True
    save(tmp_path, checkpoint(5))
    save(tmp_path, checkpoint(6))
    path = tmp_path / "checkpoint-00000006" / name
    content = path.read_bytes()
    if damage == "flip":
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    elif damage == "cut":
        path.write_bytes(content[:-3])
    else:
        path.unlink()
    if damage == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    with caplog.at_level(logging.WARNING, logger="seqkit"):
        assert newest(tmp_path) == 5
    (record,) = caplog.records
    assert record.getMessage().startswith("checkpoint-00000006 is damaged")
    assert "trying the checkpoint before it" in record.getMessage()


def test_when_none_is_whole_that_is_an_error(tmp_path: Path) -> None:
    for step in (5, 6):
        save(tmp_path, checkpoint(step))
        (tmp_path / f"checkpoint-0000000{step}" / "state.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"no checkpoint in .* can be read") as caught:
        load_newest(tmp_path)
    assert caught.value.hint == "start over with --restart"


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> Iterator[None]:
    """A disk that is full at the `number`-th fsync or exclusive creation of a file."""
    real = {"fsync": os.fsync, "open": builtins.open}[call]
    left = [number]

    def failing(*arguments: Any, **options: Any) -> Any:
        left[0] -= call == "fsync" or "xb" in arguments
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else builtins, call, failing)
        yield


@pytest.mark.parametrize("call", ["fsync", "open"])
@pytest.mark.parametrize("number", range(6))
def test_a_full_disk_leaves_the_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    save(tmp_path, checkpoint(5))
    save(tmp_path, checkpoint(6))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    new = checkpoint(7)
    with full_disk(monkeypatch, call, number), pytest.raises(StorageError) as caught:
        save(tmp_path, new)
    assert caught.value.exit_code == ExitCode.IO_ERROR
    assert str(tmp_path / "checkpoint-00000007") in str(caught.value.where)
    assert "No space left on device" in caught.value.message
    save(tmp_path / "measured", new)
    written = [path for path in (tmp_path / "measured").rglob("*") if path.is_file()]
    needed = sum(path.stat().st_size for path in written if path.name != "manifest.json")
    assert f"needs {needed:,} bytes" in str(caught.value.where)
    for path, content in before.items():
        assert path.read_bytes() == content
    assert newest(tmp_path) == 6
    assert names(tmp_path) == {"checkpoint-00000005", "checkpoint-00000006", "measured"}


def test_leftovers_of_killed_runs_are_removed(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(5))
    (tmp_path / ".tmp-checkpoint-00000006-123").mkdir()
    (tmp_path / ".tmp-checkpoint-00000006-123" / "weights.safetensors").write_bytes(b"half")
    (tmp_path / ".tmp-trash-checkpoint-00000004-9").mkdir()
    (tmp_path / ".tmp-abcd").write_bytes(b"")
    assert newest(tmp_path) == 5
    checkpoints.remove_leftovers(tmp_path)
    assert names(tmp_path) == {"checkpoint-00000005"}


def test_forgetting_everything_leaves_what_is_not_ours(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(5))
    checkpoints.save_candidate(tmp_path, 5, {"w": torch.ones(2)})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "lock").write_text("")
    checkpoints.remove_all(tmp_path)
    assert names(tmp_path) == {"notes.txt", "lock"}


def test_candidates_are_kept_and_checked(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoints.save_candidate(tmp_path, step, {"w": torch.full((2,), float(step))})
    checkpoints.remove_candidates(tmp_path, {1, 3})
    assert names(tmp_path) == {"best-00000001.safetensors", "best-00000003.safetensors"}
    assert checkpoints.load_candidate(tmp_path, 3, {"w": torch.zeros(2)})["w"].tolist() == [3.0, 3.0]
    with pytest.raises(ModelError):
        checkpoints.load_candidate(tmp_path, 3, {"w": torch.zeros(3)})


HOLD = (
    "import fcntl, sys, time; stream = open(sys.argv[1], 'a'); fcntl.flock(stream, fcntl.LOCK_EX);"
    "stream.write('process 42 on some machine'); stream.flush(); print('held', flush=True); time.sleep(600)"
)


def test_one_run_at_a_time_and_a_dead_one_lets_go(
    toy_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    training = tmp_path / "model" / "training"
    training.mkdir(parents=True)
    command = ["train", str(toy_corpus), str(tmp_path / "model"), "--steps", "1", "--threads", "1"]
    with process_of([sys.executable, "-c", HOLD, str(training / "lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert run([*command, *toy_assignments()]) == ExitCode.LOCKED == 75
        block = capfd.readouterr().err
        assert f"seqkit: error: another run is training {tmp_path / 'model'}" in block
        assert "where: process 42 on some machine" in block
        assert names(training) == {"lock"}
        holder.send_signal(signal.SIGKILL)
    assert run([*command, *toy_assignments()]) == 0
    assert "process " in (training / "lock").read_text()


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with locked(tmp_path):
            with pytest.raises(LockedError), locked(tmp_path):
                raise AssertionError("two runs hold one directory")
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        fail()
    with locked(tmp_path):
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_trained_on_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str], number: int
) -> None:
    def refuse(_stream: object, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with locked(tmp_path / "model" / "training"):
        assert f"process {os.getpid()} on " in (tmp_path / "model" / "training" / "lock").read_text()
    (warning,) = warnings
    assert warning == (
        f"the file system of {tmp_path / 'model'} does not support locks: "
        "make sure that only one run trains it"
    )


def test_trouble_with_the_lock_is_not_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_stream: object, _operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "flock", fail)
    with pytest.raises(StorageError, match="Input/output error"), locked(tmp_path / "training"):
        pytest.fail("it was not locked")


def test_a_lock_that_points_elsewhere_is_not_written_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    training = tmp_path / "training"
    training.mkdir()
    (training / "lock").symlink_to(precious)
    with pytest.raises(DataError, match="lock is a link"), locked(training):
        raise AssertionError("the link was followed")
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "adagrad", "rmsprop"])
def test_an_optimizer_goes_on_from_its_tensors(name: Any) -> None:
    def take_steps(weight: nn.Parameter, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
        for step in range(first, last):
            weight.grad = torch.tensor([0.3, -1.0]) * (step + 1)
            optimizer.step()

    config = TrainingConfig(optimizer=name, learning_rate=0.1)
    whole = nn.Parameter(torch.tensor([1.0, 2.0]))
    take_steps(whole, build_optimizer([whole], config), 0, 5)
    first = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = build_optimizer([first], config)
    take_steps(first, optimizer, 0, 2)
    second = nn.Parameter(first.detach().clone())
    resumed = build_optimizer([second], config)
    tensors = {key: value.clone() for key, value in optimizer_tensors(optimizer).items()}
    restore_optimizer(resumed, tensors)
    take_steps(second, resumed, 2, 5)
    assert torch.equal(second, whole)


def test_metrics_lines_hold_no_nan() -> None:
    assert json_line({"a": "ä", "b": None}) == '{"a": "ä", "b": null}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_line({"a": float("nan")})
