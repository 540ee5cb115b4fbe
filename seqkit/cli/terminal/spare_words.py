"""Text on the command line where a command has no place for text: the answer is the command that has one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.cli.terminal.help import HelpfulCommand
from seqkit.errors import ConfigError, InputMissing, nearby

if TYPE_CHECKING:
    import typer

_LONGEST = 60  # characters of a text that an error repeats
_OF_NAMES = re.compile(r"[-./\\_0-9]")  # what names of files have and words have not


class _SpareWords(HelpfulCommand):
    """A command that says what to do with arguments that it has no place for."""

    allow_extra_args = True  # so that they get here

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Raises ConfigError, with the right command, where arguments are left."""
        super().parse_args(ctx, args)
        spare = list(ctx.args)
        if spare and not ctx.resilient_parsing:
            raise ConfigError(
                f"there is no place for the argument {_short(spare[0])}",
                hint=self.remedy(
                    str(ctx.params.get("model", "MODEL")), str(ctx.params.get("file", "")), spare
                ),
            )
        return spare

    @staticmethod
    def remedy(model: str, file: str, spare: Sequence[str]) -> str:
        """The command that takes the words behind a model, of which the first may stand as a file."""
        raise NotImplementedError


class TranslateCommand(_SpareWords):
    """`translate MODEL Hello there`: text comes from standard input."""

    @staticmethod
    def remedy(model: str, file: str, spare: Sequence[str]) -> str:
        """A pipe; or one for all of several files."""
        words = [file, *spare]
        if all(map(_exists, words)):
            return f"cat {shlex.join(words)} | seqkit translate {shlex.quote(model)}"
        return _echo(model, " ".join(words))


class GenerateCommand(_SpareWords):
    """`generate MODEL "It was"`: a text to begin with is an option."""

    @staticmethod
    def remedy(model: str, file: str, spare: Sequence[str]) -> str:  # noqa: ARG004 - it takes no file
        """The option for text, or the one for a file."""
        if len(spare) == 1 and _exists(spare[0]):
            return f"seqkit generate {shlex.quote(model)} --prompt-file {shlex.quote(spare[0])}"
        return f"seqkit generate {shlex.quote(model)} --prompt {shlex.quote(' '.join(spare))}"


def refuse_text_as_file(model: Path, file: str | None) -> None:
    """Raise InputMissing when what should be a file to translate is none and reads like a text."""
    if file is None or file == "-" or _exists(file):
        return
    several = any(character.isspace() for character in file)
    if several or not (_OF_NAMES.search(file) or nearby(Path(file))):
        raise InputMissing(
            f"cannot read {_short(file)}: there is no such file",
            where=_short(file),
            hint=f"a text comes by standard input: {_echo(str(model), file)}",
        )


def _echo(model: str, text: str) -> str:
    shown = shlex.quote(text) if len(text) <= _LONGEST else "TEXT"
    return f"echo {shown} | seqkit translate {shlex.quote(model)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _exists(file: str) -> bool:
    try:
        return Path(file).exists()
    except (OSError, ValueError):  # longer than a name can be, or with a NUL
        return False
