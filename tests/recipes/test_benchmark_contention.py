"""The benchmark's busy neighbours: pinned, never left behind, and in turns with quiet; what fails is said."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "benchmark"


def load_module(name: str) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPE))


contention, neighbours = map(load_module, ("contention", "neighbours"))


def gone(process: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def wait_until_gone(processes: list[int], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not all(map(gone, processes)):
        assert time.monotonic() < end, [process for process in processes if not gone(process)]
        time.sleep(0.02)


# Busy loops


def test_a_loop_per_core_is_busy_there_and_ends_with_the_block() -> None:
    cores = neighbours.available_cores()
    with neighbours.busy() as loops:
        assert len(loops) == len(cores)
        assert [os.sched_getaffinity(loop) for loop in loops] == [{core} for core in cores]
        before = [processor_time(loop) for loop in loops]
        end = time.monotonic() + 20
        while not all(processor_time(loop) > first for loop, first in zip(loops, before, strict=True)):
            assert time.monotonic() < end, "a loop does nothing"
            time.sleep(0.05)
    assert all(map(gone, loops))


def processor_time(process: int) -> int:
    """Hundredths of a second that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_loops_end_when_the_block_fails() -> None:
    with pytest.raises(ValueError, match="inside"), neighbours.busy() as loops:
        raise ValueError("inside")
    assert all(map(gone, loops))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_loops_end_when_their_parent_is_killed(number: int) -> None:
    program = (
        f"import sys, time; sys.path.insert(0, {str(RECIPE)!r}); from neighbours import busy\n"
        "with busy() as loops: print(*loops, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        loops = list(map(int, parent.stdout.readline().split()))
        assert len(loops) == len(neighbours.available_cores())
        assert not any(map(gone, loops))
        parent.send_signal(number)
    wait_until_gone(loops)


def test_a_loop_that_cannot_begin_is_said() -> None:
    with pytest.raises(RuntimeError, match="a busy loop ended with exit code 1"), neighbours.busy([100_000]):
        pytest.fail("it began")


# Turns


def test_quiet_and_busy_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Noted:
        def __enter__(self) -> None:
            seen.append("begin")

        def __exit__(self, *_: object) -> None:
            seen.append("end")

    monkeypatch.setattr(contention, "busy", Noted)
    turns = contention.Turns()
    for figures in turns.take(2):
        seen.append("turn")
        figures.append(float(len(seen)))
    assert seen == ["turn", "begin", "turn", "end", "turn", "begin", "turn", "end"]
    assert turns.figures == {"quiet": [1.0, 5.0], "busy": [3.0, 7.0]}
    assert turns.ratio == pytest.approx(5 / 3)
    details = turns.details("ms")
    assert (details["quiet"], details["busy"], details["figure_unit"]) == (3.0, 5.0, "ms")
    assert details["neighbours"] == len(neighbours.available_cores())


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RECIPE / "contention.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("what", "unit"), [("line", "times its quiet latency"), ("bulk", "% of its quiet speed")]
)
def test_translating_is_measured_in_both_states(
    what: str, unit: str, toy_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("ba di fu\ngo ke\nlo mi nu\n")
    done = script(what, toy_model, tmp_path / "text", "--pairs", 2, "--threads", 1)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unit"] == unit
    details = found["details"]
    scale = 1 if what == "line" else 100
    assert found["value"] == pytest.approx(scale * details["busy"] / details["quiet"])
    counts = {state: len(figures) for state, figures in details["turns"].items()}
    assert counts == dict.fromkeys(("quiet", "busy"), 6 if what == "line" else 2)


def test_what_cannot_be_measured_is_said(toy_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("ba\n")
    for what in ("line", "bulk"):
        done = script(what, tmp_path / "none", tmp_path / "text")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1] == (
            "contention.py: error: seqkit translate ended with exit code 66"
        )
    done = script("train", toy_corpus, "--set", "model.hidden_size=none")
    assert (done.returncode, done.stdout) == (1, "")
    assert "contention.py: error: seqkit train ended with exit code 2" in done.stderr
    assert script("line", tmp_path / "none").returncode == 2
