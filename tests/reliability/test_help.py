"""Every --help teaches: examples that work, then options in groups; in any width, on a terminal and off."""

from __future__ import annotations

import functools
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from seqkit import cli
from seqkit.cli.terminal.help import help_text
from seqkit.errors import ExitCode
from tests.reliability.pseudo_terminal import everything_sent_to

COMMANDS = [[], ["prepare"], ["train"], ["translate"], ["generate"], ["evaluate"]]
ROOT, *NAMED = COMMANDS
PLACES = {
    "pipe": {},
    "no colour": {"NO_COLOR": "1"},
    "dumb": {"TERM": "dumb"},
    "forced": {"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true"},
}
EXAMPLE_WIDTH = 78  # columns that examples keep to; they are not broken for a narrower terminal
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
BUILT = typer.main.get_command(cli.application())


def called(words: list[str]) -> str:
    return " ".join(words) or "seqkit"


def environment(columns: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    return {**kept, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color", **more}


@functools.cache
def plain(command: str, columns: int) -> str:
    return shown(command.split(), columns, terminal=False)[1]


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


def sections(text: str) -> dict[str, list[str]]:
    """The lines below each heading."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.split("\n"):
        if line.endswith(":") and not line.startswith(" "):
            heading = line[:-1]
        elif line.startswith(" ") or not line:
            found.setdefault(heading, []).append(line)
        else:
            heading = ""
    return found


def examples(words: list[str]) -> list[str]:
    """The command lines of the examples, whole."""
    lines = "\n".join(sections(plain(" ".join(words), 80))["Examples"]).replace("\\\n", " ").split("\n")
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", COMMANDS, ids=called)
def test_it_fits(words: list[str], columns: int) -> None:
    options = set(re.findall(r"--[a-z][a-z-]+", plain(" ".join(words), 200)))
    unbroken = {line for line in plain(" ".join(words), 200).split("\n") if len(line) <= EXAMPLE_WIDTH}
    assert len(options) > 1
    for terminal in (False, True):
        code, text = shown(words, columns, terminal=terminal)
        assert code == ExitCode.OK
        text = ESCAPES.sub("", text)
        assert options <= set(re.findall(r"--[a-z][a-z-]+", text)), "an option is lost"
        long = [line for line in text.split("\n") if len(line) > columns and " " in line.strip()]
        in_examples = sections(text)["Examples"]
        assert not [line for line in long if line not in in_examples or line not in unbroken]


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", COMMANDS, ids=called)
def test_examples_come_first(words: list[str], columns: int) -> None:
    usage, summary, first, *_ = plain(" ".join(words), columns).split("\n\n")
    assert usage.startswith("Usage: seqkit " + " ".join(words))
    assert "{" not in usage
    assert "[[" not in usage
    assert summary
    assert first.startswith("Examples:\n")


@pytest.mark.parametrize("words", COMMANDS, ids=called)
def test_examples_work(words: list[str]) -> None:
    """Each is a command line that its command accepts, and each command has two of its own at least."""
    runs = [part for line in examples(words) for part in line.split(" | ") if part.startswith("seqkit ")]
    assert sum(run.startswith(called(["seqkit", *words])) for run in runs) >= 2
    for run in runs:
        name, *rest = shlex.split(run, comments=True)[1:]
        rest = rest[: rest.index(">")] if ">" in rest else rest
        BUILT.commands[name].make_context(name, rest)  # raises where an option does not exist


def test_the_order_of_commands() -> None:
    runs = " ".join(run.split()[1] for run in examples(ROOT))
    assert runs == "prepare train translate evaluate prepare train generate evaluate"
    assert [line.split()[0] for line in sections(plain("", 80))["Commands"] if line] == [
        name for (name,) in NAMED
    ]


@pytest.mark.parametrize("words", NAMED, ids=called)
def test_summaries_are_whole(words: list[str]) -> None:
    summary = plain(" ".join(words), 80).split("\n\n")[1]
    assert summary.endswith(".")
    assert not summary.endswith("...")
    assert f"  {words[0]:<9}  {summary}\n" in plain("", 80)


@pytest.mark.parametrize("words", NAMED, ids=called)
def test_options_are_in_groups(words: list[str]) -> None:
    found = sections(plain(" ".join(words), 80))
    headings = list(found)
    assert headings[-3:] == ["Output", "Machine", "Help"]
    assert len(headings) >= 6, headings
    alone = [line.split()[0] for line in found["Help"] if line.startswith("  -")]
    assert alone == ["--debug", "-h,"], "an option without a group"


@pytest.mark.parametrize("words", NAMED, ids=called)
def test_options_say_what_they_take(words: list[str]) -> None:
    """Each has a name for its value, such as N or FILE, or the choices."""
    for parameter in BUILT.commands[words[0]].params:
        assert parameter.help, parameter.name
        assert parameter.metavar or parameter.is_flag, parameter.name
    assert "<" not in plain(words[0], 80)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", COMMANDS, ids=called)
def test_no_escapes_without_a_terminal(words: list[str], place: str) -> None:
    code, text = shown(words, 80, terminal=False, **PLACES[place])
    assert code == ExitCode.OK
    assert "\x1b" not in text
    assert "seqkit" in text


def test_headings_are_bold_on_a_terminal() -> None:
    _, text = shown(["train"], 80, terminal=True)
    assert "\x1b[1mExamples:\x1b[0m\n" in text


@pytest.mark.parametrize("place", ["no colour", "dumb"])
def test_nothing_is_bold_where_none_is_wanted(place: str) -> None:
    _, text = shown(["train"], 80, terminal=True, **PLACES[place])
    assert "\x1b" not in text


def test_no_command_shows_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seqkit"], capture_output=True, env=environment(80), check=False
    )
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    assert done.stdout.decode() == plain("", 80)


@pytest.mark.parametrize("words", COMMANDS, ids=called)
def test_without_docstrings_help_is_the_same(words: list[str]) -> None:
    """PYTHONOPTIMIZE=2 drops docstrings, which hold the texts of the commands."""
    assert shown(words, 100, terminal=False, PYTHONOPTIMIZE="2") == (0, plain(" ".join(words), 100))


def test_without_source_there_are_still_options() -> None:
    def command() -> None: ...

    assert help_text(command) == ""
    space: dict[str, Callable[[], None]] = {}
    exec("def nowhere() -> None: pass", space)
    assert help_text(space["nowhere"]) == ""
