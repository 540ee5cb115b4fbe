"""What a file is by its first bytes: decompressed, or refused by what it is, with what mends it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.text.foreign import foreign_encoding
from seqkit.data.text.opening import members
from seqkit.data.text.reading import read_lines, read_text
from seqkit.data.text.sources import text_files
from seqkit.errors import DataError, InputMissing

LINES = ["ein Hund", "zwei Hunde"]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstd.compress,
}


def archive(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return path


def error_of(path: Path | str) -> DataError | InputMissing:
    with pytest.raises((DataError, InputMissing)) as caught:
        list(read_lines(path))
    assert caught.value.where
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_text_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "text"  # recognised by its bytes, whatever its name
    path.write_bytes(COMPRESSED[name](TEXT))
    assert list(read_lines(path)) == LINES
    assert "".join(read_text(path)) == TEXT.decode()
    path.write_bytes(COMPRESSED[name](TEXT) * 2)  # one after the other, as cat puts them
    assert list(read_lines(path)) == LINES * 2
    path.write_bytes(gzip.compress(COMPRESSED[name](TEXT)))
    assert list(read_lines(path)) == LINES


@pytest.mark.parametrize("name", COMPRESSED)
def test_damaged_compressed_text(name: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    whole = COMPRESSED[name](TEXT * 100)
    place = 12 if name == "bz2" else 8  # behind the bytes by which it is recognised
    for content in (whole[:-5], whole[: len(whole) // 2], whole[:place] + b"xxxx" + whole[place + 4 :]):
        path.write_bytes(content)
        error = error_of(path)
        title = {"gz": "gzip", "bz2": "bzip2", "zst": "zstd"}.get(name, name)
        assert error.message.startswith(f"{path} is a damaged {title} file: ")
        assert error.hint == f"fetch or compress the file again; {title} -t checks it"


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(COMPRESSED)), place=st.integers(0, 400), bit=st.integers(0, 7))
def test_a_flipped_bit_raises_nothing_but_our_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, bit: int
) -> None:
    content = bytearray(COMPRESSED[name](TEXT * 3))
    content[place % len(content)] ^= 1 << bit
    path = tmp_path_factory.mktemp("bits") / "text"
    path.write_bytes(content)
    with suppress(DataError):
        list(read_lines(path))


def test_a_zip_with_one_text(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", README=b"about", **{"LICENSE.txt": b"all", "text/a.txt": TEXT})
    assert list(read_lines(path)) == LINES


def test_members_of_a_zip_are_named(tmp_path: Path) -> None:
    english, german = "Books.de-en.en", "Books.de-en.de"
    path = archive(tmp_path / "de-en.zip", README=b"about", **{english: TEXT, german: TEXT.upper()})
    error = error_of(path)
    assert error.message == f"{path} is a zip archive of 2 files: {english}, {german}"
    assert error.hint == f"name one of them: {path}:{english}"
    assert list(read_lines(f"{path}:{german}")) == [line.upper() for line in LINES]
    error = error_of(f"{path}:nothing")
    assert (error.exit_code, error.message) == (66, f"{path} has no member nothing")
    (tmp_path / "plain.zip").write_bytes(TEXT)
    error = error_of(f"{tmp_path}/plain.zip:{german}")
    assert "names a member of an archive, but its file is no zip archive" in error.message


def test_several_members_by_a_pattern(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"b.en": b"two\n", "a.en": b"one\n", "a.de": b"eins\n"})
    assert members(f"{path}:*.en") == [f"{path}:a.en", f"{path}:b.en"]
    spool = tmp_path / "spool"
    spool.mkdir()
    files = text_files([f"{path}:*.en"], spool)
    assert [list(file.lines(warn=False)) for file in files] == [["one"], ["two"]]
    with pytest.raises(InputMissing):
        members(f"{path}:*.fr")
    with pytest.raises(InputMissing, match="there is no such file"):
        members(f"{tmp_path}/none.zip:*.en")
    (tmp_path / "none.zip").write_bytes(TEXT)
    with pytest.raises(DataError, match="is a damaged zip file"):
        members(f"{tmp_path}/none.zip:*.en")


@pytest.mark.parametrize(
    ("contents", "what"),
    [
        ({"[Content_Types].xml": b"", "word/document.xml": b""}, "a Word document"),
        ({"[Content_Types].xml": b"", "xl/workbook.xml": b""}, "an Excel workbook"),
        ({"mimetype": b"", "content.xml": b""}, "an OpenDocument file"),
        ({"mimetype": b"", "META-INF/container.xml": b"", "a.html": b""}, "an e-book"),
        ({"model/data.pkl": b"", "model/data/0": b""}, "a PyTorch file"),
    ],
)
def test_documents_that_are_archives(contents: dict[str, bytes], what: str, tmp_path: Path) -> None:
    assert f"is {what}" in error_of(archive(tmp_path / "file", **contents)).message


def test_archives_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.zip")
    assert error_of(path).message == f"{path} is a zip archive with nothing in it"
    path = archive(tmp_path / "a.zip", text=TEXT)
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + place] |= 1  # encrypted
    (tmp_path / "locked.zip").write_bytes(content)
    assert error_of(tmp_path / "locked.zip").message == f"{tmp_path}/locked.zip is encrypted"
    ours, theirs = os.pipe()
    os.write(theirs, path.read_bytes())
    os.close(theirs)
    with open(ours, encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        message = error_of("-").message
    assert message == "standard input is a zip archive, which cannot be read from a pipe"


def tar() -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as file:
        information = tarfile.TarInfo("text")
        information.size = len(TEXT)
        file.addfile(information, io.BytesIO(TEXT))
    return output.getvalue()


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF document", "pdftotext"),
        (tar(), "a tar archive", "tar -xf"),
        (gzip.compress(tar()), "a tar archive", "tar -xf"),
        (lzma.compress(tar()), "a tar archive", "tar -xf"),
        (b"{\\rtf1\\ansi", "an RTF document", "plain text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", "plain text"),
        (b"\x89PNG\r\n\x1a\n", "an image", "table"),
        (b"\xff\xd8\xff\xe0", "an image", "table"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "sound or video", "table"),
        (b"PAR1\x15\x04", "a Parquet table", "CSV"),
        (b"SQLite format 3\0", "an SQLite database", "sqlite3 -csv"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive", "7z x"),
        (b"Rar!\x1a\x07\0", "a rar archive", "unrar"),
        (b"\x04\x22\x4d\x18", "compressed with lz4", "lz4 -dc"),
        (b"\x80\x04\x95\0", "a Python pickle", "one line per sentence"),
        (b"\x93NUMPY\x01", "a NumPy array", "one line per sentence"),
        (b"\x7fELF\x02", "a program", "text"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(
    content: bytes, what: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    error = error_of(path)
    assert error.message == f"{path} is {what}, not UTF-8 text"
    assert remedy in str(error.hint)


SENTENCES = {
    "English": "The cat sees a dog.\nTwo dogs.\n",
    "Chinese": "上海的天气很好。\n我们在图书馆看见 3 位老人。\n",
    "Russian": "Кошка видит собаку.\nДве собаки.\n",
}


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_with_and_without_a_mark(encoding: str, language: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(SENTENCES[language].encode(encoding))
    error = error_of(path)
    name = encoding[:6].upper()
    assert error.message == f"{path} is {name} text, not UTF-8 text"
    source = str(error.hint).split()[5]
    assert path.read_bytes().decode(source).lstrip("\ufeff") == SENTENCES[language]
    assert "".join(read_text(path, exact=True)).encode("utf-8", "surrogateescape") == path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"a\0b\0c\0d\0e\0f\0g\0h\0i\n",
        b"\0\n" * 30,
        b"\0" * 99,
        b"a line\0with zeros\n" * 9,
        b"x\0y\n" * 9,
        b"\0a\n\0b\n" * 9,
    ],
)
def test_zero_bytes_in_text_are_text(content: bytes, tmp_path: Path) -> None:
    assert foreign_encoding(content) is None
    path = tmp_path / "text"
    path.write_bytes(content)
    assert len(list(read_lines(path))) == content.count(b"\n") + (not content.endswith(b"\n"))
