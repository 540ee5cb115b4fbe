"""The part of `seqkit evaluate` that scores translations: text, or what a model makes of a source."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqkit.cli.evaluate.shared import json_lines, table
from seqkit.cli.evaluate.worst import show_worst, worst_results
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError, RunFailed
from seqkit.scores import METRICS

if TYPE_CHECKING:
    from seqkit.evaluation.translations import Evaluation, Names
    from seqkit.evaluation.worst import Line
    from seqkit.inference.translation import TranslateOptions, Translation
    from seqkit.inference.translator import Translator
    from seqkit.metrics.sacre import MetricOptions
    from seqkit.scores import Score

_SIGNIFICANT = 0.05  # a smaller p is marked


@dataclass(frozen=True)
class Translations:
    """Where everything that is scored comes from. Raises ConfigError for what cannot be combined."""

    hypotheses: tuple[str, ...]
    references: tuple[str, ...]
    model: str | None
    source: str | None
    baseline: str | None
    shortlist: bool = False
    shows_lines: bool = False  # a source is of use without a model, too

    def __post_init__(self) -> None:
        if not self.references:
            raise ConfigError(
                "evaluate needs --reference FILE for translations, or --text FILE for a generator",
                hint="seqkit evaluate --help",
            )
        if self.model is None and self.source is not None and not self.shows_lines:
            raise ConfigError(
                "--source has no effect without --model",
                hint="add --model MODEL, or leave --source out to score text (--show-worst shows it)",
            )
        if self.model is None and self.shortlist:
            raise ConfigError(
                "--shortlist has no effect without --model",
                hint="leave --shortlist out",
            )
        if self.model is not None and self.source is None:
            raise ConfigError(
                "--model needs --source FILE, the text to translate, beside --reference",
                hint="a generator is evaluated by --text FILE",
            )
        if self.model is not None and self.hypotheses:
            raise ConfigError(
                f"--model makes its own hypotheses, so {self.hypotheses[0]} cannot be scored in the same run",
                hint=f"to compare the two: --baseline {self.hypotheses[0]}",
            )
        if self.inputs.count("-") > 1:
            raise ConfigError(
                "standard input can be read only once, but two texts come from it",
                where="standard input",
                hint="name a file for all but one (no file means the hypotheses come from standard input)",
            )

    @property
    def inputs(self) -> list[str]:
        made = () if self.model is not None else self.hypotheses or ("-",)
        others = [path for path in (self.source, self.baseline) if path is not None]
        return [*made, *self.references, *others]

    @property
    def hypotheses_name(self) -> str:
        from seqkit.data.text.reading import input_name

        if self.model is not None:
            return f"what {self.model} makes"
        return input_name(self.hypotheses[0] if self.hypotheses else "-")

    def names(self, hypotheses: str | None = None) -> Names:
        """What errors call the texts, the hypotheses of one system among them."""
        from seqkit.data.text.reading import input_name
        from seqkit.evaluation.translations import Names

        return Names(
            hypotheses=hypotheses or self.hypotheses_name,
            references=tuple(input_name(reference) for reference in self.references),
            baseline=input_name(self.baseline or ""),
            source=input_name(self.source or ""),
        )


@dataclass(frozen=True)
class Measures:
    """What is measured of the translations; None is a model's own setting of the search."""

    metric: tuple[str, ...]
    protocol: str
    chrf_word_order: int
    confidence: bool
    fail_under: float | None
    search: dict[str, Any]
    show_worst: int = 0

    def metric_options(self) -> MetricOptions:
        """The options of the metrics, checked. Raises ConfigError."""
        from seqkit.metrics.sacre import METRICS, MetricOptions

        names = [name.strip() for part in self.metric for name in part.split(",")] or METRICS
        options = MetricOptions(
            metrics=tuple(name.lower() for name in names),
            protocol=self.protocol,
            chrf_word_order=self.chrf_word_order,
            confidence=self.confidence,
        )
        _check_fail_under(self.fail_under, options)
        return options


