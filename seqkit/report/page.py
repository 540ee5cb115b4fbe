"""The page of a report: one file of HTML and SVG, no script, no network.

Everything that came from a user or a model is escaped, control characters are shown, and the page's policy
lets nothing be loaded or run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

import numpy as np

from seqkit import __version__
from seqkit.evaluation.worst import differences
from seqkit.printable import printable, printable_text
from seqkit.report.charts import curves, shares, text_charts
from seqkit.report.contents import ColouredText, Contents, Statistics
from seqkit.report.style import LEVELS, STYLE
from seqkit.training.rows import metric_title

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PERCENTILES = (50, 95, 100)
_SHARES = (0.5, 0.9, 0.99)  # of a text, that so many tokens make up


def page(contents: Contents) -> bytes:
    """The whole page."""
    sections = list(_sections(contents))
    links = " ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    title = f"{printable(contents.title)}: report of {contents.kind.model}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        f"<header>\n<h1>{escape(title)}</h1>\n<nav>{links}</nav>\n</header>\n<main>\n",
        *(
            f'<section id="{name}">\n<h2>{title}</h2>\n{"".join(content)}</section>\n'
            for name, title, content in sections
        ),
        f"</main>\n<footer><p>Written by seqkit {__version__}.</p></footer>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def _sections(contents: Contents) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Name, title and content of each section that has something to say."""
    yield "summary", "Summary", _summary(contents)
    yield "curves", "Curves", _figures(curves(contents))
    yield "validations", "Validations", _validations(contents)
    if any(row.samples for row in contents.rows):
        yield "samples", "Samples over time", _samples(contents)
    if contents.translations:
        yield "attention", "Attention", _attention(contents)
    if contents.cells:
        yield "cells", "Cells", _cells(contents.cells)
    if contents.statistics is not None:
        yield "text", "Training text", _statistics(contents.statistics)
    if contents.settings:
        yield "settings", "Settings", _settings(contents)


def _summary(contents: Contents) -> Iterator[str]:
    last, best = contents.rows[-1], contents.best
    facts = [
        ("steps", f"{last.step:,} in {len(contents.rows):,} validations"),
        ("epochs", f"{last.epoch:.1f}"),
        ("time", f"{last.seconds / 60:.1f} minutes"),
    ]
    if best is not None:
        facts.append(("best", f"step {best.step:,}, {best.valid_nats:.4f} nats a token"))
        facts += [
            (metric_title(name), f"{value:.4f} ({best.signatures[name]})")
            for name, value in best.scores.items()
        ]
    yield _definitions([*facts, *contents.facts])


