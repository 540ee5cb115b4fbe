"""A live area that survives a terminal which is made narrower while it is drawn."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment


class Area(RenderHook):
    """Draws a renderable and remembers how wide its lines were.

    When a terminal becomes narrower it breaks the lines that are there, so that they take more rows than
    rich goes up to draw over them. This goes up the rest.
    """

    def __init__(self, renderable: RenderableType, console: Console) -> None:
        self._renderable, self._console = renderable, console
        self._widths: list[int] = []
        self._console_width = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._renderable, options, pad=False)
        self._widths = [Segment.get_line_length(line) for line in lines]
        self._console_width = console.width
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Go up by the rows that appeared, before rich goes up by those that it knows."""
        width = self._console.width
        if width >= self._console_width or not self._widths:
            return renderables
        appeared = sum(max(0, (length - 1) // width) for length in self._widths)
        self._console_width = width
        erase = (ControlType.ERASE_IN_LINE, 2)
        up = Control(ControlType.CARRIAGE_RETURN, erase, *[(ControlType.CURSOR_UP, 1), erase] * appeared)
        return [up, *renderables]
