"""Results as Markdown tables, and the place in a README where they stand.

    python recipes/benchmark/report.py results/NAME.json [--pages] [--chart FILE.svg]

prints the tables; puts them, their summary and the front page's figures between the record's markers in the
READMEs; draws the chart.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from cases import GROUPS
from machine import SHAPES, SQUARE
from results import TIMES, gemm_peak

from seqkit.files import write_atomic

HERE = Path(__file__).resolve().parent
PAGE, FRONT_PAGE = HERE / "README.md", HERE.parents[1] / "README.md"
BEGIN, END = "<!-- benchmark {}: begin -->", "<!-- benchmark {}: end -->"
NEXT = "<!-- benchmark: the next record goes here -->"
IN_SHORT = "{}, in short"  # the place of a record's summary
# The front page's figures, each a group and a task.
HEADLINES = (
    ("training", "equal sizes"),
    ("decoding", "beam 5"),
    ("process", "one line"),
    ("generating", "2 x 512, one stream"),
)
MEGABYTE = 1 << 20
Row = Mapping[str, Any]


def number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns that are empty in every line are left out."""
    kept = [place for place in range(len(heads)) if any(line[place] for line in lines)]
    shown = [heads, ["---"] * len(heads), *lines]
    return "\n".join(
        "| " + " | ".join(line[place].replace("|", "\\|") for place in kept) + " |" for line in shown
    )


