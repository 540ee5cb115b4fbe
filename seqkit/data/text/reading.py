"""Reading lines, or whole texts, from files and pipes, whatever the bytes are.

A line ends at the byte `\\n` and nowhere else: CR, U+0085, U+2028 and the like are characters inside a line,
so that the third line of a file is the third line for every other tool too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

from seqkit.data.text.markup import markup_of, part_segments, sgm_segments
from seqkit.data.text.opening import DAMAGE, damaged, is_compressed, open_bytes, read_error, split_part
from seqkit.errors import DataError
from seqkit.limits import LINE_BYTES

_BLOCK = 1 << 18  # bytes asked for in one read
_SAMPLE = 1 << 20  # bytes by which the size of a text is estimated
_START = 1 << 12  # bytes by which markup is recognised
_SEGMENTS = 1 << 10  # read together, of files with markup
_SHOWN = 3  # line numbers named in a warning

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

logger = logging.getLogger("seqkit")


def decode_line(raw: bytes) -> str:
    """The text of one line: its `\\n` and one `\\r` before it are cut, invalid UTF-8 becomes U+FFFD."""
    return raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")


def cut_line(raw: bytes, limit: int = LINE_BYTES) -> bytes:
    """At most `limit` bytes of a line, cut between two characters."""
    if len(raw) <= limit:
        return raw
    end = limit
    while end > limit - 4 and raw[end] & 0xC0 == 0x80:  # inside a UTF-8 character
        end -= 1
    return raw[:end]


def input_name(path: str | Path) -> str:
    """How an input is called in messages."""
    return "standard input" if str(path) == "-" else str(path)


def estimated_lines(path: str | Path) -> int | None:
    """About how many lines a plain file has, by its first megabyte; None where that cannot be known."""
    return _estimate(path, lambda content: content.count(b"\n") + (not content.endswith(b"\n")))


def estimated_characters(path: str | Path) -> int | None:
    """About how many characters a plain UTF-8 file has, by its first megabyte; None where unknown."""
    return _estimate(path, lambda content: len(content.decode("utf-8", "replace")))


def _estimate(path: str | Path, count: Callable[[bytes], int]) -> int | None:
    try:
        if not Path(path).is_file():
            return None
        with open(path, "rb") as stream:
            start, size = stream.read(_SAMPLE), Path(path).stat().st_size
    except OSError:
        return None  # whoever reads it will say why
    if not start or is_compressed(start):
        return None
    return round(count(start) * size / len(start))


def read_lines(path: str | Path, *, name: str | None = None, warn: bool = True) -> Iterator[str]:
    """The lines of a plain or gzip file, or of standard input for `-`, in bounded memory.

    Lines come as soon as they have arrived. One trailing `\\r` is stripped, as is a byte order mark at the
    start; invalid UTF-8 becomes U+FFFD, and a line longer than 1 MiB is cut: each with one warning per file,
    unless `warn` is false. `name` is how messages call the input. Raises InputMissing or StorageError for a
    file that cannot be read and DataError for a damaged or foreign one.
    """
    return chain.from_iterable(read_blocks(path, name=name, warn=warn))


def read_blocks(path: str | Path, *, name: str | None = None, warn: bool = True) -> Iterator[list[str]]:
    """`read_lines` in lists of lines that arrived together: one line from a person, many from a file."""
    with _reading(path, name, warn=warn) as (stream, account):
        if segments := _segments(stream, path, account):
            while some := list(islice(segments, _SEGMENTS)):
                account.lines += len(some)
                yield some
            return
        for block in _whole_lines(stream):
            if account.lines == 0:
                block = block.removeprefix(_BYTE_ORDER_MARK)
            lines = _decode_block(block, account)
            account.lines += len(lines)
            yield lines


def read_text(
    path: str | Path, *, name: str | None = None, warn: bool = True, exact: bool = False
) -> Iterator[str]:
    """The whole text of a file, as `read_lines` finds it, in parts that end behind a newline.

    All newlines are kept, and so is the lack of a last one; `\\r\\n` becomes `\\n`. A line of more than 1 MiB
    comes in several parts, cut before a space where it has one. With `exact` nothing is changed, and bytes
    that are no UTF-8 come as surrogate escapes (PEP 383).
    """
    with _reading(path, name, warn=warn, any_encoding=exact) as (stream, account):
        if not exact and (segments := _segments(stream, path, account)):
            for segment in segments:
                yield f"{segment}\n"
            return
        for number, part in enumerate(_bounded_lines(stream)):
            if exact:
                yield part.decode("utf-8", "surrogateescape")
            elif text := _decode_part(part.removeprefix(b"" if number else _BYTE_ORDER_MARK), account):
                yield text
            account.lines += part.count(b"\n")


def read_raw_lines(path: str | Path, *, name: str, longest: int) -> Iterator[bytes]:
    """The lines of a plain or gzip file with their ends, without a byte order mark.

    Raises DataError for a line of more than `longest` bytes, and what `read_lines` raises.
    """
    with _reading(path, name, warn=False) as (stream, account):
        while line := stream.readline(longest + 1):
            account.lines += 1
            if len(line) > longest:
                raise DataError(
                    f"line {account.lines:,} of {name} has more than {longest:,} bytes",
                    where=f"{name}:{account.lines}",
                    hint="check that it is a table: a row is a line",
                )
            yield line.removeprefix(_BYTE_ORDER_MARK) if account.lines == 1 else line


@dataclass
class _Account:
    """How far one file is read, and what was mended in it, for one warning each at its end."""

    name: str
    lines: int = 0  # given so far
    invalid: list[int] = field(default_factory=list)  # the first line numbers
    invalid_count: int = 0
    last_invalid: int = 0
    cut: list[int] = field(default_factory=list)
    cut_count: int = 0
    markup: str = ""  # whose tags are read as text

    def add_invalid(self, line: int) -> None:
        if line == self.last_invalid:
            return  # another part of a long line
        self.last_invalid = line
        self.invalid_count += 1
        if len(self.invalid) < _SHOWN:
            self.invalid.append(line)

    def add_cut(self, line: int) -> None:
        self.cut_count += 1
        if len(self.cut) < _SHOWN:
            self.cut.append(line)

    def report(self) -> None:
        if self.markup:
            logger.warning("%s is %s: its tags are read as words", self.name, self.markup)
        if self.invalid_count:
            logger.warning(
                "%s: invalid UTF-8 replaced by U+FFFD in %s",
                self.name,
                _numbered(self.invalid, self.invalid_count),
            )
        if self.cut_count:
            logger.warning(
                "%s: cut to the first %s bytes: %s",
                self.name,
                f"{LINE_BYTES:,}",
                _numbered(self.cut, self.cut_count),
            )


def _numbered(first: list[int], count: int) -> str:
    numbers = ", ".join(f"{number:,}" for number in first)
    if count == 1:
        return f"line {numbers}"
    return f"{count:,} lines ({numbers}{', …' if count > len(first) else ''})"


@contextmanager
def _reading(
    path: str | Path, name: str | None, *, warn: bool, any_encoding: bool = False
) -> Iterator[tuple[BinaryIO, _Account]]:
    """The bytes of an input and its account; what goes wrong with them is one of our errors."""
    account = _Account(name or input_name(path))
    with open_bytes(path, account.name, any_encoding=any_encoding) as stream:
        try:
            yield stream, account
        except DAMAGE as error:
            raise damaged(account.name, stream, error, account.lines) from error
        except OSError as error:
            raise read_error(account.name, stream, error, account.lines) from error
        finally:
            if warn:
                account.report()


def _segments(stream: BinaryIO, path: str | Path, account: _Account) -> Iterator[str] | None:
    """The sentences of a file that has them between tags, or the named part of one; None for plain text."""
    markup = markup_of(cast(BufferedReader, stream).peek(_START)[:_START])
    _, part = split_part(path)
    if part is not None and markup in {"tmx", "wmt"}:
        return part_segments(stream, account.name, part, "tmx" if markup == "tmx" else "wmt")
    if markup == "sgm":
        return sgm_segments(stream, account.name)
    if markup in {"tmx", "wmt"}:
        parts = "its languages" if markup == "tmx" else "src, ref or hyp"
        raise DataError(
            f"{account.name} is {'TMX' if markup == 'tmx' else 'WMT xml'}, which holds all sides of a text",
            where=account.name,
            hint=f"--pairs reads it; or name one of {parts}: {path}:{'en' if markup == 'tmx' else 'src'}",
        )
    account.markup = {"html": "HTML", "xml": "XML"}.get(markup or "", "")
    return None


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines; only the last may lack its `\\n`. Holds little more than one long line."""
    reader = cast(BufferedReader, stream)
    rest = b""
    while block := reader.read1(_BLOCK):
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        elif len(rest) <= LINE_BYTES:
            # One byte more than the limit is kept, so that the line is known to be too long.
            rest = (rest + block)[: LINE_BYTES + 1]
    if rest:
        yield rest


