"""Where results go: standard output, or a file that appears when it is whole; and JSON Lines."""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from seqkit.cli.terminal import console
from seqkit.errors import OutputError, output_error
from seqkit.files import output_writer

if TYPE_CHECKING:
    from rich.console import RenderableType

# What could end a line for another tool becomes a space: one line in, one line out.
_LINE_BREAKS = str.maketrans(dict.fromkeys("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))
# Escaped in JSON: what could end a line for another tool, and lone surrogates, which UTF-8 cannot hold.
_ESCAPED_IN_JSON = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


class _Terminal:
    """Standard output that a person looks at: control characters in results are shown, not sent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def write(self, content: bytes) -> int:
        """Write UTF-8, which may be cut anywhere; whatever else the bytes are is shown as escapes."""
        self._stream.write(console.printable_text(self._decoder.decode(content)).encode())
        return len(content)

    def flush(self) -> None:
        """Let it be seen."""
        self._stream.flush()


def standard_output(*, markup: bool = False) -> BinaryIO:
    """The stream for results; with `markup` escape sequences are ours and reach a terminal as they are."""
    if sys.stdout is None:
        raise OutputError("standard output is closed", hint="name a file with --output")
    if sys.stdout.isatty() and not markup:
        return cast(BinaryIO, _Terminal(sys.stdout.buffer))
    return sys.stdout.buffer


def write_results(text: str) -> None:
    """Results in one go, in UTF-8 whatever the locale says, and bytes of names that are none as they are."""
    stream = standard_output()
    stream.write(text.encode("utf-8", "surrogateescape"))
    stream.flush()


def draw(renderable: RenderableType) -> None:
    """Something of rich's on standard output, which is a terminal, in UTF-8 as all results are."""
    from rich.console import Console

    screen = Console(file=sys.stdout, markup=False, highlight=False)
    with screen.capture() as drawn:
        screen.print(renderable)
    stream = standard_output(markup=True)
    stream.write(drawn.get().encode("utf-8", "surrogateescape"))
    stream.flush()


@contextmanager
def _opened(target: int | Path, output: Path) -> Iterator[BinaryIO]:
    """A descriptor, or a device, to write to; errors name the `output`. A closed pipe is the caller's."""
    try:
        with open(target, "wb") as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(output, error) from error


@contextmanager
def destination(output: Path | None, *, markup: bool = False) -> Iterator[BinaryIO]:
    """The stream for results: standard output without `output`; for `markup` see there."""
    if output is None:
        yield standard_output(markup=markup)
    elif (descriptor := _descriptor(output)) is not None:
        # Written to as it is: opened by this name it would be emptied, and on macOS it has no folder to be
        # replaced in.
        try:
            copy = os.dup(descriptor)
        except OSError as error:
            raise output_error(output, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))) from error
        with _opened(copy, output) as stream:
            yield stream
    elif _exists(output) and not output.is_file():
        # A device or a pipe is written to: the atomic writer would put a file in its place.
        with _opened(output, output) as stream:
            yield stream
    else:
        with output_writer(Path(os.path.realpath(output))) as stream:
            yield stream


def _descriptor(path: Path) -> int | None:
    """The number of an open file that a path names, like /dev/stdout and /dev/fd/3."""
    found = _OPEN_FILE.fullmatch(os.path.normpath(path))
    if found is None:
        return None
    return {"stdout": 1, "stderr": 2}.get(found[1]) or int(found[1].rpartition("/")[2])


_OPEN_FILE = re.compile(r"/(?:dev|proc/self)/(stdout|stderr|fd/[0-9]{1,9})")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # it cannot even be looked at: opening it will say why
        return False


def one_line(text: str) -> str:
    """`text` with spaces for what could end a line."""
    return text.translate(_LINE_BREAKS)


def json_line(value: dict[str, Any]) -> str:
    """An object as one line, without its newline. ValueError for what JSON cannot hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
