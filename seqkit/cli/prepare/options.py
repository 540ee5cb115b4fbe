"""The options of `seqkit prepare`, in the order of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqkit.cli.options import INPUT_PANEL, OUTPUT_PANEL
from seqkit.cli.terminal import completion

PAIRS_PANEL = f"{INPUT_PANEL} (parallel text, for a translator)"
TABLE_PANEL = f"{INPUT_PANEL} (tables, for classifiers)"
TEXT_PANEL = f"{INPUT_PANEL} (plain text, for a generator)"
VALIDATION_PANEL = "Validation"
VOCABULARY_PANEL = "Vocabulary"
FILTER_PANEL = "Filters (of training pairs)"

Corpus = Annotated[
    Path,
    typer.Argument(
        metavar="CORPUS",
        help="Corpus directory to create.",
    ),
]
Source = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Source text, one sentence per line, plain or compressed, or ARCHIVE.zip:MEMBER; - is "
        "standard input; several may follow.",
        rich_help_panel=PAIRS_PANEL,
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Target text, aligned line by line with the source.",
        rich_help_panel=PAIRS_PANEL,
    ),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Instead of both: one file with source, tab and target on each line; or CSV, JSON Lines, "
        "TMX, WMT xml.",
        rich_help_panel=PAIRS_PANEL,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE,TARGET",
        help="Columns of --pairs, by name (the first row, keys of JSON, languages of TMX) or number; A+B "
        "joins two with a tab. [default: the only two]",
        rich_help_panel=PAIRS_PANEL,
    ),
]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Skip and count rows that cannot be read.", rich_help_panel=INPUT_PANEL),
]
Mend = Annotated[
    str | None,
    typer.Option(
        metavar="entities,tokens",
        help="Undo what other tools have left: entities makes characters of HTML entities, tokens "
        "removes the spaces of a tokenizer.",
        rich_help_panel=PAIRS_PANEL,
        autocompletion=completion.one_of("entities|tokens"),
    ),
]
Text = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Any text, plain or compressed; - is standard input; several files are concatenated.",
        rich_help_panel=TEXT_PANEL,
    ),
]
Table = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Tables: .csv, .tsv, .jsonl, .ndjson or .ts, plain or gzip; - is TSV on standard input. "
        "--source and --target then name columns: COLUMN or COLUMN:text|number|array|class.",
        rich_help_panel=TABLE_PANEL,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="What separates the cells of a row. [default: a comma in .csv, a tab in .tsv]",
        rich_help_panel=TABLE_PANEL,
    ),
]
NoHeader = Annotated[
    bool,
    typer.Option(
        "--no-header",
        help="The first line of a table is a row: columns are named by their number, from 1.",
        rich_help_panel=TABLE_PANEL,
    ),
]
Documents = Annotated[
    str | None,
    typer.Option(
        metavar="none|line|blank-line|file",
        help="How documents are separated, so that the model learns to end them. [default: none]",
        rich_help_panel=TEXT_PANEL,
        autocompletion=completion.one_of("none|line|blank-line|file"),
    ),
]
ValidSource = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Source text of the validation set.", rich_help_panel=VALIDATION_PANEL),
]
ValidTarget = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Target text of the validation set.", rich_help_panel=VALIDATION_PANEL),
]
ValidPairs = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Validation set, like --pairs.", rich_help_panel=VALIDATION_PANEL),
]
ValidText = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Validation text, like --text.", rich_help_panel=VALIDATION_PANEL),
]
ValidTable = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Validation tables, like --table.", rich_help_panel=VALIDATION_PANEL),
]
SplitBy = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Hold out rows of a table by the values of this column, such as a speaker: none is in both.",
        rich_help_panel=VALIDATION_PANEL,
    ),
]
TrainOnAll = Annotated[
    bool,
    typer.Option(
        "--train-on-all",
        help="Train on the held-out rows of a table as well, for a last run with settled settings. "
        "Validation then scores rows that were trained on.",
        rich_help_panel=VALIDATION_PANEL,
    ),
]
ValidSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|FRACTION",
        help="Size of the held-out validation set if no validation files are given: a number or a "
        "fraction. Of pairs, whose sources never occur in training [default: 1000, at most 5 %]; of "
        "characters at the end of a text [default: 0.1].",
        rich_help_panel=VALIDATION_PANEL,
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        metavar="bpe|unigram|char|byte|word|tags",
        help="Tokenizer; word takes what is between spaces, tags what is between spaces, punctuation "
        "and brackets. [default: bpe; char or word if targets are words or symbols; for plain text char]",
        rich_help_panel=VOCABULARY_PANEL,
        autocompletion=completion.one_of("bpe|unigram|char|byte|word|tags"),
    ),
]
SourceTokenizer = Annotated[
    str | None,
    typer.Option(
        metavar="KIND[,KIND]",
        help="Tokenizer of the source; char,tags: of its columns, with a TAB between them.",
        rich_help_panel=VOCABULARY_PANEL,
        autocompletion=completion.one_of("bpe|unigram|char|byte|word|tags|char,tags"),
    ),
]
TargetTokenizer = Annotated[
    str | None,
    typer.Option(
        metavar="KIND[,KIND]",
        help="Tokenizer of the target.",
        rich_help_panel=VOCABULARY_PANEL,
        autocompletion=completion.one_of("bpe|unigram|char|byte|word|tags"),
    ),
]
TokenizerFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="MODEL",
        help="Use the tokenizers of a translator, so that train --init-from MODEL can go on from it.",
        rich_help_panel=VOCABULARY_PANEL,
        autocompletion=completion.models,
    ),
]
Symbols = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Symbols that stay whole, one per line, such as [city].",
        rich_help_panel=VOCABULARY_PANEL,
    ),
]
VocabSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Maximum vocabulary size (smaller if the text supports fewer pieces). [default: 8000]",
        rich_help_panel=VOCABULARY_PANEL,
    ),
]
SourceVocabSize = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Maximum size of the source's own vocabulary.", rich_help_panel=VOCABULARY_PANEL
    ),
]
TargetVocabSize = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Maximum size of the target's own vocabulary.", rich_help_panel=VOCABULARY_PANEL
    ),
]
SeparateVocabularies = Annotated[
    bool,
    typer.Option(
        "--separate-vocabularies",
        help="Learn one vocabulary per side instead of a joint one.",
        rich_help_panel=VOCABULARY_PANEL,
    ),
]
MinCount = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Characters that occur fewer than N times are encoded as bytes (plain text). [default: 2]",
        rich_help_panel=VOCABULARY_PANEL,
    ),
]
Normalization = Annotated[
    str | None,
    typer.Option(
        metavar="identity|nfc|nfkc|clean-nfc|clean-nfkc",
        help="Unicode normalization form; clean- also removes invisible characters without meaning (zero "
        "width spaces, soft hyphens, controls). For pairs, all but identity collapse runs of spaces."
        " [default: clean-nfc; for plain text identity]",
        rich_help_panel=VOCABULARY_PANEL,
        autocompletion=completion.one_of("identity|nfc|nfkc|clean-nfc|clean-nfkc"),
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Drop pairs with more than N tokens on either side; 0 means 16,384. "
        "[default: 200 pieces, 1000 characters or bytes]",
        rich_help_panel=FILTER_PANEL,
    ),
]
MaxRatio = Annotated[
    float | None,
    typer.Option(
        metavar="RATIO",
        help="Drop pairs whose lengths differ by more than this factor; 0: no limit. "
        "[default: 9; 0 if targets are words or symbols]",
        rich_help_panel=FILTER_PANEL,
    ),
]
KeepDuplicates = Annotated[
    bool | None,
    typer.Option(
        "--keep-duplicates/--drop-duplicates",
        help="Keep or drop duplicate pairs. [default: keep them if targets are words or symbols]",
        rich_help_panel=FILTER_PANEL,
    ),
]
KeepIdentical = Annotated[
    bool | None,
    typer.Option(
        "--keep-identical/--drop-identical",
        help="Keep or drop pairs whose target equals their source. [default: keep them if targets are "
        "words or symbols]",
        rich_help_panel=FILTER_PANEL,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Random seed: selects the held-out pairs and the lines from which vocabularies are learnt.",
        show_default=True,
        rich_help_panel=VALIDATION_PANEL,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace an existing corpus.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
