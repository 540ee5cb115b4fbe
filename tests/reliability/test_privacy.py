"""What runs here stays here: no traces in the home directory, nobody is called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STRACE = shutil.which("strace")
COMMANDS = {
    "translate": ["translate", "{model}", "text", "--threads", "1"],
    "generate": ["generate", "{generator}", "--length", "20", "--threads", "1"],
    "evaluate": ["evaluate", "--model", "{generator}", "--text", "text", "--threads", "1"],
    "report": ["evaluate", "--model", "{model}", "--report", "report.html"],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "text").write_text("ba di fu\nke lo\n")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_written_into_the_home_directory(
    command: str, home: Path, toy_model: Path, toy_generator: Path
) -> None:
    words = [word.format(model=toy_model, generator=toy_generator) for word in COMMANDS[command]]
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))
    }
    subprocess.run(
        [sys.executable, "-m", "seqkit", *words],
        env={**surroundings, "HOME": str(home)},
        check=True,
        capture_output=True,
    )
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    # The library that draws a report keeps its list of fonts.
    assert not {name for name in left if command != "report" or "matplotlib" not in name}


def called(words: list[str], home: Path) -> list[str]:
    """The system calls of a process that have to do with other machines."""
    assert STRACE is not None
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    subprocess.run(
        [STRACE, "-f", "-qq", "-o", "calls", "-e", "trace=%network", sys.executable, *words],
        env={**surroundings, "HOME": str(home)},
        check=True,
        capture_output=True,
    )
    # A local socket, of the system's own services, calls nobody.
    return [line for line in Path("calls").read_text().splitlines() if "AF_INET" in line]


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_is_called(command: str, home: Path, toy_model: Path, toy_generator: Path) -> None:
    words = [word.format(model=toy_model, generator=toy_generator) for word in COMMANDS[command]]
    assert called(["-m", "seqkit", *words], home) == []


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_a_call_would_be_noticed(home: Path) -> None:
    # Nobody listens there.
    found = called(["-c", "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"], home)
    assert any("connect(" in call for call in found)
