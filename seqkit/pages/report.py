"""The page of a report: one file of HTML and SVG, no script, no network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from seqkit.evaluation.worst import differences
from seqkit.pages.charts import curves, shares, text_charts
from seqkit.pages.contents import ColouredText, Contents, Statistics
from seqkit.pages.page import render
from seqkit.training.record import metric_title
from seqkit.version import __version__

LEVELS = 8  # shades on either side of none, as in page.css
_PERCENTILES = (50, 95, 100)
_SHARES = (0.5, 0.9, 0.99)  # of a text, that so many tokens make up


@dataclass(frozen=True)
class Section:
    """A part of the page: templates/report/NAME.html lays out its content."""

    name: str
    title: str
    content: object


def page(contents: Contents) -> bytes:
    """The whole page."""
    return render(
        "report.html",
        {
            "title": f"{contents.title}: report of {contents.kind.model}",
            "sections": list(_sections(contents)),
            "version": __version__,
        },
    )


def _sections(contents: Contents) -> Iterator[Section]:
    """Those that have something to say."""
    yield Section("summary", "Summary", _facts(contents))
    yield Section("curves", "Curves", curves(contents).values())
    yield Section("validations", "Validations", _validations(contents))
    if any(row.samples for row in contents.rows):
        yield Section("samples", "Samples over time", _samples(contents))
    if contents.translations:
        yield Section("attention", "Attention", _attention(contents))
    if contents.cells:
        yield Section("cells", "Cells", list(map(_coloured, contents.cells)))
    if contents.statistics is not None:
        yield Section("text", "Training text", _training_text(contents.statistics))
    if contents.settings:
        yield Section("settings", "Settings", contents.settings)


def _facts(contents: Contents) -> list[tuple[str, str]]:
    last, best = contents.rows[-1], contents.best
    facts = [
        ("steps", f"{last.step:,} in {len(contents.rows):,} validations"),
        ("epochs", f"{last.epoch:.1f}"),
        ("time", f"{last.seconds / 60:.1f} minutes"),
    ]
    if best is not None:
        facts.append(("best", f"step {best.step:,}, {best.valid_nats:.4f} nats per token"))
        facts += [
            (metric_title(name), f"{value:.4f} ({best.signatures[name]})")
            for name, value in best.scores.items()
        ]
    return [*facts, *contents.facts]


def _validations(contents: Contents) -> dict[str, object]:
    scores = list(dict.fromkeys(name for row in contents.rows for name in row.scores))
    heads = ["step", "epoch", "training", "validation", *map(metric_title, scores)]
    heads += ["learning rate", "gradient", "clipped", "tokens/s", "seconds"]
    rows = [
        {
            "best": row is contents.best,
            "cells": [
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
            ],
        }
        for row in contents.rows
    ]
    return {"heads": heads, "rows": rows}


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"


def _one_line(sample: Mapping[str, str], signs: Mapping[str, str]) -> str:
    """What a sample consists of, with the sign before each but the first."""
    parts = [(sign, sample[name]) for name, sign in signs.items() if name in sample]
    return " ".join(f"{sign} {text}" if number else text for number, (sign, text) in enumerate(parts))


def _samples(contents: Contents) -> dict[str, object]:
    """Texts by step, or the translations of each sentence beside its reference."""
    if "attention" not in contents.kind.parts:
        texts = [
            (f"{row.step:,}", [_one_line(sample, contents.kind.samples) for sample in row.samples])
            for row in contents.rows
        ]
        return {"texts": texts, "sentences": []}
    steps: dict[str, list[tuple[int, str]]] = {}  # by source
    references = {}
    for row in contents.rows:
        for sample in row.samples:
            source = sample.get("source", "")
            steps.setdefault(source, []).append((row.step, sample.get("translation", "")))
            references[source] = sample.get("reference", "")
    sentences = [
        {
            "source": source,
            "reference": references[source],
            "translations": [
                (f"{step:,}", differences(text, references[source])) for step, text in translations
            ],
        }
        for source, translations in steps.items()
    ]
    return {"texts": [], "sentences": sentences}


def _attention(contents: Contents) -> list[tuple[str, Markup]]:
    """Sources, and their translations as notebooks show them."""
    return [
        (translation.source, Markup(translation.alternatives[0]._repr_html_()))
        for translation in contents.translations
    ]


def _coloured(text: ColouredText) -> dict[str, object]:
    shades = map(_shade, text.activations.tolist())
    return {"title": text.title, "pieces": zip(shades, text.pieces, strict=True)}


def _shade(activation: float) -> str:
    """The class of a style that page.css has."""
    level = round(min(1.0, abs(activation)) * LEVELS)
    return f"{'n' if activation < 0 else 'p'}{level}"


def _training_text(statistics: Statistics) -> dict[str, object]:
    heads = ["", "sequences", "tokens", *(f"{share}th percentile" for share in _PERCENTILES[:-1]), "longest"]
    heads += ["different tokens", *(f"make up {share:.0%}" for share in _SHARES)]
    rows = []
    for side in statistics.sides:
        quantiles = np.percentile(side.lengths, _PERCENTILES) if len(side.lengths) else np.zeros(3)
        counts = [len(side.lengths), int(side.counts.sum()), *map(int, quantiles)]
        counts += [int((side.counts > 0).sum()), *shares(side.counts, _SHARES)]
        rows.append([side.name, *(f"{count:,}" for count in counts)])
    return {
        "facts": statistics.facts,
        "charts": text_charts(statistics.sides).values(),
        "heads": heads,
        "rows": rows,
        "frequent": [
            (side.name, [(piece, f"{count:,}") for piece, count in side.frequent])
            for side in statistics.sides
        ],
    }
