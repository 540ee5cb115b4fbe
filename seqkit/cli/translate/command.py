"""`seqkit translate`: lines in, lines out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from seqkit import limits
from seqkit.cli.options import (
    MACHINE_PANEL,
    OUTPUT_PANEL,
    SEARCH_PANEL,
    Debug,
    Device,
    Json,
    Quiet,
    Threads,
    TranslationPrecision,
)
from seqkit.cli.terminal import completion, console
from seqkit.cli.terminal.interactive import on_terminals
from seqkit.cli.terminal.output import destination, json_line, one_line
from seqkit.cli.terminal.spare_words import refuse_text_as_file
from seqkit.errors import SeqkitError
from seqkit.files import parse_json

if TYPE_CHECKING:
    from seqkit.inference.translator import Alternative, TranslateOptions, Translation, Translator

LINES_TOGETHER = 2000  # translated before the first of them is written
LARGEST_ATTENTION = 1_000_000  # weights that one JSON line may hold

_LOG = logging.getLogger(__name__)


def translate(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model directory that seqkit train wrote.",
            metavar="MODEL",
            autocompletion=completion.models,
        ),
    ],
    file: Annotated[
        str | None,
        typer.Argument(
            help="Text, one sentence per line; standard input if omitted or -.",
            metavar="[FILE]",
            show_default=False,
        ),
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option(
            help="Beam size (hypotheses per sentence); 1 is greedy search. [default: the model's, 5]",
            rich_help_panel=SEARCH_PANEL,
            metavar="N",
        ),
    ] = None,
    n_best: Annotated[
        int,
        typer.Option(
            help="Translations per line, as tab-separated LINE, RANK and text.",
            rich_help_panel=SEARCH_PANEL,
            metavar="N",
        ),
    ] = 1,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            help="Exponent of the length normalisation; larger values favour longer translations. "
            "[default: the model's, 1]",
            rich_help_panel=SEARCH_PANEL,
            metavar="EXPONENT",
        ),
    ] = None,
    coverage_penalty: Annotated[
        float | None,
        typer.Option(
            help="Weight of the penalty for untranslated words (coverage). [default: the model's, 0]",
            rich_help_panel=SEARCH_PANEL,
            metavar="WEIGHT",
        ),
    ] = None,
    min_length: Annotated[
        int,
        typer.Option(
            min=0,
            help="Minimum number of target tokens.",
            rich_help_panel=SEARCH_PANEL,
            metavar="N",
        ),
    ] = 0,
    max_length: Annotated[
        int,
        typer.Option(
            min=0,
            help="Maximum number of target tokens; 0 means 2 × source length + 20.",
            rich_help_panel=SEARCH_PANEL,
            metavar="N",
        ),
    ] = 0,
    target_prefix: Annotated[
        str | None,
        typer.Option(
            help="Start every translation with this text.",
            rich_help_panel=SEARCH_PANEL,
            metavar="TEXT",
        ),
    ] = None,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(
            help="Average the probabilities with those of another model; repeat for more models.",
            rich_help_panel=SEARCH_PANEL,
            metavar="MODEL",
            autocompletion=completion.models,
        ),
    ] = None,
    shortlist: Annotated[
        bool,
        typer.Option(
            "--shortlist",
            help="Restrict the output to the model's lexical shortlist: faster, slightly lower quality.",
            rich_help_panel=SEARCH_PANEL,
        ),
    ] = False,
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Source tokens per batch; more need more memory. [default: the model's, 1024]",
            rich_help_panel=MACHINE_PANEL,
            metavar="N",
        ),
    ] = None,
    scores: Annotated[
        bool,
        typer.Option(
            "--scores", help="Prefix each translation with its score and a tab.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = False,
    alignments: Annotated[
        bool,
        typer.Option(
            "--alignments",
            help="Append a tab and word alignments as source-target pairs (0-0 1-2 …). With --json also the "
            "attention matrix (null above 1,000,000 entries).",
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
    device: Device = "auto",
    threads: Threads = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=limits.THREADS,
            help="Number of single-threaded worker processes for large inputs (int8 only). "
            "[default: the number of threads]",
            rich_help_panel=MACHINE_PANEL,
            metavar="N",
        ),
    ] = None,
    precision: TranslationPrecision = "auto",
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    """Translate text line by line: N lines in, N lines out, in order.

    Examples:
        # a sentence
        echo "A dog is running on the beach." | seqkit translate model

        # a file; greedy search is the fastest
        seqkit translate model captions.en --output captions.de --beam-size 1

        # the three best translations of each line, with their scores
        seqkit translate model captions.en --n-best 3 --scores

        # JSON objects in and out
        echo '{"id": 7, "text": "A dog is eating."}' | seqkit translate model --json

    With --json an input line may be a JSON object: its "text" is translated, an optional "target_prefix"
    starts the translation, and all other keys are passed through.

    Without FILE on a terminal, translation is interactive; :help lists the commands. With - as FILE, lines
    are read from the terminal as from a pipe.
    """
    console.show_log(quiet=quiet)
    refuse_text_as_file(model, file)
    from dataclasses import replace

    from seqkit.inference.translator import Translator

    translator = Translator.load(
        model,
        ensemble=ensemble or (),
        device=device,
        threads=threads,
        workers=workers,
        precision=precision,
        shortlist=shortlist,
    )
    own = translator.options
    options = replace(
        own,
        beam_size=own.beam_size if beam_size is None else beam_size,
        length_penalty=own.length_penalty if length_penalty is None else length_penalty,
        coverage_penalty=own.coverage_penalty if coverage_penalty is None else coverage_penalty,
        batch_tokens=own.batch_tokens if batch_tokens is None else batch_tokens,
        n_best=n_best,
        minimum_length=min_length,
        maximum_length=max_length,
        attention=alignments,
    )
    if file is None and output is None and not json_lines and on_terminals():
        from seqkit.cli.translate.conversation import translate_interactively

        translate_interactively(
            translator,
            options,
            model=model,
            prefix=target_prefix,
            scores=scores,
            attention=alignments,
            quiet=quiet,
        )
        return
    file = "-" if file is None else file
    layout = _Layout(json_lines, n_best > 1, scores, alignments)
    console.announce_input(file, "sentences")
    # A bar would be drawn into results that go to the same terminal.
    silent = quiet or file == "-" or (output is None and sys.stdout is not None and sys.stdout.isatty())
    with destination(output) as stream, console.progress("lines", quiet=silent) as on_progress:
        _translate_stream(translator, file, target_prefix, options, layout, stream, on_progress)


@dataclass(frozen=True)
class _Layout:
    """What a line of output holds."""

    json_lines: bool
    numbered: bool
    scores: bool
    alignments: bool


@dataclass(frozen=True)
class _Request:
    """One input line: its text, the keys to pass through and how its translation must begin."""

    text: str
    extra: dict[str, Any]
    prefix: str | None


def _translate_stream(
    translator: Translator,
    file: str,
    prefix: str | None,
    options: TranslateOptions,
    layout: _Layout,
    stream: BinaryIO,
    on_progress: console.ProgressCallback,
) -> None:
    """Answer every block of lines as soon as it has arrived."""
    from seqkit.data.text.reading import estimated_lines, read_blocks

    done, expected = 0, estimated_lines(file)
    for block in read_blocks(file):
        for start in range(0, len(block), LINES_TOGETHER):
            requests = [
                _request(line, number, prefix, layout)
                for number, line in enumerate(block[start : start + LINES_TOGETHER], done + 1)
            ]
            translations = translator.translate(
                [request.text for request in requests],
                options,
                prefixes=[request.prefix for request in requests],
                progress=partial(_hear, on_progress, done, expected),
            )
            for request, translation in zip(requests, translations, strict=True):
                done += 1
                stream.write(_render(done, request, translation, layout))
            stream.flush()
            on_progress("translate", done, expected)


def _hear(on_progress: console.ProgressCallback, before: int, expected: int | None, done: int) -> None:
    on_progress("translate", before + done, expected)


def _request(line: str, number: int, prefix: str | None, layout: _Layout) -> _Request:
    if layout.json_lines and line.lstrip().startswith("{"):
        value = _json_object(line)
        if isinstance(value.get("text"), str):
            if isinstance(value.get("target_prefix"), str):
                prefix = value.pop("target_prefix")
            return _Request(value.pop("text"), value, prefix)
        _LOG.warning('line %s is not a JSON object with a "text", so all of it is translated', f"{number:,}")
    return _Request(line, {}, prefix)


def _json_object(line: str) -> dict[str, Any]:
    """The object that a line holds, or an empty one where it holds none that could be written again."""
    try:
        value = parse_json(line.encode(), "line")
        json_line(value)
    except (SeqkitError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _render(number: int, request: _Request, translation: Translation, layout: _Layout) -> bytes:
    """The output for one input line: one line, or one for each of the n best."""
    lines = []
    for rank, alternative in enumerate(translation.alternatives, 1):
        if layout.json_lines:
            lines.append(json_line(_record(number, rank, request, alternative, layout)))
        else:
            lines.append("\t".join(_columns(number, rank, alternative, layout)))
    return "".join(line + "\n" for line in lines).encode("utf-8", "replace")


def _columns(number: int, rank: int, alternative: Alternative, layout: _Layout) -> Iterator[str]:
    if layout.numbered:
        yield from (str(number), str(rank))
    if layout.scores:
        yield f"{alternative.score:.6f}"
    text = one_line(alternative.text)
    yield text.replace("\t", " ") if layout.numbered or layout.scores or layout.alignments else text
    if layout.alignments:
        yield _pharaoh(alternative.alignment())


def _pharaoh(links: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{source}-{target}" for source, target in links)


def _record(
    number: int, rank: int, request: _Request, alternative: Alternative, layout: _Layout
) -> dict[str, Any]:
    record: dict[str, Any] = {
        **request.extra,
        "schema": 1,
        "line": number,
        "source": request.text,
        "text": one_line(alternative.text),
        "score": round(alternative.score, 6),
    }
    if layout.numbered:
        record["rank"] = rank
    if layout.scores:
        record["tokens"] = list(alternative.tokens)
        record["token_scores"] = [round(score, 6) for score in alternative.token_scores]
    if layout.alignments:
        record["alignment"] = [list(link) for link in alternative.alignment()]
        record["source_tokens"] = list(alternative.source_tokens)
        record["target_tokens"] = list(alternative.tokens)
        record["attention"] = _weights(alternative)
    return record


def _weights(alternative: Alternative) -> list[list[float]] | None:
    if len(alternative.tokens) * len(alternative.source_tokens) > LARGEST_ATTENTION:
        return None
    weights = alternative.attention
    return [] if weights is None else [[round(float(weight), 4) for weight in row] for row in weights]
