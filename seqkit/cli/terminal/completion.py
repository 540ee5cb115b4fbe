"""What the Tab key offers: values of options, settings, directories of models and corpora.

Where nothing fits the shell offers files. It must answer at once, so nothing here imports what a command
works with; and what it writes goes into the line that a person is typing, so whatever cannot be read is
left out in silence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from seqkit.cli.terminal.console import printable

Completer = Callable[[str], list[str]]

_MODEL = ("manifest.json", "config.json")  # a checkpoint has a manifest, too
_CORPUS = ("corpus.json",)
_DEEPEST = 20  # folders that are gone through one after the other while each holds but one thing to offer


def wanted() -> bool:
    """Whether a shell asks for completions, not a person for a command."""
    return "_SEQKIT_COMPLETE" in os.environ


def prepare_shells() -> None:
    """Put in place what differs from Typer's, where a shell asks.

    Another Typer may lack the names that this takes: then its own completion has to do.
    """
    if wanted():
        with suppress(ImportError, AttributeError):
            from seqkit.cli.terminal import shells

            shells.prepare()


def one_of(names: str) -> Completer:
    """Names with bars between them, as in a metavar: `auto|cpu|cuda[:N]` offers auto, cpu and cuda."""
    known = [name.partition("[")[0] for name in names.split("|")]
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


def several_of(names: str) -> Completer:
    """Names with commas between them, of which each may follow those that are typed."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        free = [name for name in names.split(",") if name not in before.split(",")]
        return [before + comma + name for name in free if name.startswith(last)]

    return complete


def presets(incomplete: str) -> list[str]:
    """Names of presets."""
    from seqkit.kinds import KINDS

    names = dict.fromkeys(name for kind in KINDS.values() for name in kind.presets)
    return [name for name in names if name.startswith(incomplete)]


def settings(incomplete: str) -> list[tuple[str, str]]:
    """`table.key=`, with what it means; behind it, or where no other key fits, the values.

    Two are offered even of a lone key: a shell would put a space behind one.
    """
    from seqkit.config import describe, values_of

    described = describe()
    key, equals, _ = incomplete.partition("=")
    keys = (
        [key] if equals and key in described else [name for name in described if name.startswith(incomplete)]
    )
    found = [] if equals else [(f"{name}=", described[name]) for name in keys]
    if len(keys) == 1:
        found += [(f"{keys[0]}={value}", "") for value in values_of(keys[0])]
    return [each for each in found if each[0].startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Model directories, and folders on the way to them."""
    return _directories(incomplete, _MODEL)


def corpora(incomplete: str) -> list[str]:
    """Corpus directories, and folders on the way to them."""
    return _directories(incomplete, _CORPUS)


def _directories(begun: str, marks: tuple[str, ...]) -> list[str]:
    found = [begun]
    for _ in range(_DEEPEST):  # a lone folder on the way would get a space behind it: offer what it holds
        try:
            found = list(_fitting(found[0], marks))
        except (OSError, RuntimeError):  # the latter: nobody has that home
            return []
        if len(found) != 1 or not found[0].endswith("/"):
            return found
    return []


def _fitting(begun: str, marks: tuple[str, ...]) -> Iterator[str]:
    """Paths that begin so: directories of what is wanted, and, with a slash, those that may lead there."""
    folder, slash, name = begun.rpartition("/")
    for entry in sorted(Path(folder + slash).expanduser().iterdir()):
        fits = entry.name.startswith(name) and (name or not entry.name.startswith("."))
        if not fits or printable(entry.name) != entry.name or not entry.is_dir():
            continue
        if _holds(entry, marks):
            yield folder + slash + entry.name
        elif not _holds(entry, _MODEL) and not _holds(entry, _CORPUS):
            yield f"{folder}{slash}{entry.name}/"


def _holds(directory: Path, names: tuple[str, ...]) -> bool:
    # False, too, where a folder may not be searched; Path.is_file raises there before Python 3.14.
    return all(os.path.isfile(directory / name) for name in names)  # noqa: PTH113
