"""Where results go: standard output, or a file that appears when it is whole; and JSON Lines."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from seqkit.errors import OutputError, output_error
from seqkit.files import atomic_writer

# Escaped in JSON: what could end a line for another tool, and lone surrogates, which UTF-8 cannot hold.
_ESCAPED_IN_JSON = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


@contextmanager
def destination(output: Path | None) -> Iterator[BinaryIO]:
    """The stream for results: standard output without `output`."""
    if output is None:
        if sys.stdout is None:
            raise OutputError("standard output is closed", hint="name a file with --output")
        yield sys.stdout.buffer
    elif _exists(output) and not output.is_file():
        # A device or a pipe is written to: the atomic writer would put a file in its place.
        try:
            with open(output, "wb") as device:
                yield device
        except BrokenPipeError:
            raise
        except OSError as error:
            raise output_error(output, error) from error
    else:
        with atomic_writer(Path(os.path.realpath(output))) as stream:
            yield stream


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # it cannot even be looked at: opening it will say why
        return False


def json_line(value: dict[str, Any]) -> str:
    """An object as one line, without its newline. ValueError for what JSON cannot hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
