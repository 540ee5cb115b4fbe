"""The part of `seqkit evaluate` that says how much of a generated text is copied from the training text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seqkit.cli.evaluate.shared import json_lines, table
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results

if TYPE_CHECKING:
    from seqkit.evaluation.novelty import NoveltyReport

_SHOWN = 200  # characters of the longest copy


def evaluate_novelty(corpus: str, file: str, *, form: str, quiet: bool) -> None:
    """Compare and print."""
    from seqkit.evaluation import novelty
    from seqkit.evaluation.encoded_text import open_text_corpus

    opened = open_text_corpus(corpus)
    console.announce_input(file)
    text = novelty.read_generated(file, opened)
    with console.progress("characters", quiet=quiet) as update:
        report = novelty.evaluate_novelty(text, opened, progress=update)
    write_results(json_lines(_results(report)) if form == "json" else _table(report, form))
    if not quiet and form != "json":
        console.note(
            f"{report.characters:,} characters; lengths in characters, all else in percent; "
            '"validation" is the same measure on the corpus\'s validation text'
        )


def _results(report: NoveltyReport) -> Iterator[dict[str, Any]]:
    """One object per metric; that of the longest copy has its text."""
    for score in report.scores:
        details = {}
        if score.metric == "longest_copy":
            details = {"start": report.longest_start, "text": report.longest_text}
        yield {
            "metric": score.metric,
            "score": score.score,
            "signature": report.signature,
            "validation": score.validation,
            "details": details,
        }


def _table(report: NoveltyReport, form: str) -> str:
    rows = [["metric", "score", "validation", "signature"]]
    rows += [
        [score.metric, f"{score.score:.2f}", f"{score.validation:.2f}", report.signature]
        for score in report.scores
    ]
    if not report.longest_text or form != "text":
        return table(rows, form)
    shown = console.printable(report.longest_text[:_SHOWN])
    more = "…" if len(report.longest_text) > _SHOWN else ""
    return table(rows, form) + f'longest copy, from character {report.longest_start:,} on: "{shown}{more}"\n'