def evaluate_translations(
    texts: Translations, measures: Measures, *, form: str, quiet: bool, device: str, threads: int | None
) -> None:
    """Score, print, and fail below `--fail-under`."""
    _warn_of_references(texts)
    _check_search(measures.search, texts.model)
    options = measures.metric_options()
    if len(texts.hypotheses) > 1:
        _evaluate_systems(texts, measures, options, form=form, quiet=quiet)
        return
    read = _Read.of(texts)
    if texts.model is None:
        evaluation = _score_text(texts, read, options)
    else:
        evaluation = _score_model(
            texts, read, options, measures.search, device=device, threads=threads, quiet=quiet
        )
    worst = _worst_lines(evaluation, read, options, measures.show_worst)
    if form == "json":
        write_results(json_lines([*_results(evaluation, options), *worst_results(worst)]))
    else:
        rows = [_headings(evaluation.scores[0]), *(_cells(score) for score in evaluation.scores)]
        write_results(table(rows, form))
        if worst:
            show_worst(worst)
    if not quiet and form != "json":
        console.note(_summary(evaluation, len(texts.references), options))
    if measures.fail_under is not None:
        _fail_below(evaluation.score("bleu"), measures.fail_under, texts.hypotheses_name)


def _warn_of_references(texts: Translations) -> None:
    """`--reference r1 r2 hyp` has one reference: an option takes one file, and r2 is a system."""
    patterns = {_NUMBER.sub("#", Path(reference).name): reference for reference in texts.references}
    for file in texts.hypotheses:
        name = _NUMBER.sub("#", Path(file).name)
        if "#" in name and name in patterns and file not in texts.references:
            first = patterns[name]
            console.warn(
                f"{file} is scored as a system, though its name is like that of the reference {first}; "
                f"for another reference: --reference {first} --reference {file}"
            )


_NUMBER = re.compile(r"[0-9]+")


def _evaluate_systems(
    texts: Translations, measures: Measures, options: MetricOptions, *, form: str, quiet: bool
) -> None:
    """Several systems in one table, each tested against the baseline, or else against the first of them."""
    from seqkit.data.text.reading import input_name
    from seqkit.evaluation.translations import evaluate_translation

    if measures.fail_under is not None or measures.show_worst:
        option = "--show-worst" if measures.show_worst else "--fail-under"
        raise ConfigError(
            f"{option} takes one system, but there are {len(texts.hypotheses)}",
            where=option,
            hint="name one file of translations",
        )
    references, baseline = _read_references(texts)
    found: list[tuple[str, Evaluation]] = []
    for path in texts.hypotheses:
        lines, name = _read(path), input_name(path)
        evaluation = evaluate_translation(
            lines, references, options, baseline=baseline, names=texts.names(name)
        )
        found.append((name, evaluation))
        baseline = lines if baseline is None else baseline
    if form == "json":
        objects = ({"system": name, **line} for name, one in found for line in _results(one, options))
        write_results(json_lines(objects))
        return
    heading, *_ = sorted((_headings(one.scores[0]) for _, one in found), key=len, reverse=True)
    rows = [[heading[0], "system", *heading[1:]]]
    for place in range(len(options.metrics)):
        for name, one in found:
            first, *cells, signature = _cells(one.scores[place])
            blank = [""] * (len(heading) - len(cells) - 2)
            rows.append([first, name, *cells, *blank, signature])
    write_results(table(rows, form))
    if not quiet:
        console.note(_summary(found[-1][1], len(texts.references), options))


def _worst_lines(evaluation: Evaluation, read: _Read, options: MetricOptions, count: int) -> list[Line]:
    from seqkit.evaluation.worst import worst_lines

    if not count:
        return []
    return worst_lines(evaluation.hypotheses, read.references, count, options, read.source)


def _check_search(search: dict[str, Any], model: str | None) -> None:
    for name, value in search.items():
        option = "--" + name.replace("_", "-")
        if value is not None and model is None:
            raise ConfigError(f"{option} has no effect without --model", hint=f"leave {option} out")
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"{option} {value} is not a finite number")


def _check_fail_under(fail_under: float | None, options: MetricOptions) -> None:
    if fail_under is None:
        return
    if not 0 <= fail_under <= 100:  # false for NaN too
        raise ConfigError(
            f"--fail-under {fail_under} is not a BLEU score", hint="give a number from 0 to 100"
        )
    if "bleu" not in options.metrics:
        raise ConfigError(
            "--fail-under compares BLEU, which --metric leaves out", hint="add bleu to --metric"
        )


def _read(path: str) -> list[str]:
    from seqkit.data.text.reading import read_lines

    console.announce_input(path)
    return list(read_lines(path))


def _read_references(texts: Translations) -> tuple[list[list[str]], list[str] | None]:
    """References and baseline: read first, so that a missing file is known before a pipe is read."""
    references = [_read(reference) for reference in texts.references]
    return references, _read(texts.baseline) if texts.baseline is not None else None


