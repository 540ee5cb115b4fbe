"""The part of `seqkit evaluate` that says what a model is: its card."""

from __future__ import annotations

from pathlib import Path

from seqkit.cli.evaluate_shared import json_lines
from seqkit.cli.output import write_results
from seqkit.errors import ConfigError


def show_card(model: str, *, form: str) -> None:
    """Print what a model directory says of itself, in Markdown or as an object."""
    from seqkit.model_card import ModelCard

    if form == "latex":
        raise ConfigError(
            "a model's card has no form for LaTeX", where="--format", hint="text, markdown or json"
        )
    card = ModelCard.of(Path(model))
    write_results(json_lines([card.to_dict()]) if form == "json" else card.to_markdown().split("\n", 1)[1])
