"""The options of `seqkit evaluate`, in the order of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqkit.cli.options import INPUT_PANEL, MACHINE_PANEL, OUTPUT_PANEL, SEARCH_PANEL
from seqkit.cli.terminal import completion
from seqkit.scores import TOKENIZERS

METRIC_PANEL = "Scores of translations"
TEXT_PANEL = "Scores of a generator"

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE]...",
        help="Translations to score, one file per system; with several, each is compared with the first. "
        "With --novelty: generated text. Standard input if omitted or -.",
        show_default=False,
    ),
]
Model = Annotated[
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
]
Reference = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="Reference translations; repeat the option for several references.",
        rich_help_panel=INPUT_PANEL,
    ),
]
TabReferences = Annotated[
    bool,
    typer.Option(
        "--tab-references",
        help="Read each line of --reference as one or several references, separated by tabs.",
        rich_help_panel=INPUT_PANEL,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="FILE",
        help="Source text for --model to translate; also shown by --show-worst.",
        rich_help_panel=INPUT_PANEL,
    ),
]
BeamSize = Annotated[
    int | None,
    typer.Option(
        "--beam-size",
        min=1,
        help="Beam size (hypotheses per sentence). [default: the model's, 5]",
        rich_help_panel=SEARCH_PANEL,
        metavar="N",
    ),
]
BatchTokens = Annotated[
    int | None,
    typer.Option(
        "--batch-tokens",
        min=1,
        help="Source tokens per batch. [default: the model's, 1024]",
        rich_help_panel=MACHINE_PANEL,
        metavar="N",
    ),
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        "--length-penalty",
        help="Exponent of the length normalisation. [default: the model's, 1]",
        rich_help_panel=SEARCH_PANEL,
        metavar="EXPONENT",
    ),
]
Shortlist = Annotated[
    bool,
    typer.Option(
        "--shortlist",
        help="Translate with the model's lexical shortlist: faster, slightly lower quality.",
        rich_help_panel=SEARCH_PANEL,
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAMES",
        help="Metrics, separated by commas: bleu,chrf,ter,exact,cer,wer,per (edits per character, word and "
        "symbol between spaces). TER is slow. [default: bleu,chrf; of single words also exact,cer]",
        rich_help_panel=METRIC_PANEL,
        autocompletion=completion.several_of("bleu,chrf,ter,exact,cer,wer,per"),
    ),
]
Protocol = Annotated[
    str,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="cased: plain text, tokenised with 13a for BLEU. lowercased-tokenized: text that is "
        "tokenised already, compared in lower case (-tok none -lc).",
        rich_help_panel=METRIC_PANEL,
        autocompletion=completion.one_of("cased|lowercased-tokenized"),
    ),
]
Tokenize = Annotated[
    str,
    typer.Option(
        "--tokenize",
        metavar="NAME",
        help="Tokenizer of BLEU and TER: 13a, zh, ja-mecab, ko-mecab, flores200, char, intl or none. "
        "[default: what suits the script of the references]",
        show_default=False,
        rich_help_panel=METRIC_PANEL,
        autocompletion=completion.one_of("auto|" + "|".join(TOKENIZERS)),
    ),
]
Normalization = Annotated[
    str | None,
    typer.Option(
        "--normalization",
        metavar="NAME",
        help="Form in which both sides are compared: nfc, nfkc, clean-nfc, clean-nfkc (without invisible "
        "characters) or identity (as they are). [default: clean-nfc; with --model, clean-nfkc if its corpus "
        "has NFKC]",
        show_default=False,
        rich_help_panel=METRIC_PANEL,
        autocompletion=completion.one_of("clean-nfc|clean-nfkc|nfc|nfkc|identity"),
    ),
]
ChrfWordOrder = Annotated[
    int,
    typer.Option(
        "--chrf-word-order",
        help="Word order of chrF; 2 gives chrF++.",
        rich_help_panel=METRIC_PANEL,
        metavar="N",
    ),
]
Confidence = Annotated[
    bool,
    typer.Option(
        "--confidence",
        help="Add a 95% bootstrap confidence interval to each score.",
        rich_help_panel=METRIC_PANEL,
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="Baseline translations to compare with in a paired bootstrap test.",
        rich_help_panel=INPUT_PANEL,
    ),
]
FailUnder = Annotated[
    float | None,
    typer.Option(
        "--fail-under",
        metavar="BLEU",
        help="Exit with code 1 below this BLEU.",
        rich_help_panel=METRIC_PANEL,
    ),
]
ShowWorst = Annotated[
    int,
    typer.Option(
        "--show-worst",
        metavar="N",
        min=0,
        help="Show the N lines with the lowest chrF beside their references, with differences in colour.",
        rich_help_panel=METRIC_PANEL,
    ),
]
PerLine = Annotated[
    Path | None,
    typer.Option(
        "--per-line",
        metavar="FILE.tsv",
        help="Write the scores of each line to this table.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
ScorePairs = Annotated[
    bool,
    typer.Option(
        "--score-pairs",
        help="Write the log-probability (nats) that --model gives each line of --reference as the "
        "translation of --source, one per line.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        metavar="FILE",
        help="Text to score with a generator, plain or gzip; - is standard input.",
        rich_help_panel=INPUT_PANEL,
    ),
]
Window = Annotated[
    list[int] | None,
    typer.Option(
        "--window",
        metavar="N",
        min=1,
        help="Also score independent windows of N tokens, each from a zero state; repeat for more.",
        rich_help_panel=TEXT_PANEL,
    ),
]
Dynamic = Annotated[
    bool,
    typer.Option(
        "--dynamic",
        help="Also score with dynamic evaluation: the weights are updated on the text scored so far.",
        rich_help_panel=TEXT_PANEL,
    ),
]
DynamicRate = Annotated[
    float | None,
    typer.Option(
        "--dynamic-rate",
        metavar="RATE",
        help="Learning rate of dynamic evaluation. [default: 0.0007]",
        rich_help_panel=TEXT_PANEL,
    ),
]
DynamicDecay = Annotated[
    float | None,
    typer.Option(
        "--dynamic-decay",
        metavar="SHARE",
        help="Decay towards the trained weights at each update. [default: 0.001]",
        rich_help_panel=TEXT_PANEL,
    ),
]
DynamicSegment = Annotated[
    int | None,
    typer.Option(
        "--dynamic-segment",
        metavar="N",
        help="Tokens per update. [default: 20]",
        rich_help_panel=TEXT_PANEL,
    ),
]
Ngram = Annotated[
    str | None,
    typer.Option(
        "--ngram",
        metavar="CORPUS",
        help="Also score an n-gram model of this corpus's training text, for comparison.",
        rich_help_panel=TEXT_PANEL,
        autocompletion=completion.corpora,
    ),
]
NgramOrder = Annotated[
    int | None,
    typer.Option(
        "--ngram-order",
        metavar="N",
        min=1,
        max=32,
        help="Order of the n-gram model. [default: 5]",
        rich_help_panel=TEXT_PANEL,
    ),
]
Novelty = Annotated[
    str | None,
    typer.Option(
        "--novelty",
        metavar="CORPUS",
        help="Measure how much of FILE is copied from this corpus's training text.",
        rich_help_panel=INPUT_PANEL,
        autocompletion=completion.corpora,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write an HTML report of the run that trained --model: curves, samples, settings, attention "
        "(with --source).",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Output format: text, json (same as --json), markdown, or latex for a paper.",
        rich_help_panel=OUTPUT_PANEL,
        autocompletion=completion.one_of("text|json|markdown|latex"),
    ),
]
