"""`seqkit translate` between real pipes: answers as lines come, bounded memory, quiet ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqkit.errors import ExitCode
from tests.conftest import Finished

PATIENCE = 60.0  # seconds; a busy machine takes long to start Python
COMMAND = [sys.executable, "-m", "seqkit", "translate"]
OPTIONS = ["--threads", "1", "--beam-size", "1"]
# What is tested is that answers are flushed: Python must buffer them as it does for users.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@contextmanager
def running(model: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command with its streams in our hands."""
    process = subprocess.Popen(
        [*COMMAND, str(model), *OPTIONS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Write a line, keep the pipe open, and read what comes back."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    answer, deadline = b"", time.monotonic() + PATIENCE
    while not answer.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"no answer to {line!r} while the input stays open"
        chunk = os.read(process.stdout.fileno(), 1 << 16)
        assert chunk, "the output was closed"
        answer += chunk
    return answer


def shell(script: str, model: Path, *arguments: str) -> Finished:
    """Run a bash script in which "$@" is the command."""
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script, "bash", *COMMAND, str(model), *OPTIONS, *arguments],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=2 * PATIENCE,
        check=False,
    )
    return Finished(process.returncode, process.stdout, process.stderr.decode())


def test_every_line_is_answered_while_the_input_stays_open(toy_model: Path) -> None:
    with running(toy_model) as process:
        answers = [ask(process, line) for line in (b"ba di\n", b"go\n", b"\n", b"\xff\r\n", b"ba di\n")]
        assert [answer.count(b"\n") for answer in answers] == [1] * 5
        assert answers[0] == answers[4] != b"\n"
        assert answers[2] == b"\n"
        out, _ = process.communicate(b"lo mi\nba di", timeout=PATIENCE)
        assert process.returncode == 0
    assert out.count(b"\n") == 2
    assert out.endswith(b"\n" + answers[0])


def peak_memory(process: subprocess.Popen[bytes], before: int = 0) -> int:
    """The largest resident memory of a process so far, in MiB; `before` if it has just ended."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) // 1024 if found else before


def test_memory_does_not_follow_the_length_of_a_line(toy_model: Path) -> None:
    with running(toy_model, "--json", "--alignments", "--max-length", "4") as process:
        for number in (1, 2):
            answer = json.loads(ask(process, b'{"text": "ba di", "id": "x"}\n'))
            assert (answer["line"], answer["id"], answer["source"]) == (number, "x", "ba di")
        before = peak_memory(process)
        words = b"ba di" + b" " * 150
        answer = json.loads(ask(process, words * (20_000_000 // len(words)) + b"\n"))
        assert peak_memory(process) - before < 150
        assert (answer["line"], answer["attention"]) == (3, None)
        assert len(answer["source"]) == 1 << 20
        assert len(answer["alignment"]) == len(answer["target_tokens"]) > 4
        _, err = process.communicate(timeout=PATIENCE)
    assert b"cut to the first 1,048,576 bytes: line 3" in err
    assert b"translated in segments" in err


def test_a_closed_pipe_ends_an_endless_stream_without_a_word(toy_model: Path) -> None:
    finished = shell('yes "ba di" | "$@" | head -n 1; echo "${PIPESTATUS[*]}"', toy_model)
    answer, codes = finished.out.splitlines()
    assert answer
    assert codes.split() == [b"141", b"141", b"0"]
    assert finished.err == ""


def test_a_full_disk_is_an_error_with_its_own_code(toy_model: Path) -> None:
    finished = shell('echo "ba di" | "$@" > /dev/full', toy_model)
    assert finished.code == ExitCode.IO_ERROR
    assert finished.err.splitlines() == [
        "seqkit: error: cannot write standard output: No space left on device",
        "  where: standard output",
        "  try:   free some space (or raise the quota), then run the same command again",
    ]


def test_without_standard_output_a_file_can_be_written(toy_model: Path) -> None:
    finished = shell('echo "ba di" | "$@" >&-', toy_model, "--output", "out")
    assert (finished.code, finished.err) == (0, "")
    assert Path("out").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_ends_it_without_a_word(toy_model: Path, number: signal.Signals, code: ExitCode) -> None:
    with running(toy_model, "--output", "out") as process:
        assert process.stdin is not None
        process.stdin.write(b"ba di\n")
        process.stdin.flush()
        while not list(Path().glob(".tmp-*")):  # the model is loaded by then
            time.sleep(0.05)
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
        # An interrupt within exec(), as of a dataclass that is being imported, makes Python end by the signal
        # itself, although it was handled; a shell says 130 of both.
        assert process.returncode in {code, -number}
    assert (out, err) == (b"", b"")
    assert list(Path().iterdir()) == []
