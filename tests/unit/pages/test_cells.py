"""The page of cells: one file that needs nothing else, whose text is text and whose numbers are right."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from seqkit.cli.terminal import console
from seqkit.inspection.cell_relations import View, relate_cells
from seqkit.inspection.cells import CellActivations, cell_activations
from seqkit.model_directory import LoadedModel
from seqkit.pages.cells import page
from tests.generators import small_generator

ALPHABET = '\nabcdefghijklmnopqrstuvwxyz (")'
TEXT = 'he said "good day" and (so\n    it was)\n\n' * 15
HOSTILE = "a\tb\x1b[31m\r\x00\u202e</script><script>alert(1)</script>&amp;<b>'\"\u2028日本\n-->]]>☃"


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return small_generator(characters=ALPHABET)


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


def test_the_page_has_the_text_and_the_numbers(loaded: LoadedModel) -> None:
    activations = cell_activations(loaded, TEXT)
    found = page_of(activations, relations=relate_cells(activations), selected=View(2, 5))
    assert "".join(found.texts["pre"]).removeprefix("\n") == TEXT
    data = found.data
    assert data["selected"] == [2, 5]
    assert data["lengths"] is None
    count = len(TEXT)
    for layer, content in zip(activations.layers, data["layers"], strict=True):
        values = found.array(content, "i1").reshape(-1, count) / 127
        np.testing.assert_allclose(values.T, layer, atol=0.5 / 127 + 1e-6)
    np.testing.assert_allclose(
        found.array(data["surprisal"], "<u2") / 100, activations.surprisal, atol=0.0051
    )
    following = found.array(data["next"], "<u4").reshape(count + 1, 5)
    assert [[data["names"][name] for name in row] for row in following] == [
        [name if name in "\n\t" else console.printable(name) for name in row]
        for row in activations.next_pieces
    ]
    chances = found.array(data["chances"], "<u2").reshape(count + 1, 5) / 65535
    np.testing.assert_allclose(chances, activations.next_probabilities, atol=1e-5)


def test_the_page_links_the_cells_that_were_found(loaded: LoadedModel) -> None:
    activations = cell_activations(loaded, TEXT)
    relations = relate_cells(activations)
    found = page_of(activations, relations=relations)
    links = [value for tag, name, value in found.attributes if (tag, name) == ("a", "href")]
    strongest = relations.strongest()
    cells = [f"#{one.layer}:{one.cell}" for one in strongest]
    assert sorted(map(str, links)) == sorted(cells * 2)  # above the text and in the table
    assert found.texts["td"][: 5 * len(strongest) : 5] == [one.description for one in strongest]
    assert found.texts["td"][3] == f"{strongest[0].second_half:+.2f}".replace("-", "−")
    follows = found.data["follows"]
    described = relations.of(2, 7)
    assert described is not None
    feature, correlation = follows[1][6]
    assert found.data["features"][feature] == described.description
    assert correlation == pytest.approx(described.second_half, abs=0.0051)


def test_hostile_text_stays_text(loaded: LoadedModel) -> None:
    activations = cell_activations(loaded, HOSTILE)
    found = page_of(activations)
    visible = "".join(found.texts["pre"]).removeprefix("\n")
    assert visible == (
        "a\tb\\x1b[31m\\r\\x00\\u202e</script><script>alert(1)</script>&amp;<b>'\"\u2028日本\n-->]]>☃"
    )
    assert len(found.texts["script"]) == 2
    lengths = found.data["lengths"]
    assert sum(lengths) == len(visible)
    assert len(lengths) == len(HOSTILE)
    content = page(activations, None, View(1, 1)).decode()
    assert content.count("<script") == content.count("</script") == 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", content)


def test_hostile_names_of_next_tokens_stay_text() -> None:
    nothing = np.zeros((2, 1), np.float32)
    names = (("</script><!--", "\x1b", "\u2028", "&lt;", "a"),) * 2
    seen = CellActivations(
        ("a",), (nothing[:1],), nothing[:1, 0], names, np.zeros((2, 5), np.float32), "h", False
    )
    found = page_of(seen)
    assert found.data["names"] == ["\\x1b", "&lt;", "</script><!--", "a", "\u2028"]


def test_the_page_needs_nothing_else(loaded: LoadedModel) -> None:
    activations = cell_activations(loaded, TEXT)
    found = page_of(activations, relations=relate_cells(activations))
    assert not [value for _, name, value in found.attributes if name in {"src", "srcset", "action", "style"}]
    assert {tag for tag, _, _ in found.attributes}.isdisjoint({"link", "img", "iframe", "object", "base"})
    code = found.texts["style"][0] + found.texts["script"][1]
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch|import\(", code)
    (policy,) = [
        value for tag, name, value in found.attributes if tag == "meta" and "default-src" in str(value)
    ]
    script, style = (
        base64.b64encode(hashlib.sha256(found.texts[tag][-1].encode()).digest()).decode()
        for tag in ("script", "style")
    )
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert "prefers-color-scheme: dark" in found.texts["style"][0]


def test_every_id_and_shade_that_the_script_asks_for_is_there(loaded: LoadedModel) -> None:
    found = page_of(cell_activations(loaded, TEXT))
    there = {value for _, name, value in found.attributes if name == "id"}
    levels = int(re.findall(r"const levels = (\d+);", found.texts["script"][1])[0])
    for level in range(1, levels + 1):
        assert all(f".{sign}{level} {{" in found.texts["style"][0] for sign in "nps")
    asked = set(re.findall(r'\$\("(\w+)"\)', found.texts["script"][1]))
    assert asked <= there
    assert len(there) == len([1 for _, name, _ in found.attributes if name == "id"])


def test_a_short_text_has_a_page_without_a_table(loaded: LoadedModel) -> None:
    found = page_of(cell_activations(loaded, "so"))
    assert "table" not in found.texts
    assert found.data["follows"] == []


def test_a_page_of_a_real_size_is_a_few_megabytes() -> None:
    random = np.random.default_rng(1)
    count = 5000
    layers = tuple(random.uniform(-1, 1, (count, 192)).astype(np.float32) for _ in range(2))
    names = tuple(tuple("abcde") for _ in range(count + 1))
    chances = random.uniform(0, 1, (count + 1, 5)).astype(np.float32)
    seen = CellActivations(("x",) * count, layers, chances[1:, 0], names, chances, "tanh(c)", False)
    assert len(page(seen, None, View(1, 1))) < 3_000_000
