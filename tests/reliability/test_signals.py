"""Signals at random moments of a training run, once and twice, in the foreground and behind scripts."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from seqkit.errors import ExitCode
from tests.laws.processes import command, first_line, process_of, start, wait
from tests.laws.runs import assert_same

WITHIN = 60.0  # seconds from a signal to the end, on a machine that does much else
STEPS = "60"
CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
# What else a batch system or a limit may send: 128 and its number. SIGQUIT, which a shell ignores for what it
# starts in the background, and so for these tests, is not among them.
OTHERS = [
    signal.SIGXCPU,
    *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGUSR2, signal.SIGALRM)),
]


def as_in_the_foreground() -> None:
    """Where the tests run in the background of a script, or behind nohup, these are ignored: not here."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def arguments(corpus: Path, model: Path, *more: str) -> list[str]:
    return command(corpus, model, "--steps", STEPS, *more)


@pytest.mark.parametrize("wanted", [3, pytest.param(24, marks=pytest.mark.slow)])
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_at_random_moments_everything_is_saved(
    toy_corpus: Path, tmp_path: Path, number: signal.Signals, wanted: int
) -> None:
    """In loading, steps, validations and saving; the run goes on to the same bits."""
    log, whole = tmp_path / "log", tmp_path / "whole"
    began = time.monotonic()
    assert wait(start(arguments(toy_corpus, whole), log), 120) == 0
    duration, generator, stops = time.monotonic() - began, random.Random(number), 0
    for attempt in range(wanted):
        model = tmp_path / f"model{attempt}"
        patience = duration  # grows, so that every run ends on a machine that gets slower meanwhile
        while True:
            child = start(arguments(toy_corpus, model), log)
            code = wait(child, patience * generator.uniform(0.02, 0.5))
            patience *= 1.3
            if code is None:
                os.kill(child, number)
                code = wait(child, WITHIN)
                if code is None:
                    os.kill(child, signal.SIGKILL)
                    pytest.fail(f"still running {WITHIN} seconds after {number.name}")
            if code == ExitCode.OK:
                break
            # In its first moments a process has no handler yet and dies of the signal; nothing is lost.
            assert code in {CODES[number], -number}, log.read_text()
            stops += 1
        assert_same(whole, model)
        if stops >= wanted:
            break
    assert stops >= wanted


