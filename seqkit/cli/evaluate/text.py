"""The part of `seqkit evaluate` that scores text: bits per character by a generator, and by n-grams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqkit.cli.evaluate.shared import json_lines, table
from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import write_results
from seqkit.errors import ConfigError
from seqkit.scores import METRICS

if TYPE_CHECKING:
    from seqkit.scores import Score


@dataclass(frozen=True)
class TextScoring:
    """What is scored, by what. Raises ConfigError for what cannot be combined.

    `learning` has the options of dynamic evaluation that were given, by name.
    """

    text: str | None
    model: str | None
    windows: tuple[int, ...]
    dynamic: bool
    learning: dict[str, Any]
    ngram: str | None
    ngram_order: int | None

    def __post_init__(self) -> None:
        if self.text is None:
            raise ConfigError("there is no text to predict", where="--text", hint="add --text FILE")
        if self.model is None and self.ngram is None:
            raise ConfigError(
                "--text needs --model MODEL, the generator that predicts it",
                hint="or score an n-gram model alone: --ngram CORPUS",
            )
        if self.windows and self.model is None:
            raise ConfigError("--window has no effect without --model")
        if self.learning and (self.model is None or not self.dynamic):
            missing = "--dynamic" if not self.dynamic else "--model"
            raise ConfigError(f"--dynamic-{min(self.learning)} has no effect without {missing}")
        if self.ngram_order is not None and self.ngram is None:
            raise ConfigError("--ngram-order needs --ngram CORPUS, whose text is counted")
        if len(set(self.windows)) < len(self.windows):
            raise ConfigError("a --window is named twice", hint="name it once")


def evaluate_text(request: TextScoring, *, form: str, quiet: bool, device: str, threads: int | None) -> None:
    """Score and print."""
    found = _score(request, quiet=quiet, device=device, threads=threads)
    rows = [["metric", "score", "signature"]]
    rows += [[score.metric, METRICS[score.metric].text(score.score), score.signature] for score in found]
    write_results(json_lines(_results(found)) if form == "json" else table(rows, form))
    if not quiet and form != "json":
        details = found[0].details
        console.note(
            f"{details['characters']:,} characters, {details['tokens']:,} predictions; lower is better"
        )


def _score(request: TextScoring, *, quiet: bool, device: str, threads: int | None) -> list[Score]:
    from seqkit.device import resolve_device, set_threads, torch_is_installed, wants_processor
    from seqkit.evaluation.dynamic_options import DynamicOptions
    from seqkit.evaluation.protocols import DEFAULT_ORDER, Protocols, open_predictors, score_text

    assert request.text is not None  # TextScoring refuses its lack
    dynamic = DynamicOptions(**request.learning) if request.dynamic else None
    protocols = Protocols(request.windows, dynamic, request.ngram_order or DEFAULT_ORDER)
    place = None
    does_without = not request.dynamic and wants_processor(device)  # but torch is faster where it is there
    if request.model is not None and (torch_is_installed() or not does_without):
        place = resolve_device(device)
        set_threads(threads)
    predictors = open_predictors(request.model, request.ngram)
    console.announce_input(request.text)
    text = predictors.encode_file(request.text)
    with console.progress("tokens", quiet=quiet) as update:
        return score_text(predictors, text, protocols, device=place, progress=update)


def _results(found: Sequence[Score]) -> Iterator[dict[str, Any]]:
    """One object per metric and protocol."""
    for score in found:
        details = dict(score.details)
        yield {
            "metric": score.metric,
            "score": score.score,
            "signature": score.signature,
            "protocol": details.pop("protocol"),
            "characters": details.pop("characters"),
            "details": details,
        }
