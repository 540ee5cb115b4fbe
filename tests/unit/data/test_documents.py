"""Documents come as the text has them, however it is read: in parts, through long lines, cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.manifest import Documents
from seqkit.data.prepare.options import DOCUMENTS
from seqkit.data.text import reading as text_module
from seqkit.data.text.documents import Chunk, DocumentText, split
from seqkit.data.text.sources import TextFile

LIMIT = 5  # of a line in these tests, so that long ones are met

contents = st.lists(st.text("ab \t\n", max_size=30), min_size=1, max_size=3)


def document_text(folder: Path, files: Iterable[str], documents: Documents) -> DocumentText:
    paths = []
    for number, content in enumerate(files):
        paths.append(folder / str(number))
        paths[-1].write_text(content, newline="")
    return DocumentText(
        tuple(TextFile(path, path.name) for path in paths), documents, "identity", exact=False
    )


def is_blank(line: str) -> bool:
    return len(line) <= LIMIT and not line.strip(" \t")


def expected(files: list[str], documents: Documents) -> list[str]:
    """The documents, found in the simplest way."""
    if documents == "none":
        return ["".join(files)]
    if documents == "file":
        return [file for file in files if file]
    lines = [file.removesuffix("\n").split("\n") for file in files if file]
    if documents == "line":
        return [line for file in lines for line in file if not is_blank(line)]
    groups = (group for file in lines for blank, group in groupby(file, is_blank) if not blank)
    return ["\n".join(group) for group in groups]


def documents_of(chunks: Iterable[Chunk | None]) -> list[str]:
    """The documents in chunks, the last one whether it is ended or not."""
    found, unfinished = [], ""
    for chunk in filter(None, chunks):
        for index, text in enumerate(chunk.texts):
            unfinished += text
            if index < chunk.ends:
                found.append(unfinished)
                unfinished = ""
    return [*found, unfinished] if unfinished or not found else found


@pytest.mark.parametrize("documents", DOCUMENTS)
@settings(max_examples=150)
@given(files=contents, block=st.integers(1, LIMIT))
def test_documents_are_those_of_the_text(
    tmp_path_factory: pytest.TempPathFactory, documents: Documents, files: list[str], block: int
) -> None:
    text = document_text(tmp_path_factory.mktemp("text"), files, documents)
    with patch.multiple(text_module, LINE_BYTES=LIMIT, _BLOCK=block):
        chunks = list(text.chunks(warn=False))
    wanted = expected(files, documents)
    assert documents_of(chunks) == (wanted or [""])
    ends = 0 if documents == "none" else len(wanted)
    assert sum(chunk.ends for chunk in chunks) == ends


@settings(max_examples=100)
@given(
    files=contents,
    block=st.integers(1, LIMIT),
    place=st.integers(1, 40),
    documents=st.sampled_from(["none", "line", "blank-line", "file"]),
)
def test_a_text_can_be_split_anywhere(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], block: int, place: int, documents: Documents
) -> None:
    text = document_text(tmp_path_factory.mktemp("text"), files, documents)
    wanted = expected(files, documents)
    if documents != "none":  # at the end of a document, as it is meant
        place = len("".join(wanted[: 1 + place % max(len(wanted), 1)]))
    with patch.multiple(text_module, LINE_BYTES=LIMIT, _BLOCK=block):
        sides = list(split(text.chunks(warn=False), place))
    before, behind = (documents_of(side) for side in zip(*sides, strict=True)) if sides else ([""], [""])
    assert "".join(before) == "".join(wanted)[:place]
    assert "".join(behind) == "".join(wanted)[place:]
    if documents != "none":
        count = len([document for document in before if document])
        assert sum(chunk.ends for chunk, _ in sides if chunk) == count
        assert [*filter(None, before), *filter(None, behind)] == wanted


def test_blank_documents_are_counted(tmp_path: Path) -> None:
    text = document_text(tmp_path, ["a\n\n \t\nb", "\n", ""], "line")
    assert sum(chunk.dropped for chunk in text.chunks(warn=False)) == 3
    text = document_text(tmp_path, ["a", "", "\n"], "file")
    chunks = list(text.chunks(warn=False))
    assert sum(chunk.dropped for chunk in chunks) == 1
    assert documents_of(chunks) == ["a", "\n"]


def test_windows_newlines_are_blank_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"a\r\nb\r\n\r\nc\r\n")
    for exact, wanted in ((False, ["a\nb", "c"]), (True, ["a\r\nb\r", "c\r"])):
        text = DocumentText((TextFile(path, "text"),), "blank-line", "identity", exact=exact)
        assert documents_of(text.chunks(warn=False)) == wanted