def _definitions(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>\n" for name, value in facts)
    return f"<dl>\n{rows}</dl>\n"


def _figures(charts: dict[str, str]) -> Iterator[str]:
    figures = "".join(f"<figure>{svg}</figure>\n" for svg in charts.values())
    yield f'<div class="charts">\n{figures}</div>\n'


def _validations(contents: Contents) -> Iterator[str]:
    rows, best = contents.rows, contents.best
    scores = list(dict.fromkeys(name for row in rows for name in row.scores))
    heads = ["step", "epoch", "training", "validation", *map(metric_title, scores)]
    heads += ["learning rate", "gradient", "clipped", "tokens/s", "seconds"]
    body = [
        [
            str(row.step),
            f"{row.epoch:.2f}",
            _number(row.train_nats),
            _number(row.valid_nats),
            *(_number(row.scores.get(name, math.nan)) for name in scores),
            f"{row.learning_rate:.3e}",
            _number(row.norm),
            f"{row.clipped_share:.0%}",
            f"{row.tokens_per_second:.0f}",
            f"{row.seconds:.1f}",
        ]
        for row in rows
    ]
    classes = ["best" if row is best else "" for row in rows]
    yield "<p>Losses are nats a target token; the bold row is the best, whose weights the model has.</p>\n"
    yield _table("rows numbers", heads, [[_text(cell) for cell in cells] for cells in body], classes)


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"


def _table(
    kind: str, heads: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] | None = None
) -> str:
    """A table that scrolls by itself; the cells are HTML already."""
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join(
        f"<tr{f' class={name!r}' if name else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
        for cells, name in zip(rows, classes or [""] * len(rows), strict=True)
    )
    return (
        f'<div class="scroll"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def _samples(contents: Contents) -> Iterator[str]:
    if not contents.kind.has_source:
        for number, row in enumerate(contents.rows):
            opened = " open" if number in {0, len(contents.rows) - 1} else ""
            texts = "".join(
                f"<pre>{_block(sample['text'])}</pre>" for sample in row.samples if "text" in sample
            )
            yield f"<details{opened}><summary>step {row.step:,}</summary>{texts}</details>\n"
        return
    yield "<p>Words that the reference has at this place are green, others red.</p>\n"
    sources = dict.fromkeys(sample.get("source", "") for row in contents.rows for sample in row.samples)
    for source in sources:
        of_source = [
            (row, sample) for row in contents.rows for sample in row.samples if sample.get("source") == source
        ]
        reference = of_source[-1][1].get("reference", "")
        yield f"<h3>{_text(source)}</h3>\n"
        cells = [
            [f"{row.step:,}", _compared(sample.get("translation", ""), reference)]
            for row, sample in of_source
        ]
        yield _table("rows samples", ["step", "translation"], [*cells, ["reference", _text(reference)]])


def _compared(text: str, reference: str) -> str:
    words = (
        f"<{tag}>{_text(word)}</{tag}>"
        for word, lacks in differences(text, reference)
        for tag in ("del" if lacks else "ins",)
    )
    return " ".join(words)


def _attention(contents: Contents) -> Iterator[str]:
    yield "<p>How much each word piece of the translation (down) looked at each of the source (across).</p>\n"
    for translation in contents.translations:
        yield f"<h3>{_text(translation.source)}</h3>\n"
        yield f'<div class="scroll attention">{translation.alternatives[0]._repr_html_()}</div>\n'


def _cells(texts: Sequence[ColouredText]) -> Iterator[str]:
    yield (
        "<p>What single cells did while they read the samples: blue is positive, red negative. "
        "<code>seqkit generate MODEL --cells-html PAGE</code> shows all of them.</p>\n"
    )
    for text in texts:
        spans = "".join(
            f'<span class="{_shade(value)}">{_block(piece)}</span>'
            for piece, value in zip(text.pieces, text.activations.tolist(), strict=True)
        )
        yield f"<h3>{_text(text.title)}</h3>\n<pre>{spans}</pre>\n"


def _shade(value: float) -> str:
    level = round(min(1.0, abs(value)) * LEVELS)
    return f"{'n' if value < 0 else 'p'}{level}"


def _statistics(found: Statistics) -> Iterator[str]:
    yield _definitions(found.facts)
    yield from _figures(text_charts(found.sides))
    heads = ["", "sequences", "tokens", *(f"{share}th percentile" for share in _PERCENTILES[:-1]), "longest"]
    heads += ["different tokens", *(f"make up {share:.0%}" for share in _SHARES)]
    rows = []
    for side in found.sides:
        quantiles = np.percentile(side.lengths, _PERCENTILES) if len(side.lengths) else np.zeros(3)
        counts = [len(side.lengths), int(side.counts.sum()), *map(int, quantiles)]
        counts += [int((side.counts > 0).sum()), *shares(side.counts, _SHARES)]
        rows.append([_text(side.name), *(f"{count:,}" for count in counts)])
    yield _table("rows numbers", heads, rows)
    for side in found.sides:
        named = ", ".join(f"<code>{_text(piece)}</code> {count:,}" for piece, count in side.frequent)
        yield f"<h3>Most frequent, {_text(side.name)}</h3>\n<p>{named}</p>\n"


def _settings(contents: Contents) -> Iterator[str]:
    rows = [
        [f"<code>{_text(one.name)}</code>", f"<code>{_text(one.value)}</code>", _text(one.origin)]
        for one in contents.settings
    ]
    classes = ["" if one.origin == "default" else "best" for one in contents.settings]
    yield _table("rows", ["setting", "value", "origin"], rows, classes)


def _text(text: str) -> str:
    """A line of text."""
    return escape(printable(text))


def _block(text: str) -> str:
    """Text with its newlines and tabs."""
    return escape(printable_text(text))
