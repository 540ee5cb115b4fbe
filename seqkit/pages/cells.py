"""A page for a browser in which every cell of a generator can be looked at: one file, no network, no library.

Text stands in the page as text; numbers are arrays in base64, activations as 8-bit integers, a cell after
the other. The page's policy lets nothing run but the script that is written here.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqkit.evaluation.cell_relations import Relation, Relations, View
from seqkit.evaluation.cells import CellActivations
from seqkit.pages.cells_markup import CONTROLS, PANEL, SCRIPT, STYLE
from seqkit.printable import printable_text

_FULL = 127  # the integer for an activation of 1
_CHANCES = 65535  # the integer for a probability of 1
_LONGEST_SURPRISAL = 655.35  # bits; kept in hundredths


def page(activations: CellActivations, relations: Relations | None, selected: View) -> bytes:
    """The whole page, with the selected cell in view when it opens."""
    shown = [_shown(piece) for piece in activations.pieces]
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n',
        f"<title>Cells of a generator</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        _heading(activations),
        CONTROLS.replace("</form>", f"{_links(relations)}</form>"),
        '<main>\n<pre id="text" tabindex="0" aria-label="The text, coloured">\n',
        html.escape("".join(shown), quote=False),
        "</pre>\n",
        PANEL,
        "</main>\n",
        _table(relations),
        '<script type="application/json" id="data">',
        _data(activations, relations, selected, shown),
        "</script>\n",
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode()


def _shown(piece: str) -> str:
    """A piece as the page shows it: newlines and tabs as they are, other control characters escaped."""
    return printable_text(piece)


def _policy() -> str:
    script, style = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (SCRIPT, STYLE)
    )
    return f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'"


def _heading(activations: CellActivations) -> str:
    sizes = " + ".join(str(layer.shape[1]) for layer in activations.layers)
    characters = sum(map(len, activations.pieces))
    bits = float(activations.surprisal.sum(dtype=np.float64)) / characters
    return (
        "<header>\n<h1>What the cells of a generator do</h1>\n"
        f"<p>{sizes} cells read {characters:,} characters, predicted with {bits:.2f} bits each. "
        f"Shown is {activations.quantity} behind each character. Point at a character, or tap it.</p>\n"
        "</header>\n"
    )


def _table(relations: Relations | None) -> str:
    """The cells that were found, each a link that selects it."""
    if relations is None:
        return '<p class="note">The text is too short to find out what cells follow.</p>\n'
    rows = "".join(_row(relation) for relation in relations.strongest())
    left_out = html.escape(", ".join(relations.left_out), quote=False)
    return (
        "<section>\n<h2>Cells that follow something</h2>\n"
        "<p>For each feature of the text the cell that follows it best, found on the first half, measured on "
        "the second, as correlations. “Character alone” is what the current character tells without any "
        "memory; bold cells say clearly more.</p>\n"
        '<div class="scroll"><table>\n<thead><tr><th>feature</th><th>cell</th><th>first half</th>'
        "<th>second half</th><th>character alone</th></tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table></div>\n"
        + (f'<p class="note">Too rare in this text: {left_out}.</p>\n' if left_out else "")
        + "</section>\n"
    )


def _links(relations: Relations | None) -> str:
    """The found cells in one line that stays in view, those that remember something first."""
    if relations is None or not relations.features:
        return ""
    found = sorted(relations.strongest(), key=lambda relation: not relation.remembers)
    links = (
        f'<a href="#{relation.layer}:{relation.cell}">{html.escape(relation.description)}</a>'
        for relation in found
    )
    return f'<nav aria-label="Cells that follow something">{" ".join(links)}</nav>\n'


def _row(relation: Relation) -> str:
    name = f"{relation.layer}:{relation.cell}"
    marked = ' class="remembers"' if relation.remembers else ""
    figures = (relation.first_half, relation.second_half, relation.character_alone)
    columns = "".join(f"<td>{figure:+.2f}</td>" for figure in figures).replace("-", "−")
    return (
        f'<tr{marked}><td>{html.escape(relation.description)}</td><td><a href="#{name}">{name}</a></td>'
        f"{columns}</tr>\n"
    )


def _data(
    activations: CellActivations, relations: Relations | None, selected: View, shown: Sequence[str]
) -> str:
    """Everything that the script reads, as JSON that cannot end its element."""
    names = sorted({piece for row in activations.next_pieces for piece in row})
    number_of = {name: number for number, name in enumerate(names)}
    following = [[number_of[name] for name in row] for row in activations.next_pieces]
    lengths = [len(text) for text in shown]
    surprisal = np.minimum(activations.surprisal, _LONGEST_SURPRISAL) * 100
    value: dict[str, Any] = {
        "selected": [selected.layer, selected.cell],
        "lengths": None if set(lengths) == {1} else lengths,
        "layers": [_encoded(np.rint(layer.T * _FULL).astype(np.int8)) for layer in activations.layers],
        "surprisal": _encoded(np.rint(surprisal).astype("<u2")),
        "names": [_shown(name) for name in names],
        "next": _encoded(np.array(following, "<u4")),
        "chances": _encoded(np.rint(activations.next_probabilities * _CHANCES).astype("<u2")),
        "features": [] if relations is None else [feature.description for feature in relations.features],
        "follows": [] if relations is None else _follows(relations),
    }
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _follows(relations: Relations) -> list[list[list[float]]]:
    """For every cell of each layer the feature that it follows best and the second half's correlation."""
    if not relations.features:
        return []
    found = []
    for first, second in zip(relations.first, relations.second, strict=True):
        best = np.abs(first).argmax(axis=0)  # (H,)
        strength = second[best, np.arange(len(best))]
        found.append([[int(row), round(float(r), 2)] for row, r in zip(best, strength, strict=True)])
    return found


def _encoded(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
