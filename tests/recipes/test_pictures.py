"""The terminal pictures are what the program shows: drawn again, and played again with quick models."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.pages import PAGES, ROOT, leads_to, targets

PICTURES = ROOT / "recipes" / "pictures"
CHARACTER = 12.2  # units of a picture
NAMES = {"help", "errors", "train", "translate", "evaluate", "generate"}
# Lines that do not depend on what a model has learnt: what is typed, headings, and what is always said.
FIXED = re.compile(
    r"^(\$ |seqkit|Usage|metric |line |attention is drawn|model> :|Cells |feature |cell |\s*step  )"
)


def draw(folder: Path, *options: str) -> None:
    """Play scenes; pictures go to `folder`/pictures."""
    program = [sys.executable, str(PICTURES / "pictures.py"), str(folder / "work")]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    words = [*program, "--output", str(folder / "pictures"), *options]
    done = subprocess.run(words, capture_output=True, text=True, env=surroundings, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr


def lines(svg: Path) -> list[str]:
    """The text of a picture, line by line, from the places of its pieces."""
    rows: dict[float, str] = {}
    pieces = re.findall(r'-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', svg.read_text("utf-8"))
    for across, down, text in pieces:
        before = rows.get(float(down), "").ljust(round(float(across) / CHARACTER))
        rows[float(down)] = before + html.unescape(text).replace("\xa0", " ")
    return [line.rstrip() for _, line in sorted(rows.items())]


def fixed(svg: Path) -> list[str]:
    """The lines that a quick model shows, too, with digits made one."""
    found = [re.sub(r"\d+([.,]\d+)*", "0", line) for line in lines(svg) if FIXED.match(line)]
    return [re.sub(r"^(cell \S+, best at:).*", r"\1", " ".join(line.split())) for line in found]


def test_pictures_without_a_model_are_the_same_to_the_byte(tmp_path: Path) -> None:
    draw(tmp_path, "--only", "help,errors")
    for name in ("help.svg", "errors.svg"):
        assert (tmp_path / "pictures" / name).read_bytes() == (PICTURES / name).read_bytes(), (
            f"{name} is not what the program shows any more: bash recipes/pictures/run.sh --only help,errors"
        )


@pytest.mark.timeout(1800)
def test_the_sessions_run_with_quick_models(tmp_path: Path) -> None:
    draw(tmp_path, "--only", "train,translate,evaluate,generate", "--epochs", "0.1")
    for name in ("train", "translate", "evaluate"):
        shown, found = fixed(PICTURES / f"{name}.svg"), fixed(tmp_path / "pictures" / f"{name}.svg")
        assert shown == found, f"{name}.svg is old: bash recipes/pictures/run.sh --only {name}"
        assert len(shown) >= 2
    # How many cells of a generator are worth showing depends on what it has learnt.
    commands = [
        [line for line in fixed(folder / "generate.svg") if line.startswith("$")]
        for folder in (PICTURES, tmp_path / "pictures")
    ]
    assert commands[0] == commands[1]
    assert len(commands[0]) == 2


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_picture_is_shown_and_asks_for_nothing(name: str) -> None:
    text = (PICTURES / f"{name}.svg").read_text("utf-8")
    addresses = set(re.findall(r"https?://[^\s\"')]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert "<script" not in text
    own = PICTURES / "README.md"
    shown = {leads_to(page, target) for page in PAGES if page != own for target in targets(page)}
    assert PICTURES / f"{name}.svg" in shown
    assert {path.stem for path in PICTURES.glob("*.svg")} == NAMES
