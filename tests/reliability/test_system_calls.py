"""Faults from outside: strace fails or kills a training process at system calls of its saving."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqkit.errors import ExitCode
from tests.laws.processes import command
from tests.laws.runs import assert_same

STRACE = shutil.which("strace")
CALLS = ("fsync", "rename", "mkdir", "write")
MOST = {"write": 400}  # which of the calls; of the others a run makes about sixty
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


def traced(words: list[str], fault: str) -> tuple[int, str]:
    """Train with a fault in a system call; the exit code, and what was said."""
    assert STRACE is not None
    call = fault.split(":")[0]
    trace = [STRACE, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}"]
    done = subprocess.run(
        [*trace, sys.executable, "-m", "seqkit", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("call", "count"),
    [("rename", 1), *(pytest.param(call, 12, marks=pytest.mark.slow) for call in CALLS)],
)
def test_faults_at_random_calls_change_nothing(
    toy_corpus: Path, tmp_path: Path, call: str, count: int
) -> None:
    words = ["--steps", "30"]
    whole, generator = tmp_path / "whole", random.Random(call)
    assert traced(command(toy_corpus, whole, *words), "fsync:error=EIO:when=60000")[0] == ExitCode.OK
    hit = 0
    for attempt in range(count):
        model = tmp_path / f"model{attempt}"
        run = command(toy_corpus, model, *words)
        for fault in ("signal=SIGKILL", "error=ENOSPC"):
            when = generator.randrange(1, MOST.get(call, 20))
            code, said = traced(run, f"{call}:{fault}:when={when}")
            assert "Traceback" not in said, said
            assert code in {ExitCode.OK, ExitCode.IO_ERROR, ExitCode.CANNOT_CREATE, -9, 137}, said
            if code in {ExitCode.IO_ERROR, ExitCode.CANNOT_CREATE}:
                assert re.search(r"seqkit: error: .*\n  where: .+\n  try:   .+", said)
            hit += code != ExitCode.OK
        assert traced(run, "fsync:error=EIO:when=60000")[0] == ExitCode.OK
        assert_same(whole, model)
    assert hit > count / 3, "most faults must strike"
