"""The page of cells in a real browser: its own script runs, and nothing else may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seqkit.inspection.cell_relations import View, relate_cells
from seqkit.inspection.cells import cell_activations
from seqkit.pages.cells import page
from tests.browser import CHROMIUM, Browser, browser
from tests.generators import small_generator
from tests.unit.pages.test_cells import ALPHABET, HOSTILE, TEXT

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_script_colours_the_text_by_the_cell(
    tab: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    text = TEXT + HOSTILE
    activations = cell_activations(small_generator(characters=ALPHABET), text)
    file = tmp_path / "cells.html"
    file.write_bytes(page(activations, relate_cells(activations), View(2, 5)))
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(file, width=width, scheme=scheme)
    assert tab.value("document.documentElement.scrollWidth") <= width
    classes = tab.value(
        "[...document.querySelectorAll('#text span')].map(span => span.className.split(' ')[0])"
    )
    values = activations.of(2, 5)
    assert len(classes) == len(text)
    for shade, value in zip(classes, values.tolist(), strict=True):
        assert abs(int(shade[1:]) - abs(value) * 8) < 0.54  # an 8-bit value, rounded again
        assert shade[1:] == "0" or shade[0] == ("n" if value < 0 else "p")
    assert tab.value("document.querySelector('#follows').textContent").startswith("cell 2:5, best at: ")
    assert tab.value("document.querySelectorAll('#before li').length") == 5
    assert tab.requests == [file.resolve().as_uri()]
    assert tab.complaints == []
