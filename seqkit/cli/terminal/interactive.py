"""A conversation on a terminal: typed lines are answered, and lines such as `:help` are commands."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError, SeqkitError, suggest
from seqkit.scores import METRICS

if TYPE_CHECKING:
    from seqkit.kinds import Kind
    from seqkit.model_directory import Facts

_LONGEST_SHOWN = 40  # characters of something misspelt, or of a model's name

Options = TypeVar("Options")


@dataclass(frozen=True)
class Command:
    """`:name argument`: `run` gets the argument, which is empty where none was typed.

    `argument` is what help calls it, empty where the command takes none.
    """

    name: str
    argument: str
    help: str
    run: Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """How an argument is read, and what it is called where it cannot be (ValueError)."""

    what: str
    read: Callable[[str], object]


WHOLE_NUMBER = Reading("a whole number", int)
NUMBER = Reading("a number", float)


class Settings(Generic[Options]):
    """A frozen dataclass of options whose fields commands of the same names change."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def command(self, name: str, argument: str, help: str, reading: Reading) -> Command:
        """A command that sets a field, or says its value where it gets no argument."""

        def run(text: str) -> None:
            if text:
                self.change(name, text, reading)
            value = getattr(self.options, _field(name))
            console.note(f"{name} is {'none' if value is None else value}")

        return Command(name, argument, help, run)

    def change(self, name: str, text: str, reading: Reading) -> None:
        """Set a field. Raises `ConfigError` for what it cannot be."""
        try:
            value = reading.read(text)
        except ValueError:
            raise ConfigError(f":{name} takes {reading.what}, not {_short(text)}") from None
        changed: Any = self.options
        self.options = replace(changed, **{_field(name): value})


def on_terminals() -> bool:
    """Whether a person types and reads, and there is a line editor; some Pythons are built without."""
    streams = (sys.stdin, sys.stdout)
    typed = all(stream is not None and stream.isatty() for stream in streams)
    return typed and importlib.util.find_spec("readline") is not None


def prompt(model: Path, *, quiet: bool) -> str:
    """What stands before the cursor: the model's name, unless talk is unwanted."""
    name = "" if quiet else console.printable(_short(model.resolve().name))
    encoding = sys.stdout.encoding  # in which Python writes the prompt
    return f"{name}> ".encode(encoding, "backslashreplace").decode(encoding)


def greet(kind: Kind, vocabulary: int, facts: Facts) -> None:
    """Say what a model is, with the first of its kind's scores."""
    parts = [str(kind.model), f"vocabulary of {vocabulary:,}"]
    if facts.step:
        parts.append(f"step {facts.step:,}")
    for score in facts.scores[:1]:  # the first is the one that was charted
        metric = METRICS.get(str(score.get("metric")))
        if metric is not None and isinstance(score.get("score"), float) and "undefined" not in score:
            parts.append(f"valid {metric.title} {metric.text(score['score'])}")
    console.note(", ".join(parts))
    console.note(":help lists the commands, Ctrl-D exits")


def converse(prompt: str, history: str, commands: Sequence[Command], answer: Callable[[str], None]) -> None:
    """Answer line after line until `:quit` or Ctrl-D.

    Ctrl-C abandons what is typed or made. Where there is neither it says how to end; the next one in a row
    raises KeyboardInterrupt.
    """
    from seqkit.cli.terminal.line_reader import EmptyLineInterrupt, LineReader

    table = {command.name: command for command in commands}
    table["help"] = Command("help", "", "this list", lambda _: _help(list(table.values())))
    table["quit"] = Command("quit", "", "exit, like Ctrl-D", lambda _: None)
    reader = LineReader(prompt, history, [f":{name}" for name in table])
    warned = False
    while True:
        try:
            line = reader.read()
            warned = False
            if line is None or line.strip() == ":quit":
                return
            if line.startswith(":") and not line.startswith("::"):
                _obey(line, table)
            else:
                answer(line.removeprefix(":") if line.startswith("::") else line)
        except KeyboardInterrupt as interrupt:
            write_results("\n")  # the cursor is behind what is abandoned
            at_rest = isinstance(interrupt, EmptyLineInterrupt)
            if at_rest and warned:
                raise
            warned = at_rest
            if warned:
                console.note("Ctrl-D or :quit exits")
        except SeqkitError as error:
            _complain(error, table)


def _obey(line: str, table: dict[str, Command]) -> None:
    """Run the command that a line names."""
    name, _, argument = line.removeprefix(":").strip().partition(" ")
    command = table.get(name)
    if command is None:
        known = suggest(f":{_short(name)}", [f":{name}" for name in table])
        raise ConfigError(f"there is no :{_short(name)}", hint=known or ":help lists the commands")
    if argument and not command.argument:
        raise ConfigError(f":{name} stands alone", hint="a line that begins with a colon is typed with two")
    command.run(argument.strip())


def _help(commands: Sequence[Command]) -> None:
    rows = [(f":{command.name} {command.argument}", command.help) for command in commands]
    rows += [("::text", "a line that begins with a colon"), ("Ctrl-C", "cancels the line or its answer")]
    width = max(len(name) for name, _ in rows)
    for name, help in rows:
        console.note(f"  {name:<{width}}  {help}")


def _complain(error: SeqkitError, table: dict[str, Command]) -> None:
    """One line of trouble, in which options that are commands here are called so."""
    hint = f"try {error.hint}" if error.hint and error.hint.startswith("--") else error.hint
    text = "; ".join(filter(None, (error.message, hint)))
    console.note(
        re.sub(r"--([a-z-]+)", lambda found: f":{found[1]}" if found[1] in table else found[0], text)
    )


def _field(name: str) -> str:
    return name.replace("-", "_")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
