"""`seqkit prepare`: raw text to a corpus directory."""

from __future__ import annotations

import dataclasses
import gc
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from seqkit.cli.options import Debug, Device, Json, Quiet, Threads
from seqkit.cli.prepare import options
from seqkit.cli.prepare.summary import pair_notes, pair_rows, text_rows
from seqkit.cli.prepare.tables import prepare_from_tables, refuse_without_table, table_rows
from seqkit.cli.terminal import console
from seqkit.cli.terminal.help import HelpfulCommand
from seqkit.cli.terminal.output import json_line, write_results
from seqkit.errors import ConfigError
from seqkit.kinds import TRANSLATION

if TYPE_CHECKING:
    from seqkit.data.manifest import Documents
    from seqkit.data.prepare.parallel import PrepareReport
    from seqkit.data.prepare.plain import PrepareTextReport
    from seqkit.data.prepare.table import PrepareTableReport
    from seqkit.data.tokenizers import Normalization, Tokenizer


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
    corpus: options.Corpus,
    source: options.Source = None,
    target: options.Target = None,
    pairs: options.Pairs = None,
    columns: options.Columns = None,
    skip_bad: options.SkipBad = False,
    mend: options.Mend = None,
    text: options.Text = None,
    table: options.Table = None,
    delimiter: options.Delimiter = None,
    no_header: options.NoHeader = False,
    documents: options.Documents = None,
    valid_source: options.ValidSource = None,
    valid_target: options.ValidTarget = None,
    valid_pairs: options.ValidPairs = None,
    valid_text: options.ValidText = None,
    valid_table: options.ValidTable = None,
    split_by: options.SplitBy = None,
    train_on_all: options.TrainOnAll = False,
    valid_size: options.ValidSize = None,
    tokenizer: options.Tokenizer = None,
    source_tokenizer: options.SourceTokenizer = None,
    target_tokenizer: options.TargetTokenizer = None,
    tokenizer_from: options.TokenizerFrom = None,
    symbols: options.Symbols = None,
    vocab_size: options.VocabSize = None,
    source_vocab_size: options.SourceVocabSize = None,
    target_vocab_size: options.TargetVocabSize = None,
    separate_vocabularies: options.SeparateVocabularies = False,
    min_count: options.MinCount = None,
    normalization: options.Normalization = None,
    max_tokens: options.MaxTokens = None,
    max_ratio: options.MaxRatio = None,
    keep_duplicates: options.KeepDuplicates = None,
    keep_identical: options.KeepIdentical = None,
    seed: options.Seed = 1,
    overwrite: options.Overwrite = False,
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

        # lemma, TAB and tags to an inflected form: characters beside whole tags
        seqkit prepare corpus --pairs forms.tsv --columns 1+3,2 \
            --source-tokenizer char,tags

        # for a generator: any text
        seqkit prepare corpus --text book.txt

        # for a classifier: a table with a column to read and one to predict
        seqkit prepare corpus --table reviews.csv \
            --source text --target stars:class

    File options take several files if CORPUS comes first: --text a.txt b.txt
    reads one after the other, and --text *.txt reads all that the shell finds.

    Memory use does not grow with the text. The same text, seed and versions give the same bytes.
    """
    console.show_log(quiet=quiet)
    for_pairs = {
        "--source": source,
        "--target": target,
        "--pairs": pairs,
        "--columns": columns,
        "--skip-bad": skip_bad,
        "--mend": mend,
        "--valid-source": valid_source,
        "--valid-target": valid_target,
        "--valid-pairs": valid_pairs,
        "--separate-vocabularies": separate_vocabularies,
        "--source-tokenizer": source_tokenizer,
        "--target-tokenizer": target_tokenizer,
        "--source-vocab-size": source_vocab_size,
        "--target-vocab-size": target_vocab_size,
        "--tokenizer-from": tokenizer_from,
        "--symbols": symbols,
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
    }
    for_text = {"--valid-text": valid_text, "--documents": documents, "--min-count": min_count}
    if table:
        for_files = {**for_pairs, "--text": text, **for_text}
        for_files |= dict.fromkeys(("--source", "--target", "--skip-bad"))  # tables have these, too
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
            tokenizer=tokenizer or "char",
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
    if tokenizer_from is not None:
        learnt = {
            "--tokenizer": tokenizer,
            "--source-tokenizer": source_tokenizer,
            "--target-tokenizer": target_tokenizer,
            "--vocab-size": vocab_size,
            "--source-vocab-size": source_vocab_size,
            "--target-vocab-size": target_vocab_size,
            "--separate-vocabularies": separate_vocabularies,
            "--normalization": normalization,
            "--symbols": symbols,
        }
        _refuse(learnt, "cannot be used with --tokenizer-from", "the model's vocabulary is used as it is")
    from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel

    options = PrepareOptions(
        directory=corpus,
        source=tuple(source or ()),
        target=tuple(target or ()),
        pairs=tuple(pairs or ()),
        columns=columns,
        skip_bad=skip_bad,
        mend=mend,
        valid_source=tuple(valid_source or ()),
        valid_target=tuple(valid_target or ()),
        valid_pairs=tuple(valid_pairs or ()),
        valid_size=_number_or_share(valid_size),
        tokenizer=tokenizer,
        source_tokenizer=source_tokenizer,
        target_tokenizer=target_tokenizer,
        source_vocabulary_size=source_vocab_size,
        target_vocabulary_size=target_vocab_size,
        symbols=symbols,
        tokenizers=_tokenizers_of(tokenizer_from),
        vocabulary_size=vocab_size,
        separate_vocabularies=separate_vocabularies,
        normalization=cast("Normalization", normalization or "clean-nfc"),
        max_tokens=max_tokens,
        max_ratio=max_ratio,
        keep_duplicates=keep_duplicates,
        keep_identical=keep_identical,
        seed=seed,
        threads=threads,
        overwrite=overwrite,
    )
    gc.freeze()  # what was imported stays: collections need not walk through it again and again
    with console.progress("lines", quiet=quiet) as update:
        report = prepare_parallel(options, update)
    rows, notes = pair_rows(report), pair_notes(report)
    _show(corpus, "translation", report, rows, notes, json_lines=json_lines, quiet=quiet)


def _refuse(options: Mapping[str, object], reason: str, hint: str) -> None:
    """ConfigError for the first of the options that is given."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise ConfigError(f"{name} {reason}", where=name, hint=f"leave it out: {hint}")


def _tokenizers_of(model: Path | None) -> tuple[Tokenizer, Tokenizer] | None:
    """Those of a translator, source and target."""
    if model is None:
        return None
    from seqkit import model_directory

    model_directory.read_facts_of(model, TRANSLATION)
    loaded = model_directory.load(model)
    return loaded.source_tokenizer, loaded.target_tokenizer


def _show(
    corpus: Path,
    kind: str,
    report: PrepareReport | PrepareTextReport | PrepareTableReport,
    rows: Sequence[tuple[str, str]],
    notes: Sequence[str] = (),
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
        for note in notes:
            console.note(note)
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
