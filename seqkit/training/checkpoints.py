"""Checkpoints to continue from, in a model directory's `training/`.

    training/checkpoint-00000500/     state.json, metrics.jsonl, manifest.json and four files of tensors
    training/best-00000500.safetensors    a candidate for averaging

A checkpoint is written under a temporary name and renamed when all of it is on the disk; older ones are
deleted after that. A damaged one is skipped with a warning, and the one before it is used.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqkit.errors import DataError, ModelError, SeqkitError, output_error
from seqkit.files import (
    JSON_LIMIT,
    TEMPORARY_PREFIX,
    parse_json,
    parse_sealed_json,
    read_regular,
    remove_file,
    sha256,
    sync_directory,
    sync_file,
    to_json,
    to_sealed_json,
    write_atomic,
)
from seqkit.nn import weights

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_FILES = (
    "state.json",
    "weights.safetensors",
    "averages.safetensors",
    "optimizer.safetensors",
    "carried.safetensors",
    "metrics.jsonl",
)
_LIMIT = 1 << 36  # bytes of one file
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to continue: `state` is JSON, the others are tensors by name and text."""

    state: dict[str, Any]
    parameters: dict[str, Tensor]
    averages: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    carried: dict[str, Tensor]  # the state of a generator's streams
    metrics: bytes


def save(training: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then delete all but the newest two."""
    final = _path(training, int(checkpoint.state["step"]))
    temporary = training / f"{TEMPORARY_PREFIX}{final.name}-{os.getpid()}"
    files = {
        "state.json": to_json(checkpoint.state),
        "weights.safetensors": weights.to_bytes(checkpoint.parameters),
        "averages.safetensors": weights.to_bytes(checkpoint.averages),
        "optimizer.safetensors": weights.to_bytes(checkpoint.optimizer),
        "carried.safetensors": weights.to_bytes(checkpoint.carried),
        "metrics.jsonl": checkpoint.metrics,
    }
    manifest = {name: {"sha256": sha256(content), "size": len(content)} for name, content in files.items()}
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, content in [*files.items(), (_MANIFEST, to_sealed_json(manifest))]:
            _write_synced(temporary / name, content)
        sync_directory(temporary)
        if final.exists():
            _discard(final)  # the same step again, after a fall back to an older checkpoint
        temporary.rename(final)
        sync_directory(training)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise _storage_error(final, error, sum(map(len, files.values()))) from error
    for old in _all(training)[:-KEPT]:
        _discard(old)


def _storage_error(path: Path, error: OSError, needed: int) -> SeqkitError:
    """The error of a failed save, with what was needed and what there is."""
    failure = output_error(path, error)
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
        failure.where = f"{path} (needs {needed:,} bytes, {free:,} are free)"
    return failure


def load_newest(training: Path) -> Checkpoint | None:
    """The newest whole checkpoint; None when there is none at all."""
    found = _all(training)
    problem: SeqkitError | None = None  # of the newest
    for path in reversed(found):
        try:
            return _load(path)
        except SeqkitError as error:
            problem = problem or error
            _LOG.warning("%s is damaged (%s): trying the checkpoint before it", path.name, error.message)
    if problem is not None:
        raise ModelError(
            f"no checkpoint in {training} can be read; the newest: {problem.message}",
            where=problem.where,
            hint="start over with --restart",
        )
    return None


def remove_all(training: Path) -> None:
    """Forget every checkpoint and what killed runs left behind."""
    for entry in training.iterdir():
        if entry.name.startswith(("checkpoint-", "best-")):
            _discard(entry)
    remove_leftovers(training)


def remove_leftovers(training: Path) -> None:
    """Delete temporary names. The caller holds the lock."""
    for entry in training.glob(TEMPORARY_PREFIX + "*"):
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else remove_file(entry)


def save_candidate(training: Path, step: int, parameters: Mapping[str, Tensor]) -> None:
    """Keep weights that may become part of the final average."""
    write_atomic(_candidate(training, step), weights.to_bytes(parameters))


def load_candidate(training: Path, step: int, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that `save_candidate` kept."""
    path = _candidate(training, step)
    return weights.from_bytes(read_regular(path, limit=_LIMIT), expected, str(path))


def mean_of_candidates(
    training: Path, steps: Sequence[int], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The mean of the weights that `save_candidate` kept at several steps."""
    members = [load_candidate(training, step, expected) for step in steps]
    return {name: torch.stack([member[name] for member in members]).mean(dim=0) for name in expected}


def remove_candidates(training: Path, keep: set[int]) -> None:
    """Delete candidates of other steps than those given."""
    wanted = {_candidate(training, step) for step in keep}
    for path in training.glob("best-*.safetensors"):
        if path not in wanted:
            remove_file(path)


def newest_state(training: Path) -> dict[str, Any] | None:
    """The state of the newest checkpoint whose state is whole, without its tensors; None for none."""
    for path in reversed(_all(training)):
        with suppress(SeqkitError):
            state = parse_json(_contents(path, ("state.json",))["state.json"], str(path / "state.json"))
            return state if isinstance(state, dict) else None
    return None


def _contents(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Files of a checkpoint, as its manifest says that they are."""
    manifest = parse_sealed_json(read_regular(path / _MANIFEST, limit=JSON_LIMIT), str(path / _MANIFEST))
    if not isinstance(manifest, dict) or manifest.keys() != set(_FILES):
        raise DataError("it names other files than a checkpoint has", where=str(path / _MANIFEST))
    contents = {}
    for name in names:
        content = read_regular(path / name, limit=_LIMIT)
        if manifest[name] != {"sha256": sha256(content), "size": len(content)}:
            raise DataError(f"{name} does not match the checkpoint's manifest", where=str(path / name))
        contents[name] = content
    return contents


def _load(path: Path) -> Checkpoint:
    contents = _contents(path, _FILES)
    tensors = {
        part: weights.from_bytes(contents[f"{part}.safetensors"], None, str(path / f"{part}.safetensors"))
        for part in ("weights", "averages", "optimizer", "carried")
    }
    state = parse_json(contents["state.json"], str(path / "state.json"))
    return Checkpoint(
        state,
        tensors["weights"],
        tensors["averages"],
        tensors["optimizer"],
        tensors["carried"],
        contents["metrics.jsonl"],
    )


def _all(training: Path) -> list[Path]:
    """Checkpoint directories, oldest first."""
    found = [entry for entry in training.glob("checkpoint-*") if entry.is_dir() and not entry.is_symlink()]
    return sorted(found, key=lambda entry: (len(entry.name), entry.name))  # steps may outgrow their zeros


def _path(training: Path, step: int) -> Path:
    return training / f"checkpoint-{step:08d}"


def _candidate(training: Path, step: int) -> Path:
    return training / f"best-{step:08d}.safetensors"


def _discard(path: Path) -> None:
    """Delete a directory so that a kill in between leaves nothing that looks like a checkpoint."""
    if path.is_dir() and not path.is_symlink():
        trash = path.with_name(f"{TEMPORARY_PREFIX}trash-{path.name}-{os.getpid()}")
        try:
            path.rename(trash)
        except OSError as error:
            raise output_error(path, error) from error
        shutil.rmtree(trash, ignore_errors=True)
    else:
        remove_file(path)


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "xb") as stream:
        stream.write(content)
        sync_file(stream)
