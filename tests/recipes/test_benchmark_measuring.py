"""The benchmark measures: repeats take turns, memory is that of all processes, what fails says why."""

from __future__ import annotations

import importlib
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "benchmark"


def load_module(name: str) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPE))


measure, finished, cases = map(load_module, ("measure", "finished", "cases"))
results, benchmark = map(load_module, ("results", "benchmark"))
Case, Attempt = cases.Case, measure.Attempt


# Statistics and order


@given(st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=1, max_size=9))
def test_a_summary_lies_between_its_ends(values: list[float]) -> None:
    found = measure.summarize(values)
    assert found.minimum == min(values) <= found.median <= max(values) == found.maximum
    assert found.count == len(values)
    assert found.spread == pytest.approx((max(values) - min(values)) / found.median)


@settings(max_examples=50)
@given(st.integers(0, 7), st.integers(1, 14), st.integers(0, 99))
def test_every_case_has_its_turn_in_every_round(count: int, repeats: int, seed: int) -> None:
    rounds = list(measure.interleaved(range(count), repeats, seed))
    assert Counter(rounds) == Counter((repeat, item) for repeat in range(repeats) for item in range(count))
    assert [repeat for repeat, _ in rounds] == sorted(repeat for repeat, _ in rounds)
    if count and repeats % count == 0:  # each was first, second … equally often
        places = Counter((place % count, item) for place, (_, item) in enumerate(rounds))
        assert set(places.values()) == {repeats // count}
    assert rounds == list(measure.interleaved(range(count), repeats, seed))


# Cases


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def run(code: str, folder: Path, *, limit: float = 20.0, silent: bool = False, **more: Any) -> Any:
    log = folder / "log"
    return measure.run_case(python(code), threads=1, limit=limit, log=log, silent=silent, **more)


def test_a_case_gives_its_value_with_time_and_memory(tmp_path: Path) -> None:
    found = run(
        "import json, os, time; block = b'x' * (80 << 20); time.sleep(0.4); print('talk');"
        "cores = len(os.sched_getaffinity(0)); threads = os.environ['OMP_NUM_THREADS'];"
        "print(json.dumps({'value': 2, 'unit': 'x/s', 'details': {'cores': cores, 'threads': threads}}))",
        tmp_path,
    )
    assert (found.value, found.unit, found.reason) == (2.0, "x/s", "")
    assert found.details == {"cores": 1, "threads": "1"}
    assert 80 << 20 < found.largest_process <= found.peak_memory < 200 << 20
    assert 0 < found.seconds < 20


def test_a_case_may_choose_its_threads_and_is_told_what_holds_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    found = run(
        "import json, os; names = ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MOST');"
        "given = {name: os.environ.get(name) for name in names};"
        "print(json.dumps({'value': 2, 'unit': 'x/s', 'details': given}))",
        tmp_path,
        free=True,
        extra={"MOST": "AVX2"},
    )
    assert found.details == {"OPENBLAS_NUM_THREADS": None, "OMP_NUM_THREADS": None, "MOST": "AVX2"}


def test_memory_is_that_of_the_whole_tree_and_shared_pages_count_once(tmp_path: Path) -> None:
    forks = (
        "import os, time; shared = b'x' * (60 << 20)\n"
        "for _ in range(2):\n"
        "    if not os.fork(): own = b'y' * (40 << 20); time.sleep(1.2); os._exit(0)\n"
        'os.wait(); os.wait(); print(\'{"value": 1, "unit": "s"}\')'
    )
    found = run(forks, tmp_path)
    megabytes = found.peak_memory / 2**20
    assert 140 < megabytes < 190, "60 together and 40 each, and Python"
    assert found.largest_process < found.peak_memory


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('seqkit: error: no such model')", "seqkit: error: no such model"),
        ("raise ValueError('a\\x1b[31mb')", "ValueError: a [31mb"),
        ("import os; os._exit(3)", "exit code 3"),
        ("print('done')", "it printed no JSON object with value and unit"),
        ('print(\'{"value": NaN, "unit": "s"}\')', "its value is nan"),
        ("import time; time.sleep(30)", "took longer than 0.3 s"),
    ],
)
def test_what_cannot_run_says_why(code: str, reason: str, tmp_path: Path) -> None:
    found = run(code, tmp_path, limit=0.3 if "sleep" in code else 20)
    assert found.value is None
    assert found.reason == reason


def test_nothing_that_a_case_started_outlives_it(tmp_path: Path) -> None:
    child = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    found = run(f"{child}; open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))", tmp_path, silent=True)
    assert found.value == found.seconds
    process = Path("/proc", (tmp_path / "pid").read_text())
    for _ in range(50):
        if not process.exists() or "Z" in (process / "stat").read_text().split(")")[1].split()[0]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("it is still there")
    missing = measure.run_case(["no-such-program"], threads=1, limit=1, log=tmp_path / "log")
    assert missing.reason.startswith("cannot be started")