def _bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, all of them; a line of more than 1 MiB in several, cut where its bytes say."""
    reader = cast(BufferedReader, stream)
    rest = b""
    while block := reader.read1(_BLOCK):
        rest += block
        # Reads end anywhere, and the same text is to give the same long lines in the same parts. A read is
        # shorter than the limit, so that only the first line can be longer.
        while len(rest) > LINE_BYTES and rest.find(b"\n", 0, LINE_BYTES + 1) < 0:
            end = rest.rfind(b" ", 1, LINE_BYTES)
            if end < 0:
                end = len(cut_line(rest, LINE_BYTES))
            yield rest[:end]
            rest = rest[end:]
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _decode_part(part: bytes, account: _Account) -> str:
    """The text of some lines."""
    try:
        text = part.decode("utf-8")
    except UnicodeDecodeError:
        text = part.decode("utf-8", "replace")
        for number, raw in enumerate(part.split(b"\n"), account.lines + 1):
            if not _is_utf8(raw):
                account.add_invalid(number)
    return text.replace("\r\n", "\n") if b"\r" in part else text


_LINE_ENDS = {
    "\r": ("CR", r"tr '\r' '\n' < FILE > FILE.txt"),
    "\x85": ("NEL (U+0085)", r"perl -CSD -pe 's/\x{85}/\n/g' FILE > FILE.txt"),
    "\u2028": ("U+2028", r"perl -CSD -pe 's/\x{2028}/\n/g' FILE > FILE.txt"),
    "\u2029": ("U+2029", r"perl -CSD -pe 's/\x{2029}/\n/g' FILE > FILE.txt"),
}


def line_end_in(line: str) -> tuple[str, str] | None:
    """The name of what ends lines in the only line of a file, and the command that mends it, or None."""
    return next((told for mark, told in _LINE_ENDS.items() if mark in line.strip(mark)), None)


def refuse_line_ends(name: str, lines: int, line: str) -> None:
    """DataError if a file's only line holds what ends lines elsewhere."""
    if lines == 1 and (found := line_end_in(line)):
        raise DataError(
            f"the lines of {name} end in {found[0]}, not in LF: it is one line for most tools",
            where=name,
            hint=f"convert it first: {found[1]}",
        )


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_block(block: bytes, account: _Account) -> list[str]:
    if len(block) <= LINE_BYTES:
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError:
            return _decode_with_care(block, account)
        lines = text.removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines] if "\r" in text else lines
    return _decode_with_care(block, account)


def _decode_with_care(block: bytes, account: _Account) -> list[str]:
    lines = []
    for number, raw in enumerate(block.removesuffix(b"\n").split(b"\n"), account.lines + 1):
        kept = cut_line(raw)
        if len(kept) < len(raw):
            account.add_cut(number)
        try:
            line = kept.decode("utf-8").removesuffix("\r")
        except UnicodeDecodeError:
            line = decode_line(kept)
            account.add_invalid(number)
        lines.append(line)
    return lines
