"""Where a report's contents come from: metrics.jsonl, and the model and the corpus where they are at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seqkit import model_directory
from seqkit.config import Resolved
from seqkit.data.corpus import Corpus
from seqkit.data.forms import tokenizer_of
from seqkit.data.ragged import RaggedArray
from seqkit.data.tokenizers import SPECIALS, Tokenizer
from seqkit.errors import DataError
from seqkit.files import read_regular
from seqkit.inference.translation import Translation
from seqkit.inference.translator import Translator
from seqkit.inspection.cell_relations import FEWEST_POSITIONS, relate_cells
from seqkit.inspection.cells import CellActivations, cell_activations
from seqkit.kinds import KINDS, TRANSLATION, Kind
from seqkit.model_directory import METRICS, LoadedModel
from seqkit.model_directory.card import ModelCard
from seqkit.pages.contents import ColouredText, Contents, Setting, Statistics, TextSide
from seqkit.training.record import Row, read_rows

MOST_SENTENCES = 8  # whose attention is drawn
LONGEST_SENTENCE = 300  # characters
CELLS = 4  # that colour the text
CELL_TEXT = 1500  # characters
FREQUENT = 30  # tokens that are named


def from_metrics(path: Path) -> Contents:
    """A report of a metrics.jsonl alone. Raises `InputMissing` and `DataError`."""
    rows = _rows(path.resolve())  # what a user names may be a link
    return Contents(title=str(path), kind=_kind_of(rows), rows=rows)


def from_model(
    directory: Path,
    *,
    resolved: Resolved | None = None,
    corpus: Corpus | None = None,
    sentences: Sequence[str] = (),
    device: str = "auto",
    threads: int | None = None,
) -> Contents:
    """A report of a model directory.

    `resolved` says where each setting came from; without it a setting is the default or is not. With the
    `corpus` of the run its text is described. Attention is drawn for `sentences`, or for the samples.
    """
    loaded = model_directory.load(directory)
    rows = _rows(directory / METRICS)
    kind = loaded.kind
    translations: Sequence[Translation] = ()
    if "search" in kind.parts:
        translator = Translator.load(directory, device=device, threads=threads)
        translations = translator.translate(_shortened(sentences or _sources(rows)), attention=True)
    return Contents(
        title=str(directory),
        kind=kind,
        rows=rows,
        facts=_facts(directory),
        settings=[Setting(*one) for one in (resolved or Resolved.recorded(loaded.config, kind)).settings()],
        statistics=None if corpus is None else statistics(corpus),
        translations=translations,
        cells=list(_cells(loaded, rows)) if "streams" in kind.parts else (),
    )


def statistics(corpus: Corpus) -> Statistics:
    """The training text of a corpus in numbers."""
    manifest, train = corpus.manifest, corpus.train
    unit = "documents" if "streams" in corpus.kind.parts else corpus.kind.counted.many
    facts = [(f"{unit} read", f"{manifest.lines:,}"), (f"{unit} kept", f"{manifest.kept:,}")]
    facts += [
        (f"dropped: {reason.replace('_', ' ')}", f"{count:,}")
        for reason, count in manifest.dropped.items()
        if count
    ]
    if manifest.tokenizer is not None:
        facts += [
            *(("tokenizer", f"{side.kind}, {side.normalization}") for side in manifest.tokenizer.sides),
            ("vocabulary", " + ".join(f"{size:,}" for size in manifest.tokenizer.sizes)),
        ]
    else:
        facts += [(role, field.summary) for role, field in corpus.fields.items()]
    texts = [role for role, field in corpus.fields.items() if field.form == "text"]
    names = texts if corpus.kind.has_source else ["text"]
    return Statistics(
        facts,
        [
            _side(name, train.arrays[role], tokenizer_of(corpus.fields, role))
            for name, role in zip(names, texts, strict=True)
        ],
    )


def _side(name: str, array: RaggedArray, tokenizer: Tokenizer) -> TextSide:
    counts = np.zeros(tokenizer.size, np.int64)
    step = 1 << 22  # values at a time: the array is on disk, and may be larger than memory
    for start in range(0, len(array.values), step):
        counts += np.bincount(array.values[start : start + step], minlength=tokenizer.size)
    order = np.argsort(-counts, kind="stable")
    named = [int(number) for number in order[:FREQUENT] if counts[number] and number >= len(SPECIALS)]
    pieces = tokenizer.pieces(np.array(named, np.int64))
    frequent = list(zip(pieces, counts[named].tolist(), strict=True))
    return TextSide(name, array.lengths, counts, frequent)


def _rows(path: Path) -> tuple[Row, ...]:
    rows = read_rows(read_regular(path, limit=model_directory.LIMITS[METRICS]), str(path))
    if not rows:
        raise DataError(
            "there is nothing to report yet: no validation has been made",
            where=str(path),
            hint="wait for the first row of seqkit train",
        )
    return rows


def _kind_of(rows: Sequence[Row]) -> Kind:
    """The kind that a record says, or, where a version before 0.9 wrote it, that its scores tell.

    A translator may have been validated by its loss alone; a generator's validations all have scores.
    """
    for row in rows:
        if row.kind:
            return KINDS[row.kind]
    names = {name for row in rows for name in row.scores}
    told = [kind for kind in KINDS.values() if names & {metric.name for metric in kind.metrics}]
    return told[0] if told else TRANSLATION


def _facts(directory: Path) -> list[tuple[str, str]]:
    card = ModelCard.of(directory)
    return [
        ("parameters", f"{card.parameters:,}"),
        ("vocabulary", f"{' + '.join(f'{size:,}' for size in card.vocabularies)} ({card.tokenizer})"),
        *[(f"version of {name}", version) for name, version in card.versions.items()],
    ]


def _sources(rows: Sequence[Row]) -> list[str]:
    """The sentences that were translated at every validation."""
    return list(dict.fromkeys(sample["source"] for sample in rows[-1].samples if "source" in sample))


def _shortened(sentences: Sequence[str]) -> list[str]:
    return [sentence[:LONGEST_SENTENCE] for sentence in sentences if sentence.strip()][:MOST_SENTENCES]


def _cells(loaded: LoadedModel, rows: Sequence[Row]) -> Iterator[ColouredText]:
    """What some cells did while they read the samples: those that follow something, else the liveliest."""
    texts = [sample["text"] for row in rows for sample in row.samples if sample.get("text")]
    if not texts:
        return
    activations = cell_activations(loaded, "\n".join(texts))
    shown = slice(max(0, len(activations.pieces) - CELL_TEXT), None)
    for layer, cell, title in _interesting(activations):
        values = activations.of(layer, cell)[shown]
        yield ColouredText(f"cell {layer}:{cell}, {title}", activations.pieces[shown], values)


def _interesting(activations: CellActivations) -> list[tuple[int, int, str]]:
    """Layer, cell and what is known of it: cells that follow something, else those that vary most."""
    if len(activations.pieces) >= FEWEST_POSITIONS:
        found = relate_cells(activations).strongest()[:CELLS]
        if found:
            return [
                (one.layer, one.cell, f"{one.description} (correlation {one.second_half:+.2f})")
                for one in found
            ]
    spread = np.concatenate([layer.std(axis=0) for layer in activations.layers])
    sizes = np.cumsum([0, *(layer.shape[1] for layer in activations.layers)])
    chosen = np.argsort(-spread, kind="stable")[:CELLS]
    layers = np.searchsorted(sizes, chosen, side="right")
    return [
        (int(layer), int(cell - sizes[layer - 1] + 1), "one of those that vary most")
        for layer, cell in zip(layers, chosen, strict=True)
    ]
