"""Scores of translations as rows of a table, as objects for JSON Lines, and line by line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqkit.cli.terminal.output import destination
from seqkit.scores import METRICS

if TYPE_CHECKING:
    from seqkit.evaluation.translations import Evaluation
    from seqkit.metrics.sacre import MetricOptions
    from seqkit.scores import Score

SIGNIFICANT = 0.05  # a smaller p is marked
UNDEFINED = "undefined"


def results(evaluation: Evaluation, options: MetricOptions) -> Iterator[dict[str, Any]]:
    """One object per metric."""
    from seqkit.metrics.sacre import LEVEL

    for score in evaluation.scores:
        yield {
            "metric": score.metric,
            "score": None if score.undefined else score.score,
            "signature": score.signature,
            "confidence": score.confidence and {"level": LEVEL, **dataclasses.asdict(score.confidence)},
            "paired": score.paired and dataclasses.asdict(score.paired),
            "protocol": options.protocol,
            "lines": len(evaluation.hypotheses),
            "details": dict(score.details),
            **({"undefined": score.undefined} if score.undefined else {}),
        }


def headings(scores: Sequence[Score]) -> list[str]:
    """What the columns are that some of the scores have."""
    interval = ["95% interval"] if any(score.confidence for score in scores) else []
    paired = ["baseline", "difference", "p"] if any(score.paired for score in scores) else []
    return ["metric", "score", *interval, *paired, "signature"]


def cells(score: Score, columns: Sequence[str]) -> list[str]:
    """A score's row under these headings; what it lacks is blank."""
    metric = METRICS[score.metric]
    values = {
        "metric": score.metric,
        "score": UNDEFINED if score.undefined else metric.text(score.score),
        "signature": score.signature,
    }
    if score.confidence:
        values["95% interval"] = f"{metric.text(score.confidence.low)}-{metric.text(score.confidence.high)}"
    if score.paired:
        mark = "*" if score.paired.p_value < SIGNIFICANT else ""
        values |= {
            "baseline": metric.text(score.paired.baseline_score),
            "difference": f"{score.paired.difference:+.{metric.digits}f}",
            "p": f"{score.paired.p_value:.4f}{mark}",
        }
    return [values.get(column, "") for column in columns]


def summary(evaluation: Evaluation, references: int, options: MetricOptions) -> str:
    """What a reader of the table has to know, in one line."""
    lines = len(evaluation.hypotheses)
    parts = [
        f"{lines:,} line{'' if lines == 1 else 's'}",
        f"{references} reference{'' if references == 1 else 's'}",
        f"protocol {options.protocol}",
    ]
    if less := [METRICS[name].title for name in options.metrics if METRICS[name].better == "less"]:
        parts.append(f"of {', '.join(less)}, less is better")
    if any(score.paired for score in evaluation.scores):
        parts.append(f"* p < {SIGNIFICANT} (paired bootstrap)")
    return ", ".join(parts)


def write_line_scores(path: Path, systems: Sequence[tuple[str, Evaluation]]) -> None:
    """A tab-separated table of the scores of each line, numbered from 1; what is undefined is empty.

    With several systems their names stand in a column of their own.
    """
    several = len(systems) > 1
    _, first = systems[0]
    names = [score.metric for score in first.scores]
    with destination(path) as stream:
        stream.write(_row([*(["system"] if several else []), "line", *names]))
        for name, evaluation in systems:
            columns = [score.line_scores for score in evaluation.scores]
            for number, scores in enumerate(zip(*columns, strict=True), 1):
                shown = ["" if math.isnan(score) else f"{score:.4f}" for score in scores]
                stream.write(_row([*([name.replace("\t", " ")] if several else []), str(number), *shown]))


def _row(cells: Sequence[str]) -> bytes:
    return ("\t".join(cells) + "\n").encode("utf-8", "surrogateescape")
