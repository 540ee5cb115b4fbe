"""`seqkit evaluate`: scores of translations, of a generator's predictions, of generated text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqkit.cli.evaluate.card import show_card
from seqkit.cli.evaluate.novelty import evaluate_novelty
from seqkit.cli.evaluate.shared import check_format
from seqkit.cli.evaluate.table import evaluate_table
from seqkit.cli.evaluate.text import TextScoring, evaluate_text
from seqkit.cli.evaluate.translations import Measures, Translations, evaluate_translations
from seqkit.cli.options import (
    INPUT_PANEL,
    MACHINE_PANEL,
    OUTPUT_PANEL,
    SEARCH_PANEL,
    Debug,
    Device,
    Json,
    Quiet,
    Threads,
)
from seqkit.cli.report import report_of_record
from seqkit.cli.terminal import completion, console
from seqkit.errors import ConfigError

METRIC_PANEL = "Scores of translations"
TEXT_PANEL = "Scores of a generator"
TABLE_PANEL = "Scores of a classifier"

TRANSLATIONS, TEXT, NOVELTY = "translations", "a generator and a text", "generated text"
TABLE = "a model and a table"
REPORT = "a run's report"
# What each option is for; those that are not here serve more than one purpose.
_PURPOSES = {
    REPORT: ("report",),
    NOVELTY: ("novelty",),
    TABLE: ("table", "delimiter", "no_header", "confusion"),
    TEXT: (
        *("text", "window", "dynamic", "dynamic_rate", "dynamic_decay", "dynamic_segment"),
        *("ngram", "ngram_order"),
    ),
    TRANSLATIONS: (
        *("reference", "source", "beam_size", "batch_tokens", "length_penalty", "shortlist", "metric"),
        *("protocol", "chrf_word_order", "confidence", "baseline", "fail_under", "show_worst"),
    ),
}


def evaluate(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Translations to score, one file per system; with several, each is compared with the first. "
            "With --novelty: generated text. Standard input if omitted or -.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Model to evaluate: translates --source or scores --text; alone, prints its model card. "
            "--report also accepts a metrics.jsonl.",
            show_default=False,
            rich_help_panel=INPUT_PANEL,
            autocompletion=completion.models,
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="FILE",
            help="Reference translations; repeat for several references.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="FILE",
            help="Source text for --model to translate; also shown by --show-worst.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option(
            "--beam-size",
            min=1,
            help="Beam size (hypotheses per sentence). [default: the model's, 5]",
            rich_help_panel=SEARCH_PANEL,
            metavar="N",
        ),
    ] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            "--batch-tokens",
            min=1,
            help="Source tokens per batch. [default: the model's, 1024]",
            rich_help_panel=MACHINE_PANEL,
            metavar="N",
        ),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            "--length-penalty",
            help="Exponent of the length normalisation. [default: the model's, 1]",
            rich_help_panel=SEARCH_PANEL,
            metavar="EXPONENT",
        ),
    ] = None,
    shortlist: Annotated[
        bool,
        typer.Option(
            "--shortlist",
            help="Translate with the model's lexical shortlist: faster, slightly lower quality.",
            rich_help_panel=SEARCH_PANEL,
        ),
    ] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAMES",
            help="Metrics, separated by commas: bleu,chrf,ter. [default: all]",
            rich_help_panel=METRIC_PANEL,
            autocompletion=completion.several_of("bleu,chrf,ter"),
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="cased: plain text, tokenised with 13a for BLEU. lowercased-tokenized: text that is "
            "tokenised already, compared in lower case (-tok none -lc).",
            rich_help_panel=METRIC_PANEL,
            autocompletion=completion.one_of("cased|lowercased-tokenized"),
        ),
    ] = "cased",
    chrf_word_order: Annotated[
        int,
        typer.Option(
            "--chrf-word-order",
            help="Word order of chrF; 2 gives chrF++.",
            rich_help_panel=METRIC_PANEL,
            metavar="N",
        ),
    ] = 0,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence",
            help="Add a 95% bootstrap confidence interval to each score.",
            rich_help_panel=METRIC_PANEL,
        ),
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Baseline translations to compare with in a paired bootstrap test.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            "--fail-under",
            metavar="BLEU",
            help="Exit with code 1 below this BLEU.",
            rich_help_panel=METRIC_PANEL,
        ),
    ] = None,
    show_worst: Annotated[
        int,
        typer.Option(
            "--show-worst",
            metavar="N",
            min=0,
            help="Show the N lines with the lowest chrF beside their references, with differences in colour.",
            rich_help_panel=METRIC_PANEL,
        ),
    ] = 0,
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Text to score with a generator, plain or gzip; - is standard input.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    window: Annotated[
        list[int] | None,
        typer.Option(
            "--window",
            metavar="N",
            min=1,
            help="Also score independent windows of N tokens, each from a zero state; repeat for more.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    dynamic: Annotated[
        bool,
        typer.Option(
            "--dynamic",
            help="Also score with dynamic evaluation: the weights are updated on the text scored so far.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = False,
    dynamic_rate: Annotated[
        float | None,
        typer.Option(
            "--dynamic-rate",
            metavar="RATE",
            help="Learning rate of dynamic evaluation. [default: 0.0007]",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    dynamic_decay: Annotated[
        float | None,
        typer.Option(
            "--dynamic-decay",
            metavar="SHARE",
            help="Decay towards the trained weights at each update. [default: 0.001]",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    dynamic_segment: Annotated[
        int | None,
        typer.Option(
            "--dynamic-segment",
            metavar="N",
            help="Tokens per update. [default: 20]",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    ngram: Annotated[
        str | None,
        typer.Option(
            "--ngram",
            metavar="CORPUS",
            help="Also score an n-gram model of this corpus's training text, for comparison.",
            rich_help_panel=TEXT_PANEL,
            autocompletion=completion.corpora,
        ),
    ] = None,
    ngram_order: Annotated[
        int | None,
        typer.Option(
            "--ngram-order",
            metavar="N",
            min=1,
            max=32,
            help="Order of the n-gram model. [default: 5]",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    novelty: Annotated[
        str | None,
        typer.Option(
            "--novelty",
            metavar="CORPUS",
            help="Measure how much of FILE is copied from this corpus's training text.",
            rich_help_panel=INPUT_PANEL,
            autocompletion=completion.corpora,
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Table with the columns of the corpus: score --model on its rows.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            metavar="CHARACTER",
            help="What separates the cells of a row. [default: a comma in .csv, a tab in .tsv]",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    no_header: Annotated[
        bool,
        typer.Option(
            "--no-header", help="The first line of the table is a row.", rich_help_panel=TABLE_PANEL
        ),
    ] = False,
    confusion: Annotated[
        bool,
        typer.Option(
            "--confusion",
            help="Also show how often each class was taken for each other.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write an HTML report of the run that trained --model: curves, samples, settings, attention "
            "(with --source).",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Output format: text, json (same as --json), markdown, or latex for a paper.",
            rich_help_panel=OUTPUT_PANEL,
            autocompletion=completion.one_of("text|json|markdown|latex"),
        ),
    ] = "text",
    as_json: Json = False,
    quiet: Quiet = False,
    device: Device = "auto",
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    r"""Score translations, a generator, or the novelty of its text.

    Examples:
        # translations: BLEU, chrF and TER
        seqkit evaluate --reference test.de test.out
        seqkit translate model test.en | seqkit evaluate --reference test.de

        # translate first; confidence intervals; fail in a script below 30 BLEU
        seqkit evaluate --model model --source test.en --reference test.de \
            --confidence --fail-under 30

        # compare two systems: each is tested against the first
        seqkit evaluate --reference test.de old.de new.de --format markdown

        # a generator: bits per character, compared with an n-gram model
        seqkit evaluate --model model --text test.txt --ngram corpus

        # a classifier, on the rows of a table
        seqkit evaluate --model model --table test.csv --confusion

        # how much of a generator's text is copied
        seqkit generate model | seqkit evaluate --novelty corpus

        # the model card, and a report of the training
        seqkit evaluate --model model
        seqkit evaluate --model model --report report.html

    Every score has a signature that records how it was computed.
    """
    console.show_log(quiet=quiet)
    purpose, form = _purpose(context), check_format(form, as_json=as_json)
    named = tuple(files or ())
    if purpose is None and model is not None and not named:
        show_card(model, form=form)
    elif report is not None:
        _refuse_more(named, 0, "--report tells of a run")
        if model is None:
            raise ConfigError("--report needs a --model", hint="a model directory, or its metrics.jsonl")
        report_of_record(model, report, source, form=form, quiet=quiet, device=device, threads=threads)
    elif purpose == NOVELTY:
        if model is not None:
            raise ConfigError("--novelty compares texts and needs no --model", hint="leave --model out")
        assert novelty is not None  # it was given
        _refuse_more(named, 1, "--novelty takes one text")
        evaluate_novelty(novelty, named[0] if named else "-", form=form, quiet=quiet)
    elif purpose == TABLE:
        _refuse_more(named, 0, "--table names what is scored")
        if not table:
            raise ConfigError("--table is missing", where="--table", hint="--table FILE")
        evaluate_table(
            model,
            table,
            delimiter=delimiter,
            header=not no_header,
            confusion=confusion,
            form=form,
            quiet=quiet,
            device=device,
            threads=threads,
        )
    elif purpose == TEXT:
        _refuse_more(named, 0, "--text names what is scored")
        learning = {"rate": dynamic_rate, "decay": dynamic_decay, "segment": dynamic_segment}
        request = TextScoring(
            text=text,
            model=model,
            windows=tuple(window or ()),
            dynamic=dynamic,
            learning={name: value for name, value in learning.items() if value is not None},
            ngram=ngram,
            ngram_order=ngram_order,
        )
        evaluate_text(request, form=form, quiet=quiet, device=device, threads=threads)
    else:
        texts = Translations(
            named,
            tuple(reference or ()),
            model,
            source,
            baseline,
            shortlist=shortlist,
            shows_lines=show_worst > 0,
        )
        measures = Measures(
            metric=tuple(metric or ()),
            protocol=protocol,
            chrf_word_order=chrf_word_order,
            confidence=confidence,
            fail_under=fail_under,
            search={
                "beam_size": beam_size,
                "batch_tokens": batch_tokens,
                "length_penalty": length_penalty,
            },
            show_worst=show_worst,
        )
        evaluate_translations(texts, measures, form=form, quiet=quiet, device=device, threads=threads)


def _refuse_more(files: tuple[str, ...], most: int, reason: str) -> None:
    if len(files) > most:
        raise ConfigError(f"{reason}, so {files[most]} is one text too many", hint=f"leave {files[most]} out")


def _purpose(context: typer.Context) -> str | None:
    """What the options that were given are for, None without any; ConfigError when for different things."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, origin in sources.items() if origin and origin.name == "COMMANDLINE"}
    used = [
        (purpose, "--" + name.replace("_", "-"))
        for purpose, names in _PURPOSES.items()
        for name in names
        if name in given and not (name == "source" and "report" in given)
    ]
    for purpose, option in used:
        if purpose != used[0][0]:
            raise ConfigError(
                f"{option} is for {purpose} and has no meaning beside {used[0][1]}",
                hint="seqkit evaluate --help has an example of each",
            )
    return used[0][0] if used else None
