"""Text files that can be read as often as needed.

Standard input and pipes can be read once only, so they are first copied to a file.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seqkit.data.text.opening import members, split_member, split_part
from seqkit.data.text.reading import input_name, read_blocks, read_lines, read_text, refuse_line_ends
from seqkit.errors import InputMissing, input_error, output_error


@dataclass(frozen=True)
class TextFile:
    """A file that can be read more than once, and how messages call it."""

    path: Path
    name: str

    def lines(self, *, warn: bool) -> Iterator[str]:
        """The lines, from the start."""
        return read_lines(self.path, name=self.name, warn=warn)

    def blocks(self, *, warn: bool) -> Iterator[list[str]]:
        """The lines in lists of those that are read together, from the start.

        DataError at the end of a file whose lines end in something else than a newline.
        """
        count, only = 0, ""
        for block in read_blocks(self.path, name=self.name, warn=warn):
            only = block[0] if count == 0 else only
            count += len(block)
            yield block
        refuse_line_ends(self.name, count, only)

    def text(self, *, warn: bool, exact: bool) -> Iterator[str]:
        """The whole text in parts, from the start."""
        return read_text(self.path, name=self.name, warn=warn, exact=exact)


def text_files(paths: Sequence[str], spool: Path) -> tuple[TextFile, ...]:
    """The named files; what can be read once only is copied into the folder `spool`.

    Raises InputMissing for a file that is not there.
    """
    return tuple(_text_file(path, spool) for named in paths for path in members(named))


def _text_file(path: str, spool: Path) -> TextFile:
    name = input_name(path)
    copy = spool / f"spool-{len(list(spool.iterdir()))}"
    if path == "-":
        if sys.stdin is None:
            raise InputMissing("standard input is closed", where=name, hint="name a file")
        _copy(sys.stdin.buffer, name, copy)
        return TextFile(copy, name)
    try:
        # Opened even if it is not read yet: what cannot be read is said before anything is done.
        with open(split_member(split_part(path)[0])[0], "rb") as stream:
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return TextFile(Path(path), name)
            _copy(stream, name, copy)
    except OSError as error:
        raise input_error(path, error) from error
    return TextFile(copy, name)


def _copy(stream: BinaryIO, name: str, copy: Path) -> None:
    try:
        with open(copy, "wb") as output:
            shutil.copyfileobj(stream, output)
    except OSError as error:
        raise output_error(f"a copy of {name}", error) from error


def total(estimates: Iterable[int | None]) -> int | None:
    """The sum of estimates; None when one of them is not known."""
    known = 0
    for estimate in estimates:
        if estimate is None:
            return None
        known += estimate
    return known
