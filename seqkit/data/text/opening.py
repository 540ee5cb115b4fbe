"""The bytes of an input, decompressed: gzip, xz, bzip2 and zstd, and members of zip archives."""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from seqkit.data.text.foreign import refuse_foreign
from seqkit.errors import DataError, InputMissing, SeqkitError, input_error

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the latter begins an empty archive
_START = 512  # bytes by which a format is recognised: a tar archive by its first block
_LAYERS = 3  # of compression: more are no accident
_SHOWN = 4  # members named in an error
# ARCHIVE.zip:MEMBER
_MEMBER = re.compile(r"(?s)(.+?\.zip):(.+)", re.IGNORECASE)
# FILE.tmx:LANGUAGE, FILE.xml:PART
_PART = re.compile(r"(?s)(.+?\.(?:tmx|xml)(?:\.(?:gz|xz|bz2|zst))?):([^:]+)", re.IGNORECASE)
# What an archive of text has beside the text.
_ABOUT = re.compile(
    r"(?i)(.*/)?(readme|license|licence|copying|copyright|changelog|info|citation)[^/]*|__MACOSX/.*"
)
# Documents and the like that are archives, by the name of a member.
_PACKAGES = (
    (r"word/.*", "a Word document", "save it as plain text (UTF-8)"),
    (r"xl/.*", "an Excel workbook", "save the sheet as CSV (UTF-8), and name its columns with --columns"),
    (r"ppt/.*", "a PowerPoint presentation", "save its text as plain text (UTF-8)"),
    (r"META-INF/container\.xml", "an e-book", "extract its text: pandoc FILE -t plain -o FILE.txt"),
    (r"content\.xml", "an OpenDocument file", "save it as plain text (UTF-8), or a sheet as CSV"),
    (r"META-INF/MANIFEST\.MF", "a Java archive", "name a file of text"),
    (r"(.*/)?data\.pkl", "a PyTorch file", "write its text with one line per sentence"),
    (r".*\.npy", "an archive of NumPy arrays", "write its text with one line per sentence"),
)
# What decompressing raises for bytes that are not what they begin like.
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)


def split_member(path: str | Path) -> tuple[str, str | None]:
    """The file that a path names, and the member of the zip archive in `ARCHIVE.zip:MEMBER`."""
    found = _MEMBER.fullmatch(str(path))
    if found is None or Path(path).exists():
        return str(path), None
    return found[1], found[2]


def split_part(path: str | Path) -> tuple[str, str | None]:
    """The file that a path names, and the part of an XML file in `FILE.xml:src` or `FILE.tmx:en`."""
    found = _PART.fullmatch(str(path))
    if found is None or Path(path).exists():
        return str(path), None
    return found[1], found[2]


def is_compressed(start: bytes) -> bool:
    """Whether a file that begins so is decompressed when it is read."""
    return start.startswith(_ZIP) or any(mark.match(start) for mark in _DECOMPRESSORS)


def members(path: str) -> list[str]:
    """The paths `ARCHIVE.zip:MEMBER` that one with `*` or `?` in it stands for; any other path alone."""
    archive, pattern = split_member(path)
    if pattern is None or not set(pattern) & set("*?["):
        return [path]
    try:
        with open(archive, "rb") as stream, _archive(stream, archive) as opened:
            names = sorted(name for name in _texts(opened) if fnmatch.fnmatchcase(name, pattern))
    except OSError as error:
        raise read_error(archive, None, error, 0) from error
    if not names:
        raise InputMissing(
            f"{archive} has no member {pattern}", where=archive, hint=f"unzip -l {archive} lists them"
        )
    return [f"{archive}:{name}" for name in names]


@contextmanager
def open_bytes(path: str | Path, name: str, *, any_encoding: bool) -> Iterator[BinaryIO]:
    """The decompressed bytes of an input; standard input is left open.

    Raises InputMissing for what cannot be opened and DataError for what is no text; for `any_encoding` see
    `refuse_foreign`.
    """
    if str(path) == "-":
        if sys.stdin is None:
            raise InputMissing("standard input is closed", where="-", hint="name a file")
        yield _decompressed(name, cast(BinaryIO, sys.stdin.buffer), None, any_encoding=any_encoding)
        return
    path, _ = split_part(path)
    file, member = split_member(path)
    try:
        stream = open(file, "rb")  # noqa: SIM115 - entered below, so that errors of the body stay apart
    except OSError as error:
        raise input_error(file if member else name, error) from error
    with stream:
        yield _decompressed(name, stream, member, any_encoding=any_encoding)


