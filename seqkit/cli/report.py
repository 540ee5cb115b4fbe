"""What `train --report` and `evaluate --report` do: write a run's page."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.cli import console
from seqkit.cli.output import destination, json_line, write_results

if TYPE_CHECKING:
    from seqkit.config import Resolved
    from seqkit.report.contents import Contents

REPORT = "report.html"  # in the model directory


def report_of_run(corpus: Path, model: Path, resolved: Resolved, *, quiet: bool) -> None:
    """The page of a run that is over, into the model directory."""
    from seqkit.data.corpus import Corpus
    from seqkit.report.collect import from_model

    contents = from_model(model, resolved=resolved, corpus=Corpus.open(corpus))
    _write(contents, model / REPORT, quiet=quiet)


def report_of_record(model: str, page: Path, source: str | None, *, as_json: bool, quiet: bool) -> None:
    """The page of a model directory, or of a metrics.jsonl alone.

    Attention is drawn for the first lines of `source`, or for the samples of the validations.
    """
    from seqkit.data.text import read_lines
    from seqkit.report.collect import MOST_SENTENCES, from_metrics, from_model

    path = Path(model)
    if path.is_file():
        contents = from_metrics(path)
    else:
        contents = from_model(
            path, sentences=() if source is None else list(islice(read_lines(source), MOST_SENTENCES))
        )
    _write(contents, page, quiet=quiet or as_json)
    if as_json:
        write_results(json_line({"schema": 1, "report": str(page), "validations": len(contents.rows)}) + "\n")


def _write(contents: Contents, path: Path, *, quiet: bool) -> None:
    from seqkit.report.page import page

    with destination(path) as stream:
        stream.write(page(contents))
    if not quiet:
        console.note(f"report: {path}")
