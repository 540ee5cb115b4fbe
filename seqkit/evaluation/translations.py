"""Scoring translations, from text or straight from a model, with the checks that make a score mean something.

Files that do not belong together, and text that is not in the form that a protocol expects, give scores
that look plausible and are wrong. The first is an error here, the second a warning.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seqkit.evaluation.alignment import check_aligned, count_of_lines
from seqkit.metrics.measure import References
from seqkit.metrics.sacre import CASED, MetricOptions, Progress, score_translations
from seqkit.scores import METRICS, Score

logger = logging.getLogger("seqkit")

_ENOUGH_SENTENCES = 10  # that end in a full stop, before their form is judged
_TER_WORDS = 100  # of a line, from which on TER takes seconds of it
_COMPATIBLE = 0.05  # of the reference lines have other characters in NFKC, before that is worth a word


class Translated(Protocol):
    """What a translator gives for a line."""

    @property
    def text(self) -> str: ...


class TranslatorLike(Protocol):
    """What `evaluate_model` needs of a translator."""

    def translate(self, lines: list[str], options: Any = ..., /) -> Sequence[Translated]:
        """One translation for every line, in order."""
        ...


@dataclass(frozen=True)
class Names:
    """How the texts are called in errors and warnings: file names, where there are files."""

    hypotheses: str = "the hypotheses"
    references: tuple[str, ...] = ()
    baseline: str = "the baseline"
    source: str = "the source"

    def reference(self, index: int) -> str:
        """The name of a reference set."""
        if index < len(self.references):
            return self.references[index]
        return f"reference {index + 1}"


@dataclass(frozen=True)
class Evaluation:
    """The scores of one set of hypotheses, one Score per metric, and the hypotheses themselves."""

    scores: tuple[Score, ...]
    hypotheses: tuple[str, ...]

    def score(self, metric: str) -> Score:
        """The score of one metric; KeyError when it was not asked for."""
        return {score.metric: score for score in self.scores}[metric]


def evaluate_translation(
    hypotheses: Sequence[str],
    references: References,
    options: MetricOptions | None = None,
    *,
    baseline: Sequence[str] | None = None,
    names: Names | None = None,
    progress: Progress = lambda _metric, _done, _total: None,
) -> Evaluation:
    """Score lines of text against one or more reference sets, one list of lines each.

    With `baseline`, the hypotheses of another system, each score has a paired test. Raises DataError that
    says where texts of different length seem to part. Warns of empty hypotheses, of text that is not in the
    form that the protocol expects, and of lines whose TER takes long; says which scores are undefined.
    """
    options = options or MetricOptions()
    names = names or Names()
    for index, reference in enumerate(references):
        check_aligned(names.hypotheses, hypotheses, names.reference(index), reference)
    if baseline is not None and references:
        check_aligned(names.baseline, baseline, names.reference(0), references[0])
    if "ter" in options.metrics:
        _warn_of_long_lines([hypotheses, *([] if baseline is None else [baseline])])
    scores = score_translations(hypotheses, references, options, baseline=baseline, progress=progress)
    _warn_of_empty(names.hypotheses, hypotheses, references)
    _warn_of_form(_named_texts(hypotheses, references, baseline, names), options.protocol)
    if options.normalization in {"nfc", "clean-nfc"}:
        _warn_of_compatibility(names, hypotheses, references)
    _tell(scores)
    return Evaluation(tuple(scores), tuple(hypotheses))


def evaluate_model(
    translator: TranslatorLike,
    source_lines: Sequence[str],
    references: References,
    options: MetricOptions | None = None,
    *,
    translate_options: Any = None,
    baseline: Sequence[str] | None = None,
    names: Names | None = None,
    progress: Progress = lambda _metric, _done, _total: None,
) -> Evaluation:
    """Translate, then score as `evaluate_translation` does.

    Line counts are checked first, so that no translation is spent on files that do not belong together.
    `translate_options` is handed to the translator; without it the translator's defaults hold.
    """
    names = names or Names()
    for index, reference in enumerate(references):
        check_aligned(names.source, source_lines, names.reference(index), reference)
    arguments = () if translate_options is None else (translate_options,)
    translations = translator.translate(list(source_lines), *arguments)
    hypotheses = [translation.text for translation in translations]
    return evaluate_translation(
        hypotheses, references, options, baseline=baseline, names=names, progress=progress
    )


def _warn_of_empty(name: str, hypotheses: Sequence[str], references: References) -> None:
    first = references[0]
    empty = [
        number
        for number, (line, reference) in enumerate(zip(hypotheses, first, strict=True), 1)
        if not line.strip() and reference and reference.strip()
    ]
    if empty:
        logger.warning(
            "%s: %s of %s are empty where the reference is not, the first at line %s",
            name,
            f"{len(empty):,}",
            count_of_lines(hypotheses),
            f"{empty[0]:,}",
        )


def _named_texts(
    hypotheses: Sequence[str],
    references: References,
    baseline: Sequence[str] | None,
    names: Names,
) -> list[tuple[str, Sequence[str | None]]]:
    texts: list[tuple[str, Sequence[str | None]]] = [(names.hypotheses, hypotheses)]
    texts += [(names.reference(index), reference) for index, reference in enumerate(references)]
    if baseline is not None:
        texts.append((names.baseline, baseline))
    return texts


def _warn_of_form(texts: Sequence[tuple[str, Sequence[str | None]]], protocol: str) -> None:
    """Text in the other protocol's form shifts BLEU by several points and nothing else tells."""
    for name, lines in texts:
        tokenized = _looks_tokenized(lines)
        if tokenized is True and protocol == CASED:
            logger.warning(
                "%s looks tokenised (a space before the full stop); protocol cased scores plain text: "
                "detokenise it, or use --protocol lowercased-tokenized if all files are tokenised",
                name,
            )
        elif tokenized is False and protocol != CASED:
            logger.warning(
                "%s does not look tokenised (no space before the full stop), as protocol %s expects: "
                "tokenise it, or use --protocol cased if all files are plain text",
                name,
                protocol,
            )


