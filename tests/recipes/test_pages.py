"""The pages hold together: links lead somewhere, no page is out of reach, what stands twice agrees."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.recipes.pages import (
    FRONT_PAGE,
    MIGRATING,
    PACKAGE,
    PAGES,
    PROMISES,
    RECIPES,
    ROOT,
    TROUBLES,
    anchors,
    leads_to,
    rows,
    section,
    targets,
)
from tests.test_layers import LAYERS, RANK

WRITTEN_BY_MODELS = ROOT / "tests/fixtures"  # cards in model directories


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_pages_are_found() -> None:
    assert {FRONT_PAGE, PACKAGE, RECIPES, TROUBLES, MIGRATING, PROMISES} < set(PAGES)
    assert {"recipes/LOG.md", "recipes/CHANGES.md", "recipes/long-memory/CHAPTER.md"} < set(map(name, PAGES))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in targets(page):
        other, anchor = leads_to(page, target), target.partition("#")[2]
        assert other.exists(), f"{page}: {target}"
        assert other.is_relative_to(ROOT), f"{page}: {target}"
        assert not anchor or anchor in anchors(other), f"{page}: {target}"


def test_a_link_is_read_as_github_reads_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `title`: of *two* [words](there)\n\n```sh\n# no title\n[no](link)\n```\n"
        '[one](b.md#c) ![two](d.svg) <img src="e.svg"> `[no](link)` [far](https://example.org/f)\n'
    )
    assert anchors(page) == {"a-title-of-two-words"}
    assert targets(page) == ["there", "b.md#c", "d.svg", "e.svg"]
    assert leads_to(page, "b.md#c") == tmp_path / "b.md"
    assert leads_to(page, "#a-title") == page


def test_every_page_is_found_from_the_front_page() -> None:
    found, new = {FRONT_PAGE}, [FRONT_PAGE]
    while new:
        page = new.pop()
        links = {leads_to(page, target) for target in targets(page)}
        more = {link for link in links if link.suffix == ".md"} - found
        found |= more
        new += more
    pages = {
        page
        for page in PAGES
        if not (WRITTEN_BY_MODELS in page.parents and (page.parent / "manifest.json").exists())
    }
    assert pages <= found, f"no link leads to {sorted(map(name, pages - found))}"


def test_recipes_on_the_front_page_are_those_of_their_folder() -> None:
    titles, *known = rows(section(FRONT_PAGE, "Recipes"))
    head, *rest = rows(RECIPES.read_text(encoding="utf-8"))
    assert titles == head
    folder = {row[0].replace("](", "](recipes/"): row[1:] for row in rest}
    assert len(known) >= 5
    for recipe, *row in known:
        *described, expected = folder[recipe]
        assert row[:-1] == described, recipe
        assert expected.startswith(row[-1]), recipe


def test_every_recipe_is_in_the_table() -> None:
    folders = {path.parent.name for path in (ROOT / "recipes").glob("*/README.md")}
    named = [leads_to(RECIPES, target) for target in targets(RECIPES)]
    assert folders == {path.parent.name for path in named if path.name == "README.md"}
    assert len(rows(RECIPES.read_text(encoding="utf-8"))) == 1 + len(folders)


def test_the_packages_page_names_every_part_from_the_top_to_the_bottom() -> None:
    _, *parts = rows(section(PACKAGE, "Layout"))
    named = [where.partition("](")[0].strip("[`").rstrip("/").removesuffix(".py") for where, _ in parts]
    assert named == list(RANK)
    assert all(purpose for _, purpose in parts)


def test_the_packages_page_has_the_layers() -> None:
    shown = [line.strip() for line in section(PACKAGE, "Layers").splitlines() if line.startswith("    ")]
    assert shown == [", ".join(layer) for layer in LAYERS]


def test_an_installed_package_has_no_pages() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = [pattern for files in settings["package-data"].values() for pattern in files]
    inside = [page.relative_to(PACKAGE.parent) for page in PAGES if page.is_relative_to(PACKAGE.parent)]
    assert Path(PACKAGE.name) in inside
    assert not [page for page in inside for pattern in patterns if fnmatch(str(page), pattern)]


def test_every_decision_has_its_context_and_its_consequence() -> None:
    decisions = section(PACKAGE, "Design decisions").split("\n\n**")[1:]
    assert len(decisions) >= 20
    for decision in decisions:
        words = " ".join(decision.split())
        parts = [words.index(part) for part in (".** *Context*: ", " *Decision*: ", " *Consequence*: ")]
        assert parts == sorted(parts)
