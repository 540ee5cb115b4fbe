"""A Typer without the private names that are used of it: completion or help's layout suffers, no command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from seqkit import cli
from seqkit.cli.terminal import help as pages
from seqkit.errors import ExitCode

# What another release may have renamed; Typer itself has what it needs by then.
LOST = {
    "classes": "del typer._completion_classes; sys.modules['typer._completion_classes'] = None",
    "name": "import typer._click.shell_completion as s; del s.split_arg_string",
}


def run(lost: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process in which names are lost."""
    program = f"import sys, typer, typer.main\n{LOST[lost]}\nfrom seqkit.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        input="a b\n",
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("lost", LOST)
def test_commands_do_without(lost: str, toy_model: Path) -> None:
    done = run(lost, "translate", str(toy_model), "--quiet")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    wrong = run(lost, "translate", "--beam-sise", "3", str(toy_model))
    assert (wrong.returncode, wrong.stdout) == (ExitCode.USAGE, "")
    assert wrong.stderr.endswith("try:   did you mean --beam-size?\n")
    assert run(lost, "translate", str(toy_model), "--beam-size", "many").returncode == ExitCode.USAGE
    assert "Examples:" in run(lost, "translate", "--help").stdout


@pytest.mark.parametrize("lost", LOST)
def test_completion_is_typers_own_then(lost: str) -> None:
    asked = {"_SEQKIT_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run(lost, _TYPER_COMPLETE_ARGS="seqkit train --preset t", **asked)
    assert done.stderr == ""
    assert done.stdout in {"tiny\n", ""}  # what was lost may be what Typer itself needs


def test_help_is_typers_own_where_a_parameter_has_other_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["translate", "--help"]) == 0
    ours = capsys.readouterr().out

    def renamed(parameter: Any) -> str:
        return str(parameter.name_of_another_release)

    monkeypatch.setattr(pages, "_explained", renamed)
    for command in ([], ["translate"]):
        assert cli.run([*command, "--help"]) == 0
        plain = capsys.readouterr().out
        assert "Usage: seqkit" in plain
        assert plain != ours
    assert "--beam-size" in plain


def test_every_usage_error_is_known_without_its_class() -> None:
    from typer._click import exceptions

    kinds = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, exceptions.UsageError)
    ]
    assert typer.BadParameter in kinds
    assert len(kinds) >= 4
    for kind in kinds:
        assert cli._is_usage_error(kind.__new__(kind))
    for other in (typer.Exit(2), OSError(2, "no such file"), ValueError("x")):
        assert not cli._is_usage_error(other)
