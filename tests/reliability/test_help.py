"""Every --help renders in any width, on a terminal and off, with and without colour."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from seqkit.errors import ExitCode
from tests.reliability.pseudo_terminal import everything_sent_to

COMMANDS = [[], ["prepare"], ["train"], ["translate"], ["generate"], ["evaluate"]]
PLACES = {
    "pipe": {},
    "no colour": {"NO_COLOR": "1"},
    "dumb": {"TERM": "dumb"},
    "forced": {"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true"},
}
NARROWEST = 50  # columns that help is broken for; a narrower terminal breaks lines itself
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment(columns: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    return {**kept, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color", **more}


def shown(words: list[str], columns: int, terminal: bool, **more: str) -> tuple[int, str]:
    """What the command writes to standard output."""
    run = [sys.executable, "-m", "seqkit", *words, "--help"]
    if not terminal:
        done = subprocess.run(run, capture_output=True, env=environment(columns, **more), check=False)
        assert done.stderr == b""
        return done.returncode, done.stdout.decode()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(run, stdout=theirs, stderr=theirs, env=environment(columns, **more))
    os.close(theirs)
    seen = everything_sent_to(ours)
    return process.wait(), seen.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "seqkit")
def test_it_fits(words: list[str], columns: int) -> None:
    code, wide = shown(words, 200, terminal=False)
    options = set(re.findall(r"--[a-z][a-z-]+", wide))
    assert len(options) > 1
    for terminal in (False, True):
        code, text = shown(words, columns, terminal=terminal)
        assert code == ExitCode.OK
        plain = ESCAPES.sub("", text)
        assert options <= set(re.findall(r"--[a-z][a-z-]+", re.sub(r"-\n\s*", "-", plain))), (
            "an option is lost"
        )
        width = max(columns, NARROWEST)
        too_wide = [line for line in plain.split("\n") if len(line) > width and " " in line.strip()]
        assert not too_wide, too_wide


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "seqkit")
def test_no_escapes_without_a_terminal(words: list[str], place: str) -> None:
    code, text = shown(words, 80, terminal=False, **PLACES[place])
    assert code == ExitCode.OK
    assert "\x1b" not in text
    assert "seqkit" in text


@pytest.mark.parametrize("place", ["no colour", "dumb"])
def test_no_colour_where_none_is_wanted(place: str) -> None:
    _, text = shown(["train"], 80, terminal=True, **PLACES[place])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)
