"""`seqkit evaluate --score-pairs`: how probable a translator finds given translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seqkit.cli.evaluate.inputs import Texts, Translations
from seqkit.cli.evaluate.shared import json_lines
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from seqkit.inference.translator import Translator

_CHUNK = 1000  # pairs scored between two writings


def score_pairs(
    inputs: Translations,
    batch_tokens: int | None,
    *,
    form: str,
    quiet: bool,
    device: str,
    threads: int | None,
) -> None:
    """Write the log-probability in nats of each target given its source, a line each, in order."""
    if inputs.model is None:
        raise ConfigError("--score-pairs needs the --model that scores", hint="add --model MODEL")
    if len(inputs.references) != 1:
        raise ConfigError("--score-pairs takes one --reference, the targets", hint="name one file")
    if form not in {"text", "json"}:
        raise ConfigError(f"--score-pairs writes numbers, and has no --format {form}", hint="text or json")
    texts = Texts.of(inputs)
    assert texts.source is not None
    sources, targets = texts.source, [line or "" for line in texts.references[0]]
    if len(sources) != len(targets):
        raise DataError(
            f"texts differ in length: {len(sources):,} lines in {inputs.source}, "
            f"{len(targets):,} in {inputs.references[0]}",
            hint="a pair is the same line of both",
        )

    from seqkit.inference.translator import Translator  # after the files: a missing one is reported at once

    translator = Translator.load(inputs.model, device=device, threads=threads)
    if batch_tokens is not None:
        from dataclasses import replace

        translator.options = replace(translator.options, batch_tokens=batch_tokens)
    for numbers, scores in _scored(translator, sources, targets, quiet=quiet):
        if form == "json":
            lines = json_lines(
                {"line": number, "score": score} for number, score in zip(numbers, scores, strict=True)
            )
        else:
            lines = "".join(f"{score:.6f}\n" for score in scores)
        write_results(lines)


def _scored(
    translator: Translator, sources: Sequence[str], targets: Sequence[str], *, quiet: bool
) -> Iterator[tuple[range, list[float]]]:
    """Line numbers and scores, a chunk after another."""
    with console.progress("pairs", quiet=quiet) as update:
        for start in range(0, len(sources), _CHUNK):
            end = min(start + _CHUNK, len(sources))
            yield range(start + 1, end + 1), translator.score(sources[start:end], targets[start:end])
            update("score", end, len(sources))
