"""`seqkit generate` with a person at the terminal: prompts are typed, and texts follow as they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.cli.terminal import console
from seqkit.cli.terminal.interactive import (
    NUMBER,
    WHOLE_NUMBER,
    Command,
    Reading,
    Settings,
    converse,
    greet,
    prompt,
)
from seqkit.errors import ConfigError

if TYPE_CHECKING:
    from seqkit.inference.generator import GenerateOptions, Piece, TextGenerator

_SEED = Reading("a whole number or none", lambda text: None if text == "none" else int(text))

WriteText = Callable[[Iterator["Piece"], str], None]


def generate_interactively(
    generator: TextGenerator, options: GenerateOptions, write: WriteText, *, model: Path, quiet: bool
) -> None:
    """Go on from what is typed until it ends; `write` gets a text's pieces and its prompt."""
    if not quiet:
        greet(generator.loaded.kind, generator.tokenizer.size, generator.loaded.facts)
    conversation = _Conversation(generator, options, write)
    converse(prompt(model, quiet=quiet), "generate_history", conversation.commands(), conversation.answer)


class _Conversation:
    """How texts are made, and the last prompt and seed."""

    def __init__(self, generator: TextGenerator, options: GenerateOptions, write: WriteText) -> None:
        self._settings = Settings(options)
        self._generator = generator
        self._write = write
        self._last_prompt: str | None = None
        self._last_seed: int | None = None

    def commands(self) -> list[Command]:
        """What can be asked for."""
        settings = self._settings
        return [
            settings.command("temperature", "T", "below 1 favours probable tokens", NUMBER),
            settings.command("top-p", "P", "nucleus sampling: total probability P", NUMBER),
            settings.command("length", "N", "number of characters", WHOLE_NUMBER),
            Command("seed", "N", "random seed; none: a new one for each text", self._seed),
            Command("again", "", "repeat the last prompt", self._again),
        ]

    def answer(self, line: str) -> None:
        """Write a text that continues a line, or starts a new one if the line is empty."""
        options = self._settings.options.seeded()
        self._last_prompt, self._last_seed = line, options.seed
        self._write(self._generator.pieces(line, options), line)

    def _seed(self, argument: str) -> None:
        if argument:
            self._settings.change("seed", argument, _SEED)
        seed = self._settings.options.seed
        if seed is not None:
            console.note(f"seed is {seed}")
        elif self._last_seed is None:
            console.note("seed is none: every text has its own")
        else:
            console.note(f"seed is none: every text has its own, the last one's was {self._last_seed}")

    def _again(self, _argument: str) -> None:
        if self._last_prompt is None:
            raise ConfigError("no previous prompt")
        self.answer(self._last_prompt)
