"""Sentences in XML and SGML: TMX, and the sgm and xml files of WMT.

XML is read by expat in parts. Nothing it names is opened: no document type, no entity; and declared entities,
which can make gigabytes of a line, are refused.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from typing import BinaryIO, Literal, cast
from xml.parsers import expat

from seqkit.errors import DataError
from seqkit.limits import LINE_BYTES

_BLOCK = 1 << 16
_DEEPEST = 100  # elements inside each other
_SPACES = re.compile(r"\s+")

# The beginnings of files that hold sentences between tags.
_SGM = re.compile(rb"(?is)\s*(<!doctype\s+mteval[^>]*>\s*|<\?xml[^>]*>\s*)*<(srcset|refset|tstset|mteval)\b")
_TMX = re.compile(
    rb"(?is)(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*(<\?xml[^>]*>|<!doctype[^>]*>|<!--.*?-->|\s)*<tmx\b"
)
_WMT = re.compile(
    rb"(?is)(\xef\xbb\xbf)?\s*(<\?xml[^>]*>|<!doctype[^>]*>|<!--.*?-->|\s)*<dataset\b[^>]*>\s*<(doc|collection)\b"
)
_HTML = re.compile(
    rb"(?is)(\xef\xbb\xbf)?\s*(<\?xml[^>]*>|<!--.*?-->|\s)*<(!doctype\s+html|html|head|body)\b"
)
_XML = re.compile(rb"(?is)(\xef\xbb\xbf)?\s*<(\?xml\s|!doctype\s|xliff\b|!--)")
_SEGMENT = re.compile(r"(?is)<seg\b[^>]*>(.*?)</seg\s*>")


def markup_of(start: bytes) -> str | None:
    """What a file that begins so is marked up in: "sgm", "tmx", "wmt", "html", "xml", or None for text."""
    plain = start.replace(b"\0", b"") if start[:2] in {b"\xff\xfe", b"\xfe\xff"} else start
    for name, pattern in {"sgm": _SGM, "tmx": _TMX, "wmt": _WMT, "html": _HTML, "xml": _XML}.items():
        if pattern.match(plain):
            return name
    return None


def sgm_segments(stream: BinaryIO, name: str) -> Iterator[str]:
    """The segments of an sgm file in order, a line each. DataError for one of more than a megabyte."""
    rest = ""
    while block := cast(BufferedReader, stream).read1(_BLOCK):
        rest += block.decode("utf-8", "surrogateescape")
        place = 0
        for found in _SEGMENT.finditer(rest):
            yield one_line(html.unescape(_mended(found[1])))
            place = found.end()
        rest = rest[place:]
        if len(rest) > 2 * LINE_BYTES:
            raise _too_long(name, None)


def _mended(text: str) -> str:
    """A block may end inside a character: its bytes are put together again, and U+FFFD for what is none."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def one_line(text: str) -> str:
    """A text on one line, its runs of spaces and line ends as one space each."""
    return _SPACES.sub(" ", text).strip()


@dataclass(frozen=True)
class Unit:
    """Versions of one sentence by name: a language, or a part such as "src"; `line` is where it begins."""

    line: int
    versions: dict[str, str]

    def version(self, name: str) -> str | None:
        """The version of a name; of languages "en" is also the only one of "en-US", "EN" and the like."""
        if name in self.versions:
            return self.versions[name]
        wanted = name.lower().replace("_", "-")
        plain = {key: key.lower().replace("_", "-") for key in self.versions}
        same = [key for key, code in plain.items() if code == wanted]
        same = same or [key for key, code in plain.items() if code.split("-")[0] == wanted]
        return self.versions[same[0]] if len(same) == 1 else None


def tmx_units(stream: BinaryIO, name: str) -> Iterator[Unit]:
    """The translation units of a TMX file, with a text per language as the file writes it.

    Codes of formatting between the words (bpt, ept, it, ph) are left out.
    """
    reading = _Tmx(name)
    yield from reading.units_of(stream)


def wmt_units(stream: BinaryIO, name: str) -> Iterator[Unit]:
    """The segments of a WMT xml file, in order: "src", "ref" and "hyp".

    Of several references or systems there is one more version each: "ref/A", "hyp/SYSTEM".
    """
    yield from _Wmt(name).units_of(stream)


