"""Showing what a generator's cells do: coloured text on a terminal, marks elsewhere, JSON, a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import destination, json_line
from seqkit.errors import ConfigError

if TYPE_CHECKING:
    from seqkit.inspection.cell_relations import Relations, View
    from seqkit.inspection.cells import CellActivations
    from seqkit.model_directory import LoadedModel

PANEL = "Activations"
AUTO = "auto"
SHOWN_CELLS = 3  # of those that --show-cells auto finds

ShowCells = Annotated[
    str | None,
    typer.Option(
        "--show-cells",
        metavar="auto|LAYER:CELL,…",
        help="Colour the text by the activations of these cells, counted from 1; auto: find cells that track "
        "quotes, line length, indentation and the like.",
        rich_help_panel=PANEL,
    ),
]
CellsText = Annotated[
    str | None,
    typer.Option(
        "--cells-text",
        metavar="FILE",
        help="Show cells as they read this text (- is standard input); generate nothing.",
        rich_help_panel=PANEL,
    ),
]
CellsHtml = Annotated[
    Path | None,
    typer.Option(
        "--cells-html",
        metavar="FILE",
        help="Write an HTML page that shows every cell.",
        rich_help_panel=PANEL,
    ),
]


_NAMED = re.compile(r"[1-9][0-9]{0,5}:[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class CellOptions:
    """What to look at, and how: the three options above and --json."""

    cells: str | None = None
    text: str | None = None
    html: Path | None = None
    json_lines: bool = False

    def __post_init__(self) -> None:
        if self.cells not in {None, AUTO} and not all(map(_NAMED.fullmatch, str(self.cells).split(","))):
            raise ConfigError(
                f"--show-cells {self.cells!r} names no cells",
                hint="auto, or layers and cells, counted from 1: --show-cells 1:42,2:7",
            )

    @property
    def wanted(self) -> bool:
        """Whether there is anything to show."""
        return self.printed or self.html is not None

    @property
    def printed(self) -> bool:
        """Whether it goes to standard output, and not to a page alone."""
        return self.cells is not None or (self.text is not None and self.html is None)

    @property
    def named(self) -> list[tuple[int, int]]:
        """Layers and cells that were asked for; none for auto."""
        found = _NAMED.findall("" if self.cells is None else self.cells)
        return [(int(layer), int(cell)) for layer, cell in (name.split(":") for name in found)]


def show(loaded: LoadedModel, text: str, options: CellOptions) -> None:
    """Show what a generator's cells do while it reads the text that the options name, or else `text`.

    A text that is too long to look into is cut, with a warning. Raises DataError when there is no text, or
    too little to find cells in, and ConfigError for a cell that the model does not have.
    """
    from seqkit.inspection.cell_relations import FEWEST_POSITIONS, relate_cells
    from seqkit.inspection.cells import cell_activations

    _check_named(options.named, loaded)
    activations = cell_activations(loaded, text if options.text is None else _read(options.text))
    if activations.cut:
        read = sum(map(len, activations.pieces))
        console.warn(f"the text is long: only its first {read:,} characters are examined")
    relations = None
    if len(activations.pieces) >= FEWEST_POSITIONS or (options.printed and not options.named):
        relations = relate_cells(activations)
    views = _views(options.named, relations)
    if options.html is not None:
        from seqkit.pages.cells import page

        with destination(options.html) as stream:
            stream.write(page(activations, relations, views[0]))
    if options.printed:
        table = None if options.named else relations
        with destination(None, markup=True) as stream:
            for line in _lines(activations, views, table, json_lines=options.json_lines):
                stream.write(f"{line}\n".encode())


def _views(named: Sequence[tuple[int, int]], relations: Relations | None) -> list[View]:
    """The named cells, or else those that were found to remember something, or else any."""
    from seqkit.inspection.cell_relations import View

    if named:
        return [View(*name, None if relations is None else relations.of(*name)) for name in named]
    if relations is None or not relations.features:
        return [View(1, 1)]
    found = relations.telling(SHOWN_CELLS)
    if not found:
        console.warn("no cell clearly beats the current character alone; showing the best")
        found = relations.strongest()[:1]
    return [View(relation.layer, relation.cell, relation) for relation in found]


def _check_named(named: Sequence[tuple[int, int]], loaded: LoadedModel) -> None:
    count, size = loaded.config.model.decoder_layers, loaded.config.model.hidden_size
    for layer, cell in named:
        if layer > count or cell > size:
            layers = f"{count} layers of" if count > 1 else "one layer of"
            raise ConfigError(
                f"--show-cells: there is no cell {layer}:{cell}; this model has {layers} {size:,} cells",
                hint=f"1:1 to {count}:{size}, or auto",
            )


def _read(file: str) -> str:
    """The beginning of a file: more than can be looked into, little enough to keep."""
    from seqkit.data.text.reading import read_text
    from seqkit.inspection.cells import LONGEST_PIECE, MOST_POSITIONS

    text = ""
    for part in read_text(file):
        text += part
        if len(text) > MOST_POSITIONS * LONGEST_PIECE:
            break
    return text


def _lines(
    activations: CellActivations, views: Sequence[View], table: Relations | None, *, json_lines: bool
) -> Iterable[str]:
    if json_lines:
        return map(json_line, _records(activations, views, table))
    from seqkit.cli.generate.cells_terminal import canvas, rendition

    return rendition(activations, views, table, canvas())


def _records(
    activations: CellActivations, views: Sequence[View], table: Relations | None
) -> Iterator[dict[str, Any]]:
    """An object for each feature's best cell, and one for each cell that is shown."""
    for relation in [] if table is None else table.strongest():
        yield {"schema": 1, "kind": "relation", **_rounded(asdict(relation))}
    for view in views:
        yield {
            "schema": 1,
            "kind": "cell",
            "layer": view.layer,
            "cell": view.cell,
            "quantity": activations.quantity,
            "pieces": activations.pieces,
            "activations": [round(float(value), 4) for value in activations.of(view.layer, view.cell)],
            "surprisal": [round(float(value), 4) for value in activations.surprisal],
        }


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in record.items()}
