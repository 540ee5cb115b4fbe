"""Thirty kills at random instants of real processes, of both kinds of run: the result is the same bits."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOY_TEXT_SETTINGS
from tests.laws.processes import command, start, train_through_kills, wait
from tests.laws.runs import assert_same

KILLS = 15  # of each kind
STEPS = "60"


def text_command(corpus: Path, model: Path) -> list[str]:
    """`seqkit train` of a generator with many checkpoints."""
    settings: dict[str, Any] = {
        **TOY_TEXT_SETTINGS,
        "training.checkpoint_every": 5,
        "training.validate_every": 20,
        "training.samples": 0,
    }
    assignments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["train", str(corpus), str(model), "--threads", "1", "--steps", STEPS, *assignments]


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_thirty_kills_change_nothing(
    kind: str, toy_corpus: Path, toy_text_corpus: Path, tmp_path: Path
) -> None:
    def arguments(model: Path) -> list[str]:
        if kind == "generation":
            return text_command(toy_text_corpus, model)
        return command(toy_corpus, model, "--steps", STEPS)

    log, whole = tmp_path / "log", tmp_path / "whole"
    began = time.monotonic()
    assert wait(start(arguments(whole), log), 120) == 0, log.read_text()
    duration = time.monotonic() - began
    generator, kills = random.Random(kind), 0
    for number in range(KILLS):  # at least one kill a run on any machine that keeps its pace
        model = tmp_path / f"killed{number}"
        delays = itertools.chain((duration * generator.uniform(0.02, 0.4) for _ in range(8)), [120.0])
        kills += train_through_kills(arguments(model), log, model, delays)
        assert_same(whole, model)
        if kills >= KILLS:
            break
    assert kills >= KILLS
