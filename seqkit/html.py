"""Translations as notebooks show them: the text and, where it was asked for, its attention as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

LARGEST_TABLE = 10_000  # weights: more make a page slow

# The colour lies over whatever background a page has, in light and in dark; the text keeps its own colour.
_CELL = "background: rgba(70, 130, 220, {weight:.2f})"
_TABLE = "border-collapse: collapse; color: inherit; background: inherit"
_HEAD = "writing-mode: vertical-rl; font-weight: normal; padding: 2px"
_ROW = "text-align: right; font-weight: normal; padding: 2px"


def paragraph(text: str) -> str:
    """A text as a paragraph of its own, whose direction changes nothing around it."""
    return f"<div><bdi>{escape(text)}</bdi></div>"


def heat_map(weights: np.ndarray, source: Sequence[str], target: Sequence[str]) -> str:
    """A table of weights (target tokens, source tokens); nothing where there are none or too many."""
    if not 0 < weights.size <= LARGEST_TABLE:
        return ""
    heads = "".join(f'<th style="{_HEAD}"><bdi>{escape(token)}</bdi></th>' for token in source)
    rows = "".join(
        f'<tr><th style="{_ROW}"><bdi>{escape(token)}</bdi></th>{"".join(map(_cell, values))}</tr>'
        for token, values in zip(target, weights.tolist(), strict=True)
    )
    return f'<table style="{_TABLE}"><tr><th></th>{heads}</tr>{rows}</table>'


def _cell(weight: float) -> str:
    return f'<td title="{weight:.4f}" style="{_CELL.format(weight=weight)}"></td>'
