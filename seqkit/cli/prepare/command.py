"""`seqkit prepare`: raw text to a corpus directory."""

from __future__ import annotations

import dataclasses
import gc
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from seqkit.cli.options import INPUT_PANEL, OUTPUT_PANEL, Debug, Device, Json, Quiet, Threads
from seqkit.cli.prepare.summary import pair_rows, text_rows
from seqkit.cli.prepare.tables import prepare_from_tables, refuse_without_table, table_rows
from seqkit.cli.terminal import completion, console
from seqkit.cli.terminal.help import HelpfulCommand
from seqkit.cli.terminal.output import json_line, write_results
from seqkit.errors import ConfigError

if TYPE_CHECKING:
    from seqkit.data.manifest import Documents
    from seqkit.data.prepare.parallel import PrepareReport
    from seqkit.data.prepare.plain import PrepareTextReport
    from seqkit.data.prepare.table import PrepareTableReport
    from seqkit.data.tokenizers import Normalization, TokenizerKind

PAIRS_PANEL = f"{INPUT_PANEL} (parallel text, for a translator)"
TABLE_PANEL = f"{INPUT_PANEL} (tables, for classifiers)"
TEXT_PANEL = f"{INPUT_PANEL} (plain text, for a generator)"
VALIDATION_PANEL = "Validation"
VOCABULARY_PANEL = "Vocabulary"
FILTER_PANEL = "Filters (of training pairs)"

_FILE_OPTIONS = frozenset(
    {
        "--source",
        "--target",
        "--pairs",
        "--text",
        "--valid-source",
        "--valid-target",
        "--valid-pairs",
        "--valid-text",
        "--table",
        "--valid-table",
    }
)


