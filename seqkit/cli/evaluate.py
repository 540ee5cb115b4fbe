"""`seqkit evaluate`: score translations, from a file, a pipe or straight from a model."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqkit.cli import console
from seqkit.cli.options import OUTPUT_PANEL, Debug, Device, Json, Quiet, Threads
from seqkit.errors import ConfigError, RunFailed

if TYPE_CHECKING:
    from seqkit.evaluation.translation import Evaluation, Names
    from seqkit.metrics.translation import MetricOptions, Score

MODEL_PANEL = "Evaluating a model"
METRIC_PANEL = "Metrics"


def evaluate(
    hypotheses: Annotated[
        str | None,
        typer.Argument(
            metavar="[HYPOTHESES]",
            help="Translations, a line for every line of the reference; standard input without it or with -.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="FILE", help="Reference translations; repeat it for several."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="Translate --source first.", rich_help_panel=MODEL_PANEL
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="FILE", help="Text to translate.", rich_help_panel=MODEL_PANEL),
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option("--beam-size", min=1, help="Hypotheses kept a step.", rich_help_panel=MODEL_PANEL),
    ] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option("--batch-tokens", min=1, help="Source tokens a batch.", rich_help_panel=MODEL_PANEL),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            "--length-penalty", help="Exponent of length normalisation.", rich_help_panel=MODEL_PANEL
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAMES",
            help="Any of bleu,chrf,ter, separated by commas.  [default: all]",
            rich_help_panel=METRIC_PANEL,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="cased: plain text, BLEU tokenises it with 13a. lowercased-tokenized: tokenised text, as it "
            "is, in lower case (-tok none -lc).",
            rich_help_panel=METRIC_PANEL,
        ),
    ] = "cased",
    chrf_word_order: Annotated[
        int,
        typer.Option("--chrf-word-order", help="2 makes chrF++.", rich_help_panel=METRIC_PANEL),
    ] = 0,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence", help="95% bootstrap interval of every score.", rich_help_panel=METRIC_PANEL
        ),
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Translations to compare with, by a paired bootstrap test.",
            rich_help_panel=METRIC_PANEL,
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            "--fail-under", metavar="BLEU", help="Exit with 1 below this BLEU.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    device: Device = "auto",
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    """Score translations: BLEU, chrF and TER, each with its sacreBLEU signature.

    seqkit translate MODEL test.en | seqkit evaluate --reference test.de

    seqkit evaluate --model MODEL --source test.en --reference test.de --metric bleu,chrf --confidence
    """
    console.show_log(quiet=quiet)
    texts = _Texts(hypotheses, tuple(reference or ()), model, source, baseline)
    search = {"beam_size": beam_size, "batch_tokens": batch_tokens, "length_penalty": length_penalty}
    _check_search(search, model)
    options = _metric_options(metric, protocol, chrf_word_order, confidence)
    _check_fail_under(fail_under, options)

    if texts.model is None:
        evaluation = _score_text(texts, options)
    else:
        evaluation = _score_model(texts, options, search, device=device, threads=threads, quiet=quiet)

    _write(_json_lines(evaluation, options) if as_json else _table(evaluation.scores))
    if not quiet and not as_json:
        console.note(_summary(evaluation, len(texts.references), options))
    if fail_under is not None:
        _fail_below(evaluation.score("bleu"), fail_under, texts.hypotheses_name)


@dataclass(frozen=True)
class _Texts:
    """Where everything that is scored comes from. Raises ConfigError for what cannot be combined."""

    hypotheses: str | None
    references: tuple[str, ...]
    model: str | None
    source: str | None
    baseline: str | None

    def __post_init__(self) -> None:
        if not self.references:
            raise ConfigError("evaluate needs --reference FILE", hint="seqkit evaluate --help")
        if self.model is None and self.source is not None:
            raise ConfigError(
                "--source is for evaluating a model, and there is no --model",
                hint="add --model MODEL, or leave --source out to score text",
            )
        if self.model is not None and self.source is None:
            raise ConfigError("--model needs --source FILE, the text to translate")
        if self.model is not None and self.hypotheses is not None:
            raise ConfigError(
                f"--model makes its own hypotheses, so {self.hypotheses} cannot be scored in the same run",
                hint=f"to compare the two: --baseline {self.hypotheses}",
            )
        if self.inputs.count("-") > 1:
            raise ConfigError(
                "standard input can be read only once, but two texts come from it",
                hint="name a file for all but one (no file means the hypotheses come from standard input)",
            )

    @property
    def inputs(self) -> list[str]:
        made = self.source if self.model is not None else self.hypotheses
        return [made or "-", *self.references, *([self.baseline] if self.baseline is not None else [])]

    @property
    def hypotheses_name(self) -> str:
        from seqkit.data.text import input_name

        return f"what {self.model} makes" if self.model is not None else input_name(self.hypotheses or "-")

    @property
    def names(self) -> Names:
        from seqkit.data.text import input_name
        from seqkit.evaluation.translation import Names

        return Names(
            hypotheses=self.hypotheses_name,
            references=tuple(input_name(reference) for reference in self.references),
            baseline=input_name(self.baseline or ""),
            source=input_name(self.source or ""),
        )


def _check_search(search: dict[str, Any], model: str | None) -> None:
    for name, value in search.items():
        option = "--" + name.replace("_", "-")
        if value is not None and model is None:
            raise ConfigError(
                f"{option} is for evaluating a model, and there is no --model", hint=f"leave {option} out"
            )
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"{option} {value} is not a finite number")


def _metric_options(
    metric: list[str] | None, protocol: str, chrf_word_order: int, confidence: bool
) -> MetricOptions:
    from seqkit.metrics.translation import METRICS, MetricOptions

    names = [name.strip() for part in metric for name in part.split(",")] if metric else METRICS
    return MetricOptions(
        metrics=tuple(name.lower() for name in names),
        protocol=protocol,
        chrf_word_order=chrf_word_order,
        confidence=confidence,
    )


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
    from seqkit.data.text import read_lines

    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        console.note("reading standard input; Ctrl-D ends it")
    return list(read_lines(path))


def _read_references(texts: _Texts) -> tuple[list[list[str]], list[str] | None]:
    """References and baseline: read first, so that a missing file is known before a pipe is read."""
    references = [_read(reference) for reference in texts.references]
    return references, _read(texts.baseline) if texts.baseline is not None else None


def _score_text(texts: _Texts, options: MetricOptions) -> Evaluation:
    from seqkit.evaluation.translation import evaluate_translation

    references, baseline = _read_references(texts)
    hypotheses = _read(texts.hypotheses or "-")
    return evaluate_translation(hypotheses, references, options, baseline=baseline, names=texts.names)


def _score_model(
    texts: _Texts,
    options: MetricOptions,
    search: dict[str, Any],
    *,
    device: str,
    threads: int | None,
    quiet: bool,
) -> Evaluation:
    from seqkit.evaluation.translation import evaluate_model

    assert texts.model is not None
    assert texts.source is not None  # _Texts refuses one without the other
    references, baseline = _read_references(texts)
    source = _read(texts.source)

    from seqkit.inference.translation import Translator  # imports torch: a missing file is reported before

    translator = Translator.load(texts.model, device=device, threads=threads)
    # The model's own decoding settings hold unless an option says otherwise.
    chosen = {name: value for name, value in search.items() if value is not None}
    translate_options = dataclasses.replace(translator.options, **chosen)
    if not quiet:
        console.note(f"translating {len(source):,} lines with {texts.model}")
    return evaluate_model(
        translator,
        source,
        references,
        options,
        translate_options=translate_options,
        baseline=baseline,
        names=texts.names,
    )


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


def _json_lines(evaluation: Evaluation, options: MetricOptions) -> str:
    """One object a metric."""
    from seqkit.metrics.translation import LEVEL

    lines = []
    for score in evaluation.scores:
        result = {
            "schema": 1,
            "metric": score.metric,
            "score": score.score,
            "signature": score.signature,
            "confidence": score.confidence and {"level": LEVEL, **dataclasses.asdict(score.confidence)},
            "paired": score.paired and dataclasses.asdict(score.paired),
            "protocol": options.protocol,
            "lines": len(evaluation.hypotheses),
            "details": dict(score.details),
        }
        lines.append(json.dumps(_rounded(result), ensure_ascii=False, allow_nan=False) + "\n")
    return "".join(lines)


def _rounded(value: Any) -> Any:
    """Floats to six decimals: a perfect BLEU is 100, not 100.00000000000004, on every machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _table(scores: Sequence[Score]) -> str:
    """Plain columns in ASCII, numbers to the right: the same bytes on a terminal and in a file."""
    rows = [_headings(scores[0]), *(_cells(score) for score in scores)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *numbers, last in rows:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *aligned, last]) + "\n")
    return "".join(lines)


