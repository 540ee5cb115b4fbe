"""`seqkit translate` with a person at the terminal: sentences are typed, and questions asked of them."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqkit.cli.terminal import attention_drawing, console
from seqkit.cli.terminal.interactive import WHOLE_NUMBER, Command, Settings, converse, greet, prompt
from seqkit.cli.terminal.output import one_line, write_results

if TYPE_CHECKING:
    from seqkit.inference.translator import Alternative, TranslateOptions, Translation, Translator


def translate_interactively(
    translator: Translator,
    options: TranslateOptions,
    *,
    model: Path,
    prefix: str | None,
    scores: bool,
    attention: bool,
    quiet: bool,
) -> None:
    """Translate what is typed until it ends; `scores` and `attention` are what is shown at first."""
    if not quiet:
        loaded = translator.members[0]
        greet(loaded.kind, translator.target_tokenizer.size, loaded.facts)
    conversation = _Conversation(translator, options, prefix, scores, attention)
    converse(prompt(model, quiet=quiet), "translate_history", conversation.commands(), conversation.answer)


class _Conversation:
    """What is shown of a translation, and the last one."""

    def __init__(
        self,
        translator: Translator,
        options: TranslateOptions,
        prefix: str | None,
        scores: bool,
        attention: bool,
    ) -> None:
        # One sentence's attention costs next to nothing, and may be asked for afterwards.
        self._settings = Settings(replace(options, attention=True))
        self._translator = translator
        self._prefix = prefix
        self._scores, self._attention = scores, attention
        self._last: Translation | None = None
        self._palette = attention_drawing.palette(sys.stdout.encoding)

    def commands(self) -> list[Command]:
        """What can be asked for."""
        settings = self._settings
        return [
            settings.command("n-best", "N", "show N translations with scores", WHOLE_NUMBER),
            settings.command(
                "beam-size", "N", "beam size (hypotheses per sentence); 1 is greedy", WHOLE_NUMBER
            ),
            Command("attention", "", "toggle the alignment drawing", self._toggle_attention),
            Command("scores", "", "toggle scores", self._toggle_scores),
        ]

    def answer(self, line: str) -> None:
        """Translate a line, or each of several with quoted newlines between them."""
        for sentence in filter(str.strip, line.split("\n")):
            (self._last,) = self._translator.translate(
                [sentence], self._settings.options, prefixes=[self._prefix]
            )
            self._show(self._last)

    def _toggle_scores(self, _argument: str) -> None:
        self._scores = not self._scores
        console.note(f"scores are {'shown' if self._scores else 'hidden'}")

    def _toggle_attention(self, _argument: str) -> None:
        self._attention = not self._attention
        if not self._attention:
            console.note("attention is not drawn")
            return
        console.note(f"attention is drawn: {attention_drawing.legend(self._palette)}")
        if self._last is not None:
            self._draw(self._last.alternatives[0])

    def _show(self, translation: Translation) -> None:
        ranked = self._settings.options.n_best > 1
        for rank, alternative in enumerate(translation.alternatives, 1):
            columns = [f"{rank:>{len(str(len(translation.alternatives)))}}"] if ranked else []
            columns += [f"{alternative.score:.4f}"] if ranked or self._scores else []
            write_results("  ".join([*columns, one_line(alternative.text)]) + "\n")
        if self._attention:
            self._draw(translation.alternatives[0])

    def _draw(self, alternative: Alternative) -> None:
        weights = alternative.attention
        if weights is None or not weights.size:  # a translation without words
            return
        width = shutil.get_terminal_size().columns
        lines = attention_drawing.draw(
            weights, alternative.source_tokens, alternative.tokens, width, self._palette
        )
        write_results("".join(line + "\n" for line in lines))
