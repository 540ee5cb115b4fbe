"""What a checkpoint's state.json says is read by any later version, and written as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from seqkit.errors import ModelError
from seqkit.files import to_json
from seqkit.training.sizing import Choice
from seqkit.training.state import Origin, Position, RunState

# As 0.8.0 wrote it for a generator, some lists shortened.
STATE_0_8: dict[str, Any] = {
    "averaging_from": 0,
    "batch": 7,
    "best": [[5.46316119176112, 5]],
    "best_scores": [
        {
            "metric": "bits_per_character",
            "score": 7.881676,
            "signature": "protocol:stream|state:carried|unit:char|tokens:479|ends:0|seqkit:0.8.0",
        },
    ],
    "choice": {
        "reason": "400 characters, 1 minute at 10 tokens/s are 2 epochs",
        "size": "tiny",
        "values": {"model.hidden_size": 12},
    },
    "corpus": "c2aee241553559075d26cf97713c1449499da7473c5c46237b1a215354a206ec",
    "elapsed": 6.551601481000034,
    "epoch": 0,
    "failures": 2,
    "finished": "",
    "health": {
        "clipped": 0,
        "nonfinite": 0,
        "norm": 1.010879635810852,
        "squares": [0.005337060685501938, 0.004647766942289189],
        "steps": 2,
    },
    "init_from": "",
    "losses": [5.46316119176112],
    "nats": 438.3512477874756,
    "objective": 438.3512477874756,
    "plateau_factor": 1.0,
    "plateau_stale": 0,
    "positions": 80,
    "precision": "fp32",
    "rollbacks": 3,
    "scaler": {"scale": 65536.0, "_growth_tracker": 1},
    "stale": 0,
    "step": 7,
    "tensors_sha256": "009b643d3300dbee778c5a70c18015068ed78e190e60990372efa6d498d6c0d0",
    "threads": 1,
    "train_nats": 5.573092560768128,
    "validated_at": 6.375472601999718,
    "validated_step": 5,
    "validation_seconds": 0.5544388190010068,
    "validation_size": 0,
}
OLDER = (
    Path(__file__).resolve().parents[2] / "fixtures/0.7/translator/training/checkpoint-00001180/state.json"
)


SINCE_0_10 = {"decided_by": "", "fallbacks": []}  # what an earlier version's checkpoint lacks, by default


def test_what_0_8_wrote_is_read_and_written_as_it_was() -> None:
    state = RunState.from_dict(STATE_0_8, "here")
    assert to_json(state.to_dict()) == to_json({**STATE_0_8, **SINCE_0_10})
    assert state.position == Position(step=7, epoch=0, batch=7, failures=2)
    assert (state.window.positions, state.window.health.steps) == (80, 2)
    assert (state.ranking.best, state.rate.share) == ([[5.46316119176112, 5]], 1 / 8)
    assert state.origin.choice == Choice(**STATE_0_8["choice"])


def test_what_0_7_wrote_gets_the_defaults_of_what_it_lacks() -> None:
    recorded = json.loads(OLDER.read_text())
    state = RunState.from_dict(recorded, "here")
    assert state.to_dict() == {**recorded, "choice": None, "validation_size": 0, **SINCE_0_10}


def test_a_new_run_is_read_back() -> None:
    state = RunState(origin=Origin("corpus", "model", None, 2, "bf16"))
    assert RunState.from_dict(json.loads(to_json(state.to_dict())), "here") == state


def test_no_two_records_have_a_field_of_the_same_name() -> None:
    records = [value for value in vars(RunState()).values() if dataclasses.is_dataclass(value)]
    names = [field.name for record in [RunState(), *records] for field in dataclasses.fields(record)]
    assert len(names) == len(set(names))
    assert len(records) == 6
    assert len(RunState().to_dict()) == len(names) - len(records)


@pytest.mark.parametrize(
    "values",
    [
        {**STATE_0_8, "unheard_of": 1},
        {key: value for key, value in STATE_0_8.items() if key != "health"},
        {**STATE_0_8, "health": {"steps": 1, "unheard_of": 1}},
        {**STATE_0_8, "health": None},
        {**STATE_0_8, "choice": {"size": "tiny"}},
        {**STATE_0_8, "choice": "tiny"},
        {**STATE_0_8, "position": {}},
    ],
)
def test_what_a_later_version_wrote_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="written by another version of seqkit") as caught:
        RunState.from_dict(values, "the place")
    assert caught.value.where == "the place"
