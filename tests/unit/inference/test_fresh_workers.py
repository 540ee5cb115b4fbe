"""Processes that are started afresh do what copies of this one do, and nobody is left behind."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqkit import model_directory
from seqkit.errors import ExitCode, RunFailed, SeqkitError
from seqkit.inference import fresh_workers as fresh_workers_module
from seqkit.inference import generator, translator
from seqkit.inference.fresh_workers import FreshWorkers, can_start
from seqkit.inference.generator import GenerateOptions, TextGenerator
from seqkit.inference.handover import packed, unpacked
from seqkit.inference.translator import TranslateOptions, Translator
from seqkit.network.shortlist import Shortlist
from tests.generators import small_generator

LINES = [" ".join(["ba", "di", "fu", "go", "ke"][: 1 + number % 5]) for number in range(60)]
OPTIONS = TranslateOptions(beam_size=3, n_best=2, batch_tokens=40, attention=True)


def children() -> set[int]:
    """The processes that this one has started and not waited for."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(word) for word in (task / "children").read_text().split()}
    return found


@pytest.fixture(autouse=True)
def without_fork(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system where no process can be copied, and every work is worth starting workers."""
    monkeypatch.delattr(os, "fork")
    monkeypatch.setattr(translator, "WORTH_STARTING", 1)
    monkeypatch.setattr(generator, "WORTH_SHARING", 1)
    before = children()
    yield
    gc.collect()
    assert children() == before


def said(translator: Translator) -> list[object]:
    return [
        (one.text, one.score, one.token_scores, [block.tolist() for block in one.attention_blocks])
        for translated in translator.translate(
            LINES, OPTIONS, prefixes=["ba" if "ke" in line else None for line in LINES]
        )
        for one in translated.alternatives
    ]


class TestTranslation:
    @pytest.mark.parametrize("members", [1, 2])
    def test_the_translations_are_the_same(self, toy_model: Path, members: int) -> None:
        ensemble = [toy_model] * (members - 1)
        alone = Translator.load(toy_model, ensemble=ensemble, device="cpu", workers=1)
        shared = Translator.load(toy_model, ensemble=ensemble, device="cpu", workers=3)
        before = children()
        assert said(shared) == said(alone)
        assert len(started := children() - before) == 3
        assert said(shared) == said(alone)
        assert children() - before == started  # they stay for the next work
        shared.rebuild()  # the models may have changed
        assert children() == before

    def test_with_a_shortlist(self, toy_model: Path) -> None:
        (member,) = Translator.load(toy_model, device="cpu").members
        size = member.fields["target"].size
        partners = (np.arange(size)[:, None] + np.arange(3)) % size
        short = replace(member, shortlist=Shortlist(partners.astype(np.int32), np.arange(30, dtype=np.int32)))
        free, alone = Translator([short]), Translator([short], shortlist=True)
        assert said(Translator([short], shortlist=True, processes=2)) == said(alone) != said(free)
        assert said(Translator([short], processes=2)) == said(free)

    def test_little_work_is_done_here(self, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(translator, "WORTH_STARTING", 10_000_000)
        before = children()
        shared = Translator.load(toy_model, device="cpu", workers=3)
        assert len(said(shared)) == 2 * len(LINES)
        assert children() == before

    def test_a_model_in_memory_alone(self, toy_model: Path) -> None:
        """The weights that are handed over are those that the translator has, whatever lies on the disk."""
        (member,) = Translator.load(toy_model, device="cpu").members
        weights = {name: values * np.float32(0.5) for name, values in member.parameters.items()}
        halved = replace(member, weights=weights)
        assert said(Translator([halved], processes=2)) == said(Translator([halved]))

    def test_a_worker_that_is_killed_is_an_error(self, toy_model: Path) -> None:
        before = children()
        shared = Translator.load(toy_model, device="cpu", workers=2)
        said(shared)
        os.kill(min(children() - before), signal.SIGKILL)
        with pytest.raises(RunFailed, match="ended early, with exit code -9") as caught:
            said(shared)
        assert caught.value.exit_code == ExitCode.RUN_FAILED
        assert "--threads 1" in str(caught.value.hint)
        assert children() == before
        assert len(said(shared)) == 2 * len(LINES)  # other workers

    def test_what_a_worker_dies_of_is_not_printed(
        self,
        toy_model: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        broken = tmp_path / "python"
        broken.write_text("#!/bin/sh\necho 'Fatal Python error' >&2\nexit 1\n")
        broken.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(broken))
        with pytest.raises(RunFailed, match="ended early, with exit code 1"):
            said(Translator.load(toy_model, device="cpu", workers=2))
        assert capfd.readouterr() == ("", "")


class TestGeneration:
    @pytest.mark.parametrize("precision", ["int8", "fp32"])
    def test_the_samples_are_the_same(self, precision: str) -> None:
        loaded = small_generator(documents="line", end_bias=-3.0)
        options = GenerateOptions(length=90, samples=30, seed=7, stop=("eé",), log_probabilities=True)
        shared = TextGenerator(loaded, precision=precision, processes=2)
        before = children()
        alone = TextGenerator(loaded, precision=precision)
        for prompt in ("ab", "", "dé ab"):
            pieces = list(shared.pieces(prompt, options))
            made = [piece.finished for piece in pieces if piece.finished is not None]
            assert made == alone.generate(prompt, options)
            assert [piece.sample for piece in pieces] == sorted(piece.sample for piece in pieces)
        assert len(children() - before) == 2

    def test_whoever_stops_listening_dismisses_them(self) -> None:
        shared = TextGenerator(small_generator(), processes=2)
        before = children()
        pieces = shared.pieces("", GenerateOptions(length=100_000, samples=2, seed=1))
        assert next(pieces).sample == 1
        assert len(children() - before) == 2
        pieces.close()  # type: ignore[attr-defined]
        assert children() == before


class TestHandover:
    def test_what_arrives_is_what_was_sent(self, toy_model: Path, toy_generator: Path) -> None:
        sent = [model_directory.load(toy_model), model_directory.load(toy_generator)]
        for one, other in zip(sent, unpacked(b"".join(packed(sent))), strict=True):
            assert (one.config, one.facts) == (other.config, other.facts)
            assert one.parameters.keys() == other.parameters.keys()
            assert all(
                np.array_equal(one.parameters[name], other.parameters[name]) for name in one.parameters
            )
            assert one.fields["target"].fingerprint == other.fields["target"].fingerprint
            assert len(set(other.fields.values())) == len(set(one.fields.values()))

    def test_no_room_for_it_is_an_error_of_the_disk(
        self, toy_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(SeqkitError) as caught:
            said(Translator.load(toy_model, device="cpu", workers=2))
        assert caught.value.exit_code == ExitCode.CANNOT_CREATE
        assert str(tmp_path / "nowhere") in str(caught.value)


def test_tasks_and_records_beyond_what_a_pipe_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_workers_module, "sys", _EchoPython())
    workers = FreshWorkers("echo", lambda: [b"models"])
    tasks = [bytes([65 + number]) * 300_000 for number in range(5)]
    records = list(workers.records(tasks, 2))
    assert sorted(records) == sorted([*tasks, *[b"models"] * 5])
    assert sorted(workers.records(tasks[:1], 4)) == [tasks[0], b"models"]
    assert list(workers.records([], 4)) == []
    workers.dismiss()


class _EchoPython:
    """Stands for `sys` where the interpreter is a script that gives tasks back, without numpy."""

    executable = str(Path(__file__).parent / "echo_worker.py")
    path = sys.path


def test_a_thread_starts_nothing() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(can_start()))
    thread.start()
    thread.join()
    assert found == [False]
    assert can_start()


SCRIPT = """
import os, sys
del os.fork
import seqkit
from seqkit.inference import translator as where
where.WORTH_STARTING = 1
translator = seqkit.Translator.load(sys.argv[1], device="cpu", workers=2)
print([one.text for one in translator.translate(["ba di", "fu go ke"] * 40, batch_tokens=40)] == [
    one.text for one in seqkit.Translator.load(sys.argv[1], workers=1).translate(["ba di", "fu go ke"] * 40)
])
workers = [worker._process for worker in translator._sharing._workers._workers]
print(workers, flush=True)
if "killed" in sys.argv:
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["returned", "killed"])
def test_a_script_without_a_guard_may_use_it_and_leaves_nobody_behind(
    toy_model: Path, tmp_path: Path, end: str
) -> None:
    """Neither its main module nor what lies in the working directory is run again by the workers."""
    (tmp_path / "script.py").write_text(SCRIPT)
    for name in ("json", "numpy", "seqkit"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    folder = tmp_path / "scripts"
    folder.mkdir()
    script = (tmp_path / "script.py").rename(folder / "script.py")
    done = subprocess.run(
        [sys.executable, str(script), str(toy_model), end],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-9 if end == "killed" else 0, "")
    same, listed = done.stdout.splitlines()
    assert same == "True"
    workers = json.loads(listed)
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    """Whether a process is there and has not ended, though nobody has waited for it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
