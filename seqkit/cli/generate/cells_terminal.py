"""Text and the activations of a cell on a terminal: as colours, or as marks below it where there are none.

Colours as in Karpathy, Johnson and Fei-Fei 2015, figure 2: red for -1, white for 0, blue for +1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqkit.cli.terminal import console

if TYPE_CHECKING:
    from rich.color import ColorSystem

    from seqkit.inspection.cell_relations import Relations, View
    from seqkit.inspection.cells import CellActivations

_PLAIN_WIDTH = 100
_LEVELS = 8  # colours on either side of white
_RED, _BLUE, _GREEN = (226, 88, 75), (82, 140, 232), (46, 160, 67)
_SIXTEEN = ("red", "bright_red", "white", "bright_blue", "blue")  # for terminals of 16 colours
_MARKS = "=- +#"
_MARK_LEGEND = "=  below -0.6    -  below -0.2    +  above 0.2    #  above 0.6"
_LEAST_SHOWN = 0.01  # probability of a next token that is listed
_FEATURE_WIDTH = 30


@dataclass(frozen=True)
class Canvas:
    """What is drawn on: how wide it is and which colours it has."""

    width: int
    colors: ColorSystem | None

    def paint(self, text: str, share: float, end: tuple[int, int, int]) -> str:
        """`text` on a background between white and `end`."""
        from rich.color import Color
        from rich.style import Style

        if self.colors is None:
            return text
        background = [round(255 + share * (part - 255)) for part in end]
        style = Style(color="black", bgcolor=Color.from_rgb(*background))
        return style.render(text, color_system=self.colors)

    def paint_activation(self, text: str, value: float) -> str:
        """`text` on the colour of an activation from -1 to 1."""
        from rich.color import ColorSystem
        from rich.style import Style

        if self.colors is ColorSystem.STANDARD:
            number = _fifth(value)
            style = Style(color="black" if number == 2 else "bright_white", bgcolor=_SIXTEEN[number])
            return style.render(text, color_system=self.colors)
        return self.paint(text, abs(_level(value)) / _LEVELS, _BLUE if value > 0 else _RED)

    def bold(self, text: str) -> str:
        """A heading."""
        from rich.style import Style

        return Style(bold=True).render(text, color_system=self.colors)


def canvas() -> Canvas:
    """Standard output, in colour where it is a terminal that has colours and NO_COLOR is not set."""
    from rich.console import COLOR_SYSTEMS, Console

    if not sys.stdout.isatty():
        return Canvas(_PLAIN_WIDTH, None)
    screen = Console(file=sys.stdout)
    system = None if screen.no_color else screen.color_system
    return Canvas(screen.width, None if system is None else COLOR_SYSTEMS[system])


def rendition(
    activations: CellActivations, views: Sequence[View], table: Relations | None, canvas: Canvas
) -> Iterator[str]:
    """Lines that show the table of cells, the text as each cell sees it, and what the model expected."""
    if table is not None:
        yield from _table(table, canvas)
        yield ""
    for view in views:
        yield canvas.bold(view.title)
        yield _legend(canvas)
        yield from _text(activations, activations.of(view.layer, view.cell), canvas)
        yield ""
    yield from _expected(activations, views[0], canvas)


def _table(table: Relations, canvas: Canvas) -> Iterator[str]:
    yield canvas.bold(
        "Cells that follow something: found on the first half of the text, measured on the second"
    )
    yield f"{'feature':<{_FEATURE_WIDTH}} {'cell':>7} {'first':>7} {'second':>7}  {'character alone':>15}"
    for relation in table.strongest():
        name = f"{relation.layer}:{relation.cell}"
        yield (
            f"{relation.description:<{_FEATURE_WIDTH}} {name:>7} {relation.first_half:>+7.2f} "
            f"{relation.second_half:>+7.2f}  {relation.character_alone:>+15.2f}"
            + ("  *" if relation.remembers else "")
        )
    yield "correlations; * the cell says clearly more than the current character alone does"
    if table.left_out:
        yield f"too rare in this text: {', '.join(table.left_out)}"


def _legend(canvas: Canvas) -> str:
    if canvas.colors is None:
        return _MARK_LEGEND
    steps = np.linspace(-1, 1, 2 * _LEVELS + 1)
    return "-1 " + "".join(canvas.paint_activation(" ", float(value)) for value in steps) + " +1"


def _text(activations: CellActivations, values: NDArray[np.float32], canvas: Canvas) -> Iterator[str]:
    """The text in rows that fit, coloured, or with a row of marks below each."""
    from rich.cells import cell_len

    for row in _rows(activations.pieces, canvas.width):
        if canvas.colors is None:
            yield "".join(shown for _, shown in row)
            marks = (_MARKS[_fifth(values[index])] * cell_len(shown) for index, shown in row)
            yield "".join(marks).rstrip()
            continue
        runs = groupby(row, key=lambda position: _level(values[position[0]]))
        yield "".join(
            canvas.paint_activation("".join(shown for _, shown in run), level / _LEVELS)
            for level, run in runs
        )


def _rows(pieces: Sequence[str], width: int) -> Iterator[list[tuple[int, str]]]:
    """Positions and how they are shown, in rows of at most `width` columns that end at newlines."""
    from rich.cells import cell_len

    row: list[tuple[int, str]] = []
    used = 0
    for index, piece in enumerate(pieces):
        shown = _shown(piece)
        if row and used + cell_len(shown) > width:
            yield row
            row, used = [], 0
        row.append((index, shown))
        used += cell_len(shown)
        if "\n" in piece:
            yield row
            row, used = [], 0
    if row:
        yield row


def _expected(activations: CellActivations, view: View, canvas: Canvas) -> Iterator[str]:
    """The most probable next tokens below each position, in a window where a cell changes most."""
    from rich.cells import set_cell_size

    values = activations.of(view.layer, view.cell)
    centre = int(np.abs(np.diff(values)).argmax()) if len(values) > 1 else 0
    window = _window(activations, centre, canvas.width)
    begin = sum(map(len, activations.pieces[: window[0].index])) + 1
    yield canvas.bold(
        f"Below each character the most probable next ones (of at least {_LEAST_SHOWN:.0%}), from character "
        f"{begin:,} on, where cell {view.layer}:{view.cell} changes most"
    )
    yield "".join(
        canvas.paint_activation(set_cell_size(column.shown, column.width), float(values[column.index]))
        for column in window
    )
    for rank in range(activations.next_probabilities.shape[1]):
        yield "".join(
            canvas.paint(set_cell_size(guess, column.width), probability, _GREEN)
            if guess
            else " " * column.width
            for column in window
            for guess, probability in [column.guesses[rank]]
        ).rstrip()


@dataclass(frozen=True)
class _Column:
    """A position, how it is shown, and what was expected behind it with what probability."""

    index: int
    shown: str
    guesses: list[tuple[str, float]]

    @property
    def width(self) -> int:
        """Columns of the terminal that it takes."""
        from rich.cells import cell_len

        return max(cell_len(text) for text in [self.shown, *(guess for guess, _ in self.guesses)])


def _window(activations: CellActivations, centre: int, width: int) -> list[_Column]:
    """Positions around one of them that fit side by side."""
    first, used = centre, 0
    while first > 0 and used < width // 2:
        first -= 1
        used += _column(activations, first).width
    chosen: list[_Column] = []
    for index in range(first, len(activations.pieces)):
        column = _column(activations, index)
        if chosen and sum(other.width for other in chosen) + column.width > width:
            break
        chosen.append(column)
    return chosen


def _column(activations: CellActivations, index: int) -> _Column:
    following = zip(
        activations.next_pieces[index + 1], activations.next_probabilities[index + 1], strict=True
    )
    guesses = [
        (_guess(piece) if probability >= _LEAST_SHOWN else "", float(probability))
        for piece, probability in following
    ]
    return _Column(index, _shown(activations.pieces[index]), guesses)


def _shown(piece: str) -> str:
    """A piece of text in one line, with nothing in it that a terminal obeys."""
    return "".join(_VISIBLE.get(character) or console.printable(character) for character in piece)


def _guess(piece: str) -> str:
    """A piece that may be all of what is shown, in the least room."""
    return _shown(piece.replace("\t", "→")).replace(" ", "␣")


_VISIBLE = {"\n": "↵", "\t": "→   "}


def _level(value: float) -> int:
    """An activation as one of the colours, -_LEVELS to _LEVELS."""
    return round(float(value) * _LEVELS)


def _fifth(value: float) -> int:
    """An activation as one of five, 0 to 4, parted at ±0.2 and ±0.6."""
    return sum(float(value) > edge for edge in (-0.6, -0.2, 0.2, 0.6))
