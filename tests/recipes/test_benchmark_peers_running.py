"""The benchmark's peers as processes: their logs, how they are timed and ended, what decodes inside them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.errors import RunFailed

PEERS = Path(__file__).resolve().parents[2] / "recipes" / "benchmark" / "peers"


def load_module(name: str, folder: Path = PEERS) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


processes, decoding = load_module("peer_processes"), load_module("peer_decoding")
opennmt, joeynmt = load_module("opennmt"), load_module("joeynmt")
clock, driver = load_module("clock", PEERS / "inside"), load_module("driver", PEERS / "inside")
stand_ins = load_module("stand_ins", PEERS / "inside")
Report = processes.Report


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The part of the benchmark's data that decoding reads."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "val", "test_2016_flickr"):
        for language in ("en", "de"):
            (folder / f"{split}.{language}").write_text("A dog.\nTwo dogs and A dog.\nÄpfel.\n")
            (folder / f"pieces.{split}.{language}").write_text(
                "▁A ▁dog .\n▁Two ▁dog s ▁and ▁A ▁dog .\n<0xC3> <0x84> pfel .\n"
            )
    (folder / "vocabulary.txt").write_text("<pad>\n<unk>\n<s>\n</s>\n▁A\n")
    return folder


def program(text: str) -> list[str]:
    return [sys.executable, "-u", "-c", text]


# Logs

OPENNMT_LINE = (
    "[2026-01-02 10:00:00,123 INFO] Step 1250/1000000; acc: 19.9; ppl: 327.0; xent: 5.8; lr: 0.00100; "
    "sents:     320; bsz:  715/ 676/64; 1273/1204 tok/s;     39 sec;\n"
)
JOEYNMT_LINE = (
    "2026-01-02 10:00:00,123 - INFO - joeynmt.training - Epoch   1, Step:       10, "
    "Batch Loss:    95.281868, Batch Acc: 0.062052, Tokens per Sec:      745, Lr: 0.001000\n"
)


def test_opennmt_reports_source_and_target_and_the_target_counts() -> None:
    assert opennmt.parse(OPENNMT_LINE) == Report(1250, 1204.0)
    assert opennmt.parse(OPENNMT_LINE.replace("1273/1204", "  98/ 95")) == Report(1250, 95.0)
    assert opennmt.parse(JOEYNMT_LINE) is None
    assert opennmt.parse("[2026-01-02 10:00:00,123 INFO] Step 50; validation\n") is None


def test_joeynmt_reports_target_tokens() -> None:
    assert joeynmt.parse(JOEYNMT_LINE) == Report(10, 745.0)
    assert joeynmt.parse(OPENNMT_LINE) is None
    assert joeynmt.parse("Epoch   1, total training loss: 12.00, num. of tokens: 3, 4.0000[sec]") is None


def reports(*rows: tuple[float, int, float]) -> list[tuple[float, Any]]:
    return [(arrived, Report(step, rate)) for arrived, step, rate in rows]


def test_a_speed_is_weighted_by_time_and_leaves_the_start_out() -> None:
    speed = processes.steady(
        reports((9.0, 5, 1.0), (12.0, 10, 2.0), (13.0, 15, 100.0), (16.0, 20, 500.0)), "it"
    )
    assert speed == processes.Speed(rate=400.0, seconds=4.0, steps=10, lowest=100.0, highest=500.0)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(1, 1e4)), min_size=2, max_size=20))
def test_a_speed_lies_between_the_lowest_and_the_highest(rows: list[tuple[float, float]]) -> None:
    arrived, listed = 0.0, []
    for number, (taken, rate) in enumerate(rows):
        arrived += taken
        listed.append((arrived, Report(processes.WARM_UP + number, rate)))
    speed = processes.steady(listed, "it")
    assert speed.lowest * (1 - 1e-9) <= speed.rate <= speed.highest * (1 + 1e-9)
    assert speed.seconds == pytest.approx(sum(taken for taken, _rate in rows[1:]))


@pytest.mark.parametrize("rows", [[], [(1.0, 10, 5.0)], [(1.0, 2, 5.0), (2.0, 4, 5.0), (3.0, 10, 5.0)]])
def test_too_few_reports_make_no_speed(rows: list[tuple[float, int, float]]) -> None:
    with pytest.raises(RunFailed, match="too few after step 10"):
        processes.steady(reports(*rows), "training")


# Processes

TRAINER = """
import sys, time
for step in range(5, 10000, 5):
    print(f"Step {step}/10000; 10/{100 * step} tok/s; 1 sec;")
    time.sleep(0.05)
