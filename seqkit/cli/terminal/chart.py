"""Small charts of characters, for a terminal: a line drawn in braille dots, and bars of one character."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

_BLANK = 0x2800  # braille without a dot
# The bit of each dot of a braille character: four rows, left column and right.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BARS = " ▁▂▃▄▅▆▇█"
Points = Sequence[tuple[float, float]]


def line_chart(points: Points, width: int, height: int, *, right: float) -> list[str]:
    """`height` lines of `width` characters: the points joined, x from 0 to `right`, y from least to largest.

    Each character has 2 × 4 dots. Values that are no numbers are left out; without any the lines are blank.
    """
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    cells = [[_BLANK] * width for _ in range(height)]
    if points and right > 0:
        low, high = extremes(points)
        scale = (4 * height - 1) / ((high - low) or 1.0)
        columns = 2 * width - 1

        def dot(point: tuple[float, float]) -> tuple[int, int]:
            x, y = point
            return round(min(x / right, 1.0) * columns), round((high - y) * scale)

        for x, y in _joined([dot(point) for point in points]):
            cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(map(chr, row)) for row in cells]


def _joined(dots: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The dots and those on the lines between neighbours."""
    found = list(dots[:1])
    for (x0, y0), (x1, y1) in itertools.pairwise(dots):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        found += [
            (x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps))
            for step in range(1, steps + 1)
        ]
    return found


def extremes(points: Points) -> tuple[float, float]:
    """The least and the largest y of the points, of which there is one at least."""
    values = [y for _, y in points]
    return min(values), max(values)


def bar(share: float) -> str:
    """One character that is filled from below to a share, 0 to 1."""
    return _BARS[round(max(0.0, min(1.0, share)) * (len(_BARS) - 1))]


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """A bar for each value, or for so many of them, from the least to the largest."""
    if len(values) > width:
        values = [values[round(place * (len(values) - 1) / (width - 1))] for place in range(width)]
    low, high = min(values), max(values)
    return "".join(_BARS[1 + round((value - low) / ((high - low) or 1.0) * 7)] for value in values)


class Curve:
    """Points of a curve that may grow for days: old ones are thinned out so that a few hundred remain."""

    LIMIT = 512

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._stride = 1  # points taken in for one that is kept
        self._seen = 0

    def add(self, x: float, y: float) -> None:
        """Take in the next point."""
        self._seen += 1
        if self._seen % self._stride:
            return
        self.points.append((x, y))
        if len(self.points) > self.LIMIT:
            self.points = self.points[::2]
            self._stride *= 2
