"""The report in a real browser: wide and narrow, light and dark, with nothing asked of the network."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from seqkit.cli import run
from tests.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES = {"light": (255, 255, 255), "dark": (22, 24, 27)}  # and their backgrounds


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(toy_model: Path, toy_generator: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A translator's report and a generator's."""
    folder = tmp_path_factory.mktemp("pages")
    found = {"translator": folder / "translator.html", "generator": folder / "generator.html"}
    for (_, page), model in zip(found.items(), (toy_model, toy_generator), strict=True):
        assert run(["evaluate", "--model", str(model), "--report", str(page), "--quiet"]) == 0
    return found


@pytest.mark.parametrize("kind", ["translator", "generator"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_report_is_seen_as_it_should_be(
    tab: Browser, pages: dict[str, Path], kind: str, width: str, scheme: str, tmp_path: Path
) -> None:
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(pages[kind], width=WIDTHS[width], scheme=scheme)
    assert tab.value("document.title").endswith(f"report of a {kind}")
    assert tab.value("document.documentElement.scrollWidth") <= WIDTHS[width]  # only tables scroll sideways
    across = tab.value(
        "new Set([...document.querySelectorAll('figure')].map(f => f.getBoundingClientRect().x)).size"
    )
    assert across == (3 if width == "desktop" else 1)
    heights = "[...document.querySelectorAll('figure text')].map(t => t.getBoundingClientRect().height)"
    assert tab.value(f"Math.min(...{heights})") > 8  # pixels: the charts' words can be read
    colours = tab.value("getComputedStyle(document.querySelector('#curves path[style*=series]')).stroke")
    assert colours == {"light": "rgb(47, 111, 208)", "dark": "rgb(125, 176, 255)"}[scheme]
    picture = tmp_path / "report.png"
    tab.screenshot(picture)
    with Image.open(io.BytesIO(picture.read_bytes())) as image:
        assert image.width == WIDTHS[width]
        assert image.height > 2000
        assert image.convert("RGB").getpixel((2, 2)) == SCHEMES[scheme]
    assert tab.requests == [pages[kind].resolve().as_uri()]
    assert tab.complaints == []


def test_values_are_read_from_the_page(tab: Browser, pages: dict[str, Path], toy_model: Path) -> None:
    tab.open(pages["translator"], width=WIDTHS["desktop"], scheme="light")
    rows = [json.loads(line) for line in (toy_model / "metrics.jsonl").read_text().splitlines()]
    shown = tab.value(
        "[...document.querySelectorAll('#validations tbody tr')].map(r => r.cells[0].innerText)"
    )
    assert [int(step) for step in shown] == [row["step"] for row in rows]
    assert tab.value("document.querySelectorAll('#curves figure').length") >= 6
    weights = tab.value("[...document.querySelectorAll('#attention td')].map(c => parseFloat(c.title))")
    assert weights
    assert all(0 <= weight <= 1 for weight in weights)


def test_the_browser_would_notice(tab: Browser, tmp_path: Path) -> None:
    """What the other tests rely on: requests and complaints of a page are seen."""
    page = tmp_path / "page.html"
    page.write_text(
        '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
        '<img src="http://127.0.0.1:9/x.png"><script>document.title = "ran"</script>'
    )
    tab.open(page, width=400, scheme="light")
    assert any("127.0.0.1:9" in address for address in tab.requests)
    assert tab.value("document.title") != "ran"
    assert tab.complaints