def _decompressed(name: str, stream: BinaryIO, member: str | None, *, any_encoding: bool) -> BinaryIO:
    for _ in range(_LAYERS):
        try:
            start = cast(BufferedReader, stream).peek(_START)[:_START]  # what has arrived
        except DAMAGE as error:
            raise damaged(name, stream, error, 0) from error
        except OSError as error:
            raise read_error(name, stream, error, 0) from error
        if start.startswith(_ZIP):
            stream, member = _member(stream, name, member), None
            continue
        opener = next((opener for mark, opener in _DECOMPRESSORS.items() if mark.match(start)), None)
        if opener is None:
            break
        stream = opener(stream)
    if member is not None:
        raise DataError(
            f"{name} names a member of an archive, but its file is no zip archive",
            where=name,
            hint=f"name the file alone: {split_member(name)[0]}",
        )
    refuse_foreign(start, name, any_encoding=any_encoding)
    return stream


def damaged(name: str, stream: object, error: BaseException, lines: int) -> DataError:
    """The error for compressed bytes that end early or are none, from a stream of `open_bytes`."""
    what, tool = _TOOLS.get(type(stream), ("zstd", "zstd"))
    return DataError(
        f"{name} is a damaged {what} file: {error}",
        where=f"{name}, after line {lines:,}",
        hint=f"fetch or compress the file again; {tool} -t checks it",
    )


def read_error(name: str, stream: object, error: OSError, lines: int) -> SeqkitError:
    """The error for an input that cannot be read; bzip2 says so, too, where the bytes are damaged."""
    return damaged(name, stream, error, lines) if error.errno is None else input_error(name, error)


_TOOLS: dict[type, tuple[str, str]] = {
    gzip.GzipFile: ("gzip", "gzip"),
    lzma.LZMAFile: ("xz", "xz"),
    bz2.BZ2File: ("bzip2", "bzip2"),
    zipfile.ZipExtFile: ("zip", "unzip"),
}


def _gzip(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb"))


def _xz(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(stream))


def _bzip2(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(stream))


class _ZstdFrames(RawIOBase):
    """The content of zstd frames; damage is an EOFError, not an error of zstd's own."""

    def __init__(self, stream: BinaryIO) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        self._file = zstd.ZstdFile(stream)
        self._error = zstd.ZstdError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            content = self._file.read1(len(view))
        except self._error as error:
            raise EOFError(str(error)) from error
        view[: len(content)] = content
        return len(content)


def _zstd(stream: BinaryIO) -> BinaryIO:
    return BufferedReader(_ZstdFrames(stream))


# No text begins so by chance: the marks are whole.
_DECOMPRESSORS: dict[re.Pattern[bytes], Callable[[BinaryIO], BinaryIO]] = {
    re.compile(rb"\x1f\x8b\x08"): _gzip,
    re.compile(rb"\xfd7zXZ\0"): _xz,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): _bzip2,
    re.compile(rb"\x28\xb5\x2f\xfd"): _zstd,
}


def _archive(stream: BinaryIO, name: str) -> zipfile.ZipFile:
    if not stream.seekable():
        raise DataError(
            f"{name} is a zip archive, which cannot be read from a pipe",
            where=name,
            hint="name the file, or its member with unzip -p ARCHIVE MEMBER",
        )
    try:
        return zipfile.ZipFile(stream)
    except (*DAMAGE, NotImplementedError, ValueError) as error:
        raise _damaged_archive(name, error) from error


def _damaged_archive(name: str, error: Exception) -> DataError:
    return DataError(
        f"{name} is a damaged zip file: {error}", where=name, hint="fetch it again; unzip -t checks it"
    )


def _texts(archive: zipfile.ZipFile) -> list[str]:
    """The members that may be text, by their names."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not _ABOUT.fullmatch(name)] or names


def _member(stream: BinaryIO, name: str, member: str | None) -> BinaryIO:
    """One member of an archive: the named one, or the only one that may be text."""
    archive = _archive(stream, name)
    texts = _texts(archive)
    if member is None:
        for pattern, what, remedy in _PACKAGES:
            if any(re.fullmatch(pattern, text) for text in texts):
                raise DataError(f"{name} is {what}, not UTF-8 text", where=name, hint=remedy)
        if len(texts) != 1:
            raise _several(name, texts)
        member = texts[0]
    matching = [text for text in archive.namelist() if text == member]
    if not matching:
        raise InputMissing(
            f"{split_member(name)[0]} has no member {member}", where=name, hint=_several(name, texts).hint
        )
    try:
        return cast(BinaryIO, archive.open(member))
    except RuntimeError as error:  # encrypted
        raise DataError(
            f"{name} is encrypted", where=name, hint="unpack it first: unzip ARCHIVE asks for the password"
        ) from error
    except (*DAMAGE, NotImplementedError) as error:
        raise _damaged_archive(name, error) from error


def _several(name: str, texts: list[str]) -> DataError:
    archive, _ = split_member(name)
    shown = ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
    if not texts:
        return DataError(f"{name} is a zip archive with nothing in it", where=name, hint="fetch it again")
    return DataError(
        f"{name} is a zip archive of {len(texts):,} files: {shown}",
        where=name,
        hint=f"name one of them: {archive}:{texts[0]}",
    )
