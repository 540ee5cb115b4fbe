"""The project's pages of Markdown, for tests that hold what they say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FRONT_PAGE = ROOT / "README.md"
PACKAGE = ROOT / "seqkit/README.md"
COMMANDS = ROOT / "seqkit/cli/README.md"
RECIPES = ROOT / "recipes/README.md"
TROUBLES = ROOT / "recipes/TROUBLES.md"
MIGRATING = ROOT / "recipes/MIGRATING.md"
PROMISES = ROOT / "tests/reliability/README.md"

# What others left on the way, or made in a work folder, is no page of ours.
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "work" for part in page.relative_to(ROOT).parts)
)


def section(page: Path, title: str) -> str:
    """What stands below a heading of the second level."""
    return page.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def without_code(text: str) -> str:
    """The text without its code, in blocks and in lines."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The places in a page that a link can lead to, as GitHub names them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


def targets(page: Path) -> list[str]:
    """What links and pictures name in the repository: paths from the page's folder, and anchors."""
    text = without_code(page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [target for target in found if "://" not in target]


def leads_to(page: Path, target: str) -> Path:
    """The file that a link of the page names."""
    path = target.partition("#")[0]
    return (page.parent / path).resolve() if path else page


def cells(line: str) -> list[str]:
    """The cells of a table's line."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def rows(text: str) -> list[list[str]]:
    """The lines of the text's tables, headings too, without the rules below them."""
    return [cells(line) for line in text.splitlines() if line.startswith("| ") and set(line) - set("| -")]