# Sessions


@pytest.fixture
def session(tmp_path: Path) -> Any:
    """A session of made-up cases; each writes a letter to a file when it really runs."""

    def case(name: str, code: str, **more: Any) -> Any:
        noted = f"open({str(tmp_path / 'runs')!r}, 'a').write({name[0]!r}); {code}"
        return Case("training", "task", name, python(noted), cores=1, **more)

    works = 'print(\'{"value": 5, "unit": "s"}\')'
    made = [
        case("a", works, needs=("set-up: task: t",)),
        case("b", "import sys; sys.exit('b: error: broken')"),
        case("c", works, needs=("set-up: task: u",)),
        Case("set-up", "task", "t", python("pass"), cores=1, silent=True, repeats=1),
        Case("set-up", "task", "u", python("import sys; sys.exit('no index')"), cores=1, repeats=1),
    ]
    return lambda: benchmark.Session(tmp_path / "work", cases.plan(quick=True, cores=1), made)


def test_failures_are_rows_with_their_reason_and_finished_repeats_stay(session: Any, tmp_path: Path) -> None:
    first = session()
    first.run_group("training", 3)
    name = "training: task: {}".format
    assert [attempt.value for attempt in first.attempts[name("a")]] == [5.0] * 3
    assert first.reasons == {
        name("b"): "b: error: broken",
        name("c"): "task: no index",
        "set-up: task: u": "no index",
    }
    assert sorted((tmp_path / "runs").read_text()) == ["a", "a", "a", "b"], "a failure is not repeated"
    rows = [
        results.row(case, first.attempts[case.name], first.reasons.get(case.name, ""), {})
        for case in first.cases.values()
    ]
    assert [row["reason"] for row in rows] == ["", "b: error: broken", "task: no index", "", "no index"]
    assert "median" not in rows[1]

    (tmp_path / "runs").unlink()
    second = session()
    second.run_group("training", 4)
    assert len(second.attempts[name("a")]) == 4
    assert sorted((tmp_path / "runs").read_text()) == ["a", "b"], "one new repeat, and a second try"


def test_damaged_and_older_lines_are_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "finished.jsonl"
    known = finished.Finished(path)
    for repeat in range(3):
        known.add("case", ["x"], repeat, Attempt(1.0 + repeat, "s"))
    known.add("case", ["x"], 3, Attempt(None, reason="no"))
    one, two, three = path.read_text().splitlines()
    path.write_text(one + "\n" + two.replace('"schema": 1', '"schema": 0') + "\n" + three[:30])
    again = finished.Finished(path)
    assert again.find("case", ["x"], 0) == Attempt(1.0, "s")
    assert (
        again.find("case", ["x"], 1) is again.find("case", ["x"], 2) is again.find("case", ["x"], 3) is None
    )
    assert again.find("case", ["y"], 0) is None


def test_other_code_is_another_fingerprint(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    files = sorted(tmp_path.iterdir())
    before = finished.fingerprint(files)
    assert before == finished.fingerprint(reversed(files))
    files[0].write_text("x = 2\n")
    assert before != finished.fingerprint(files)


def test_the_cases_are_whole(tmp_path: Path) -> None:
    for quick, plain in ((False, False), (True, False), (False, True)):
        made = cases.all_cases(tmp_path, cases.plan(quick=quick, cores=2, plain=plain))
        names = [case.name for case in made]
        assert len(set(names)) == len(names)
        for case in made:
            assert set(case.needs) <= set(names), case.name
            assert Path(case.command[1]).is_file(), case.name
            rivals = [other.system for other in made if (other.group, other.task) == (case.group, case.task)]
            assert not case.against or case.against in rivals, case.name
            held_back = plain and case.group != cases.SETUP
            assert case.forced == (tuple(cases.PLAIN.items()) if held_back else ()), case.name
        assert {case.group for case in made} == set(cases.GROUPS)


def test_a_plain_run_trains_in_fp32_and_shares_what_is_only_set_up(tmp_path: Path) -> None:
    as_it_is, plain = (
        {case.name: case for case in cases.all_cases(tmp_path, cases.plan(quick=False, cores=2, plain=held))}
        for held in (False, True)
    )
    assert as_it_is.keys() == plain.keys()
    trained = 0
    for name, case in plain.items():
        script = Path(case.command[1]).name
        in_fp32 = "training.precision=fp32" in case.command
        if case.group == cases.SETUP:
            assert case == as_it_is[name]
        elif script in ("training_speed.py", "quality.py", "step_profile.py"):
            trained += 1
            assert in_fp32, name
        elif script == "contention.py":
            assert in_fp32 == (case.command[2] in ("train", "stop")), name
        assert "training.precision=fp32" not in as_it_is[name].command
    assert trained > 5
