"""Where results go: an open file that has a name is written to as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqkit.cli.terminal.output import destination
from seqkit.errors import ExitCode, OutputError


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "/dev/./fd/{}"])
def test_an_open_file_is_added_to_and_not_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / "results"
    path.write_bytes(b"before\n")
    inode = path.stat().st_ino
    with open(path, "ab") as ours:
        with destination(Path(name.format(ours.fileno()))) as stream:
            stream.write(b"result\n")
        ours.write(b"after\n")  # it is still open
    assert path.read_bytes() == b"before\nresult\nafter\n"
    assert path.stat().st_ino == inode
    assert [each.name for each in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize(("name", "number"), [("/dev/stdout", 1), ("/dev/stderr", 2)])
def test_standard_streams_by_name(tmp_path: Path, name: str, number: int) -> None:
    path, kept = tmp_path / "results", os.dup(number)
    try:
        with open(path, "wb") as ours:
            ours.write(b"before\n")
            ours.flush()
            os.dup2(ours.fileno(), number)
            with destination(Path(name)) as stream:
                stream.write(b"result\n")
    finally:
        os.dup2(kept, number)
        os.close(kept)
    assert path.read_bytes() == b"before\nresult\n"


def test_a_pipe_by_its_number() -> None:
    reading, writing = os.pipe()
    with destination(Path(f"/dev/fd/{writing}")) as stream:
        stream.write(b"result\n")
    os.close(writing)
    with open(reading, "rb") as received:
        assert received.read() == b"result\n"


def test_a_number_that_is_not_open_is_an_error() -> None:
    with pytest.raises(OutputError) as caught, destination(Path("/dev/fd/987654")):
        pytest.fail("there is nothing to write to")
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE


@pytest.mark.parametrize("name", ["dev/stdout", "stdout", "fd/1"])
def test_other_files_of_such_names_are_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with destination(path) as stream:
        stream.write(b"result\n")
    assert path.read_bytes() == b"result\n"
