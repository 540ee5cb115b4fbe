"""The benchmark's results: ratios, shares, tables and charts; and the whole recipe."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType
from typing import Any

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


measure, machine, cases, results = map(load_module, ("measure", "machine", "cases", "results"))
report, chart, translating = map(load_module, ("report", "chart", "translating"))
Case, Attempt = cases.Case, measure.Attempt


# Results, tables and charts

LIMITS = {
    "bf16 2048 x 2048 x 2048": 400.0,
    "fp32 2048 x 2048 x 2048": 100.0,
    "fp32 onnx 2048 x 2048 x 2048": 120.0,
    "bf16 16 x 192 x 768": 50.0,
    "copy": 40.0,
}


def made_up() -> dict[str, Any]:
    """A result with a row of every kind."""
    details = {"mflop_per_token": 30.0, "precision": "bf16"}
    stepwise = {**details, "streams": 16, "hidden_size": 192, "stepwise_share": 0.5}
    twice, soon = cases.Promise(2.0, of_ratio=True), cases.Promise(7.0, at_most=True)
    ours = Case("training", "equal sizes", "seqkit", ())
    theirs = Case("training", "equal sizes", "A|B", (), against="seqkit", network="luong", promise=twice)
    lost = Case("training", "equal sizes", "Lost", (), against="seqkit", promise=twice)
    line = Case("latency", "beam 5", "seqkit", (), promise=soon)
    slow = Case("latency", "beam 5", "Slow", (), against="seqkit")
    text = Case("generator-training", "2 x 192", "seqkit", ())
    shares = {"steps": 9, "shares": {"data": 0.01, "rest": 0.99}}
    attempts = {
        ours: [
            Attempt(value, "target tokens/s", 20.0, 900 << 20, 800 << 20, details)
            for value in (4e3, 5e3, 6e3)
        ],
        theirs: [Attempt(1000.0, "target tokens/s")],
        lost: [],
        line: [Attempt(8.0, "ms", details={"p95_ms": 12.0})],
        slow: [Attempt(80.0, "ms")],
        text: [Attempt(2000.0, "characters/s", details=stepwise)],
        Case("profile", "small", "seqkit", ()): [Attempt(200.0, "ms a step", details=shares)],
    }
    rows = [
        results.row(case, done, "" if done else "no index", LIMITS, 60.0 if case.network else 0.0)
        for case, done in attempts.items()
    ]
    facts = {"date": "2024-01-02T03:04:05Z", "commit": "abc", "machine": MACHINE, "repeats": 3}
    return json.loads(json.dumps(results.result(rows, [LIMITS, {**LIMITS, "copy": 30.0}], facts)))


MACHINE = {"processor": "A processor", "cores": 2, "memory_gb": 8, "versions": {"python": "3"}}


def test_results_hold_ratios_and_shares_of_the_best_that_was_seen() -> None:
    found = made_up()
    ours, theirs, lost, line, slow, text, _ = found["rows"]
    assert (ours["median"], ours["minimum"], ours["maximum"], ours["spread"]) == (5e3, 4e3, 6e3, 0.4)
    assert ours["gflops"] == pytest.approx(150)
    assert ours["share_of_peak"] == pytest.approx(150 / 400)
    assert theirs["share_of_peak"] == pytest.approx(60 / 120), "fp32, whoever computes it best"
    assert theirs["ratio"] == pytest.approx(5)
    assert slow["ratio"] == pytest.approx(10), "less is better"
    assert "ratio" not in line
    assert lost["reason"] == "no index"
    assert (theirs["kept"], line["kept"]) == (True, False), "5 is at least 2, 8 ms are not at most 7"
    assert "kept" not in lost
    assert "promise" not in ours
    assert text["bound_gflops"] == pytest.approx(1 / (0.5 / 50 + 0.5 / 400))
    assert text["share_of_bound"] == pytest.approx(text["gflops"] / text["bound_gflops"])
    assert found["peaks"]["copy"] == 40
    assert found["spreads"]["copy"] == pytest.approx(10 / 35)


def test_tables_show_every_row_and_go_between_the_markers() -> None:
    tables = report.markdown(made_up())
    assert "| equal sizes | seqkit | 5,000 | 4,000–6,000 |  |  | 150 | 38 % (bf16) |" in tables
    assert "| A\\|B | 1,000 |  | 5 × as fast | at least 2 ×: kept | 60.0 | 50 % (fp32) |" in tables
    assert "| Lost | – |  |  | at least 2 × |" in tables
    assert "| beam 5 | seqkit | 8.00 |  | at most 7: **not kept** |" in tables
    assert "not run: no index" in tables
    assert "p95 12.0 ms" in tables
    assert "| small | 200 | 1.0 % | 99.0 % |" in tables
    for line in tables.splitlines():
        if line.startswith("|"):
            assert line.count(" | ") >= 2


def test_a_record_has_its_own_place_in_the_pages(tmp_path: Path) -> None:
    page, front = tmp_path / "README.md", tmp_path / "front.md"
    short = [line.format(report.IN_SHORT.format("a")) for line in (report.BEGIN, report.END)]
    page.write_text("before\n{}\nold\n{}\n{}\nafter\n".format(*short, report.NEXT))
    begin, end = report.BEGIN.format("a"), report.END.format("a")
    front.write_text(f"front\n{begin}\nold\n{end}\n")
    found = made_up()
    for name in ("a", "b", "a"):
        report.update_pages(name, found, page, front)
    tables, other = report.markdown(found), (report.BEGIN.format("b"), report.END.format("b"))
    first, second = f"### a\n\n{begin}\n{tables}{end}", f"### b\n\n{other[0]}\n{tables}{other[1]}"
    before = f"before\n{short[0]}\n{report.summary(found)}{short[1]}\n"
    assert page.read_text() == f"{before}{first}\n\n{second}\n\n{report.NEXT}\nafter\n"
    figures = report.summary(found, report.HEADLINES)
    assert front.read_text() == f"front\n{begin}\n{figures}{end}\n", "b has no place there"
    with pytest.raises(ValueError, match="once each"):
        report.put_between_markers("no markers", "a", tables)
    with pytest.raises(ValueError, match="once"):
        report.with_place("no place", "a")


def test_the_front_page_gets_some_lines_of_the_summary() -> None:
    found = made_up()
    title, *some = report.summary(found, report.HEADLINES).splitlines()
    whole = report.summary(found).splitlines()
    assert title == whole[0]
    assert set(some) < set(whole)
    assert [line for line in some if line.startswith("| training: equal sizes")]
    assert len(some) < len(whole) - 1


def test_a_run_that_was_held_back_says_so_first() -> None:
    found = made_up()
    assert "Held back" not in report.markdown(found) + report.summary(found)
    found["forced"] = cases.PLAIN
    assert report.markdown(found).startswith("**Held back, as on a processor with AVX2 alone**")
    assert "`CT2_FORCE_CPU_ISA=AVX2`" in report.markdown(found)
    assert "**Held back to AVX2" in report.summary(found).split("\n\n")[0]


@pytest.mark.parametrize(("value", "shown"), [(12345.6, "12,346"), (99.44, "99.4"), (1.234, "1.23")])
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert report.number(value) == shown


def test_the_chart_has_a_panel_a_comparison_and_follows_the_page_into_the_dark() -> None:
    found = made_up()
    drawn = chart.chart(found)
    assert drawn == chart.chart(found)
    root = ElementTree.fromstring(drawn)
    assert root.tag.endswith("svg")
    said = drawn.decode()
    for text in ("training, equal sizes: target tokens/s", "latency, beam 5: ms, less is better"):
        assert text in said
    assert "could not be run" in said
    assert "seqkit 5 ×" in said
    assert "generator-training" not in said, "there is nothing to compare it with"
    assert "prefers-color-scheme:dark" in said
    assert b"nothing to compare" in chart.chart({"rows": []})


def test_the_readme_names_every_group() -> None:
    page = (RECIPE / "README.md").read_text()
    for group in cases.GROUPS:
        assert f"`{group}`" in page, group


RECORDS = sorted((RECIPE / "results").glob("*.json"))


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_the_pages_show_what_was_recorded(path: Path) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert recorded["schema"] == results.SCHEMA
    page = (RECIPE / "README.md").read_text(encoding="utf-8")
    shown = report.put_between_markers(page, path.stem, report.markdown(recorded))
    assert shown == page, "it shows another run"
    assert f"### {path.stem}\n" in page
    assert path.with_suffix(".svg").exists()


def test_the_pages_sum_up_a_record_and_show_its_chart() -> None:
    page, front = (path.read_text(encoding="utf-8") for path in (report.PAGE, report.FRONT_PAGE))
    (path,) = (path for path in RECORDS if report.BEGIN.format(path.stem) in front)
    record, short = json.loads(path.read_text(encoding="utf-8")), report.IN_SHORT.format(path.stem)
    figures = report.summary(record, report.HEADLINES)
    assert report.put_between_markers(front, path.stem, figures) == front
    assert figures.count("\n| ") == 2 + len(report.HEADLINES)
    assert report.put_between_markers(page, short, report.summary(record)) == page
    assert f"](results/{path.stem}.svg)" in page


# The machine


def test_limits_are_measured_and_the_machine_is_named(tmp_path: Path) -> None:
    for name, work in machine.products((4, 8, 16), 1).items():
        assert machine.best_seconds(work, 0.0) > 0, name
    assert {"fp32", "bf16", "int8 onnx"} <= set(machine.products((4, 8, 16), 1))
    facts = tmp_path / "cpuinfo"
    facts.write_text("model name : Some chip\ncpu family : 26\nmodel : 2\nmodel name : Other\n")
    assert machine.processor_name(facts) == "Some chip (family 26, model 2)"
    assert machine.processor_name(tmp_path / "missing")


def test_percentiles() -> None:
    found = translating.percentiles([float(value) for value in range(100, 0, -1)])
    assert (found["p50_ms"], found["p95_ms"]) == (51, 96)


# The whole recipe


def recipe(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
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
        },
    )


def test_a_quick_run_measures_writes_and_is_found_again(tmp_path: Path) -> None:
    work = tmp_path / "a folder"
    arguments = ("--quick", "--without-peers", "--only", "training")
    first = recipe(work, *arguments)
    assert first.returncode == 0, first.stderr
    found = json.loads((work / "quick/result.json").read_text())
    (row,) = found["rows"]
    assert row["unit"] == "target tokens/s"
    assert row["median"] > 0
    assert row["details"]["sentences_a_batch"] == pytest.approx(cases.EQUAL_SENTENCES, rel=0.15)
    assert row["share_of_peak"] > 0
    assert row["peak_memory"] > 100 << 20
    assert len(found["probes"]) == 2
    assert found["machine"]["versions"]["torch"]
    assert (work / "quick/table.md").read_text() == first.stdout
    assert ElementTree.parse(work / "quick/chart.svg").getroot().tag.endswith("svg")

    second = recipe(work, *arguments)
    dated = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
    assert dated.sub("", second.stdout) == dated.sub("", first.stdout)
    assert "training: equal sizes: seqkit:" not in second.stderr


def test_wrong_groups_and_options(tmp_path: Path) -> None:
    done = recipe(tmp_path, "--quick", "--only", "trainig")
    assert done.returncode == 2
    assert "benchmark.py: error: there is no group 'trainig'" in done.stderr
    assert "did you mean training?" in done.stderr
    assert done.stdout == ""
    done = recipe(tmp_path, "--quick", "--peers", "OpenNMT")
    assert (done.returncode, done.stdout) == (2, "")
    assert "benchmark.py: error: there is no peer 'OpenNMT'" in done.stderr
    assert recipe(tmp_path, "--fast").returncode == 2


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_what_runs(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark, case = load_module("benchmark"), Case("latency", "beam 5", "seqkit", ("true",))
    monkeypatch.setattr(benchmark, "run_case", lambda *_, **__: Attempt(8.0, "ms", 3.0))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    session = benchmark.Session(tmp_path, cases.plan(quick=True, cores=1), [case])
    session.run_group("latency", 2)
    first, second, end = capsys.readouterr().err.split("\n")
    announced, result = "   [1/2, left unknown] latency: beam 5: seqkit", ": 8.00 ms (3 s)"
    assert first == (f"{announced} …\r" if terminal else "") + f"{announced}{result}"
    assert second.endswith(f"latency: beam 5: seqkit{result}")
    assert end == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_takes_its_case_with_it(number: int, code: int, tmp_path: Path) -> None:
    command = [sys.executable, str(RECIPE / "benchmark.py"), str(tmp_path), "--quick", "--cores", "1"]
    # Where the tests run in the background of a script, Ctrl-C is ignored: not by what is tested.
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    for _ in range(300):  # the first case is that of the machine's limits
        children = measure.tree(process.pid)[1:]
        if children:
            break
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(20) == code
    assert children
    deadline = time.monotonic() + 10  # a busy machine takes its time to end a process
    while left := [child for child in children if b"machine.py" in command_line(child)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def command_line(process: int) -> bytes:
    """What a process was started with; nothing when it has gone, or has ended and is waited for."""
    path = Path(f"/proc/{process}/cmdline")
    return path.read_bytes() if path.exists() else b""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_everything_runs_quickly(tmp_path: Path) -> None:
    done = recipe(tmp_path, "--quick", "--without-peers")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "quick/result.json").read_text())
    assert [row for row in found["rows"] if row["reason"]] == []
    assert {row["group"] for row in found["rows"]} == set(cases.GROUPS) - {cases.SETUP}
