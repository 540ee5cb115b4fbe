"""The part of `seqkit evaluate` that scores translations: text, or what a model makes of a source."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seqkit.cli.evaluate.inputs import Texts, Translations, read
from seqkit.cli.evaluate.scores_table import cells, headings, results, summary, write_line_scores
from seqkit.cli.evaluate.shared import json_lines, table
from seqkit.cli.evaluate.worst import show_worst, worst_results
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError, RunFailed

if TYPE_CHECKING:
    from seqkit.data.tokenizers import Normalization
    from seqkit.evaluation.translations import Evaluation
    from seqkit.evaluation.worst import Line
    from seqkit.inference.translation import TranslateOptions, Translation
    from seqkit.inference.translator import Translator
    from seqkit.metrics.measure import References
    from seqkit.metrics.sacre import MetricOptions, Progress
    from seqkit.scores import Score

_DEFAULT_TOKENIZER = "13a"
_LOG = logging.getLogger("seqkit")


@dataclass(frozen=True)
class Measures:
    """What is measured of the translations.

    Without a `metric` the references decide, as they do for `tokenize` "auto"; without a `normalization` the
    model. None in `search` is a model's own setting.
    """

    metric: tuple[str, ...]
    protocol: str
    tokenize: str
    normalization: str | None
    chrf_word_order: int
    confidence: bool
    fail_under: float | None
    search: dict[str, Any]
    show_worst: int = 0
    per_line: Path | None = None

    def metric_options(self) -> MetricOptions:
        """The options of the metrics, checked. Raises ConfigError."""
        from seqkit.metrics.sacre import MetricOptions

        names = [name.strip() for part in self.metric for name in part.split(",")] or ["bleu", "chrf"]
        options = MetricOptions(
            metrics=tuple(name.lower() for name in names),
            protocol=self.protocol,
            tokenize=self.tokenize,
            normalization=cast("Normalization", self.normalization or "clean-nfc"),
            chrf_word_order=self.chrf_word_order,
            confidence=self.confidence,
            line_scores=self.per_line is not None,
        )
        _check_fail_under(self.fail_under, options)
        return options

    def suited(self, options: MetricOptions, references: References) -> MetricOptions:
        """The options with what the references decide."""
        from seqkit.evaluation.suitability import suitable_metrics

        metrics = options.metrics if self.metric else suitable_metrics(references)
        options = dataclasses.replace(options, metrics=metrics)
        if options.lowercase or not {"bleu", "ter"} & {*metrics}:
            return options
        tokenizer = options.tokenizer_for(references)
        if tokenizer != options.tokenize and tokenizer != _DEFAULT_TOKENIZER:
            _LOG.info("tokenizer %s, by the script of the references (--tokenize names another)", tokenizer)
        return dataclasses.replace(options, tokenize=tokenizer)


def evaluate_translations(
    inputs: Translations, measures: Measures, *, form: str, quiet: bool, device: str, threads: int | None
) -> None:
    """Score, print, and fail below `--fail-under`."""
    _check_search(measures.search, inputs.model)
    options = measures.metric_options()
    if len(inputs.hypotheses) > 1:
        _evaluate_systems(inputs, measures, options, form=form, quiet=quiet)
        return
    texts = Texts.of(inputs)
    if inputs.model is None:
        options = measures.suited(options, texts.references)
        evaluation = _score_text(inputs, texts, options, quiet=quiet)
    else:
        from seqkit.metrics.sacre import form_of_outputs

        translator = _load(inputs, device=device, threads=threads)
        if measures.normalization is None:
            normalization = form_of_outputs(translator.target_tokenizer.normalization)
            options = dataclasses.replace(options, normalization=normalization)
        options = measures.suited(options, texts.references)
        evaluation = _score_model(inputs, texts, options, translator, measures.search, quiet=quiet)
    worst = _worst_lines(evaluation, texts, options, measures.show_worst)
    if form == "json":
        write_results(json_lines([*results(evaluation, options), *worst_results(worst)]))
    else:
        columns = headings(evaluation.scores)
        rows = [columns, *(cells(score, columns) for score in evaluation.scores)]
        write_results(table(rows, form))
        if worst:
            show_worst(worst)
    if measures.per_line is not None:
        write_line_scores(measures.per_line, [(inputs.hypotheses_name, evaluation)])
    if not quiet and form != "json":
        console.note(summary(evaluation, len(texts.references), options))
    if measures.fail_under is not None:
        _fail_below(evaluation.score("bleu"), measures.fail_under, inputs.hypotheses_name)


def _evaluate_systems(
    inputs: Translations, measures: Measures, options: MetricOptions, *, form: str, quiet: bool
) -> None:
    """Several systems in one table, each tested against the baseline, or else against the first of them."""
    from seqkit.data.text.reading import input_name
    from seqkit.evaluation.translations import evaluate_translation

    if measures.fail_under is not None or measures.show_worst:
        option = "--show-worst" if measures.show_worst else "--fail-under"
        raise ConfigError(
            f"{option} takes one system, but there are {len(inputs.hypotheses)}",
            where=option,
            hint="name one file of translations",
        )
    _warn_of_references_as_systems(inputs)
    texts = Texts.of(inputs)
    options, baseline = measures.suited(options, texts.references), texts.baseline
    found: list[tuple[str, Evaluation]] = []
    for path in inputs.hypotheses:
        lines, name = read(path), input_name(path)
        with _progress(quiet=quiet) as progress:
            evaluation = evaluate_translation(
                lines,
                texts.references,
                options,
                baseline=baseline,
                names=texts.names(inputs, name),
                progress=progress,
            )
        found.append((name, evaluation))
        baseline = lines if baseline is None else baseline
    if measures.per_line is not None:
        write_line_scores(measures.per_line, found)
    if form == "json":
        objects = ({"system": name, **line} for name, one in found for line in results(one, options))
        write_results(json_lines(objects))
        return
    columns = headings([score for _, one in found for score in one.scores])
    rows = [[columns[0], "system", *columns[1:]]]
    for place in range(len(options.metrics)):
        for name, one in found:
            first, *others = cells(one.scores[place], columns)
            rows.append([first, name, *others])
    write_results(table(rows, form))
    if not quiet:
        systems = f"{len(found)} systems, {summary(found[-1][1], len(texts.references), options)}"
        console.note(systems)


def _warn_of_references_as_systems(inputs: Translations) -> None:
    """`--reference r1 r2 out` names one reference: the option takes one file, and r2 is a system."""
    alike = {re.sub(r"\d+", "", path) for path in inputs.references}
    for path in inputs.hypotheses[:-1]:
        if re.sub(r"\d+", "", path) in alike:
            _LOG.warning(
                "%s is scored as a system, though its name is like that of a reference; a second reference "
                "has an option of its own: --reference %s --reference %s",
                path,
                inputs.references[0],
                path,
            )
            return


def _worst_lines(evaluation: Evaluation, texts: Texts, options: MetricOptions, count: int) -> list[Line]:
    from seqkit.evaluation.worst import worst_lines

    if not count:
        return []
    return worst_lines(evaluation.hypotheses, texts.references, count, options, texts.source)


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


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """How far TER is, once it begins; all other metrics are done at once."""
    with ExitStack() as opened:
        shown: list[console.ProgressCallback] = []

        def update(metric: str, done: int, total: int) -> None:
            if metric == "ter":
                if not shown:
                    shown.append(opened.enter_context(console.progress("lines", quiet=quiet)))
                shown[0](metric, done, total)

        yield update


def _score_text(inputs: Translations, texts: Texts, options: MetricOptions, *, quiet: bool) -> Evaluation:
    from seqkit.evaluation.translations import evaluate_translation

    with _progress(quiet=quiet) as progress:
        return evaluate_translation(
            texts.hypotheses,
            texts.references,
            options,
            baseline=texts.baseline,
            names=texts.names(inputs),
            progress=progress,
        )


def _load(inputs: Translations, *, device: str, threads: int | None) -> Translator:
    assert inputs.model is not None

    from seqkit.inference.translator import Translator  # after the files: a missing one is reported at once

    return Translator.load(inputs.model, device=device, threads=threads, shortlist=inputs.shortlist)


def _score_model(
    inputs: Translations,
    texts: Texts,
    options: MetricOptions,
    translator: Translator,
    search: dict[str, Any],
    *,
    quiet: bool,
) -> Evaluation:
    from seqkit.evaluation.translations import evaluate_model

    assert texts.source is not None
    # The model's own decoding settings hold unless an option says otherwise.
    chosen = {name: value for name, value in search.items() if value is not None}
    translate_options = dataclasses.replace(translator.options, **chosen)
    if not quiet:
        console.note(f"translating {len(texts.source):,} lines with {inputs.model}")
    with _progress(quiet=quiet) as progress:
        return evaluate_model(
            _Watched(translator, quiet),
            texts.source,
            texts.references,
            options,
            translate_options=translate_options,
            baseline=texts.baseline,
            names=texts.names(inputs),
            progress=progress,
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


def _fail_below(bleu: Score, fail_under: float, name: str) -> None:
    if bleu.undefined:
        raise RunFailed(
            f"BLEU is undefined, so it cannot be compared with --fail-under: {bleu.undefined}",
            hint="leave --fail-under out, and read exact match, cer or chrf of the --json output",
            where=name,
        )
    if bleu.score < fail_under:
        raise RunFailed(
            f"BLEU {bleu.score:.4f} is below --fail-under {fail_under:g}",
            hint="train longer or with more data, or ask for less",
            where=name,
        )