def _headings(score: Score) -> list[str]:
    interval = ["95% interval"] if score.confidence else []
    paired = ["baseline", "difference", "p"] if score.paired else []
    return ["metric", "score", *interval, *paired, "signature"]


def _cells(score: Score) -> list[str]:
    cells = [score.metric, f"{score.score:.2f}"]
    if score.confidence:
        cells.append(f"{score.confidence.low:.2f}-{score.confidence.high:.2f}")
    if score.paired:
        cells += [
            f"{score.paired.baseline_score:.2f}",
            f"{score.paired.difference:+.2f}",
            f"{score.paired.p_value:.4f}",
        ]
    return [*cells, score.signature]


def _summary(evaluation: Evaluation, references: int, options: MetricOptions) -> str:
    lines = len(evaluation.hypotheses)
    parts = [
        f"{lines:,} line{'' if lines == 1 else 's'}",
        f"{references} reference{'' if references == 1 else 's'}",
        f"protocol {options.protocol}",
    ]
    if "ter" in options.metrics:
        parts.append("of TER, less is better")
    return ", ".join(parts)


def _fail_below(bleu: Score, fail_under: float, name: str) -> None:
    if bleu.score < fail_under:
        raise RunFailed(f"BLEU {bleu.score:.4f} is below --fail-under {fail_under:g}", where=name)
