"""Lines are read as the bytes have them, from files and pipes, in bounded memory."""

from __future__ import annotations

import gzip
import logging
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqkit.data.text import reading
from seqkit.data.text.foreign import refuse_foreign
from seqkit.data.text.opening import is_compressed
from seqkit.data.text.reading import (
    LINE_BYTES,
    cut_line,
    decode_line,
    estimated_characters,
    estimated_lines,
    read_blocks,
    read_lines,
    read_text,
)
from seqkit.errors import DataError, InputMissing


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The messages of the package's logger."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, collector = logging.getLogger("seqkit"), Collector()
    level = logger.level
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    yield messages
    logger.removeHandler(collector)
    logger.setLevel(level)


def lines_of(content: bytes, folder: Path) -> list[str]:
    path = folder / "text"
    path.write_bytes(content)
    return list(read_lines(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\r\n", ["a\r"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\x00\x0b\x0c\x1c\x1d\x1eb\n", ["a\x00\x0b\x0c\x1c\x1d\x1eb"]),
        ("a\u2028b\u2029c\u0085d\n".encode(), ["a\u2028b\u2029c\u0085d"]),
        ("\ufeffa\n\ufeffb\n".encode(), ["a", "\ufeffb"]),
        (b"\xff\n", ["\ufffd"]),
        (b"\xc3\n\xa9\n", ["\ufffd", "\ufffd"]),
    ],
)
def test_a_line_ends_at_the_newline_byte_only(content: bytes, expected: list[str], tmp_path: Path) -> None:
    assert lines_of(content, tmp_path) == expected


