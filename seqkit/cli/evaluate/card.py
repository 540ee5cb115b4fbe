"""The part of `seqkit evaluate` that says what a model is: its card."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

from seqkit.cli.evaluate.shared import json_lines
from seqkit.cli.terminal.output import draw, write_results
from seqkit.errors import ConfigError
from seqkit.printable import printable_text


def show_card(model: str, *, form: str) -> None:
    """Print what a model directory says of itself, in Markdown or as an object."""
    from seqkit.model_directory.card import ModelCard

    if form == "latex":
        raise ConfigError(
            "model cards are not available in LaTeX", where="--format", hint="text, markdown or json"
        )
    card = ModelCard.of(Path(model))
    if form == "json":
        write_results(json_lines([card.to_dict()]))
        return
    page = card.to_markdown()
    if form == "text" and sys.stdout is not None and sys.stdout.isatty():
        _show_on_terminal(page, model)
    else:
        write_results(page)


def _show_on_terminal(page: str, model: str) -> None:
    """The page with its tables drawn, and this model's name in the commands."""
    from rich.markdown import Markdown

    quoted = {'"MODEL"': json.dumps(model, ensure_ascii=False), "MODEL": shlex.quote(model)}
    named = re.sub(r'"MODEL"|MODEL', lambda found: quoted[found[0]], page)
    draw(Markdown(printable_text(named), code_theme="ansi_dark"))