@dataclass(frozen=True)
class _Read:
    """The lines of what one system is scored with; hypotheses are empty where a model makes them."""

    references: list[list[str]]
    baseline: list[str] | None
    hypotheses: list[str]
    source: list[str] | None

    @classmethod
    def of(cls, texts: Translations) -> _Read:
        """Read all that is named."""
        references, baseline = _read_references(texts)
        source = None if texts.source is None else _read(texts.source)
        hypotheses = [] if texts.model is not None else _read((texts.hypotheses or ("-",))[0])
        return cls(references, baseline, hypotheses, source)


def _score_text(texts: Translations, read: _Read, options: MetricOptions) -> Evaluation:
    from seqkit.evaluation.translations import evaluate_translation

    return evaluate_translation(
        read.hypotheses, read.references, options, baseline=read.baseline, names=texts.names()
    )


def _score_model(
    texts: Translations,
    read: _Read,
    options: MetricOptions,
    search: dict[str, Any],
    *,
    device: str,
    threads: int | None,
    quiet: bool,
) -> Evaluation:
    from seqkit.evaluation.translations import evaluate_model

    assert texts.model is not None
    assert read.source is not None

    from seqkit.inference.translator import Translator  # after the files: a missing one is reported at once

    translator = Translator.load(texts.model, device=device, threads=threads, shortlist=texts.shortlist)
    # The model's own decoding settings hold unless an option says otherwise.
    chosen = {name: value for name, value in search.items() if value is not None}
    translate_options = dataclasses.replace(translator.options, **chosen)
    if not quiet:
        console.note(f"translating {len(read.source):,} lines with {texts.model}")
    return evaluate_model(
        _Watched(translator, quiet),
        read.source,
        read.references,
        options,
        translate_options=translate_options,
        baseline=read.baseline,
        names=texts.names(),
    )


@dataclass(frozen=True)
class _Watched:
    """A translator whose progress is shown."""

    translator: Translator
    quiet: bool

    def translate(self, lines: list[str], options: TranslateOptions | None = None, /) -> list[Translation]:
        """See `Translator`."""
        with console.progress("lines", quiet=self.quiet) as update:
            return self.translator.translate(
                lines, options, progress=lambda done: update("translate", done, len(lines))
            )


def _results(evaluation: Evaluation, options: MetricOptions) -> Iterator[dict[str, Any]]:
    """One object per metric."""
    from seqkit.metrics.sacre import LEVEL

    for score in evaluation.scores:
        yield {
            "metric": score.metric,
            "score": score.score,
            "signature": score.signature,
            "confidence": score.confidence and {"level": LEVEL, **dataclasses.asdict(score.confidence)},
            "paired": score.paired and dataclasses.asdict(score.paired),
            "protocol": options.protocol,
            "lines": len(evaluation.hypotheses),
            "details": dict(score.details),
        }


def _headings(score: Score) -> list[str]:
    interval = ["95% interval"] if score.confidence else []
    paired = ["baseline", "difference", "p"] if score.paired else []
    return ["metric", "score", *interval, *paired, "signature"]


def _cells(score: Score) -> list[str]:
    metric = METRICS[score.metric]
    cells = [score.metric, metric.text(score.score)]
    if score.confidence:
        cells.append(f"{metric.text(score.confidence.low)}-{metric.text(score.confidence.high)}")
    if score.paired:
        cells += [
            metric.text(score.paired.baseline_score),
            f"{score.paired.difference:+.{metric.digits}f}",
            f"{score.paired.p_value:.4f}{'*' if score.paired.p_value < _SIGNIFICANT else ''}",
        ]
    return [*cells, score.signature]


def _summary(evaluation: Evaluation, references: int, options: MetricOptions) -> str:
    lines = len(evaluation.hypotheses)
    parts = [
        f"{lines:,} line{'' if lines == 1 else 's'}",
        f"{references} reference{'' if references == 1 else 's'}",
        f"protocol {options.protocol}",
    ]
    if less := [METRICS[name].title for name in options.metrics if METRICS[name].better == "less"]:
        parts.append(f"of {', '.join(less)}, less is better")
    if any(score.paired for score in evaluation.scores):
        parts.append(f"* p < {_SIGNIFICANT} (paired bootstrap)")
    return ", ".join(parts)


def _fail_below(bleu: Score, fail_under: float, name: str) -> None:
    if bleu.score < fail_under:
        raise RunFailed(
            f"BLEU {bleu.score:.4f} is below --fail-under {fail_under:g}",
            hint="train longer or with more data, or ask for less",
            where=name,
        )
