"""The templates of pages: what they print is escaped, and what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

import seqkit.pages
from seqkit.pages import page
from seqkit.pages.charts import PROPERTIES
from seqkit.pages.report import LEVELS

TEMPLATES = Path(seqkit.pages.__file__).parent / "templates"
STYLE = (TEMPLATES / "page.css").read_text()
HOSTILE = "</p><script>alert('1')</script>\x1b[31m\u202e&amp;\"\n\tb\ud800"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are the templates."""
    monkeypatch.setattr(page, "PackageLoader", lambda _: jinja2.FileSystemLoader(tmp_path))
    return tmp_path


def rendered(folder: Path, template: str, **values: object) -> str:
    (folder / "template.html").write_text(template)
    return page.render("template.html", values).decode()


def test_what_is_printed_is_one_line_of_escaped_text(folder: Path) -> None:
    escaped = (
        "&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"
        "\\x1b[31m\\u202e&amp;amp;&#34;\\n\\tb\\ud800"
    )
    assert rendered(folder, "<p>{{ text }}</p>", text=HOSTILE) == f"<p>{escaped}</p>"
    assert rendered(folder, "{{ text|join(' ') }}", text=[HOSTILE, 1]) == f"{escaped} 1"
    assert rendered(folder, "{% set t = text ~ '<' %}{{ t }}", text=HOSTILE) == f"{escaped}&lt;"
    assert rendered(folder, "{{ text|lines }}", text=HOSTILE) == escaped.replace("\\n\\t", "\n\t")


def test_html_is_left_as_it_is(folder: Path) -> None:
    assert rendered(folder, "{{ chart }}", chart=Markup("<svg>\n</svg>")) == "<svg>\n</svg>"


def test_styles_and_scripts_are_no_templates(folder: Path) -> None:
    (folder / "page.js").write_text("f({{}}, '{% %}', '{# #}') && 1 < 2\n")
    assert rendered(folder, "{{ file('page.js') }}") == "f({{}}, '{% %}', '{# #}') && 1 < 2\n"


def test_a_value_that_is_missing_is_an_error(folder: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'missing' is undefined"):
        rendered(folder, "{{ missing }}")


def test_no_template_prints_what_is_not_escaped() -> None:
    for path in TEMPLATES.rglob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", path.read_text()), path.name


def test_every_template_is_used() -> None:
    files = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file()}
    sources = [path.read_text() for path in [*TEMPLATES.parent.glob("*.py"), *TEMPLATES.rglob("*.html")]]
    for name in files:
        words = f'Section("{Path(name).stem}", ' if name.startswith("report/") else f'"{name}"'
        assert any(words in source for source in sources), name


def test_the_style_has_every_shade_and_every_colour_of_the_charts() -> None:
    light, dark = STYLE.split("prefers-color-scheme: dark")
    for name in PROPERTIES.values():
        assert f"{name}: #" in light
        assert f"{name}: #" in dark
    shades = re.findall(
        r"^\.([nps])(\d) \{ background: rgb\(var\(--(\w+)\) / ([\d.]+)%\) }$", STYLE, re.MULTILINE
    )
    names = {"n": "minus", "p": "plus", "s": "bits"}
    assert [(sign, int(level), name, float(share)) for sign, level, name, share in shades] == [
        (sign, level, name, 100 * level / LEVELS)
        for sign, name in names.items()
        for level in range(1, LEVELS + 1)
    ]
    script = (TEMPLATES / "cells.js").read_text()
    assert re.findall(r"const levels = (\d+);", script) == [str(LEVELS)]


def test_every_property_that_a_style_names_is_in_the_palette() -> None:
    content = "".join(path.read_text() for path in TEMPLATES.glob("*.css"))
    assert set(re.findall(r"var\((--[\w-]+)\)", content)) <= set(re.findall(r"(--[\w-]+):", STYLE))