def part_segments(stream: BinaryIO, name: str, part: str, markup: Literal["tmx", "wmt"]) -> Iterator[str]:
    """One version of each unit in order, as a line: a language of TMX, "src", "ref" or "hyp/SYSTEM" of WMT.

    DataError where a unit has none.
    """
    for unit in (tmx_units if markup == "tmx" else wmt_units)(stream, name):
        found = unit.version(part)
        if found is None:
            raise DataError(
                f"{name} has no {part} in line {unit.line:,}",
                where=f"{name}:{unit.line}",
                hint=f"it has {', '.join(unit.versions) or 'nothing'}; --pairs --skip-bad leaves it out",
            )
        yield found


@dataclass
class _Xml(ABC):
    """What XML readers share: safety, text within an element, finished units."""

    name: str
    depth: int = 0
    units: list[Unit] = field(default_factory=list)
    text: list[str] | None = None  # inside a segment
    length: int = 0

    def units_of(self, stream: BinaryIO) -> Iterator[Unit]:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.SkippedEntityHandler = self._skipped
        parser.EntityDeclHandler = self._declared
        self.parser = parser
        last = False
        while not last:
            block = cast(BufferedReader, stream).read1(_BLOCK)
            last = not block
            try:
                parser.Parse(block, last)
            except expat.ExpatError as error:
                raise DataError(
                    f"{self.name} is not well-formed XML: {expat.errors.messages.get(error.code, error)}",
                    where=f"{self.name}:{error.lineno}",
                    hint="xmllint --noout FILE checks it; fetch it again",
                ) from error
            yield from self.units
            self.units.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error(f"{self.name} has more than {_DEEPEST} elements inside each other")
        self.start(tag.rpartition(":")[2].lower(), attributes)

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.end(tag.rpartition(":")[2].lower())

    def _characters(self, text: str) -> None:
        if self.text is not None:
            self.length += len(text)
            if self.length > LINE_BYTES:
                raise _too_long(self.name, self.parser.CurrentLineNumber)
            self.text.append(text)

    def _skipped(self, entity: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._characters(html.unescape(f"&{entity};"))

    def _declared(self, *_: object) -> None:
        raise self._error(f"{self.name} declares entities, which could make gigabytes of a line")

    def _error(self, message: str) -> DataError:
        return DataError(
            message,
            where=f"{self.name}:{self.parser.CurrentLineNumber}",
            hint="write its sentences to a tab-separated file",
        )

    def begin_text(self) -> None:
        self.text, self.length = [], 0

    def finished_text(self) -> str:
        text, self.text = "".join(self.text or ()), None
        return one_line(text)

    @abstractmethod
    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; its name is without a prefix and in small letters."""

    @abstractmethod
    def end(self, tag: str) -> None:
        """An element ends."""


_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})


@dataclass
class _Tmx(_Xml):
    line: int = 0
    language: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    codes: int = 0
    kept: list[str] | None = None  # the text around a code

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "tu":
            self.line, self.versions = self.parser.CurrentLineNumber, {}
        elif tag == "tuv":
            self.language = attributes.get("xml:lang") or attributes.get("lang") or ""
        elif tag == "seg":
            self.begin_text()
        elif tag in _CODES and (self.text is not None or self.codes):
            self.codes += 1
            if self.codes == 1:
                self.kept, self.text = self.text, None

    def end(self, tag: str) -> None:
        if tag in _CODES and self.codes:
            self.codes -= 1
            if not self.codes:
                self.kept, self.text = None, self.kept
        elif tag == "seg":
            self.versions.setdefault(self.language, self.finished_text())
        elif tag == "tu":
            self.units.append(Unit(self.line, self.versions))


@dataclass
class _Wmt(_Xml):
    part: str = ""
    detail: str = ""
    key: str = ""
    document: dict[str, Unit] = field(default_factory=dict)  # by the segment's id

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "doc":
            self.document = {}
        elif tag in {"src", "ref", "hyp"}:
            self.part = tag
            self.detail = attributes.get("translator") or attributes.get("system") or ""
        elif tag == "seg" and self.part:
            self.key = attributes.get("id", "")
            self.begin_text()

    def end(self, tag: str) -> None:
        if tag == "seg" and self.part:
            unit = self.document.setdefault(self.key, Unit(self.parser.CurrentLineNumber, {}))
            text = self.finished_text()
            unit.versions.setdefault(self.part, text)
            if self.detail:
                unit.versions.setdefault(f"{self.part}/{self.detail}", text)
        elif tag == self.part:
            self.part = ""
        elif tag == "doc":
            self.units += self.document.values()


def _too_long(name: str, line: int | None) -> DataError:
    return DataError(
        f"{name} has a segment of more than {LINE_BYTES:,} characters",
        where=name if line is None else f"{name}:{line}",
        hint="check that each segment is closed",
    )
