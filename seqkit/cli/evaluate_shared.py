"""What the parts of `seqkit evaluate` share: scores on standard output, as columns or JSON Lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqkit.cli import console


def announce_input(path: str) -> None:
    """Say so before a person's typing is waited for."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        console.note("reading standard input; Ctrl-D ends it")


def json_lines(results: Iterable[Mapping[str, Any]]) -> str:
    """One object a line, each with the schema's version first."""
    return "".join(
        json.dumps(_rounded({"schema": 1, **result}), ensure_ascii=False, allow_nan=False) + "\n"
        for result in results
    )


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Plain columns, numbers to the right: the same bytes on a terminal and in a file."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *numbers, last in rows:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *aligned, last]) + "\n")
    return "".join(lines)


def _rounded(value: Any) -> Any:
    """Floats to six decimals: a perfect BLEU is 100, not 100.00000000000004, on every machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