def prepare(
    corpus: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS",
            help="Corpus directory to create.",
        ),
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Source text, one sentence per line, plain or gzip; - is standard input; several may "
            "follow.",
            rich_help_panel=PAIRS_PANEL,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Target text, aligned line by line with the source.",
            rich_help_panel=PAIRS_PANEL,
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Instead of both: one file with source, tab and target on each line.",
            rich_help_panel=PAIRS_PANEL,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Any text, plain or gzip; - is standard input; several files are concatenated.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Tables: .csv, .tsv, .jsonl, .ndjson or .ts, plain or gzip; - is TSV on standard input. "
            "--source and --target then name columns: COLUMN or COLUMN:text|number|array|class.",
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
            "--no-header",
            help="The first line of a table is a row: columns are named by their number, from 1.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Leave out rows that cannot be read, and count them.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = False,
    documents: Annotated[
        str | None,
        typer.Option(
            metavar="none|line|blank-line|file",
            help="How documents are separated, so that the model learns to end them. [default: none]",
            rich_help_panel=TEXT_PANEL,
            autocompletion=completion.one_of("none|line|blank-line|file"),
        ),
    ] = None,
    valid_source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Source text of the validation set.", rich_help_panel=VALIDATION_PANEL
        ),
    ] = None,
    valid_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Target text of the validation set.", rich_help_panel=VALIDATION_PANEL
        ),
    ] = None,
    valid_pairs: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Validation set, like --pairs.", rich_help_panel=VALIDATION_PANEL),
    ] = None,
    valid_text: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Validation text, like --text.", rich_help_panel=VALIDATION_PANEL),
    ] = None,
    valid_table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Validation tables, like --table.", rich_help_panel=VALIDATION_PANEL
        ),
    ] = None,
    split_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Hold out rows of a table by the values of this column, such as a speaker: none is in both.",
            rich_help_panel=VALIDATION_PANEL,
        ),
    ] = None,
    train_on_all: Annotated[
        bool,
        typer.Option(
            "--train-on-all",
            help="Train on the held-out rows of a table as well, for a last run with settled settings. "
            "Validation then scores rows that were trained on.",
            rich_help_panel=VALIDATION_PANEL,
        ),
    ] = False,
    valid_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|FRACTION",
            help="Size of the held-out validation set if no validation files are given: a number or a "
            "fraction. Of pairs, whose sources never occur in training [default: 1000, at most 5 %]; of "
            "characters at the end of a text [default: 0.1].",
            rich_help_panel=VALIDATION_PANEL,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="bpe|unigram|char|byte",
            help="Tokenizer. [default: bpe; for plain text char]",
            rich_help_panel=VOCABULARY_PANEL,
            autocompletion=completion.one_of("bpe|unigram|char|byte"),
        ),
    ] = None,
    vocab_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Maximum vocabulary size (smaller if the text supports fewer pieces). [default: 8000]",
            rich_help_panel=VOCABULARY_PANEL,
        ),
    ] = None,
    separate_vocabularies: Annotated[
        bool,
        typer.Option(
            "--separate-vocabularies",
            help="Learn one vocabulary per side instead of a joint one.",
            rich_help_panel=VOCABULARY_PANEL,
        ),
    ] = False,
    min_count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Characters that occur fewer than N times are encoded as bytes (plain text). [default: 2]",
            rich_help_panel=VOCABULARY_PANEL,
        ),
    ] = None,
    normalization: Annotated[
        str | None,
        typer.Option(
            metavar="identity|nfc|nfkc",
            help="Unicode normalization form; for pairs, nfc and nfkc also collapse runs of spaces."
            " [default: nfc; for plain text identity]",
            rich_help_panel=VOCABULARY_PANEL,
            autocompletion=completion.one_of("identity|nfc|nfkc"),
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Drop pairs with more than N tokens on either side; 0 means 16,384. "
            "[default: 200 pieces, 1000 characters or bytes]",
            rich_help_panel=FILTER_PANEL,
        ),
    ] = None,
    max_ratio: Annotated[
        float | None,
        typer.Option(
            metavar="RATIO",
            help="Drop pairs whose lengths differ by more than this factor; 0: no limit. [default: 9]",
            rich_help_panel=FILTER_PANEL,
        ),
    ] = None,
    keep_duplicates: Annotated[
        bool,
        typer.Option("--keep-duplicates", help="Keep duplicate pairs.", rich_help_panel=FILTER_PANEL),
    ] = False,
    keep_identical: Annotated[
        bool,
        typer.Option(
            "--keep-identical",
            help="Keep pairs whose target equals their source.",
            rich_help_panel=FILTER_PANEL,
        ),
    ] = False,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Random seed: selects the held-out pairs and the lines from which vocabularies are learnt.",
            show_default=True,
            rich_help_panel=VALIDATION_PANEL,
        ),
    ] = 1,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace an existing corpus.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    json_lines: Json = False,
    quiet: Quiet = False,
    device: Device = "auto",  # noqa: ARG001 - every command has it; text is prepared on the CPU
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    r"""Prepare a corpus from raw text: tokenizer, tokens, validation set.

    Examples:
        # for a translator: line 7 of train.de translates line 7 of train.en
        seqkit prepare corpus --source train.en --target train.de

        # with a separate validation set
        seqkit prepare corpus --source train.en --target train.de \
            --valid-source valid.en --valid-target valid.de

        # from one tab-separated file, or from a pipe
        seqkit prepare corpus --pairs pairs.tsv --valid-size 2000
        gzip -dc pairs.tsv.gz | seqkit prepare corpus --pairs - --tokenizer unigram

        # for a generator: any text
        seqkit prepare corpus --text book.txt

        # for a classifier: a table with a column to read and one to predict
        seqkit prepare corpus --table reviews.csv --source text --target language:class

    File options take several files if CORPUS comes first: --text a.txt b.txt
    reads one after the other, and --text *.txt reads all that the shell finds.

    Memory use does not grow with the text. The same text, seed and versions give the same bytes.
    """
    console.show_log(quiet=quiet)
    for_pairs = {
        "--source": source,
        "--target": target,
        "--pairs": pairs,
        "--valid-source": valid_source,
        "--valid-target": valid_target,
        "--valid-pairs": valid_pairs,
        "--separate-vocabularies": separate_vocabularies,
        "--max-tokens": max_tokens,
        "--max-ratio": max_ratio,
        "--keep-duplicates": keep_duplicates,
        "--keep-identical": keep_identical,
    }
    for_tables = {
        "--valid-table": valid_table,
        "--split-by": split_by,
        "--train-on-all": train_on_all,
        "--delimiter": delimiter,
        "--no-header": no_header,
        "--skip-bad": skip_bad,
    }
    for_text = {"--valid-text": valid_text, "--documents": documents, "--min-count": min_count}
    if table:
        for_files = {**for_pairs, "--text": text, **for_text, "--source": None, "--target": None}
        _refuse(for_files, "cannot be used with --table", "it is for text files")
        gc.freeze()
        table_report = prepare_from_tables(
            table,
            source or (),
            target or (),
            delimiter=delimiter,
            header=not no_header,
            quiet=quiet,
            directory=corpus,
            valid_table=tuple(valid_table or ()),
            valid_size=_number_or_share(valid_size),
            split_by=split_by,
            train_on_all=train_on_all,
            skip_bad=skip_bad,
            tokenizer=tokenizer,
            vocabulary_size=vocab_size,
            normalization=normalization,
            seed=seed,
            threads=threads,
            overwrite=overwrite,
        )
        rows = table_rows(table_report)
        _show(corpus, "classification", table_report, rows, json_lines=json_lines, quiet=quiet)
        return
    refuse_without_table(for_tables)
    if text:
        _refuse(for_pairs, "cannot be used with --text", "it is for parallel text")
        from seqkit.data.prepare.plain import PrepareTextOptions, prepare_text

        text_options = PrepareTextOptions(
            directory=corpus,
            text=tuple(text),
            valid_text=tuple(valid_text or ()),
            valid_size=_number_or_share(valid_size),
            documents=cast("Documents", documents or "none"),
            tokenizer=cast("TokenizerKind", tokenizer or "char"),
            vocabulary_size=vocab_size,
            min_count=min_count,
            normalization=cast("Normalization", normalization or "identity"),
            seed=seed,
            threads=threads,
            overwrite=overwrite,
        )
        gc.freeze()  # what was imported stays: collections need not walk through it again and again
        with console.progress("characters", quiet=quiet) as update:
            text_report = prepare_text(text_options, update)
        _show(corpus, "generation", text_report, text_rows(text_report), json_lines=json_lines, quiet=quiet)
        return
    _refuse(for_text, "needs --text", "it is for plain text")
    from seqkit.data.prepare.options import DEFAULT_MAX_RATIO
    from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel

    options = PrepareOptions(
        directory=corpus,
        source=tuple(source or ()),
        target=tuple(target or ()),
        pairs=tuple(pairs or ()),
        valid_source=tuple(valid_source or ()),
        valid_target=tuple(valid_target or ()),
        valid_pairs=tuple(valid_pairs or ()),
        valid_size=_number_or_share(valid_size),
        tokenizer=cast("TokenizerKind", tokenizer or "bpe"),
        vocabulary_size=vocab_size,
        separate_vocabularies=separate_vocabularies,
        normalization=cast("Normalization", normalization or "nfc"),
        max_tokens=max_tokens,
        max_ratio=DEFAULT_MAX_RATIO if max_ratio is None else max_ratio,
        keep_duplicates=keep_duplicates,
        keep_identical=keep_identical,
        seed=seed,
        threads=threads,
        overwrite=overwrite,
    )
    gc.freeze()  # what was imported stays: collections need not walk through it again and again
    with console.progress("lines", quiet=quiet) as update:
        report = prepare_parallel(options, update)
    _show(corpus, "translation", report, pair_rows(report), json_lines=json_lines, quiet=quiet)


def _refuse(options: Mapping[str, object], reason: str, hint: str) -> None:
    """ConfigError for the first of the options that is given."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise ConfigError(f"{name} {reason}", where=name, hint=f"leave it out: {hint}")


def _show(
    corpus: Path,
    kind: str,
    report: PrepareReport | PrepareTextReport | PrepareTableReport,
    rows: Sequence[tuple[str, str]],
    *,
    json_lines: bool,
    quiet: bool,
) -> None:
    """The summary for scripts and the table for people."""
    if json_lines:
        summary = {"schema": 1, "corpus": str(corpus), "kind": kind, **dataclasses.asdict(report)}
        write_results(json_line(summary) + "\n")
    if not quiet:
        console.table(f"corpus {corpus}", rows)
        console.note(f"next: seqkit train {shlex.quote(str(corpus))} MODEL")


class FilesCommand(HelpfulCommand):
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