def markdown(result: Mapping[str, Any]) -> str:
    """All tables, the machine's first."""
    parts = [_machine(result)]
    for group, meaning in GROUPS.items():
        rows = [row for row in result["rows"] if row["group"] == group]
        if group == "profile":
            rows = [row for row in rows if "shares" in row.get("details", {})] or rows
        if rows:
            body = _profile(rows) if group == "profile" and "median" in rows[0] else _group(rows)
            parts.append(f"**{group}**: {meaning}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def summary(result: Mapping[str, Any], shown: Collection[tuple[str, str]] | None = None) -> str:
    """One table of seqkit and the others, a line per task: all, or those of `shown` (group and task)."""
    tasks: dict[tuple[str, str], list[Row]] = {}
    for row in result["rows"]:
        task = (row["group"], row["task"])
        wanted = row["group"] not in {"set-up", "profile"} if shown is None else task in shown
        if "median" in row and wanted:
            tasks.setdefault(task, []).append(row)
    lines = []
    for (group, task), rows in tasks.items():
        ours = [row for row in rows if row["system"].startswith("seqkit")]
        theirs = [row for row in rows if row not in ours]
        lines.append(
            [
                f"{group}: {task}",
                rows[0]["unit"],
                ", ".join(_ours(row) for row in ours),
                ", ".join(f"{row['system']} {number(row['median'])}{_times(row)}" for row in theirs),
            ]
        )
    machine = result["machine"]
    when = f"{machine['processor']}, {machine['cores']} cores, {result['date'][:10]}"
    repeats = f"medians of {result['repeats']} interleaved repeats"
    forced = " **Held back to AVX2, without VNNI and bf16.**" if result.get("forced") else ""
    return (
        f"{when}; {repeats}.{forced}\n\n" + table(["", "unit", "seqkit", "others (seqkit is)"], lines) + "\n"
    )


def _ours(row: Row) -> str:
    """A value of ours, with its sizes where there are several, and its share of what the machine can do."""
    sizes = row["system"].removeprefix("seqkit").removeprefix(", ")
    share = f"{100 * row['share_of_peak']:.0f} % of the {row['dtype']} peak" if "share_of_peak" in row else ""
    notes = ", ".join(filter(None, (sizes, share)))
    return number(row["median"]) + (f" ({notes})" if notes else "")


def _times(row: Row) -> str:
    return f" ({row['ratio']:.2g} ×)" if "ratio" in row else ""


def _machine(result: Mapping[str, Any]) -> str:
    machine, limits, spreads = result["machine"], result["peaks"], result["spreads"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = []
    for label, shape in (("square, 2,048", SQUARE), *SHAPES.items()):
        best = [gemm_peak(limits, dtype, shape) for dtype in _DTYPES]
        if any(best):
            lines.append([label, *(number(value) if value else "" for value in best)])
    memory = [f"{name} {number(limits[name])} GB/s" for name in _MEMORY if name in limits]
    wide = max((spreads[name] for name in spreads if name.endswith("2048 x 2048 x 2048")), default=0.0)
    commit = f", commit {result['commit']}" if result.get("commit") else ""
    return _forced(result) + (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; {versions}; "
        f"{result['date'][:10]}{commit}. Best matrix products of {len(result['probes'])} probes before, "
        f"between and after the groups, GFLOP/s (the square ones differed by up to {100 * wide:.0f} % "
        f"from probe to probe){'; memory: ' if memory else ''}{', '.join(memory)}.\n\n"
        + table(["matrix product", *_DTYPES], lines)
    )


def _forced(result: Mapping[str, Any]) -> str:
    """That the processor has more than was used; nothing where it was used as it is."""
    variables = result.get("forced", {})
    if not variables:
        return ""
    said = ", ".join(f"`{name}={value}`" for name, value in sorted(variables.items()))
    return (
        "**Held back, as on a processor with AVX2 alone**: this one has more. seqkit trains in fp32 and "
        f"decodes with unsigned bytes; every library that has a switch is told: {said}. ONNX Runtime has "
        "none: its unsigned product is that of processors without VNNI, the rest of it may use AVX-512.\n\n"
    )


_DTYPES = ("fp32", "bf16", "int8")
_MEMORY = ("copy", "triad", "matrix times vector")


def _group(rows: Sequence[Row]) -> str:
    units = list(dict.fromkeys(row["unit"] for row in rows if "unit" in row))
    heads = ["task", "system", units[0] if len(units) == 1 else "median", "from–to", "seqkit is", "promise"]
    heads += ["GFLOP/s", "of the GEMM peak", "of its bound", "memory, MB", "also"]
    return table(heads, [_line(row, with_unit=len(units) != 1) for row in rows])


def _line(row: Row, *, with_unit: bool) -> list[str]:
    if "median" not in row:
        return [
            row["task"],
            row["system"],
            "–",
            "",
            "",
            _promise(row),
            "",
            "",
            "",
            "",
            f"not run: {row['reason']}",
        ]
    value = number(row["median"]) + (f" {row['unit']}" if with_unit else "")
    width = f"{number(row['minimum'])}–{number(row['maximum'])}" if row["count"] > 1 else ""
    ratio = f"{row['ratio']:.2g} × as fast" if "ratio" in row else ""
    share = f"{100 * row['share_of_peak']:.0f} % ({row['dtype']})" if "share_of_peak" in row else ""
    bound = f"{100 * row['share_of_bound']:.0f} %" if "share_of_bound" in row else ""
    return [
        *(row["task"], row["system"], value, width, ratio, _promise(row)),
        number(row["gflops"]) if "gflops" in row else "",
        *(share, bound, f"{row['peak_memory'] / MEGABYTE:,.0f}", _also(row)),
    ]


def _promise(row: Row) -> str:
    """What seqkit promises of a row, and whether the figure keeps it."""
    if "promise" not in row:
        return ""
    promise = row["promise"]
    said = f"{'at most' if promise['at_most'] else 'at least'} {promise['bound']:g}"
    said += " ×" if promise["of_ratio"] else ""
    return said + ({True: ": kept", False: ": **not kept**"}[row["kept"]] if "kept" in row else "")


def _also(row: Row) -> str:
    """What else a reader should know of a row."""
    details, said = row["details"], []
    if "quiet" in details:
        busy, unit = number(details["busy"]), details["figure_unit"]
        said.append(f"quiet {number(details['quiet'])}, busy {busy} {unit}")
    if "p95_ms" in details:
        said.append(f"p95 {number(details['p95_ms'])} ms")
    if "output_tokens_per_second" in details:
        said.append(f"{number(details['output_tokens_per_second'])} tokens/s")
    if "length_ratio" in details:
        said.append(f"length {details['length_ratio']:.2f} of the references'")
    if "bleu" in details:
        said.append(f"BLEU {details['bleu']:.1f}")
    if row["unit"] == "BLEU":
        said.append(f"{details['minutes']:.2f} minutes")
    if "mflop_per_token" in row:
        said.append(f"{number(row['mflop_per_token'])} MFLOP a token")
    if row["reason"]:
        said.append(f"stopped after {row['count']}: {row['reason']}")
    return ", ".join(said)


_PARTS = ("data", "forward", "backward", "clip", "optimizer", "average", "rest")  # of a step


def _profile(rows: Sequence[Row]) -> str:
    parts = [part for part in _PARTS if part in rows[0]["details"]["shares"]]
    lines = []
    for row in rows:
        if "median" not in row:
            lines.append([row["task"], "–", *[""] * len(parts), f"not run: {row['reason']}"])
            continue
        details = row["details"]
        again = details.get("first_epoch_over_second")
        also = f"first epoch {again:.2f} × the second" if again else ""
        shares = [f"{100 * details['shares'][part]:.1f} %" for part in parts]
        lines.append([row["task"], number(row["median"]), *shares, also])
    return table(["preset", rows[0]["unit"], *parts, "also"], lines)


def put_between_markers(page: str, name: str, content: str) -> str:
    """The page with the content between the record's markers.

    ValueError when they are not there, once each.
    """
    begin, end = BEGIN.format(name), END.format(name)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page must have {begin} and {end}, once each")
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{content}{end}{after}"


def with_place(page: str, name: str) -> str:
    """The page with a heading and markers for a record, which it may have; new ones stand last."""
    if BEGIN.format(name) in page:
        return page
    if page.count(NEXT) != 1:
        raise ValueError(f"the page must have {NEXT}, once")
    return page.replace(NEXT, f"### {name}\n\n{BEGIN.format(name)}\n{END.format(name)}\n\n{NEXT}")


def update_pages(name: str, result: Mapping[str, Any], page: Path = PAGE, front: Path = FRONT_PAGE) -> None:
    """Show a record in the recipe's README, its summary and the front page's figures in their places."""
    text = put_between_markers(with_place(page.read_text(encoding="utf-8"), name), name, markdown(result))
    short = IN_SHORT.format(name)
    if BEGIN.format(short) in text:
        text = put_between_markers(text, short, summary(result))
    write_atomic(page, text.encode())
    text = front.read_text(encoding="utf-8")
    if BEGIN.format(name) in text:
        write_atomic(front, put_between_markers(text, name, summary(result, HEADLINES)).encode())


def less_is_better(row: Row) -> bool:
    """Whether a row's value is a time."""
    return row.get("unit") in TIMES


def main() -> int:
    """Print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("result", type=Path)
    parser.add_argument(
        "--pages", action="store_true", help="update the READMEs; the file's name is the record's"
    )
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args()
    result = json.loads(options.result.read_text(encoding="utf-8"))
    print(markdown(result), end="")
    if options.pages:
        update_pages(options.result.stem, result)
    if options.chart:
        from chart import chart

        write_atomic(options.chart, chart(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
