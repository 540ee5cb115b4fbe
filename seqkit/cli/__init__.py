"""The command line: the Typer application and the one place where errors become exit codes.

Each command lives in a file of its own: it parses, makes one call into the layers below and prints.
Nothing heavy is imported before a command's body runs, so that `seqkit --help` answers at once; and a command
line that begins with a command's name imports that one alone.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperCommand

from seqkit.cli.terminal import completion, console
from seqkit.cli.terminal.help import HelpfulCommand, HelpfulGroup, help_text
from seqkit.errors import (
    ConfigError,
    ExitCode,
    RunFailed,
    SeqkitError,
    is_out_of_memory,
    left_out,
    output_error,
)
from seqkit.processors import prepare_environment
from seqkit.signals import ENDING, SAVING, handled, ignore_more
from seqkit.version import __version__

_HELP = """Train and use recurrent sequence models: raw text in, text and scores out.

Examples:
    # a translator: text to a corpus, to a model, to translations, to a score
    seqkit prepare pairs --source train.en --target train.de
    seqkit train pairs translator --minutes 20
    seqkit translate translator test.en --output test.out
    seqkit evaluate --reference test.de test.out

    # a generator: text to a corpus, to a model, to more text, to a score
    seqkit prepare book --text book.txt
    seqkit train book writer --minutes 3
    seqkit generate writer --prompt "It was"
    seqkit evaluate --model writer --text another.txt
"""

# The commands, and what makes one need less memory.
_LESS_MEMORY = {
    "prepare": "a lower --vocab-size, or --tokenizer bpe",
    "train": "lower training.batch_tokens (a generator: data.streams), or take a smaller --preset",
    "translate": "lower --batch-tokens, --beam-size or --workers",
    "generate": "lower --samples or --beam-size",
    "evaluate": "score fewer lines at a time",
}


def application(*names: str) -> typer.Typer:
    """The application with the named commands, or with all."""
    app = typer.Typer(
        name="seqkit",
        cls=HelpfulGroup,
        help=_HELP,
        epilog="seqkit COMMAND --help shows examples and every option. To start with data, models and "
        "scores: bash recipes/quickstart/run.sh",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in names or _LESS_MEMORY:
        command, made_by = _command(name)
        app.command(cls=made_by, help=help_text(command))(command)
    return app


def _command(name: str) -> tuple[Callable[..., Any], type[TyperCommand]]:
    """A command's function, and the class that parses its options. The import is what takes time."""
    if name == "prepare":
        from seqkit.cli.prepare.command import FilesCommand, prepare

        return prepare, FilesCommand
    if name == "train":
        from seqkit.cli.train.command import train

        return train, HelpfulCommand
    if name == "translate":
        from seqkit.cli.terminal.spare_words import TranslateCommand
        from seqkit.cli.translate.command import translate

        return translate, TranslateCommand
    if name == "generate":
        from seqkit.cli.generate.command import generate
        from seqkit.cli.terminal.spare_words import GenerateCommand

        return generate, GenerateCommand
    from seqkit.cli.evaluate.command import evaluate

    return evaluate, HelpfulCommand


def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit."),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", help="With --version: also show the libraries, the CPU and how seqkit uses it."
        ),
    ] = False,
) -> None:
    if version:
        _print_version(verbose)
    if verbose:
        raise ConfigError("--verbose goes with --version", hint="seqkit --version --verbose")
    if context.invoked_subcommand is None:
        raise ConfigError("a command is missing", hint=f"one of {', '.join(_LESS_MEMORY)}")


def _print_version(verbose: bool) -> None:
    print(f"seqkit {__version__}")
    if verbose:
        print("\n".join(_machine()))
    raise typer.Exit


def _machine() -> list[str]:
    """What decides how seqkit computes here, one line per fact."""
    from seqkit.machine import describe

    facts = describe()
    width = max(map(len, facts))
    return [f"{name:{width}}  {fact}" for name, fact in facts.items()]


