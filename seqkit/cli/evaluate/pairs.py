"""`seqkit evaluate --score-pairs`: how probable a translator finds given translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seqkit.cli.evaluate.inputs import Texts, Translations
from seqkit.cli.evaluate.shared import json_lines
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError
from seqkit.evaluation.alignment import check_aligned

if TYPE_CHECKING:
    from seqkit.inference.translator import Translator

_CHUNK = 1000  # pairs scored between two writings


@dataclass(frozen=True)
class Pairs:
    """What is scored, by which model. Raises ConfigError for what is missing."""

    model: str | None
    source: str | None
    references: tuple[str, ...]
    batch_tokens: int | None

    def __post_init__(self) -> None:
        if self.model is None:
            raise ConfigError("--score-pairs needs the model that scores", hint="add --model MODEL")
        if len(self.references) != 1:
            raise ConfigError("--score-pairs takes one --reference, the targets", hint="name one file")


def score_pairs(pairs: Pairs, *, form: str, quiet: bool, device: str, threads: int | None) -> None:
    """Write the log-probability in nats of each target given its source, a line each, in order.

    Raises DataError for texts of different length.
    """
    if form not in {"text", "json"}:
        raise ConfigError(f"--score-pairs writes numbers, and has no --format {form}", hint="text or json")
    inputs = Translations((), pairs.references, pairs.model, pairs.source, None)
    texts = Texts.of(inputs)
    assert texts.source is not None  # inputs has refused a model without it
    targets = [line or "" for line in texts.references[0]]
    names = texts.names(inputs)
    check_aligned(names.source, texts.source, names.reference(0), targets)

    from seqkit.inference.translator import Translator  # after the files: a missing one is reported at once

    translator = Translator.load(inputs.model or "", device=device, threads=threads)
    if pairs.batch_tokens is not None:
        translator.options = replace(translator.options, batch_tokens=pairs.batch_tokens)
    for numbers, scores in _scored(translator, texts.source, targets, quiet=quiet):
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
