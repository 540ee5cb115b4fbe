"""`seqkit generate`: a prompt in, text out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from seqkit.cli.generate.cells import CellOptions, CellsHtml, CellsText, ShowCells, show
from seqkit.cli.options import (
    INPUT_PANEL,
    MACHINE_PANEL,
    OUTPUT_PANEL,
    Debug,
    Device,
    Json,
    Quiet,
    Threads,
)
from seqkit.cli.terminal import completion, console
from seqkit.cli.terminal.interactive import on_terminals
from seqkit.cli.terminal.output import destination, json_line, standard_output
from seqkit.errors import ConfigError

if TYPE_CHECKING:
    from seqkit.inference.generator import Generated, GenerateOptions, Piece

TEXT_PANEL = f"{INPUT_PANEL} and length"
SAMPLING_PANEL = "Sampling"
BEAM_PANEL = "Beam search"


def generate(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model directory that seqkit train wrote.",
            metavar="MODEL",
            autocompletion=completion.models,
        ),
    ],
    prompt: Annotated[
        str | None,
        typer.Option(
            help="Text to continue; without it a new text is started.",
            rich_help_panel=TEXT_PANEL,
            metavar="TEXT",
        ),
    ] = None,
    prompt_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Read the prompt from this file, final newline included; - is standard input.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    length: Annotated[
        int,
        typer.Option(
            help="Number of characters to generate, not counting the prompt.",
            rich_help_panel=TEXT_PANEL,
            metavar="N",
        ),
    ] = 500,
    samples: Annotated[
        int,
        typer.Option(
            help="Number of texts to generate.",
            rich_help_panel=TEXT_PANEL,
            metavar="N",
        ),
    ] = 1,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Stop before this text; repeat for more. In bash $'\\n' is a newline.",
            rich_help_panel=TEXT_PANEL,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Random seed. [default: a new one each time]",
            rich_help_panel=SAMPLING_PANEL,
            metavar="N",
        ),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(
            help="Sampling temperature: below 1 favours probable tokens, 0 is greedy.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="T",
        ),
    ] = 1.0,
    top_k: Annotated[
        int,
        typer.Option(
            help="Sample from the K most probable tokens; 0 keeps all.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="K",
        ),
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(
            help="Nucleus sampling: the smallest set of tokens with total probability P.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="P",
        ),
    ] = 1.0,
    min_p: Annotated[
        float,
        typer.Option(
            help="Drop tokens less probable than P times the most probable one.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="P",
        ),
    ] = 0.0,
    typical: Annotated[
        float,
        typer.Option(
            help="Locally typical sampling: tokens with information content closest to the entropy, up to "
            "total probability P.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="P",
        ),
    ] = 1.0,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            help="Divide the probability of tokens that would repeat an n-gram by this factor.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="FACTOR",
        ),
    ] = 1.0,
    repetition_ngram: Annotated[
        int,
        typer.Option(
            help="Length of that n-gram in characters.",
            rich_help_panel=SAMPLING_PANEL,
            metavar="N",
        ),
    ] = 8,
    beam_size: Annotated[
        int | None,
        typer.Option(
            help="Use beam search of this size instead of sampling.",
            rich_help_panel=BEAM_PANEL,
            metavar="N",
        ),
    ] = None,
    show_cells: ShowCells = None,
    cells_text: CellsText = None,
    cells_html: CellsHtml = None,
    no_prompt: Annotated[
        bool,
        typer.Option("--no-prompt", help="Omit the prompt from the output.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    log_probabilities: Annotated[
        bool,
        typer.Option(
            "--log-probabilities",
            help="With --json: add the log-probability of each token in nats, at temperature 1.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write to this file instead of standard output; it appears once it is complete.",
            rich_help_panel=OUTPUT_PANEL,
            metavar="FILE",
        ),
    ] = None,
    json_lines: Json = False,
    quiet: Quiet = False,
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|fp32|bf16|int8",
            help="Arithmetic; auto uses int8 on a CPU, and fp32 for rnn cells.",
            rich_help_panel=MACHINE_PANEL,
            autocompletion=completion.one_of("auto|fp32|bf16|int8"),
        ),
    ] = "auto",
    device: Device = "auto",
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    r"""Generate text that continues a prompt.

    Examples:
        # 300 characters; a lower temperature is more conservative
        seqkit generate model --prompt "ROMEO:" --length 300 --temperature 0.8

        # the same text every time, up to the first empty line
        seqkit generate model --prompt "ROMEO:" --seed 1 --stop $'\n\n'

        # three continuations of a prompt from a pipe
        printf 'def main(' | seqkit generate model --prompt-file - --samples 3

        # a web page that shows every cell of the network
        seqkit generate model --length 2000 --cells-html cells.html

    Every text ends with a newline; a single one of a byte vocabulary is written as it is. With several, a
    line "--- sample N ---" precedes each, unless the model's documents are lines: then each text is one line.
    --json separates texts exactly and adds no newline.

    Without a prompt on a terminal, generation is interactive; :help lists the commands. --prompt ""
    generates one text from scratch and exits.
    """
    console.show_log(quiet=quiet)
    from seqkit.inference.generator import GenerateOptions, TextGenerator

    cells = CellOptions(show_cells, cells_text, cells_html, json_lines)
    options = GenerateOptions(
        length=length,
        samples=samples,
        stop=tuple(stop or ()),
        seed=seed,
        beam_size=beam_size,
        log_probabilities=log_probabilities,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        typical=typical,
        repetition_penalty=repetition_penalty,
        repetition_ngram=repetition_ngram,
    )
    if log_probabilities and not json_lines:
        raise ConfigError("--log-probabilities needs --json", hint="add --json")
    if prompt is not None and prompt_file is not None:
        raise ConfigError("--prompt and --prompt-file cannot both be given", hint="leave one of them out")
    if cells.wanted:
        _check_cells(cells, samples, output)
    generator = TextGenerator.load(model, device=device, threads=threads, precision=precision)
    if cells.text is not None:
        show(generator.loaded, "", cells)
        return
    plain = json_lines or output is not None or samples > 1 or cells.wanted
    if prompt is None and prompt_file is None and not plain and on_terminals():
        from seqkit.cli.generate.conversation import generate_interactively

        def write(pieces: Iterator[Piece], begun: str) -> None:
            shown = "" if no_prompt else begun
            _write_texts(pieces, shown, standard_output(), heads=False, terminal=True, exact=False)

        generate_interactively(generator, options, write, model=model, quiet=quiet)
        return
    of_bytes = generator.tokenizer.kind == "byte"
    begun = (prompt or "") if prompt_file is None else _read(prompt_file, exact=of_bytes)
    options = options.seeded()
    if seed is None and options.draws and not quiet and not json_lines:
        console.note(f"--seed {options.seed} reproduces this text")
    if cells.printed:  # instead of the plain text
        (made,) = generator.generate(begun, options)
        show(generator.loaded, begun + made.text, cells)
        return
    terminal = output is None and sys.stdout is not None and sys.stdout.isatty()
    text: list[str] = []
    with (
        destination(output) as stream,
        console.progress("characters", quiet=quiet or terminal) as on_progress,
    ):
        pieces = _watched(generator.pieces(begun, options), text, options, on_progress)
        if json_lines:
            _write_json(pieces, stream)
        else:
            heads = options.samples > 1 and generator.loaded.facts.documents != "line"
            exact = of_bytes and options.samples == 1 and not terminal
            shown = "" if no_prompt else begun
            try:
                _write_texts(pieces, shown, stream, heads=heads, terminal=terminal, exact=exact)
            except KeyboardInterrupt:
                if terminal:  # the cursor is behind what was made
                    stream.write(b"\n")
                raise
    if cells.wanted:
        show(generator.loaded, begun + "".join(text), cells)


def _check_cells(cells: CellOptions, samples: int, output: Path | None) -> None:
    """Refuse what cells cannot be shown of."""
    if samples > 1:
        raise ConfigError(
            f"cells can be shown for one text only, but --samples is {samples}", hint="--samples 1"
        )
    if cells.printed and output is not None:
        raise ConfigError(
            "cells are written to standard output, not to --output",
            hint="leave --output out, or write a page with --cells-html FILE",
        )


def _read(file: str, *, exact: bool) -> str:
    """The prompt in a file; for `exact` see `read_text`."""
    from seqkit.data.text.reading import read_text

    console.announce_input(file, "the prompt")
    return "".join(read_text(file, exact=exact))


def _watched(
    pieces: Iterator[Piece], text: list[str], options: GenerateOptions, on_progress: console.ProgressCallback
) -> Iterator[Piece]:
    """The same pieces, with progress shown and all text kept in `text` where there is one sample."""
    done = 0
    for piece in pieces:
        done += len(piece.text)
        on_progress("generate", done, options.samples * options.length)
        if options.samples == 1:
            text.append(piece.text)
        yield piece


def _write_json(pieces: Iterator[Piece], stream: BinaryIO) -> None:
    """One object per sample, as soon as it is complete."""
    for piece in pieces:
        if piece.finished is not None:
            stream.write(json_line(_record(piece.finished)).encode() + b"\n")
            stream.flush()


def _write_texts(
    pieces: Iterator[Piece], prompt: str, stream: BinaryIO, *, heads: bool, terminal: bool, exact: bool
) -> None:
    """Every sample behind the prompt, as it is made; with a newline at its end unless `exact`.

    A terminal gets each piece at once; other readers get blocks.
    """

    def write(text: str) -> None:
        # A prompt, and the text of a byte vocabulary, may hold bytes that are no UTF-8: they stay.
        stream.write(text.encode("utf-8", "surrogateescape"))
        if terminal:
            stream.flush()

    sample, last = 0, ""
    for piece in pieces:
        text = piece.text
        if piece.sample != sample:
            sample, last = piece.sample, ""
            text = (f"--- sample {sample} ---\n" if heads else "") + prompt + text
        if text:
            write(text)
            last = text
        if piece.finished is not None and not exact and not last.endswith("\n"):
            write("\n")


def _record(made: Generated) -> dict[str, Any]:
    record: dict[str, Any] = {
        "schema": 1,
        "sample": made.sample,
        "prompt": made.prompt,
        "text": made.text,
        "reason": made.reason,
        "seed": made.seed,
    }
    if made.tokens is not None and made.log_probabilities is not None:
        record["tokens"] = list(made.tokens)
        record["log_probabilities"] = [round(value, 6) for value in made.log_probabilities]
    return record