def main() -> NoReturn:
    """The console script."""
    prepare_environment()  # before a command loads a library with threads, which reads it once
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback before a command or after it
    code = run(sys.argv[1:])
    if sys.argv[1:2] == ["train"]:
        signal.signal(SAVING, signal.SIG_IGN)  # all is saved; the interpreter takes a moment to end
    if code > 128:
        ignore_more()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # reported by then, or talk; the interpreter's own last flush must not fail again
            _discard(stream)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code, with at most one error block on standard error.

    Signals are handled meanwhile; afterwards they do what they did before.
    """
    functions: dict[int, Callable[[int], None]] = dict.fromkeys(ENDING, _end)
    if arguments[:1] == ["train"]:
        functions[SAVING] = _nothing_to_save
    try:
        with handled(functions):
            code = _outcome(arguments)
    except _Signalled as error:  # before the command, or when it was over
        code = 128 + error.number
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    return code


def _outcome(arguments: Sequence[str]) -> int:
    """The exit code of a command line."""
    debug = "--debug" in arguments
    named = [word for word in arguments[:1] if word in _LESS_MEMORY]
    command = typer.main.get_command(application(*named))
    completion.prepare_shells()
    try:
        if debug:
            for line in _machine():
                console.note(line)
        result = command.main(list(arguments) or ["--help"], prog_name="seqkit", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except SeqkitError as error:
        if debug:
            traceback.print_exc()
        if error.exit_code == ExitCode.USAGE and error.hint is None:
            error.hint = f"seqkit {_command_of(arguments)} --help"
        console.print_error(error)
        return int(error.exit_code)
    except BrokenPipeError:
        return _die_of_closed_pipe()
    except SystemExit as error:  # Typer makes exit code 1 of a closed pipe before it gets here
        if isinstance(error.__context__, BrokenPipeError):
            return _die_of_closed_pipe()
        raise
    except _Signalled as error:
        return 128 + error.number
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except OSError as error:
        if debug:
            traceback.print_exc()
        console.print_error(output_error(error.filename or "standard output", error))
        return ExitCode.IO_ERROR
    except Exception as error:
        if number := _signal_behind(error):
            return 128 + number
        if _is_usage_error(error):
            console.print_usage_error(error, _command_of(arguments))
            return ExitCode.USAGE
        if completion.wanted():  # a shell would show it amid what a person is typing
            return ExitCode.BUG
        if debug:
            traceback.print_exc()
        if isinstance(error, ModuleNotFoundError) and (told := left_out(error, _command_of(arguments))):
            console.print_error(told)
            return int(told.exit_code)
        if is_out_of_memory(error):
            hint = _LESS_MEMORY.get(_command_of(arguments))
            console.print_error(RunFailed(f"not enough memory: {error}", hint=hint))
            return ExitCode.RUN_FAILED
        if not debug:
            console.print_bug(error)
        return ExitCode.BUG
    return result if isinstance(result, int) else ExitCode.OK


def _is_usage_error(error: Exception) -> bool:
    """Whether the option parser found it. Typer exports few of its errors: all have these two names."""
    return getattr(error, "exit_code", None) == ExitCode.USAGE and hasattr(error, "format_message")


def _command_of(arguments: Sequence[str]) -> str:
    """The command that a command line names."""
    return next((word for word in arguments if word in _LESS_MEMORY), "")


class _Signalled(BaseException):
    """A signal arrived in a command that has nothing to save."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _end(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise _Signalled(number)


def _signal_behind(error: BaseException | None) -> int:
    """The number of a signal whose exception became another one, as where a class is made; or 0."""
    while error is not None:
        if isinstance(error, _Signalled):
            return error.number
        if isinstance(error, KeyboardInterrupt):
            return signal.SIGINT
        error = error.__cause__ or error.__context__
    return 0


def _nothing_to_save(_number: int) -> None:
    """SIGUSR1 came before the first step, or after the last: the command goes on."""


def _die_of_closed_pipe() -> int:
    """End as `cat` does when its reader leaves: by SIGPIPE, without a word."""
    _discard(sys.stdout)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return ExitCode.PIPE_CLOSED  # only where SIGPIPE is blocked


def _discard(stream: TextIO) -> None:
    """Point a stream at the null device, so that what is left in its buffer cannot fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
