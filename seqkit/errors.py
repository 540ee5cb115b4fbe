"""The one exception family for expected trouble, and the exit codes that scripts rely on.

Everything that a user can cause (a missing file, a misspelt key, a full disk) is raised as a
`SeqkitError` and printed in one place, `seqkit.cli`, as one short block without a traceback.
Any other exception that reaches the command line is a bug.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Process exit codes; 64 and above follow sysexits.h where it has a fitting name.

    Any other signal that ends a command has its own: 128 and its number.
    """

    OK = 0
    RUN_FAILED = 1  # diverged, or below --fail-under
    USAGE = 2  # options or configuration
    BAD_DATA = 65  # text, corpus or model directory
    INPUT_MISSING = 66
    BUG = 70
    CANNOT_CREATE = 73
    IO_ERROR = 74  # disk full, device error
    LOCKED = 75  # another run holds the directory
    HUNG_UP = 129  # the terminal was closed
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


class SeqkitError(Exception):
    """Expected trouble: what happened, where, and how to mend it.

    `message` is one line that says what and why; `where` names a file, a line or a key;
    `hint` is what to try next, where it is more than what helps with all errors of the class.
    `exit_code` belongs to the class.
    """

    exit_code: int = ExitCode.RUN_FAILED
    usual_hint: str | None = None

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint or self.usual_hint


class RunFailed(SeqkitError):
    """The work itself failed: training diverged, or a score is below `--fail-under`."""


class ConfigError(SeqkitError):
    """An option, a configuration key or a combination of them cannot be used."""

    exit_code = ExitCode.USAGE


class DataError(SeqkitError):
    """Text or a corpus directory is not what it should be."""

    exit_code = ExitCode.BAD_DATA
    usual_hint = "check the file named above; a corpus can be prepared again with --overwrite"


class ModelError(SeqkitError):
    """A model directory is damaged, incomplete, of another version, or hostile."""

    exit_code = ExitCode.BAD_DATA
    usual_hint = "copy the model again from an intact copy, or train it again"


def of_model(error: SeqkitError, where: str) -> ModelError:
    """The error for what went wrong with a file of a model directory, with the hint that is its own."""
    own = error.hint if error.hint != error.usual_hint else None
    return ModelError(error.message, where=where, hint=own)


class InputMissing(SeqkitError):
    """A file or directory that should be read does not exist or cannot be opened."""

    exit_code = ExitCode.INPUT_MISSING
    usual_hint = "check the name and its permissions"


class OutputError(SeqkitError):
    """A file or directory cannot be created."""

    exit_code = ExitCode.CANNOT_CREATE


class StorageError(SeqkitError):
    """Reading or writing failed below us: disk full, quota, device error."""

    exit_code = ExitCode.IO_ERROR
    usual_hint = "check the disk, then run the same command again"


class LockedError(SeqkitError):
    """Another run holds the directory."""

    exit_code = ExitCode.LOCKED


class Interrupted(SeqkitError):
    """A signal ended the run in good order; `exit_code` is 128 + the signal's number."""

    def __init__(self, signal_number: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


_TELLING = 3  # letters that are enough of a name to find it by

_CANNOT_CREATE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
}


def input_error(path: Path | str, error: OSError) -> SeqkitError:
    """The error for an input that could not be opened or read."""
    if error.errno in {errno.EIO, errno.ESTALE}:
        return StorageError(f"cannot read {path}: {error.strerror}", where=str(path))
    if error.errno == errno.EISDIR:
        return InputMissing(f"cannot read {path}: it is a directory", where=str(path), hint="name a file")
    if error.errno == errno.ENOENT:
        return InputMissing(
            f"cannot read {path}: there is no such file", where=str(path), hint=nearby(Path(path))
        )
    return InputMissing(f"cannot read {path}: {error.strerror or error}", where=str(path))


def output_error(path: Path | str, error: OSError) -> SeqkitError:
    """The error for an output that could not be created or written."""
    if error.errno in _CANNOT_CREATE:
        return OutputError(
            f"cannot create {path}: {error.strerror}",
            where=str(path),
            hint="check the folder's permissions, or write elsewhere",
        )
    return StorageError(
        f"cannot write {path}: {error.strerror or error}",
        where=str(path),
        hint="free some space (or raise the quota), then run the same command again",
    )


# What a small install leaves out: by module its name, and what pip brings it by.
LEFT_OUT = {"torch": ("PyTorch", "torch>=2.6,<3"), "matplotlib": ("matplotlib", "matplotlib>=3.9")}


def left_out(error: ModuleNotFoundError, command: str) -> ConfigError | None:
    """The error for what a command needs and a small install has not; None when seqkit itself is broken."""
    module = (error.name or "").partition(".")[0]
    if module not in LEFT_OUT:
        return None
    title, requirement = LEFT_OUT[module]
    asked = "seqkit train" if command == "train" else f"what seqkit {command} is asked for"
    return ConfigError(f"{asked} needs {title}, which is not installed", hint=f'pip install "{requirement}"')


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: Python's and numpy's, PyTorch's here and on a GPU, ONNX Runtime's."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate memory")
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in words)


def suggest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to a misspelt one, as a hint, or None when nothing is near.

    The dashes of options do not make them alike, and capitals do not make names differ.
    """
    plain = {each.lstrip("-").lower(): each for each in known}
    wanted = name.lstrip("-").lower()
    nearest = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6)
    if not nearest and len(wanted) >= _TELLING:
        nearest = [each for each in plain if each.startswith(wanted)]
    return f"did you mean {plain[nearest[0]]}?" if nearest else None


def nearby(path: Path, holding: str = "") -> str | None:
    """The nearest to a path that does not exist among its neighbours, or those of them that hold a file."""
    try:
        # False, too, where a folder may not be searched; Path.exists raises there before Python 3.14.
        neighbours = [each.name for each in path.parent.iterdir() if os.path.exists(each / holding)]  # noqa: PTH110
    except OSError:
        return f"there is no folder {path.parent} either" if not path.parent.exists() else None
    return suggest(path.name, neighbours)