def started(
    corpus: Path, model: Path, *before: str, environment: dict[str, str] | None = None
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A long run in a process of its own, behind other commands."""
    run = command(corpus, model, "--steps", "4000", training__validate_every=20)
    return process_of(
        [*before, sys.executable, "-m", "seqkit", *run],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


def test_a_second_signal_stops_at_once(toy_corpus: Path, tmp_path: Path) -> None:
    """The first one waits for a step that never ends here; the second does not."""
    endless = (
        "import sys, time\n"
        "from seqkit.training import loop\n"
        "real = loop._gradients\n"
        "def slow(*arguments):\n"
        "    print('in a step', file=sys.stderr, flush=True)\n"
        "    for _ in range(600): time.sleep(0.1)\n"
        "    return real(*arguments)\n"
        "loop._gradients = slow\n"
        "from seqkit.cli import main\n"
        "main()\n"
    )
    run = arguments(toy_corpus, tmp_path / "model")
    with process_of([sys.executable, "-c", endless, *run], stderr=subprocess.PIPE) as process:
        first_line(process, "in a step")
        process.send_signal(signal.SIGINT)
        assert "SIGINT: saving a checkpoint; press Ctrl-C again to quit without saving" in first_line(
            process, "SIGINT"
        )
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == ExitCode.INTERRUPTED  # half of what the step would take


@pytest.mark.parametrize("behind", ["ignored", "nohup", "timeout", "cron"])
def test_behind_scripts(toy_corpus: Path, tmp_path: Path, behind: str) -> None:
    """A script's job starts with SIGINT ignored; cron has no HOME, no TERM, a closed standard error."""
    model, number = tmp_path / "model", signal.SIGINT
    environment = dict(os.environ)
    prefix: list[str] = []
    if behind == "ignored":
        prefix = ["bash", "-c", 'trap "" INT; exec "$@"', "bash"]
    elif behind == "nohup":
        prefix, number = ["nohup"], signal.SIGTERM
    elif behind == "timeout":
        prefix, number = ["timeout", "--signal=TERM", "600"], signal.SIGTERM
    else:
        keep = {"PATH", "PYTHONPATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "VIRTUAL_ENV"}
        environment = {name: value for name, value in environment.items() if name in keep}
        prefix, number = ["bash", "-c", 'exec "$@" 2>&-', "bash"], signal.SIGTERM
    with started(toy_corpus, model, *prefix, environment=environment) as process:
        published(process, model)
        process.send_signal(number)
        _, err = process.communicate(timeout=WITHIN)
    expected = 124 if behind == "timeout" and process.returncode == 124 else CODES[number]
    assert process.returncode == expected
    assert "Traceback" not in err
    if behind != "cron":
        assert re.search(r"seqkit: stopped after step [\d,]+; everything is saved", err)
    assert list((model / "training").glob("checkpoint-*"))


def published(process: subprocess.Popen[str], model: Path) -> None:
    """Wait until a run has published its first weights."""
    deadline = time.monotonic() + 120
    while not (model / "weights.safetensors").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", OTHERS, ids=lambda number: number.name)
def test_whatever_a_batch_system_sends_is_saved(
    toy_corpus: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Sent again and again, as SIGXCPU is each second of CPU time: only a person has had enough."""
    with started(toy_corpus, tmp_path / "model") as process:
        published(process, tmp_path / "model")
        for _ in range(3):
            process.send_signal(number)
            time.sleep(0.02)
        _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert err.count(f"{number.name}: saving a checkpoint") == 1
    assert re.search(r"seqkit: stopped after step [\d,]+; everything is saved", err)
    assert list((tmp_path / "model/training").glob("checkpoint-*"))


def test_sigusr1_saves_and_goes_on_to_the_same_bits(toy_corpus: Path, tmp_path: Path) -> None:
    """Before the first step, between steps, behind the last; no checkpoint is due by itself."""
    whole, saved, log = tmp_path / "whole", tmp_path / "saved", tmp_path / "log"
    steps = command(toy_corpus, whole, "--steps", "80", training__checkpoint_every=1000)
    assert wait(start(steps, log), 120) == 0
    run = [str(saved) if word == str(whole) else word for word in steps]
    with process_of([sys.executable, "-m", "seqkit", *run], stderr=subprocess.PIPE) as process:
        at_work(process)  # it loads
        asked = 0
        while process.poll() is None:
            process.send_signal(signal.SIGUSR1)
            asked += 1
            time.sleep(0.1)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert asked > 3
    assert "SIGUSR1: saving a checkpoint; training goes on" in err
    assert re.search(r"saved a checkpoint of step \d+", err)
    assert_same(whole, saved)


def test_what_nohup_ignores_stays_ignored(toy_corpus: Path, tmp_path: Path) -> None:
    with started(toy_corpus, tmp_path / "model", "nohup") as process:
        published(process, tmp_path / "model")
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == ExitCode.TERMINATED
    assert "SIGHUP" not in err


def at_work(process: subprocess.Popen[str]) -> None:
    """Wait until a process has a handler for SIGTERM, and a little longer."""
    status, deadline = Path(f"/proc/{process.pid}/status"), time.monotonic() + 60
    while not int(status.read_text().split("SigCgt:")[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *[(name, signal.SIGTERM) for name in ("translate", "workers", "evaluate", "prepare")],
        *[("workers", number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR2)],
        ("prepare", signal.SIGHUP),
        *[
            pytest.param(name, number, marks=pytest.mark.slow)
            for name, number in (
                *(("workers", number) for number in (signal.SIGUSR1, signal.SIGXCPU, signal.SIGALRM)),
                ("prepare", signal.SIGUSR1),
            )
        ],
    ],
)
def test_other_commands_end_soon_and_leave_nothing_half(
    toy_model: Path, tmp_path: Path, name: str, number: int
) -> None:
    """An output that is not whole does not appear."""
    text = tmp_path / "text"
    text.write_bytes(b"".join(b"ba di fu go ke lo mi %d\n" % number for number in range(100_000)) * 30)
    output = tmp_path / "out"
    words = {
        "translate": ["translate", str(toy_model), str(text), "--output", str(output), "--threads", "1"],
        "workers": ["translate", str(toy_model), str(text), "--output", str(output), "--workers", "2"],
        "evaluate": ["evaluate", "--model", str(toy_model), "--source", str(text), "--reference", str(text)],
        "prepare": [
            *("prepare", str(output), "--source", str(text), "--target", str(text)),
            *("--keep-identical", "--keep-duplicates"),
        ],
    }[name]
    run = [sys.executable, "-m", "seqkit", *words]
    options: dict[str, Any] = {"start_new_session": True, "preexec_fn": as_in_the_foreground}
    with process_of(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        at_work(process)
        os.killpg(process.pid, number)  # to its workers, too, as a batch system and a terminal do
        out, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 128 + number, err
    assert out == ""
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_while_a_worker_starts_is_not_lost(number: int) -> None:
    """Python drops what a handler raises in the hooks that it runs when it forks."""
    program = """
import os, signal, sys
from seqkit.inference.workers import in_processes
from seqkit.signals import handled
class Ended(BaseException):
    pass
def end(number):
    raise Ended
def work():
    signal.pause()
    yield b""
parent = os.getpid()
os.register_at_fork(after_in_parent=lambda: os.kill(parent, int(sys.argv[1])))
try:
    with handled({int(sys.argv[1]): end}):
        list(in_processes([work, work]))
except Ended:
    print("ended")
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("alone")
"""
    run = [sys.executable, "-c", program, str(int(number))]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr) == ("ended\nalone\n", "")


def test_a_signal_while_random_generators_load_is_not_lost() -> None:
    """numpy's modules drop what a handler raises while they load; ours lets signals wait until they have."""
    program = """
import os, signal, sys
sent = []
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("numpy.random."):
            sent.append(name)
            os.kill(os.getpid(), signal.SIGTERM)
class Ended(BaseException):
    pass
def end(number, frame):
    raise Ended
import numpy
assert "numpy.random" not in sys.modules
sys.meta_path.insert(0, Sender())
signal.signal(signal.SIGTERM, end)
try:
    import seqkit.randomness
except Ended:
    print("ended", "numpy.random._generator" in sys.modules, len(sent) > 3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ended True True\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_a_class_is_made_is_not_lost(number: int) -> None:
    """Python makes another exception of one that is raised in there."""
    program = """
import os, signal, sys
from seqkit import cli
from seqkit.cli.evaluate import command
class Noted:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), int(sys.argv[1]))
def loads(*words, **options):
    class Late:
        field = Noted()
command.evaluate_translations = loads
sys.exit(cli.run(["evaluate", "--reference", sys.argv[2], sys.argv[2]]))
"""
    run = [sys.executable, "-c", program, str(int(number)), __file__]
    options: dict[str, Any] = {"text": True, "preexec_fn": as_in_the_foreground}
    done = subprocess.run(run, capture_output=True, check=False, **options)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")
