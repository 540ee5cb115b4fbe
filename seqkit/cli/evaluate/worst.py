"""What `seqkit evaluate --show-worst` shows: side by side on a terminal, one below the other elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import draw, write_results

if TYPE_CHECKING:
    from rich.text import Text

    from seqkit.evaluation.worst import Line

_LACKING, _WRONG = "green", "red"  # what the hypothesis should have, and what it has instead
_NARROW = 70  # columns, below which nothing fits side by side


def show_worst(lines: Sequence[Line]) -> None:
    """Print lines, on a terminal with what differs in colour."""
    if sys.stdout is not None and sys.stdout.isatty():
        _show_on_terminal(lines)
    else:
        write_results("".join(_plain(line) for line in lines))


def worst_results(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """One object per line, for JSON Lines."""
    for line in lines:
        yield {
            "metric": "line_chrf",
            "score": line.score,
            "line": line.number,
            **({} if line.source is None else {"source": line.source}),
            "references": list(line.references),
            "hypothesis": line.hypothesis,
        }


def _parts(line: Line) -> list[tuple[str, str, str | None]]:
    """Name, text, and the text that it is compared with."""
    parts: list[tuple[str, str, str | None]] = [] if line.source is None else [("source", line.source, None)]
    for number, reference in enumerate(line.references, 1):
        name = "reference" if len(line.references) == 1 else f"reference {number}"
        parts.append((name, reference, line.hypothesis))
    return [*parts, ("hypothesis", line.hypothesis, line.references[0])]


def _plain(line: Line) -> str:
    texts = "".join(f"  {name:<11} {text}\n" for name, text, _ in _parts(line))
    return f"line {line.number:,}  chrF {line.score:.1f}\n{texts}"


def _show_on_terminal(lines: Sequence[Line]) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    side_by_side = shutil.get_terminal_size().columns >= _NARROW
    names = [name for name, _, _ in _parts(lines[0])]
    grid = Table("line", "chrF", *(names if side_by_side else ["texts"]), box=SIMPLE, show_lines=True)
    for line in lines:
        texts = [_marked(text, other, name) for name, text, other in _parts(line)]
        if not side_by_side:
            texts = [_below(texts)]
        grid.add_row(f"{line.number:,}", f"{line.score:.1f}", *texts)
    draw(grid)


def _marked(text: str, other: str | None, name: str) -> Text:
    """A text with the words in colour that the other one lacks."""
    from rich.text import Text

    from seqkit.evaluation.worst import differences

    if other is None:
        return Text(console.printable(text))
    style = _WRONG if name == "hypothesis" else _LACKING
    shown = Text()
    for word, differs in differences(text, other):
        shown.append(console.printable(word), style if differs else "")
        shown.append(" ")
    return shown


def _below(texts: Sequence[Text]) -> Text:
    from rich.text import Text

    return Text("\n").join(texts)
