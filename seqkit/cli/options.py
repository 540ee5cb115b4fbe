"""The options that every command shares, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

from seqkit import limits
from seqkit.cli.terminal import completion

# The headings of --help that commands have in common, in the order that they come in.
INPUT_PANEL = "Input"
SEARCH_PANEL = "Search"
OUTPUT_PANEL = "Output"
MACHINE_PANEL = "Machine"
HELP_PANEL = "Help"

Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Write results as JSON Lines, one object per line.", rich_help_panel=OUTPUT_PANEL
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Hide progress and notes; show warnings and errors only.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Describe the machine, and show the traceback of an error.",
        rich_help_panel=HELP_PANEL,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        help="Device to compute on; auto uses a GPU if there is one.",
        rich_help_panel=MACHINE_PANEL,
        autocompletion=completion.one_of("auto|cpu|cuda"),
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        max=limits.THREADS,
        help="Number of CPU threads. [default: all cores]",
        rich_help_panel=MACHINE_PANEL,
    ),
]
TranslationPrecision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|int8|fp32",
        help="Arithmetic; auto uses int8 on a CPU (no PyTorch needed) if the model supports it.",
        rich_help_panel=MACHINE_PANEL,
        autocompletion=completion.one_of("auto|int8|fp32"),
    ),
]
