"""`seqkit evaluate`: scores of translations, of a generator's predictions, of generated text."""

from __future__ import annotations

import typer

from seqkit.cli.evaluate import options
from seqkit.cli.evaluate.card import show_card
from seqkit.cli.evaluate.inputs import Translations
from seqkit.cli.evaluate.novelty import evaluate_novelty
from seqkit.cli.evaluate.pairs import Pairs, score_pairs
from seqkit.cli.evaluate.shared import check_format
from seqkit.cli.evaluate.text import TextScoring, evaluate_text
from seqkit.cli.evaluate.translations import Measures, evaluate_translations
from seqkit.cli.options import Debug, Device, Json, Quiet, Threads
from seqkit.cli.report import report_of_record
from seqkit.cli.terminal import console
from seqkit.errors import ConfigError

TRANSLATIONS, TEXT, NOVELTY = "translations", "a generator and a text", "generated text"
REPORT, PAIRS = "a run's report", "given pairs"
# What each option is for; those that are not here serve more than one purpose.
_PURPOSES = {
    REPORT: ("report",),
    NOVELTY: ("novelty",),
    TEXT: (
        *("text", "window", "dynamic", "dynamic_rate", "dynamic_decay", "dynamic_segment"),
        *("ngram", "ngram_order"),
    ),
    PAIRS: ("pairs",),
    TRANSLATIONS: (
        *("reference", "tab_references", "source", "beam_size", "batch_tokens", "length_penalty"),
        *("shortlist", "metric", "protocol", "tokenize", "normalization", "chrf_word_order", "confidence"),
        *("baseline", "fail_under", "show_worst", "per_line"),
    ),
}
# Options that another purpose shares with translations.
_SHARED = {REPORT: ("source",), PAIRS: ("reference", "source", "batch_tokens")}


def evaluate(
    context: typer.Context,
    files: options.Files = None,
    model: options.Model = None,
    reference: options.Reference = None,
    tab_references: options.TabReferences = False,
    source: options.Source = None,
    beam_size: options.BeamSize = None,
    batch_tokens: options.BatchTokens = None,
    length_penalty: options.LengthPenalty = None,
    shortlist: options.Shortlist = False,
    metric: options.Metric = None,
    protocol: options.Protocol = "cased",
    tokenize: options.Tokenize = "auto",
    normalization: options.Normalization = None,
    chrf_word_order: options.ChrfWordOrder = 0,
    confidence: options.Confidence = False,
    baseline: options.Baseline = None,
    fail_under: options.FailUnder = None,
    show_worst: options.ShowWorst = 0,
    per_line: options.PerLine = None,
    pairs: options.ScorePairs = False,  # noqa: ARG001 - read as the purpose
    text: options.Text = None,
    window: options.Window = None,
    dynamic: options.Dynamic = False,
    dynamic_rate: options.DynamicRate = None,
    dynamic_decay: options.DynamicDecay = None,
    dynamic_segment: options.DynamicSegment = None,
    ngram: options.Ngram = None,
    ngram_order: options.NgramOrder = None,
    novelty: options.Novelty = None,
    report: options.Report = None,
    form: options.Format = "text",
    as_json: Json = False,
    quiet: Quiet = False,
    device: Device = "auto",
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    r"""Score translations, a generator, or the novelty of its text.

    Examples:
        # translations: BLEU and chrF
        seqkit evaluate --reference test.de test.out
        seqkit translate model test.en | seqkit evaluate --reference test.de

        # translate first; confidence intervals; fail in a script below 30 BLEU
        seqkit evaluate --model model --source test.en --reference test.de \
            --confidence --fail-under 30

        # single words, or their pronunciations; a table of scores per line
        seqkit evaluate --reference ref out --metric exact,per --per-line lines.tsv

        # compare two systems: each is tested against the first
        seqkit evaluate --reference test.de old.de new.de --format markdown

        # the log-probability of given translations, to filter a corpus
        seqkit evaluate --model model --source in.en --reference in.de \
            --score-pairs

        # a generator: bits per character, compared with an n-gram model
        seqkit evaluate --model model --text test.txt --ngram corpus

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
    elif purpose == PAIRS:
        _refuse_more(named, 0, "--score-pairs scores the lines of --reference")
        given = Pairs(model, source, tuple(reference or ()), batch_tokens)
        score_pairs(given, form=form, quiet=quiet, device=device, threads=threads)
    elif purpose == NOVELTY:
        if model is not None:
            raise ConfigError("--novelty compares texts and needs no --model", hint="leave --model out")
        assert novelty is not None  # it was given
        _refuse_more(named, 1, "--novelty takes one text")
        evaluate_novelty(novelty, named[0] if named else "-", form=form, quiet=quiet)
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
            tab_references=tab_references,
        )
        measures = Measures(
            metric=tuple(metric or ()),
            protocol=protocol,
            tokenize=tokenize,
            normalization=normalization,
            chrf_word_order=chrf_word_order,
            confidence=confidence,
            fail_under=fail_under,
            search={
                "beam_size": beam_size,
                "batch_tokens": batch_tokens,
                "length_penalty": length_penalty,
            },
            show_worst=show_worst,
            per_line=per_line,
        )
        evaluate_translations(texts, measures, form=form, quiet=quiet, device=device, threads=threads)


_OPTIONS = {"pairs": "--score-pairs"}  # whose names are not their parameters'


def _refuse_more(files: tuple[str, ...], most: int, reason: str) -> None:
    if len(files) > most:
        raise ConfigError(f"{reason}, so {files[most]} is one text too many", hint=f"leave {files[most]} out")


def _purpose(context: typer.Context) -> str | None:
    """What the options that were given are for, None without any; ConfigError when for different things."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, origin in sources.items() if origin and origin.name == "COMMANDLINE"}
    used = [
        (purpose, _OPTIONS.get(name, "--" + name.replace("_", "-")))
        for purpose, names in _PURPOSES.items()
        for name in names
        if name in given
    ]
    shared = _SHARED.get(used[0][0], ()) if used else ()
    used = used[:1] + [one for one in used[1:] if one[1].removeprefix("--").replace("-", "_") not in shared]
    for purpose, option in used:
        if purpose != used[0][0]:
            raise ConfigError(
                f"{option} is for {purpose} and has no meaning beside {used[0][1]}",
                hint="seqkit evaluate --help has an example of each",
            )
    return used[0][0] if used else None
