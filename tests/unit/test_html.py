"""Translations in a notebook."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqkit.html import LARGEST_TABLE
from seqkit.inference.translation import Alternative, Translation
from seqkit.inference.translator import Translator

HOSTILE = "<script>alert('x')</script>&\"\u202e"


def alternative(weights: np.ndarray, source: tuple[str, ...], target: tuple[str, ...]) -> Alternative:
    return Alternative(f"{HOSTILE} text", -1.0, target, (), source, (weights,))


def parsed(html: str) -> ElementTree.Element:
    """The page; ParseError where anything in it is not escaped."""
    return ElementTree.fromstring(f"<body>{html}</body>")


def test_weights_are_a_heat_map_of_escaped_tokens() -> None:
    weights = np.array([[0.75, 0.25], [0.0, 1.0], [0.5, 0.5]])
    page = parsed(alternative(weights, (HOSTILE, "b"), ("x", HOSTILE, "z"))._repr_html_())
    assert page.findtext("div/bdi") == f"{HOSTILE} text"
    head, *rows = page.findall("table/tr")
    assert [cell.findtext("bdi") for cell in head[1:]] == [HOSTILE, "b"]
    assert [row.findtext("th/bdi") for row in rows] == ["x", HOSTILE, "z"]
    cells = [[(cell.get("title"), cell.get("style")) for cell in row.findall("td")] for row in rows]
    assert cells == [
        [(f"{weight:.4f}", f"background: rgba(70, 130, 220, {weight:.2f})") for weight in row]
        for row in weights
    ]
    assert not page.findall(".//script")
    assert "color: inherit" in page.find("table").get("style")  # type: ignore[union-attr,operator]


def test_without_attention_there_is_the_text_alone() -> None:
    plain = Alternative("a < b", 0.0, ("a",), (0.0,))
    assert plain._repr_html_() == "<div><bdi>a &lt; b</bdi></div>"
    side = int(LARGEST_TABLE**0.5) + 1
    large = alternative(np.ones((side, side)), ("a",) * side, ("b",) * side)
    assert "<table" not in large._repr_html_()
    assert "<table" not in alternative(np.ones((0, 0)), (), ())._repr_html_()


def test_a_translation_shows_all_that_were_asked_for(toy_model: Path) -> None:
    translator = Translator.load(toy_model)
    options = replace(translator.options, n_best=2, attention=True)
    one, empty = translator.translate(["ba di fu", ""], options)
    page = parsed(one._repr_html_())
    assert [text.text for text in page.findall("div/bdi")] == [each.text for each in one.alternatives]
    assert len(page.findall("table")) == 2
    assert parsed(empty._repr_html_()).find("table") is None
    assert "<table" not in translator.translate(["ba di"])[0]._repr_html_()
    assert Translation("a", (one.alternatives[0],))._repr_html_() == one.alternatives[0]._repr_html_()


@pytest.mark.parametrize(
    ("loader", "model"), [("Translator", "toy_model"), ("TextGenerator", "toy_generator")]
)
def test_loading_prints_nothing(loader: str, model: str, request: pytest.FixtureRequest) -> None:
    program = f"import sys, seqkit; seqkit.{loader}.load(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, str(request.getfixturevalue(model))],
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
