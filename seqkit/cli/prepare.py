"""`seqkit prepare`: raw text to a corpus directory."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from typer.core import TyperCommand

from seqkit.cli import console
from seqkit.cli.options import Debug, Device, Json, Quiet, Threads
from seqkit.errors import ConfigError

if TYPE_CHECKING:
    from seqkit.data.prepare import PrepareReport
    from seqkit.data.tokenizers import Normalization, TokenizerKind

TEXT_PANEL = "Text"
VOCABULARY_PANEL = "Vocabulary"
FILTER_PANEL = "Filters: which training pairs are dropped"

_FILE_OPTIONS = frozenset(
    {"--source", "--target", "--pairs", "--valid-source", "--valid-target", "--valid-pairs"}
)


def prepare(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Corpus directory to make.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Source text, a sentence a line, plain or gzip; - is standard input; several may follow.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Target text: its line 7 translates the source's line 7.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Instead of both: source, tab, target on every line.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    valid_source: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Source text of the validation set.", rich_help_panel=TEXT_PANEL),
    ] = None,
    valid_target: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Target text of the validation set.", rich_help_panel=TEXT_PANEL),
    ] = None,
    valid_pairs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Validation set, tab-separated like --pairs.", rich_help_panel=TEXT_PANEL
        ),
    ] = None,
    valid_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|FRACTION",
            help="Without validation files: hold out so many pairs, with different sources that training"
            " never sees. [default: 1000, at most 5 %]",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    tokenizer: Annotated[
        str,
        typer.Option(
            metavar="bpe|unigram|char|byte",
            help="What text is cut into.",
            rich_help_panel=VOCABULARY_PANEL,
            show_default=True,
        ),
    ] = "bpe",
    vocab_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Most pieces in a vocabulary; fewer when the text supports no more. [default: 8000]",
            rich_help_panel=VOCABULARY_PANEL,
        ),
    ] = None,
    separate_vocabularies: Annotated[
        bool,
        typer.Option(
            "--separate-vocabularies",
            help="One vocabulary a side instead of a joint one.",
            rich_help_panel=VOCABULARY_PANEL,
        ),
    ] = False,
    normalization: Annotated[
        str,
        typer.Option(
            metavar="identity|nfc|nfkc",
            help="Unicode normal form; nfc and nfkc also make runs of spaces one.",
            rich_help_panel=VOCABULARY_PANEL,
            show_default=True,
        ),
    ] = "nfc",
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Pairs with a longer side; 0: no limit. [default: 200 pieces, 1000 characters or bytes]",
            rich_help_panel=FILTER_PANEL,
        ),
    ] = None,
    max_ratio: Annotated[
        float,
        typer.Option(
            metavar="R",
            help="Pairs with more than R times as many tokens on one side; 0: no limit.",
            rich_help_panel=FILTER_PANEL,
            show_default=True,
        ),
    ] = 9.0,
    keep_duplicates: Annotated[
        bool,
        typer.Option(
            "--keep-duplicates", help="Keep pairs that occurred before.", rich_help_panel=FILTER_PANEL
        ),
    ] = False,
    keep_identical: Annotated[
        bool,
        typer.Option(
            "--keep-identical",
            help="Keep pairs whose target is their source.",
            rich_help_panel=FILTER_PANEL,
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Decides which pairs are held out.", show_default=True)
    ] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a corpus that is there.")] = False,
    json_lines: Json = False,
    quiet: Quiet = False,
    device: Device = "auto",  # noqa: ARG001 - every command has it; text is prepared on the processor
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    """Make a corpus directory of raw parallel text: a tokenizer, token arrays, a validation set.

    seqkit prepare CORPUS --source train.en --target train.de --valid-source val.en --valid-target val.de

    gzip -dc pairs.tsv.gz | seqkit prepare CORPUS --pairs - --valid-size 2000 --tokenizer unigram

    Memory does not grow with the text. The same text, seed and versions give the same bytes.
    """
    console.show_log(quiet=quiet)
    from seqkit.data.prepare import PrepareOptions, prepare_parallel

    options = PrepareOptions(
        directory=corpus,
        source=tuple(source or ()),
        target=tuple(target or ()),
        pairs=tuple(pairs or ()),
        valid_source=tuple(valid_source or ()),
        valid_target=tuple(valid_target or ()),
        valid_pairs=tuple(valid_pairs or ()),
        valid_size=_number_or_share(valid_size),
        tokenizer=cast("TokenizerKind", tokenizer),
        vocabulary_size=vocab_size,
        separate_vocabularies=separate_vocabularies,
        normalization=cast("Normalization", normalization),
        max_tokens=max_tokens,
        max_ratio=max_ratio,
        keep_duplicates=keep_duplicates,
        keep_identical=keep_identical,
        seed=seed,
        threads=threads,
        overwrite=overwrite,
    )
    with console.progress("lines", quiet=quiet) as update:
        report = prepare_parallel(options, update)
    if json_lines:
        summary = {"schema": 1, "corpus": str(corpus), "kind": "translation", **dataclasses.asdict(report)}
        sys.stdout.buffer.write(json.dumps(summary, ensure_ascii=False).encode() + b"\n")
        sys.stdout.buffer.flush()
    if not quiet:
        console.table(f"corpus {corpus}", _rows(report))
        console.note(f"next: seqkit train {shlex.quote(str(corpus))} MODEL")


class FilesCommand(TyperCommand):
    """A command whose file options take several files each, if CORPUS comes first.

    Before CORPUS an option takes one file (it can be repeated): nobody could tell CORPUS from one more file.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse `--source a b` as `--source a --source b`."""
        return super().parse_args(ctx, spread_files(args))


def spread_files(arguments: Sequence[str]) -> list[str]:
    """The command line with every further file of a file option behind an option of its own."""
    if not arguments or _is_option(arguments[0]):
        return list(arguments)
    result: list[str] = []
    option: str | None = None  # the file option that has its first file already
    wanting: str | None = None  # the one that still wants it
    for argument in arguments:
        if _is_option(argument):
            name, value, _ = argument.partition("=")
            known = name if name in _FILE_OPTIONS else None
            option, wanting = (known, None) if value else (None, known)
        elif wanting:
            option, wanting = wanting, None
        elif option:
            result.append(option)
        result.append(argument)
    return result


def _is_option(argument: str) -> bool:
    return argument.startswith("-") and argument != "-"


def _number_or_share(text: str | None) -> int | float | None:
    if text is None:
        return None
    try:
        return int(text) if text.strip().isdecimal() else float(text)
    except ValueError as error:
        raise ConfigError(
            f"--valid-size {text} is not a number", where="--valid-size", hint="such as 1000, or 0.01"
        ) from error


def _rows(report: PrepareReport) -> list[tuple[str, str]]:
    """The report as a table."""
    rows = [("pairs read", f"{report.lines:,}"), ("pairs kept", f"{report.kept:,}")]
    rows += [
        (f"dropped: {reason.replace('_', ' ')}", f"{count:,}")
        for reason, count in report.dropped.items()
        if count
    ]
    sizes = " + ".join(f"{size:,}" for size in report.vocabulary_sizes)
    return [
        *rows,
        ("validation pairs", f"{report.valid:,}"),
        ("source tokens", f"{report.source_tokens:,} ({report.source_tokens_per_line:.1f} a line)"),
        ("target tokens", f"{report.target_tokens:,} ({report.target_tokens_per_line:.1f} a line)"),
        ("vocabulary", f"{sizes} ({'joint' if len(report.vocabulary_sizes) == 1 else 'source + target'})"),
        ("unknown", f"{report.unknown_rate:.2%}; spelt in bytes {report.byte_rate:.2%}"),
        ("time", f"{console.duration(report.seconds)} ({report.lines_per_second:,.0f} pairs/s)"),
    ]
