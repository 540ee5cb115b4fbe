"""Cells on a terminal, in a pipe, as JSON and as a page: every form says the same, and nothing is raw."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.text import Text

from seqkit import cli
from seqkit.cli.cells import CellOptions, View, show
from seqkit.cli.cells_page import page
from seqkit.cli.cells_terminal import Canvas, canvas, rendition
from seqkit.errors import ConfigError, DataError, InputMissing, OutputError
from seqkit.evaluation.cell_relations import relate_cells
from seqkit.evaluation.cells import CellActivations, cell_activations
from seqkit.model_directory import LoadedModel
from tests.conftest import Finished
from tests.unit.evaluation.tiny_generator import tiny_generator

TEXT = 'he said "good day" and (so\n    it was)\n\n' * 15
HOSTILE = "a\tb\x1b[31m\r\x00\u202e</script><script>alert(1)</script>&amp;<b>'\"\u2028日本\n-->]]>☃"


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return tiny_generator()


def shown(loaded: LoadedModel, text: str, options: CellOptions) -> Finished:
    """What `show` writes."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with mock.patch.multiple(sys, stdout=out, stderr=err):
        show(loaded, text, options)
    out.flush()
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    return Finished(0, written.getvalue(), err.getvalue())


def lines(loaded: LoadedModel, text: str, options: CellOptions) -> list[str]:
    return shown(loaded, text, options).out.decode().removesuffix("\n").split("\n")


class Page(HTMLParser):
    """The page's elements, the text of some of them, and all attributes."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(content.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in {"meta", "input"}:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts["script"][0])
        return found

    def array(self, content: str, dtype: str) -> np.ndarray[Any, Any]:
        return np.frombuffer(base64.b64decode(content, validate=True), dtype)


def page_of(activations: CellActivations, **more: Any) -> Page:
    return Page(page(activations, more.get("relations"), more.get("selected", View(1, 1))))


# Options


@pytest.mark.parametrize("cells", ["", "1", "1:0", "0:1", "1:2,", "1:2;1:3", "auto,1:2", "1:-2", "a:b", "1:1234567"])
def test_misspelt_cells_are_refused(cells: str) -> None:
    with pytest.raises(ConfigError, match="names no cells") as caught:
        CellOptions(cells)
    assert "--show-cells 1:42,2:7" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "wanted", "printed"),
    [
        (CellOptions(), False, False),
        (CellOptions("auto"), True, True),
        (CellOptions("1:2"), True, True),
        (CellOptions(text="file"), True, True),
        (CellOptions(html=Path("page")), True, False),
        (CellOptions(text="file", html=Path("page")), True, False),
        (CellOptions("auto", "file", Path("page")), True, True),
    ],
)
def test_what_is_wanted(options: CellOptions, wanted: bool, printed: bool) -> None:
    assert (options.wanted, options.printed) == (wanted, printed)


@pytest.mark.parametrize("cells", ["3:1", "1:13", "1:2,2:13"])
def test_cells_that_the_model_lacks_are_refused(loaded: LoadedModel, cells: str) -> None:
    with pytest.raises(ConfigError, match="this model has 2 layers of 12 cells") as caught:
        show(loaded, TEXT, CellOptions(cells))
    assert caught.value.hint == "1:1 to 2:12, or auto"


def test_too_little_text_is_said(loaded: LoadedModel) -> None:
    with pytest.raises(DataError, match="too few to find out"):
        show(loaded, TEXT[:100], CellOptions("auto"))
    with pytest.raises(DataError, match="there is no text"):
        show(loaded, "", CellOptions("1:1"))


def test_a_long_text_is_cut_with_a_warning(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.evaluation.cells.MOST_POSITIONS", 30)
    finished = shown(loaded, TEXT, CellOptions("1:1"))
    assert finished.err == (
        "seqkit: warning: the text is long: only its first 30 characters are looked into\n"
    )


# Plain lines


def test_marks_stand_below_the_text(loaded: LoadedModel) -> None:
    text = "he said 日本\nso\t☃"
    found = lines(loaded, text, CellOptions("2:3"))
    assert found[0] == "cell 2:3"
    assert found[1].startswith("=  below -0.6")
    rows, marks = found[2:6:2], found[3:7:2]
    assert rows == ["he said 日本↵", "so→   ☃"]
    values = cell_activations(loaded, text).of(2, 3)
    expected = ["", ""]
    for character, value in zip(text, values, strict=True):
        mark = "=" if value < -0.6 else "-" if value < -0.2 else " " if value <= 0.2 else "+" if value <= 0.6 else "#"
        width = 4 if character == "\t" else 2 if character in "日本" else 1
        expected["☃" in text[text.index(character) :] and character in "so\t☃" and "\n" in text and len(
            expected[0]
        ) >= cell_len("he said 日本↵")] += mark * width
    assert marks == [row.rstrip() for row in expected]
