"""From attempts to results: medians, spreads, ratios, and shares of what the machine can do at best.

A result file is one JSON object, `{"schema": 1, "rows": […], "probes": […], …}`; everything that is printed
or drawn is made from it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cases import Case, Promise
from machine import SQUARE, probe_name
from measure import Attempt, summarize

SCHEMA = 1
TIMES = ("ms", "s", "minutes", "ms a step")  # units of which less is better

Limits = Mapping[str, float]


def peaks(probes: Sequence[Limits]) -> dict[str, float]:
    """The best that was seen of every limit in any of the probes."""
    found: dict[str, float] = {}
    for probe in probes:
        for name, value in probe.items():
            found[name] = max(found.get(name, 0.0), value)
    return found


def spreads(probes: Sequence[Limits]) -> dict[str, float]:
    """How far every limit was from probe to probe: (maximum - minimum) / median."""
    names = {name for probe in probes for name in probe}
    return {name: summarize([probe[name] for probe in probes if name in probe]).spread for name in names}


def gemm_peak(limits: Limits, dtype: str, shape: tuple[int, int, int] = SQUARE) -> float:
    """The best matrix product of a type, whoever computes it (torch or ONNX Runtime); 0 when unknown."""
    names = [name for name in limits if name.endswith(probe_name("", shape)) and name.split()[0] == dtype]
    return max((limits[name] for name in names), default=0.0)


def stepwise_bound(limits: Limits, details: Mapping[str, Any]) -> float:
    """What a generator's training can reach, in GFLOP/s; 0 when the shape was not probed.

    The products with the last state come one step after the other, a few rows each, at the speed of that
    shape; the rest is one product over the whole slice.
    """
    if "streams" not in details or "stepwise_share" not in details:
        return 0.0
    hidden, dtype = details["hidden_size"], details["precision"]
    step = gemm_peak(limits, dtype, (details["streams"], hidden, 4 * hidden))
    whole, share = gemm_peak(limits, dtype), details["stepwise_share"]
    return 1 / (share / step + (1 - share) / whole) if step and whole else 0.0


def row(
    case: Case, attempts: Sequence[Attempt], reason: str, limits: Limits, mflop: float = 0.0
) -> dict[str, Any]:
    """A case as a row; `mflop` a token where the case itself does not know it."""
    done = [attempt for attempt in attempts if attempt.value is not None]
    made: dict[str, Any] = {
        "group": case.group,
        "task": case.task,
        "system": case.system,
        "against": case.against,
        "cores": case.cores,
        "reason": reason,
        "repeats": [asdict(attempt) for attempt in done],
    }
    if case.promise is not None:
        made["promise"] = asdict(case.promise)
    if not done:
        return {**made, "reason": reason or "not run"}
    summary = summarize([attempt.value for attempt in done if attempt.value is not None])
    middle = min(done, key=lambda attempt: abs((attempt.value or 0.0) - summary.median))
    details = dict(middle.details)
    made |= {"unit": middle.unit, **asdict(summary), "details": details}
    made["peak_memory"] = max(attempt.peak_memory for attempt in done)
    made["largest_process"] = max(attempt.largest_process for attempt in done)
    mflop = details.get("mflop_per_token", mflop)
    dtype = details.get("precision", "fp32")
    if mflop and middle.unit.endswith("/s"):
        made["mflop_per_token"] = mflop
        made["gflops"] = summary.median * mflop / 1000
        if peak := gemm_peak(limits, dtype):
            made |= {"dtype": dtype, "share_of_peak": made["gflops"] / peak}
        if bound := stepwise_bound(limits, details):
            made |= {"bound_gflops": bound, "share_of_bound": made["gflops"] / bound}
    return made


def with_ratios(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with `ratio`: how many times as fast the system is that it is compared with.

    A row with a promise also says whether it is `kept`.
    """
    medians = {
        (each["group"], each["task"], each["system"]): each["median"] for each in rows if "median" in each
    }
    found = []
    for each in rows:
        ours = medians.get((each["group"], each["task"], each["against"]))
        made = dict(each)
        if ours and each.get("median"):
            made["ratio"] = each["median"] / ours if each["unit"] in TIMES else ours / each["median"]
        if "promise" in each:
            promise = Promise(**each["promise"])
            figure = made.get("ratio" if promise.of_ratio else "median")
            if figure is not None:
                made["kept"] = promise.kept(figure)
        found.append(made)
    return found


def result(
    rows: Sequence[Mapping[str, Any]], probes: Sequence[Limits], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole result file."""
    return {
        "schema": SCHEMA,
        **facts,
        "peaks": peaks(probes),
        "spreads": spreads(probes),
        "probes": [dict(probe) for probe in probes],
        "rows": with_ratios(rows),
    }
