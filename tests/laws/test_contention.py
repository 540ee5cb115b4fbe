"""Beside as many busy loops as cores seqkit goes on working: it trains, and a terminated run saves in time.

A fair share is half of the quiet speed. Threads that wait for one another by spinning get a fifth of it
beside two loops, and less the more there are; the benchmark's group `contention` has the figures. The margins
are wide, quiet and busy take turns, and everything is tried twice, because this machine may be busy itself.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "benchmark"
TRIES = 2
LEAST_SHARE = 0.25  # of the quiet speed; the promise is 0.4 on a machine that does nothing else
MOST_SECONDS = 10.0  # from SIGTERM to the saved end, as promised of a machine that does nothing else
MOST_TIMES = 4.0  # the quiet seconds, where the machine is so busy by itself that these are many
# A thousand short products a step, in each of which the threads wait for one another.
SIZES = ("model.hidden_size=192", "model.embedding_size=64", "data.streams=16", "data.slice_length=96")


def load_module(name: str) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPE))


contention, neighbours = map(load_module, ("contention", "neighbours"))


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Two cores at most, for this process and all that it starts, and no variables of threads."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    mine = neighbours.available_cores()
    if not hasattr(os, "sched_setaffinity"):
        yield mine
        return
    os.sched_setaffinity(0, mine[-2:])
    yield mine[-2:]
    os.sched_setaffinity(0, mine)


@pytest.mark.timeout(600)
def test_training_gets_its_share_beside_busy_loops(toy_text_corpus: Path, cores: list[int]) -> None:
    for _ in range(TRIES):
        turns = contention.train_share(
            toy_text_corpus, seconds=1.0, pairs=3, threads=len(cores), settings=SIZES
        )
        if turns.ratio >= LEAST_SHARE:
            return
    pytest.fail(f"training beside busy loops has {turns.ratio:.0%} of its quiet speed: {turns.figures}")


@pytest.mark.timeout(600)
def test_a_terminated_run_has_saved_soon_beside_busy_loops(toy_text_corpus: Path, cores: list[int]) -> None:
    for _ in range(TRIES):
        turns = contention.stop_seconds(
            toy_text_corpus, seconds=1.0, pairs=1, threads=len(cores), settings=SIZES
        )
        if turns.median(contention.BUSY) <= max(MOST_SECONDS, MOST_TIMES * turns.median(contention.QUIET)):
            return
    pytest.fail(f"seconds from SIGTERM to the end of a run that has saved: {turns.figures}")