"""


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_training_is_watched_for_the_time_asked_for_and_ended(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "speed.log"
    text = f"import os; print(os.getpid()){TRAINER}"
    speed = processes.watch(program(text), log, 1, opennmt.parse, what="training", seconds=0.3)
    assert 0.3 <= speed.seconds < 60
    assert speed.lowest == 1500.0
    written = log.read_text().split("\n")
    assert gone(int(written[0]))
    assert written[1] == "Step 5/10000; 10/500 tok/s; 1 sec;"


def test_a_trainer_that_will_not_end_is_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.1)
    text = f"import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid()){TRAINER}"
    processes.watch(program(text), tmp_path / "log", 1, opennmt.parse, what="training", seconds=0.1)
    assert gone(int((tmp_path / "log").read_text().split("\n")[0]))


def test_training_to_its_own_end(tmp_path: Path) -> None:
    speed = processes.watch(
        program(TRAINER.replace("10000, 5", "31, 5")), tmp_path / "log", 1, opennmt.parse, what="training"
    )
    assert speed.steps == 20


def test_training_that_ends_early_or_badly_is_said(tmp_path: Path) -> None:
    short = program(TRAINER.replace("10000, 5", "21, 5"))
    with pytest.raises(RunFailed, match="training ended before 60 seconds of steady state were seen"):
        processes.watch(short, tmp_path / "log", 1, opennmt.parse, what="training", seconds=60)
    broken = program("import sys; print('warning'); raise ValueError('no scheduler')")
    with pytest.raises(RunFailed, match="training ended with exit code 1: ValueError: no scheduler"):
        processes.watch(broken, tmp_path / "log", 1, opennmt.parse, what="training", seconds=60)


def test_a_program_that_fails_gives_its_last_error(tmp_path: Path) -> None:
    text = "import sys; print('ERROR: No matching distribution found\\nnotice: new pip'); sys.exit(3)"
    with pytest.raises(RunFailed, match="it ended with exit code 3: ERROR: No matching distribution found"):
        processes.run(program(text), tmp_path / "log", 1, what="it")
    with pytest.raises(RunFailed, match=r"it ended with signal 9 \(Killed\): it wrote nothing"):
        processes.run(program("import os; os.kill(os.getpid(), 9)"), tmp_path / "log", 1, what="it")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "Traceback:\n  File x\njoeynmt.config.ConfigurationError: Invalid\nbye\n",
            "joeynmt.config.ConfigurationError: Invalid",
        ),
        ("a\nb\n\n", "b"),
        ("", "it wrote nothing"),
        (
            "KeyError: 'x'\nModuleNotFoundError: No module named 'spacy'\n",
            "ModuleNotFoundError: No module named 'spacy'",
        ),
    ],
)
def test_the_reason_is_the_last_exception_or_the_last_line(tmp_path: Path, log: str, said: str) -> None:
    (tmp_path / "log").write_text(log)
    assert processes.reason(tmp_path / "log") == said


def test_a_peer_gets_its_threads_and_none_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    found = processes.surroundings(2, {"X": "1"})
    assert (found["OMP_NUM_THREADS"], found["MKL_NUM_THREADS"], found["X"]) == ("2", "2", "1")
    assert "PYTHONPATH" not in found
    assert "VIRTUAL_ENV" not in found


# Decoding

UPPER = """
import sys
sys.path.insert(0, {inside!r})
from driver import job, measure
print("noise on standard output")
measure(job(), lambda lines: [line.replace("dog", "Hund") for line in lines])
"""


@pytest.fixture
def decoder(tmp_path: Path, data: Path) -> Any:
    """A peer that decodes in this interpreter."""
    decoding.keep_data(tmp_path / "peer", data)
    (tmp_path / "upper.py").write_text(UPPER.format(inside=str(PEERS / "inside")))
    (tmp_path / "model").touch()
    return decoding.Decoder(
        tmp_path / "peer", Path(sys.executable), str(tmp_path / "upper.py"), tmp_path / "model", {}
    )


def test_decoding_counts_every_repeat_and_scores_the_first(decoder: Any, data: Path) -> None:
    (data / "test_2016_flickr.de").write_text("A Hund.\nTwo Hunds and A Hund.\nÄpfel.\n")
    found = decoder.decode(beam=5, batch=2, threads=1, repeat=4)
    assert found.unit == "sentences/s"
    assert found.value == pytest.approx(12 / found.seconds)
    details = found.details
    assert (details["sentences"], details["output_tokens"]) == (12, 56)
    assert (details["batch"], details["beam"]) == (2, 5)
    assert details["output_tokens_per_second"] == pytest.approx(56 / found.seconds)
    assert details["length_ratio"] == pytest.approx(1.0)
    assert details["bleu"] == pytest.approx(100.0)
    assert 5e6 < details["peak_rss_bytes"] < 5e8


def test_latency_is_the_median_of_single_lines(decoder: Any) -> None:
    found = decoder.latency(beam=1, threads=1)
    assert (found.unit, found.details["sentences"]) == ("ms", 3)
    assert 0 < found.value <= found.details["p95"] <= found.details["slowest"]


def test_decoding_without_a_model_or_with_a_broken_driver_is_said(decoder: Any, tmp_path: Path) -> None:
    (tmp_path / "upper.py").write_text("raise SystemExit('2 lines went in and 1 came out')")
    with pytest.raises(RunFailed, match="decoding ended with exit code 1: 2 lines went in and 1 came out"):
        decoder.decode(beam=1, batch=1, threads=1, repeat=1)
    (tmp_path / "model").unlink()
    with pytest.raises(RunFailed, match="no trained model; run train first"):
        decoder.latency(beam=1, threads=1)


def test_decoding_before_prepare_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="not prepared; run prepare first"):
        decoding.kept_data(tmp_path)


def test_the_driver_refuses_outputs_that_got_lost(data: Path, tmp_path: Path) -> None:
    job = driver.Job(tmp_path, data / "pieces.val.en", tmp_path / "r", 1, 2, 1, 2, False)
    with pytest.raises(SystemExit, match="6 lines went in and 5 came out"):
        driver.measure(job, lambda lines: lines[: min(len(lines), 5)])


def test_a_process_is_timed_several_times_after_one_that_does_not_count(tmp_path: Path, data: Path) -> None:
    decoding.keep_data(tmp_path, data)
    taken: Iterator[float] = iter([9.0, 1.0, 5.0, 2.0, 4.0, 3.0])
    seen = []

    def once(line: Path) -> float:
        seen.append(line.read_text())
        return next(taken)

    found = decoding.process_measure(tmp_path, once, {"version": "1"})
    assert (found.value, found.unit, found.seconds) == (3.0, "s", 15.0)
    assert (found.details["fastest"], found.details["slowest"], found.details["version"]) == (1.0, 5.0, "1")
    assert set(seen) == {"▁A ▁dog .\n"}


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ("▁A ▁dog s .", "A dogs."),
        ("▁ <0xC3> <0x84> pfel", "Äpfel"),
        ("<0xC3> x", "\ufffdx"),
        ("<0xc3>", "<0xc3>"),
        ("", ""),
    ],
)
def test_pieces_become_text(pieces: str, text: str) -> None:
    assert decoding.text_of(pieces) == text


# What runs inside the peers' environments


def test_a_stand_in_is_whatever_is_imported_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nobody", "nobody.inner"):
        monkeypatch.setitem(sys.modules, name, None)
    stand_ins.stand_in_for("nobody", "nobody.inner")
    inner, outer = importlib.import_module("nobody.inner"), importlib.import_module("nobody")
    assert inner.Figure() is None
    assert outer.use.deeper("Agg") is None
    assert not hasattr(outer, "__file__")


def test_the_clock_lets_a_few_steps_through() -> None:
    over = clock.Clock(1e-9)
    assert [over.is_over() for _ in range(clock.LEAST_STEPS)] == [False] * (clock.LEAST_STEPS - 1) + [True]
    endless = clock.Clock(1e6)
    assert not any(endless.is_over() for _ in range(100))


def test_minutes_are_taken_from_the_front_only() -> None:
    found, rest = clock.take_minutes(["--minutes", "2", "train", "x"])
    assert rest == ["train", "x"]
    assert found.ends == pytest.approx(clock.STARTED + 120)
    assert clock.take_minutes(["train", "--minutes", "2"]) == (None, ["train", "--minutes", "2"])
