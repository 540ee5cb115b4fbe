"""The options that every command shares, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

from seqkit import limits

OUTPUT_PANEL = "Output"
MACHINE_PANEL = "Machine"

Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Write results as JSON Lines, one object a line.", rich_help_panel=OUTPUT_PANEL
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="No progress and no notes; warnings and errors stay.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=OUTPUT_PANEL),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.", rich_help_panel=MACHINE_PANEL
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=limits.THREADS,
        help="Processor threads; all cores when not given.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
TranslationPrecision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|int8|fp32",
        help="Of the matrix products; auto: int8 on a processor, without torch, where the model allows it.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
