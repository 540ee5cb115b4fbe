"""What the parts of `seqkit evaluate` share: scores on standard output, as a table or JSON Lines."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from seqkit.errors import ConfigError, suggest

_INDENT = "    "
FORMATS = ("text", "json", "markdown", "latex")
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"},
}


def check_format(name: str, *, as_json: bool) -> str:
    """The format of results that --format and --json ask for. Raises ConfigError for an unknown one."""
    if name not in FORMATS:
        hint = suggest(name, FORMATS) or f"choose among {', '.join(FORMATS)}"
        raise ConfigError(f"--format {name} is not known", where="--format", hint=hint)
    if as_json and name not in {"text", "json"}:
        raise ConfigError(f"--json and --format {name} exclude each other", hint="leave one of them out")
    return "json" if as_json else name


def json_lines(results: Iterable[Mapping[str, Any]]) -> str:
    """One object per line, each with the schema's version first."""
    return "".join(
        json.dumps(_rounded({"schema": 1, **result}), ensure_ascii=False, allow_nan=False) + "\n"
        for result in results
    )


def columns(rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Plain columns, numbers to the right; where they are wider than `width`, the last one below its rows."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    fits = width is None or sum(widths) + 2 * (len(widths) - 1) <= width
    for (first, *numbers, last), following in zip_longest(rows, rows[1:]):
        aligned = [number.rjust(wide) for number, wide in zip(numbers, widths[1:-1], strict=True)]
        cells = [first.ljust(widths[0]), *aligned]
        if fits:
            lines.append("  ".join([*cells, last]))
        else:
            lines.append("  ".join(cells).rstrip())
            if following is None or following[-1] != last:  # once for all rows that share it
                lines += _broken(last, width or 0)
    return "".join(line + "\n" for line in lines)


def _broken(signature: str, width: int) -> list[str]:
    """A signature in indented lines that end behind one of its bars."""
    lines = [""]
    for part in signature.replace("|", "|\0").split("\0"):
        if lines[-1] and len(_INDENT + lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return [_INDENT + line for line in lines]


def table(rows: Sequence[Sequence[str]], form: str) -> str:
    """A heading and rows in the format text, markdown or latex (with booktabs); numbers to the right."""
    if form == "text":
        watched = sys.stdout is not None and sys.stdout.isatty()
        return columns(rows, shutil.get_terminal_size().columns if watched else None)
    middle = len(rows[0]) - 2
    heading, *others = rows
    if form == "markdown":
        marks = [":--", *["--:"] * middle, ":--"]
        lines = [[cell.replace("|", r"\|") for cell in row] for row in (heading, marks, *others)]
        return "".join(f"| {' | '.join(row)} |\n" for row in lines)
    body = [" & ".join("".join(_LATEX.get(part, part) for part in cell) for cell in row) for row in rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * middle}l}}",
            r"\toprule",
            rf"{body[0]} \\",
            r"\midrule",
            *[rf"{line} \\" for line in body[1:]],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _rounded(value: Any) -> Any:
    """Floats to six decimals: a perfect BLEU is 100, not 100.00000000000004, on every machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
