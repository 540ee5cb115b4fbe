"""What `train --report` and `evaluate --report` do: write a run's page."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import destination, json_line, write_results
from seqkit.errors import ConfigError
from seqkit.files import write_atomic

if TYPE_CHECKING:
    from seqkit.config import Resolved
    from seqkit.training.options import TrainOptions

REPORT = "report.html"  # in the model directory


def report_of_run(options: TrainOptions, resolved: Resolved, *, quiet: bool) -> None:
    """The page of a run that is over, into the model directory."""
    from seqkit.data.corpus import Corpus
    from seqkit.pages.collect import from_model
    from seqkit.pages.report import page

    contents = from_model(
        options.model,
        resolved=resolved,
        corpus=Corpus.open(options.corpus),
        device=options.device,
        threads=options.threads,
    )
    path = options.model / REPORT
    write_atomic(path, page(contents))  # not through a link: in a model directory all is its own
    if not quiet:
        console.note(f"report: {path}")


def report_of_record(
    model: str, path: Path, source: str | None, *, form: str, quiet: bool, device: str, threads: int | None
) -> None:
    """The page of a model directory, or of a metrics.jsonl alone.

    Attention is drawn for the first lines of `source`, or for the samples of the validations.
    """
    from seqkit.pages.collect import from_metrics, from_model
    from seqkit.pages.report import page

    if form not in {"text", "json"}:
        raise ConfigError(f"--format {form} does not apply to --report, which writes HTML", where="--format")
    record = Path(model)
    if record.is_file():
        if source is not None:
            raise ConfigError("--source needs the model itself, not its record", hint="name the directory")
        contents = from_metrics(record)
    else:
        sentences = () if source is None else _first_lines(record, source)
        contents = from_model(record, sentences=sentences, device=device, threads=threads)
    with destination(path) as stream:
        stream.write(page(contents))
    if form == "json":
        write_results(json_line({"schema": 1, "report": str(path), "validations": len(contents.rows)}) + "\n")
    elif not quiet:
        console.note(f"report: {path}")


def _first_lines(model: Path, source: str) -> list[str]:
    """The lines of a text whose translations are shown."""
    from seqkit import model_directory
    from seqkit.data.text.reading import read_lines
    from seqkit.kinds import KINDS
    from seqkit.pages.collect import MOST_SENTENCES

    kind = KINDS[model_directory.read_facts(model).kind]
    if "attention" not in kind.parts:
        raise ConfigError(f"--source: {kind.model} has no source", hint="leave --source out")
    console.announce_input(source, "sentences")
    return list(islice(read_lines(source), MOST_SENTENCES))
