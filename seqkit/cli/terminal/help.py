"""What `--help` shows: how to call it, one line, examples, the rest of the text, options in groups.

The help text of a command is its docstring: the first paragraph says what it does; what is indented, below
the line "Examples:", is shown as it stands, so that it can be copied; everything else follows.
"""

from __future__ import annotations

import ast
import inspect
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from seqkit.cli.options import HELP_PANEL, MACHINE_PANEL, OUTPUT_PANEL
from seqkit.errors import ConfigError, suggest

if TYPE_CHECKING:
    import typer

WIDEST = 100  # columns; longer lines are hard to read
NARROWEST = 20
NAMES = 26  # columns for the names of options, where there is room beside them
ROOM = 70  # columns from which on there is
_UNBROKEN = "\xa0"
LAST = (OUTPUT_PANEL, MACHINE_PANEL, HELP_PANEL)


# What other tools call what a command does.
OTHER_WORDS = {
    **dict.fromkeys(
        ("preprocess", "tokenize", "tokenise", "tokenizer", "binarize", "build_vocab"), "prepare"
    ),
    **dict.fromkeys(("fit", "learn", "finetune", "fine-tune", "resume", "continue"), "train"),
    **dict.fromkeys(("predict", "classify", "transcribe", "recognize", "recognise", "infer"), "translate"),
    **dict.fromkeys(("inference", "decode", "label", "tag", "convert"), "translate"),
    **dict.fromkeys(("sample", "complete", "write", "draw", "speak", "synthesize"), "generate"),
    **dict.fromkeys(("score", "test", "eval", "validate", "bleu", "perplexity", "report"), "evaluate"),
}


class HelpfulCommand(TyperCommand):
    """A command whose help begins with examples and shows its options in groups."""

    def get_help(self, ctx: typer.Context) -> str:  # type: ignore[override]
        """The whole page, or Typer's where another Typer calls otherwise what the page is made of."""
        try:
            return page(self, ctx)
        except AttributeError:
            return super().get_help(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - it is never cut
        """The first paragraph."""
        return _divided(self.help or "")[0]


class HelpfulGroup(TyperGroup):
    """The command that holds all others: its help lists them and corrects misspelt names."""

    def get_help(self, ctx: typer.Context) -> str:  # type: ignore[override]
        """See `HelpfulCommand`."""
        try:
            return page(self, ctx)
        except AttributeError:
            return super().get_help(ctx)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command that the first argument names; ConfigError when there is none."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            known = ", ".join(self.commands)
            hint = suggest(args[0], self.commands) or f"the commands are {known}"
            if command := OTHER_WORDS.get(args[0].lower()):
                hint = f"seqkit {command} does it: seqkit {command} --help"
            raise ConfigError(f"there is no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)


def help_text(command: Callable[..., Any]) -> str:
    """A command's docstring; Python drops it with PYTHONOPTIMIZE=2, and then it is read from the source.

    Empty where there is no source either.
    """
    if command.__doc__ is not None:
        return command.__doc__
    try:
        tree = ast.parse(inspect.getsource(command))
    except (OSError, SyntaxError):
        return ""
    function = tree.body[0]
    return ast.get_docstring(function) or "" if isinstance(function, ast.FunctionDef) else ""


def page(command: HelpfulCommand | HelpfulGroup, context: typer.Context) -> str:
    """The help of a command, as wide as the terminal allows; examples are never broken."""
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    summary, examples, prose = _divided(command.help or "")
    parts = [_paragraph(_usage(command, context), width, indent=7)]
    if summary:
        parts.append(_paragraph(summary, width))
    if examples:
        parts.append(f"{_heading('Examples')}\n{textwrap.indent(examples, '  ')}")
    parts += [_paragraph(text, width) for text in prose]
    if isinstance(command, HelpfulGroup):
        rows = [(name, each.get_short_help_str()) for name, each in command.commands.items()]
        parts.append(_section("Commands", rows, width, names=max(map(len, command.commands))))
    parts += [_section(name, rows, width) for name, rows in _groups(command, context).items()]
    if command.epilog:
        parts.append(_paragraph(command.epilog, width))
    return "\n\n".join(parts)


def _divided(text: str) -> tuple[str, str, list[str]]:
    """The first paragraph, the examples and all other paragraphs."""
    first, *others = inspect.cleandoc(text).replace("\nExamples:\n", "\n").split("\n\n")
    examples = "\n\n".join(part for part in others if part.startswith(" "))
    return " ".join(first.split()), textwrap.dedent(examples), [part for part in others if part[0] != " "]


def _usage(command: HelpfulCommand | HelpfulGroup, context: typer.Context) -> str:
    if isinstance(command, HelpfulGroup):
        return f"Usage: {context.command_path} COMMAND [OPTIONS]"
    arguments = [each.metavar for each in command.params if each.param_type_name == "argument"]
    return " ".join([f"Usage: {context.command_path} [OPTIONS]", *map(str, arguments)])


def _groups(
    command: HelpfulCommand | HelpfulGroup, context: typer.Context
) -> dict[str, list[tuple[str, str]]]:
    """Headings, each with the names and the help of its parameters; those of every command come last."""
    groups: dict[str, list[tuple[str, str]]] = {}
    parameters: Sequence[Any] = command.get_params(context)
    for parameter in parameters:
        argument = parameter.param_type_name == "argument"
        heading = parameter.rich_help_panel or ("Arguments" if argument else HELP_PANEL)
        groups.setdefault(heading, []).append((_name(parameter, argument=argument), _explained(parameter)))
    last = {heading: groups.pop(heading) for heading in LAST if heading in groups}
    return {**groups, **last}


def _name(parameter: Any, *, argument: bool) -> str:
    if argument:
        return str(parameter.metavar)
    names = ", ".join(sorted(parameter.opts, key=len))
    return names if parameter.is_flag else f"{names} {parameter.metavar}"


def _explained(parameter: Any) -> str:
    """The help of a parameter, with its default unless the text has said it."""
    text, default = str(parameter.help or ""), parameter.default
    if not parameter.show_default or default is None or default is False or "[default" in text:
        return text
    return f"{text} [default: {default}]"


def _section(heading: str, rows: Sequence[tuple[str, str]], width: int, names: int = NAMES) -> str:
    column = names + 4 if width >= ROOM else 6
    return "\n".join([_heading(heading), *(line for row in rows for line in _row(*row, column, width))])


def _row(name: str, text: str, column: int, width: int) -> Iterator[str]:
    """A name and what it is: side by side, or one below the other where there is no room."""
    whole = text.replace("[default: ", f"[default:{_UNBROKEN}")
    lines = [line.replace(_UNBROKEN, " ") for line in _wrapped(whole, width - column)]
    if len(name) + 4 <= column:
        yield f"  {name:<{column - 2}}{lines.pop(0)}"
    else:
        yield _paragraph(f"  {name}", width, indent=6)
    for line in lines:
        yield " " * column + line


def _paragraph(text: str, width: int, indent: int = 0) -> str:
    """One paragraph; its lines after the first are indented."""
    return "\n".join(_wrapped(text, width, indent))


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_on_hyphens=False) or [""]


def _heading(text: str) -> str:
    """A heading, bold on a terminal that is not told to do without."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return f"{text}:" if plain or sys.stdout is None or not sys.stdout.isatty() else f"\x1b[1m{text}:\x1b[0m"
