"""The attention of a translation as lines of text: source tokens across, target tokens down.

Every line fits the terminal, whatever the tokens: source tokens that do not fit beside each other are
written downwards, and where their columns do not fit either, the rest follows below as a band of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len

from seqkit.cli.terminal import console

LARGEST = 200  # tokens on either side: more would fill many screens
_LEAST = (0.05, 0.25, 0.5, 0.75)  # weight from which on each shade is drawn
_WIDEST_LABEL = 14  # cells
_HIGHEST_LABEL = 8  # characters of a source token that is written downwards
_DOWNWARDS_CELLS = 2  # of a column then: as wide as the widest character


@dataclass(frozen=True)
class Palette:
    """What weights are drawn with, where words begin, and where a token is cut."""

    shades: str
    word: str
    cut: str


BLOCKS = Palette("░▒▓█", "▁", "…")
ASCII = Palette(".:+#", "_", "~")


def palette(encoding: str | None) -> Palette:
    """Blocks where an encoding has them."""
    try:
        "".join((BLOCKS.shades, BLOCKS.word, BLOCKS.cut)).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return BLOCKS


def legend(palette: Palette) -> str:
    """What the shades stand for."""
    return "   ".join(
        f"{shade} from {least:.2f}" for shade, least in zip(palette.shades, _LEAST, strict=True)
    )


def draw(
    weights: np.ndarray, source: Sequence[str], target: Sequence[str], width: int, palette: Palette
) -> Iterator[str]:
    """Lines of at most `width` cells; `weights` is (target tokens, source tokens)."""
    if max(len(source), len(target), 1) > LARGEST:
        yield f"attention is drawn for up to {LARGEST} tokens; here are {len(source):,} and {len(target):,}"
        return
    heads = [_label(token, palette, _WIDEST_LABEL) for token in source]
    rows = [_label(token, palette, max(1, min(_WIDEST_LABEL, width // 3))) for token in target]
    margin = max(map(cell_len, rows), default=0) + 1
    across = margin + sum(cell_len(head) + 1 for head in heads) - 1 <= width
    count = len(heads) if across else max(1, (width - margin) // _DOWNWARDS_CELLS)
    for start in range(0, len(heads), count):
        if start:
            yield ""
        band = heads[start : start + count]
        sizes = [cell_len(head) if across else _DOWNWARDS_CELLS for head in band]
        gap = " " if across else ""
        for line in [gap.join(band)] if across else _downwards(band, palette):
            yield (" " * margin + line).rstrip()
        for row, values in zip(rows, weights[:, start : start + count], strict=True):
            cells = (_shade(value, palette) * size for value, size in zip(values, sizes, strict=True))
            yield (_padded(row, margin) + gap.join(cells)).rstrip()


def _shade(weight: float, palette: Palette) -> str:
    level = sum(bool(weight >= least) for least in _LEAST)
    return palette.shades[level - 1] if level else " "


def _label(token: str, palette: Palette, widest: int) -> str:
    """A token as it can be shown, in at most so many cells and at least one."""
    text = console.printable(token).replace(BLOCKS.word, palette.word)
    if cell_len(text) <= widest:
        return text if cell_len(text) else " "
    kept = ""
    for character in text:
        if cell_len(kept + character) > widest - 1:
            break
        kept += character
    return kept + palette.cut


def _downwards(labels: Sequence[str], palette: Palette) -> Iterator[str]:
    """Labels as columns of two cells, a character per line, that end on the same line."""
    columns = [_characters(label) for label in labels]
    columns = [
        column if len(column) <= _HIGHEST_LABEL else [*column[: _HIGHEST_LABEL - 1], palette.cut]
        for column in columns
    ]
    height = max(map(len, columns), default=0)
    columns = [[""] * (height - len(column)) + column for column in columns]
    for line in zip(*columns, strict=True):
        yield "".join(_padded(character, _DOWNWARDS_CELLS) for character in line)


def _characters(label: str) -> list[str]:
    """The label's characters, each with the marks of no width that follow it."""
    found: list[str] = []
    for character in label:
        if found and not cell_len(character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - cell_len(text))
