"""What is no text, by its first bytes: refused by its name, with the command that makes text of it."""

from __future__ import annotations

import re
import unicodedata

from seqkit.errors import DataError

_TAR_MARK = slice(257, 262)
_FEWEST_UNITS = 8  # of UTF-16 or UTF-32 that it may be recognised by without zero bytes beside a mark
_PLAUSIBLE = 0.95  # share of them that must be letters, digits, punctuation, spaces

# No text begins so by chance: the marks are whole.
_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    (rb"%PDF-", "a PDF document", "extract its text: pdftotext FILE FILE.txt"),
    (rb"\{\\rtf", "an RTF document", "save it as plain text (UTF-8)"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", "save it as plain text (UTF-8)"),
    (rb"%!PS", "a PostScript document", "extract its text: ps2ascii FILE > FILE.txt"),
    (rb"\xc5\xd0\xd3\xc6|\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|II\*\0|MM\0\*|BM....\0\0\0\0", "an image", ""),
    (rb"RIFF....(WAVE|AVI |WEBP)|fLaC|OggS|ID3[\x02-\x04]|....ftyp|\x1aE\xdf\xa3", "sound or video", ""),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it: 7z x FILE"),
    (rb"Rar!\x1a\x07", "a rar archive", "unpack it: unrar x FILE"),
    (rb"\x1f[\x9d\xa0]", "compressed with compress", "convert it first: gzip -dc FILE > FILE.txt"),
    (rb"LZIP\x01", "compressed with lzip", "convert it first: lzip -dc FILE > FILE.txt"),
    (rb"\x04\x22\x4d\x18", "compressed with lz4", "convert it first: lz4 -dc FILE > FILE.txt"),
    (rb"PAR1", "a Parquet table", "write it as CSV or JSON Lines, and name its columns with --columns"),
    (rb"ARROW1|\xff\xff\xff\xff.\0\0\0", "an Arrow table", "write it as CSV or JSON Lines"),
    (rb"SQLite format 3\0", "an SQLite database", 'write a table: sqlite3 -csv FILE "SELECT …" > FILE.csv'),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", "write its text with one line per sentence"),
    (rb"\x93NUMPY", "a NumPy array", "write its text with one line per sentence"),
    (rb"\x80[\x02-\x05](\x95|\}|c|\])", "a Python pickle", "write its text with one line per sentence"),
    (rb"\x7fELF|MZ.\0\x03\0\0\0|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program", ""),
)
_COMPILED = tuple((re.compile(mark, re.DOTALL), what, remedy) for mark, what, remedy in _FORMATS)
_MARKED_ENCODINGS = (
    (b"\xff\xfe\0\0", "UTF-32", "UTF-32LE"),
    (b"\0\0\xfe\xff", "UTF-32", "UTF-32BE"),
    (b"\xff\xfe", "UTF-16", "UTF-16"),
    (b"\xfe\xff", "UTF-16", "UTF-16"),
)


def refuse_foreign(start: bytes, name: str, *, any_encoding: bool = False) -> None:
    """DataError if a file that begins with `start` is of a format that holds no plain text.

    With `any_encoding` bytes are taken as they are, and text in UTF-16 or UTF-32 is no error.
    """
    if start[_TAR_MARK] == b"ustar":
        raise _foreign(name, "a tar archive", "unpack it, and name the files in it: tar -xf FILE")
    for mark, what, remedy in _COMPILED:
        if mark.match(start):
            raise _foreign(name, what, remedy or "name a file of text, or a table that names such files")
    if not any_encoding and (encoding := foreign_encoding(start)):
        title, source = encoding
        raise _foreign(name, f"{title} text", f"convert it first: iconv -f {source} -t UTF-8 FILE > FILE.txt")


def _foreign(name: str, what: str, remedy: str) -> DataError:
    return DataError(f"{name} is {what}, not UTF-8 text", where=name, hint=remedy)


def foreign_encoding(start: bytes) -> tuple[str, str] | None:
    """The title of the encoding of a text that is UTF-16 or UTF-32, and how iconv calls it; None for others.

    By a mark that zero bytes follow, or by what the bytes would be: characters that texts consist of, most of
    them with a zero byte; or, where few have one, bytes that are no UTF-8.
    """
    for mark, title, source in _MARKED_ENCODINGS:
        if start.startswith(mark) and (b"\0" in start or _consists_of_characters(start, source)):
            return title, source
    if b"\0" not in start:
        return None
    for title, source, unit in (
        ("UTF-32", "UTF-32LE", 4),
        ("UTF-32", "UTF-32BE", 4),
        ("UTF-16", "UTF-16LE", 2),
        ("UTF-16", "UTF-16BE", 2),
    ):
        if _is_likely(start, source, unit) and _consists_of_characters(start, source):
            return title, source
    return None


def _is_likely(start: bytes, encoding: str, unit: int) -> bool:
    """Whether zero bytes are where the encoding has them."""
    high_bytes = start[unit - 1 :: unit] if encoding.endswith("LE") else start[::unit]
    zeros = high_bytes.count(0)
    if unit == 2 and zeros < len(high_bytes) / 2:
        odd = not _is_utf8(start) or _has_many_controls(start)
        return zeros > 0 and odd and not _is_mostly_ascii(start)
    # UTF-8 with zero bytes between its characters has none beside its newlines.
    return b"\n" not in start or "\n".encode(encoding) in start


def _consists_of_characters(start: bytes, encoding: str) -> bool:
    unit = 4 if "32" in encoding else 2
    if len(start) < _FEWEST_UNITS * unit:
        return False
    start = start[: len(start) // unit * unit]
    try:
        text = start[: -2 if unit == 2 else None].decode(encoding)  # half of a pair may be missing
    except UnicodeDecodeError:
        return False
    kinds = [unicodedata.category(character)[0] for character in text if character not in "\ufeff\n\r\t"]
    return bool(kinds) and sum(kind in "LMNPSZ" for kind in kinds) >= _PLAUSIBLE * len(kinds)


def _has_many_controls(start: bytes) -> bool:
    """As Cyrillic has in UTF-16, where half of its bytes are 4."""
    return sum(byte < 32 and byte not in b"\0\t\n\r" for byte in start) > len(start) / 4


def _is_mostly_ascii(start: bytes) -> bool:
    """As a damaged text is: in UTF-16 without many zero bytes, hardly half of the bytes are printable."""
    return sum(32 <= byte < 127 for byte in start) > 0.75 * len(start)


def _is_utf8(start: bytes) -> bool:
    try:
        start[: start.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
