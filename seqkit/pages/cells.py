"""A page for a browser in which every cell of a generator can be looked at: one file, no network, no library.

Text stands in the page as text; numbers are arrays in base64, activations as 8-bit integers, a cell after
the other. The page's policy lets nothing run but its own script.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqkit.inspection.cell_relations import Relations, View
from seqkit.inspection.cells import CellActivations
from seqkit.pages.page import render
from seqkit.printable import printable_text

_FULL = 127  # the integer for an activation of 1
_CHANCES = 65535  # the integer for a probability of 1
_LONGEST_SURPRISAL = 655.35  # bits; kept in hundredths


def page(activations: CellActivations, relations: Relations | None, selected: View) -> bytes:
    """The whole page, with the selected cell in view when it opens."""
    characters = sum(map(len, activations.pieces))
    bits = float(activations.surprisal.sum(dtype=np.float64)) / characters
    return render(
        "cells.html",
        {
            "sizes": " + ".join(str(layer.shape[1]) for layer in activations.layers),
            "characters": f"{characters:,}",
            "bits": f"{bits:.2f}",
            "quantity": activations.quantity,
            "text": "".join(activations.pieces),
            "relations": relations,
            "data": _data(activations, relations, selected),
        },
    )


def _data(activations: CellActivations, relations: Relations | None, selected: View) -> dict[str, Any]:
    """Everything that the script reads."""
    names = sorted({piece for row in activations.next_pieces for piece in row})
    number_of = {name: number for number, name in enumerate(names)}
    following = [[number_of[name] for name in row] for row in activations.next_pieces]
    lengths = [len(printable_text(piece)) for piece in activations.pieces]  # as the page shows them
    surprisal = np.minimum(activations.surprisal, _LONGEST_SURPRISAL) * 100
    return {
        "selected": [selected.layer, selected.cell],
        "lengths": None if set(lengths) == {1} else lengths,
        "layers": [_encoded(np.rint(layer.T * _FULL).astype(np.int8)) for layer in activations.layers],
        "surprisal": _encoded(np.rint(surprisal).astype("<u2")),
        "names": list(map(printable_text, names)),
        "next": _encoded(np.array(following, "<u4")),
        "chances": _encoded(np.rint(activations.next_probabilities * _CHANCES).astype("<u2")),
        "features": [] if relations is None else [feature.description for feature in relations.features],
        "follows": [] if relations is None else _follows(relations),
    }


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