def _looks_tokenized(lines: Sequence[str | None]) -> bool | None:
    """Whether most full stops stand alone; None when there are too few to tell."""
    # Only full stops: French sets a space before ! and ? in plain text too.
    stops = [line.rstrip() for line in lines if line and line.rstrip().endswith(".")]
    if len(stops) < _ENOUGH_SENTENCES:
        return None
    return sum(line.endswith(" .") for line in stops) * 2 > len(stops)


def _warn_of_long_lines(texts: Sequence[Sequence[str]]) -> None:
    """TER tries to shift every part of a line: seconds for one of 300 words."""
    lengths = [len(line.split()) for lines in texts for line in lines]
    long = sum(length > _TER_WORDS for length in lengths)
    if long:
        logger.warning(
            "TER takes seconds for each long line: %s of more than %s words, the longest of %s",
            "1 is" if long == 1 else f"{long:,} are",
            _TER_WORDS,
            f"{max(lengths):,}",
        )


def _warn_of_compatibility(names: Names, hypotheses: Sequence[str], references: References) -> None:
    """Outputs of a model whose corpus was prepared with NFKC lack characters that the references have."""
    lines = [line for line in references[0] if line]
    if not lines or all(line.isascii() for line in lines):
        return
    other = sum(_has_compatibility_characters(line) for line in lines)
    if other > _COMPATIBLE * len(lines) and not any(map(_has_compatibility_characters, hypotheses)):
        logger.warning(
            "%s: %s of %s have characters that NFKC writes otherwise (such as full-width ones), but %s has "
            "none: if a model with NFKC made it, --normalization clean-nfkc compares both in that form",
            names.reference(0),
            f"{other:,}",
            count_of_lines(lines),
            names.hypotheses,
        )


def _has_compatibility_characters(line: str) -> bool:
    composed = line if line.isascii() else unicodedata.normalize("NFC", line)
    return not line.isascii() and not unicodedata.is_normalized("NFKC", composed)


def _tell(scores: Sequence[Score]) -> None:
    """Which scores are undefined, and what else a reader of them has to know."""
    for score in scores:
        title = METRICS[score.metric].title
        if score.undefined:
            logger.info("%s is undefined: %s", title, score.undefined)
        elif score.note:
            logger.info("%s: %s", title, score.note)
