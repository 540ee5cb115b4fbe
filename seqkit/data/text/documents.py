"""Plain text as a stream of documents, read in parts: neither a text nor a document must fit memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from seqkit.data.manifest import Documents
from seqkit.data.text.reading import estimated_characters
from seqkit.data.text.sources import TextFile, total
from seqkit.data.tokenizers import Normalization, normal_form

_BLANK = " \t\r"  # what a line may hold and be blank
_BLANK_LINES = re.compile(r"\n(?:[ \t\r]*\n)+")  # behind a line


@dataclass(frozen=True)
class Chunk:
    """Consecutive text: parts of documents in order. All but the last part end their documents.

    The first part may continue a document of the chunk before, and is empty if only its end is new.
    """

    texts: list[str]
    ended: bool  # whether the last part ends its document too
    dropped: int = 0  # blank documents that were left out

    @property
    def characters(self) -> int:
        """The length of all parts."""
        return sum(map(len, self.texts))

    @property
    def ends(self) -> int:
        """How many documents end here."""
        return len(self.texts) if self.ended else len(self.texts) - 1

    def split(self, place: int) -> tuple[Chunk | None, Chunk | None]:
        """What is before and what is behind `place` characters; an end at the place is before it."""
        if place < 0:
            return None, self
        if place >= self.characters:
            return self, None
        before: list[str] = []
        for text in self.texts:
            if len(text) > place:
                break
            before.append(text)
            place -= len(text)
        behind = replace(self, texts=[text[place:], *self.texts[len(before) + 1 :]])
        if place:
            return Chunk([*before, text[:place]], ended=False), behind
        return Chunk(before, ended=True) if before else None, behind


def split(chunks: Iterable[Chunk], place: int) -> Iterator[tuple[Chunk | None, Chunk | None]]:
    """Each chunk's share before and behind `place` characters of the text."""
    for chunk in chunks:
        yield chunk.split(place)
        place -= chunk.characters


@dataclass(frozen=True)
class DocumentText:
    """The documents in some files. Marked documents end where their file ends, if not before."""

    files: tuple[TextFile, ...]
    documents: Documents
    normalization: Normalization
    exact: bool  # every byte is kept: `\r\n` as it is, what is no UTF-8 as surrogate escapes (PEP 383)

    def estimated_characters(self) -> int | None:
        """About how many there are, where that can be known before they are read."""
        return total(estimated_characters(file.path) for file in self.files)

    def chunks(self, *, warn: bool) -> Iterator[Chunk]:
        """All of it, from the start; with warnings about odd bytes if `warn`."""
        for file in self.files:
            yield from _SPLITTERS[self.documents](
                normal_form(part, self.normalization, raw_bytes=self.exact)
                for part in file.text(warn=warn, exact=self.exact)
            )


def _undivided(parts: Iterator[str]) -> Iterator[Chunk]:
    for part in parts:
        yield Chunk([part], ended=False)


def _whole_files(parts: Iterator[str]) -> Iterator[Chunk]:
    empty = True
    for part, last in _with_last(parts):
        empty = False
        yield Chunk([part], ended=last)
    if empty:
        yield Chunk([], ended=True, dropped=1)


def _lines(parts: Iterator[str]) -> Iterator[Chunk]:
    inside = False  # the line goes on in the next part
    for part, last in _with_last(parts):
        *lines, rest = _with_newline(part, last).split("\n")
        begun = lines[:1] if inside else []  # the end of a long line, which may be blank
        texts = [line for line in lines[len(begun) :] if line.strip(_BLANK)]
        dropped = len(lines) - len(begun) - len(texts)
        inside = bool(rest)
        yield Chunk([*begun, *texts, *([rest] if inside else [])], ended=not inside, dropped=dropped)


def _paragraphs(parts: Iterator[str]) -> Iterator[Chunk]:
    unfinished = inside = False  # the document, and its last line, go on in the next part
    for part, last in _with_last(parts):
        part = _with_newline(part, last)
        # A newline is written with the line behind it, so that no document ends with one.
        texts = _BLANK_LINES.split(part if inside else "\n" + part)
        inside = not part.endswith("\n")
        texts[-1] = texts[-1].removesuffix("\n")
        if not unfinished:
            texts[0] = texts[0].removeprefix("\n")
            if len(texts) > 1 and not texts[0]:
                del texts[0]  # nothing but blank lines
        if len(texts) > 1 or not unfinished:
            unfinished = bool(texts[-1])
            texts = texts if unfinished else texts[:-1]
        yield Chunk(texts, ended=last or not unfinished)


def _with_newline(part: str, last: bool) -> str:
    return part + "\n" if last and not part.endswith("\n") else part


def _with_last(parts: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Each part, and whether it is the last one."""
    for part in parts:
        for following in parts:
            yield part, False
            part = following
        yield part, True


_SPLITTERS: dict[Documents, Callable[[Iterator[str]], Iterator[Chunk]]] = {
    "none": _undivided,
    "line": _lines,
    "blank-line": _paragraphs,
    "file": _whole_files,
}
