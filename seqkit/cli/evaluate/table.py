"""`seqkit evaluate --model MODEL --table FILE`: scores of a classifier on the rows of a table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.cli.evaluate.shared import json_lines, table
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.scores import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy
    from numpy.typing import NDArray

    from seqkit.data.tables.examples import Example
    from seqkit.inference.classifier import Classifier
    from seqkit.metrics.classes import ClassCounts
    from seqkit.scores import Score

_ROWS_TOGETHER = 2000


def evaluate_table(
    model: str | None,
    tables: Sequence[str],
    *,
    delimiter: str | None,
    header: bool,
    confusion: bool,
    form: str,
    quiet: bool,
    device: str,
    threads: int | None,
) -> None:
    """Classify the rows of tables and compare with their own classes."""
    from seqkit.data.tables.blocks import blocks
    from seqkit.inference.classifier import Classifier
    from seqkit.metrics.classes import ClassCounts, class_scores

    if model is None:
        raise ConfigError("--table needs a --model", hint="--model MODEL, a classifier")
    classifier = Classifier.load(model, device=device, threads=threads)
    counts = ClassCounts(classifier.labels.size)
    with console.progress("rows", quiet=quiet) as update:
        examples = _examples(classifier, tables, delimiter, header=header)
        for block in blocks(examples, lambda example: example.weight, _ROWS_TOGETHER):
            _check_frames(classifier, block)
            counts.add(_classes(classifier, block), classifier.shares([example.source for example in block]))
            update("evaluate", counts.total, None)
    if not counts.total:
        raise DataError("the tables have no rows", where=tables[0], hint="check the files")
    scores = class_scores(counts)
    _show(scores, counts, classifier.labels.names, confusion=confusion, form=form)


def _examples(
    classifier: Classifier, tables: Sequence[str], delimiter: str | None, *, header: bool
) -> Iterator[Example]:
    from seqkit.data.tables.examples import examples
    from seqkit.data.tables.rows import TableOptions, read_rows
    from seqkit.data.text.sources import text_files

    columns = classifier.loaded.facts.columns
    if not columns:
        raise ModelError("this model does not say which columns it reads", hint="train it again")
    with tempfile.TemporaryDirectory() as spool:
        rows = read_rows(text_files(tables, Path(spool)), TableOptions(delimiter, header))
        yield from examples(rows, columns["source"], classifier.source.form, columns["target"][0])


def _check_frames(classifier: Classifier, rows: Sequence[Example]) -> None:
    """DataError, with the row, for frames of another size than the model's."""
    reads = classifier.source
    for example in rows:
        if not isinstance(example.source, str) and example.source.shape[1] != reads.size:
            raise DataError(
                f"a frame has {example.source.shape[1]:,} numbers; this model reads {reads.summary}",
                where=example.row.where,
            )


def _classes(classifier: Classifier, rows: Sequence[Example]) -> NDArray[numpy.int64]:
    """The numbers of the rows' own classes. Raises DataError, with the row, for one that the model lacks."""
    import numpy

    found = numpy.zeros(len(rows), numpy.int64)
    for place, example in enumerate(rows):
        try:
            found[place] = classifier.labels.encode([example.label])[0]
        except DataError as error:
            error.where = example.row.where
            raise
    return found


def _show(
    scores: Sequence[Score], counts: ClassCounts, names: Sequence[str], *, confusion: bool, form: str
) -> None:
    errors = counts.total - counts.right
    if form == "json":
        results = [
            {"metric": score.metric, "score": score.score, "signature": score.signature, **score.details}
            for score in scores
        ]
        if confusion:
            results.append({"confusion": {"classes": list(names), "table": counts.table.tolist()}})
        write_results(json_lines(results))
        return
    rows = [["metric", "score", "signature"]]
    rows += [[score.metric, METRICS[score.metric].text(score.score), score.signature] for score in scores]
    rows.append(["majority", f"{counts.majority:.2f}", "accuracy of the commonest class of these rows"])
    text = table(rows, form)
    if form == "text":
        text += f"{errors:,} errors of {counts.total:,} rows\n"
    if confusion:
        text += "\n" + table(_confusion(counts, names), form)
    write_results(text)


def _confusion(counts: ClassCounts, names: Sequence[str]) -> list[list[str]]:
    """True classes by row, predicted ones by column."""
    rows = [["true \\ predicted", *names, "rows"]]
    for name, row in zip(names, counts.table.tolist(), strict=True):
        rows.append([name, *(f"{count:,}" if count else "." for count in row), f"{sum(row):,}"])
    return rows
