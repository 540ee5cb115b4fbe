"""Streams without end, lines without end, readers and writers that are slow: memory stays bounded."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.test_translate_streams import ENVIRONMENT, OPTIONS, PATIENCE, ask, peak_memory, running

# The command around a decoder that takes no time: what is measured is everything else.
STUB = """
import seqkit.inference.translator as inference
from seqkit.inference.translation import Alternative, Translation

def translate(self, lines, options=None, *, prefixes=None, progress=None):
    return [Translation(line, (Alternative(line.upper(), 0.0, (), ()),)) for line in lines]

inference.Translator.translate = translate
from seqkit.cli import main
main()
"""
GIGABYTE = 1 << 30
MEGABYTE = 1 << 20


@contextmanager
def stub(model: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`seqkit translate` with that decoder."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUB, "translate", str(model), *OPTIONS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


def pump(process: subprocess.Popen[bytes], block: bytes, size: int) -> threading.Thread:
    """Write a block over and over until `size` bytes are written, in a thread; then close the input."""

    def write() -> None:
        assert process.stdin is not None
        for _ in range(size // len(block)):
            process.stdin.write(block)
        process.stdin.close()

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "size", [pytest.param(GIGABYTE, marks=pytest.mark.slow), 100 * MEGABYTE], ids=["1 GB", "100 MB"]
)
def test_memory_does_not_follow_the_length_of_the_stream(toy_model: Path, size: int) -> None:
    with stub(toy_model) as process:
        assert ask(process, b"ba di\n") == b"BA DI\n"
        before = peak_memory(process)
        line = b"ba di fu " * 100 + b"\n"
        block = line * 100
        thread = pump(process, block, size)
        assert process.stdout is not None
        lines = read = peak = 0
        while chunk := process.stdout.read1(MEGABYTE):
            lines, read = lines + chunk.count(b"\n"), read + len(chunk)
            peak = peak_memory(process, peak)
        thread.join()
        assert process.wait(PATIENCE) == 0
    assert lines == size // len(block) * 100
    assert read == size // len(block) * len(block)
    assert 0 <= peak - before < 64, f"{peak - before} MB more"


def test_a_line_of_200_megabytes_is_one_line(toy_model: Path) -> None:
    with stub(toy_model) as process:
        assert ask(process, b"ba\n") == b"BA\n"
        thread = pump(process, b"ba di " * 1000, 200 * MEGABYTE)
        assert process.stdout is not None
        content = process.stdout.read()
        thread.join()
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        err = process.stderr.read()
    assert content.count(b"\n") == 1
    assert len(content) <= MEGABYTE + 1
    assert b"cut to the first 1,048,576 bytes: line 2" in err


def test_memory_stays_bounded_over_such_a_line(toy_model: Path) -> None:
    with stub(toy_model) as process:
        assert ask(process, b"ba\n") == b"BA\n"
        before = peak_memory(process)
        assert process.stdin is not None
        for _ in range(200 * MEGABYTE // 6000):
            process.stdin.write(b"ba di " * 1000)
        answer = ask(process, b"\n")
        assert answer.count(b"\n") == 1
        assert peak_memory(process) - before < 100


def test_what_nobody_reads_is_not_asked_for(toy_model: Path) -> None:
    """A reader that does not read: the command stops reading, too, instead of piling answers up."""
    with stub(toy_model) as process:
        assert ask(process, b"ba\n") == b"BA\n"
        assert process.stdin is not None
        descriptor = process.stdin.fileno()
        os.set_blocking(descriptor, False)
        block, accepted, quiet_since = b"ba di fu\n" * 5000, 0, time.monotonic()
        while time.monotonic() - quiet_since < 3:
            _, ready, _ = select.select([], [descriptor], [], 0.2)
            if ready:
                accepted += os.write(descriptor, block)
                quiet_since = time.monotonic()
            assert accepted < 64 * MEGABYTE, "it reads on although nobody takes its answers"
        assert accepted > 0


def test_a_slow_writer_is_answered_line_by_line(toy_model: Path) -> None:
    with running(toy_model) as process:
        assert process.stdin is not None
        for byte in b"ba di fu":
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
            time.sleep(0.02)
        answer = ask(process, b"\n")
        assert answer.count(b"\n") == 1
        assert ask(process, b"ba di fu\n") == answer
        assert process.stdout is not None
        assert not select.select([process.stdout], [], [], 0)[0]


def test_a_reader_that_leaves_after_a_while_ends_it(toy_model: Path) -> None:
    with stub(toy_model) as process:
        ask(process, b"ba\n")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        with pytest.raises(BrokenPipeError):
            process.stdin.write(b"ba di\n" * 10_000_000)
        assert process.wait(PATIENCE) == -13
        assert process.stderr is not None
        assert process.stderr.read() == b""