@settings(max_examples=200)
@given(
    content=st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\xc3\xa9", b"\xe2\x80", b"\xff"])).map(
        b"".join
    ),
    block=st.integers(1, 9),
    compress=st.booleans(),
)
def test_lines_do_not_depend_on_how_the_bytes_arrive(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, block: int, compress: bool
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "text"
    path.write_bytes(gzip.compress(content) if compress else content)
    expected = [decode_line(raw) for raw in content.removesuffix(b"\n").split(b"\n")] if content else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK", block)
        assert list(read_lines(path)) == expected


def test_gzip_is_known_by_its_bytes_and_may_have_several_members(tmp_path: Path) -> None:
    assert lines_of(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"), tmp_path) == ["a", "bc", "d"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_file_is_named_with_the_line(damage: str, tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"".join(b"%d\n" % number for number in range(100_000))))
    if damage == "cut":
        del content[-5000:]
    else:
        content[-3] ^= 1  # the length at the end
    with pytest.raises(DataError) as caught:
        lines_of(bytes(content), tmp_path)
    assert "damaged gzip" in caught.value.message
    assert "text, after line" in str(caught.value.where)


def test_invalid_utf8_is_one_warning_with_the_first_lines_and_the_count(
    tmp_path: Path, logged: list[str]
) -> None:
    lines_of(b"ok\n" + b"\xff\n" * 5 + b"ok\n", tmp_path)
    assert logged == [f"{tmp_path / 'text'}: invalid UTF-8 replaced by U+FFFD in 5 lines (2, 3, 4, …)"]


def test_a_second_reading_can_be_silent(tmp_path: Path, logged: list[str]) -> None:
    (tmp_path / "text").write_bytes(b"\xff\n")
    assert list(read_lines(tmp_path / "text", warn=False)) == ["\ufffd"]
    assert logged == []


def test_a_long_line_is_cut_and_stays_one_line(tmp_path: Path, logged: list[str]) -> None:
    long = "é" * LINE_BYTES  # twice the limit in bytes
    first, second, third = lines_of(f"a\n{long}x\nb\n".encode(), tmp_path)
    assert (first, third) == ("a", "b")
    assert second == "é" * (LINE_BYTES // 2)
    assert logged == [f"{tmp_path / 'text'}: cut to the first 1,048,576 bytes: line 2"]


def test_a_line_is_cut_between_characters() -> None:
    assert [cut_line("aé€😀".encode(), limit).decode() for limit in range(1, 11)] == [
        *("a", "a", "aé", "aé", "aé", "aé€", "aé€", "aé€", "aé€", "aé€😀")
    ]


def test_memory_stays_bounded_for_an_endless_line(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    with open(path, "wb") as stream:
        stream.truncate(64 << 20)
    tracemalloc.start()
    try:
        lengths = [len(line) for line in read_lines(path)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lengths == [LINE_BYTES]
    assert peak < 12 << 20


def test_a_line_is_given_before_the_next_has_arrived() -> None:
    reader, writer = os.pipe()
    try:
        lines = read_lines(f"/dev/fd/{reader}")
        os.write(writer, b"one\ntw")
        assert next(lines) == "one"
        os.write(writer, b"o\nthree\n")
        assert next(lines) == "two"
    finally:
        os.close(writer)
        rest = list(lines)
        os.close(reader)
    assert rest == ["three"]


def test_blocks_hold_all_lines_that_arrived_together(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a\nb\nc\n")
    assert list(read_blocks(tmp_path / "text")) == [["a", "b", "c"]]


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("a\n")
    with pytest.raises(InputMissing) as caught:
        list(read_lines(tmp_path / "trian.en"))
    assert caught.value.hint == "did you mean train.en?"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="it is a directory"):
        list(read_lines(tmp_path))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x04\x22\x4d\x18rest", "compressed with lz4"),
        (b"LZIP\x01rest", "compressed with lzip"),
        ("a\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_not_utf8_text_is_refused_with_a_command(content: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=what) as caught:
        lines_of(content, tmp_path)
    assert str(caught.value.hint).startswith("convert it first: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", ["\n"]),
        (b"a\n\nb", ["a\n\n", "b"]),
        (b"a\r\nb\rc\r\r\n", ["a\nb\rc\r\n"]),
        ("\ufeffa\n\ufeffb\u2028".encode(), ["a\n", "\ufeffb\u2028"]),
        ("\ufeff".encode(), []),
        (b"\xff\x00\n", ["\ufffd\x00\n"]),
    ],
)
def test_a_whole_text_keeps_its_newlines(content: bytes, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    assert list(read_text(path)) == expected
    exact = "".join(read_text(path, exact=True, warn=False))
    assert exact.encode("utf-8", "surrogateescape") == content


@settings(max_examples=200)
@given(content=st.text("a \r\n\u00e9漢", max_size=40), raw=st.binary(max_size=10), blocks=st.data())
def test_reads_may_end_anywhere_in_a_text(
    tmp_path_factory: pytest.TempPathFactory, content: str, raw: bytes, blocks: st.DataObject
) -> None:
    start = content.encode() + raw
    assume(not is_compressed(start))  # and damaged
    with suppress(DataError):
        refuse_foreign(start, "text")
        start = b""
    assume(not start)
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_bytes(content.encode() + raw)
    limit = blocks.draw(st.integers(5, 20))  # a cut may take four bytes back
    size = blocks.draw(st.integers(1, limit))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "LINE_BYTES", limit)
        patch.setattr(reading, "_BLOCK", limit)
        whole = list(read_text(path, warn=False))
        exact = list(read_text(path, warn=False, exact=True))
        patch.setattr(reading, "_BLOCK", size)
        # The parts of long lines are the same, so that what is made of them is.
        assert [part for part in read_text(path, warn=False) if "\n" not in part] == [
            part for part in whole if "\n" not in part
        ]
        assert "".join(read_text(path, warn=False)) == "".join(whole)
    assert "".join(exact).encode("utf-8", "surrogateescape") == content.encode() + raw
    assert all(part.endswith("\n") or len(part) <= limit for part in whole)
    if not raw:
        assert "".join(whole) == content.replace("\r\n", "\n")


def test_a_long_line_of_a_text_is_cut_before_a_space(tmp_path: Path, logged: list[str]) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xff" + b"ab " * (LINE_BYTES // 2) + b"\xff\n" + "é".encode() * LINE_BYTES + b"\n\xff")
    parts = list(read_text(path))
    assert "".join(parts) == "\ufffd" + "ab " * (LINE_BYTES // 2) + "\ufffd\n" + "é" * LINE_BYTES + "\n\ufffd"
    assert [len(part.encode()) <= LINE_BYTES + 5 for part in parts] == [True] * len(parts)
    assert parts[0].endswith("ab")
    assert parts[1].startswith(" ab")
    assert logged == [f"{path}: invalid UTF-8 replaced by U+FFFD in 2 lines (1, 3)"]


def test_a_damaged_file_of_text_says_how_far_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(os.urandom(1000).hex().encode() + b"\n" * 7 + b"end")[:-9])
    with pytest.raises(DataError, match="is a damaged gzip file") as caught:
        list(read_text(path))
    assert caught.value.where == f"{path}, after line 7"


def test_the_size_of_a_text_is_estimated(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"a\nb\r\nc")
    assert (estimated_lines(small), estimated_characters(small)) == (3, 6)
    large = tmp_path / "large"
    large.write_text("ä" * 49 + "\n")
    large.write_bytes(large.read_bytes() * 50_000)  # 99 bytes, 50 characters a line
    assert estimated_lines(large) == pytest.approx(50_000, rel=1e-3)
    assert estimated_characters(large) == pytest.approx(50 * 50_000, rel=1e-3)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"a\n" * 9))
    (tmp_path / "empty").touch()
    for unknown in ("packed.gz", "empty", "missing", "."):
        assert estimated_lines(tmp_path / unknown) is None
    assert estimated_lines("-") is None
