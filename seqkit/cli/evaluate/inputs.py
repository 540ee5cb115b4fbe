"""The texts that `seqkit evaluate` compares: where they come from, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqkit.cli.terminal import console
from seqkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from seqkit.evaluation.translations import Names

# The first tag of markup that `seqkit.data.text` does not take sentences from.
_MARKUP = re.compile(r"\s*<(\?xml\b|!DOCTYPE\b|html\b|xliff\b|doc\b|hl>|seg\b)", re.I)


@dataclass(frozen=True)
class Translations:
    """Where everything that is scored comes from. Raises ConfigError for what cannot be combined."""

    hypotheses: tuple[str, ...]
    references: tuple[str, ...]
    model: str | None
    source: str | None
    baseline: str | None
    shortlist: bool = False
    shows_lines: bool = False  # a source is of use without a model, too
    tab_references: bool = False  # a line of a reference file has several, with tabs between

    def __post_init__(self) -> None:
        if not self.references:
            raise ConfigError(
                "evaluate needs --reference FILE for translations, or --text FILE for a generator",
                hint="seqkit evaluate --help",
            )
        if self.model is None and self.source is not None and not self.shows_lines:
            raise ConfigError(
                "--source has no effect without --model",
                hint="add --model MODEL, or leave --source out to score text (--show-worst shows it)",
            )
        if self.model is None and self.shortlist:
            raise ConfigError(
                "--shortlist has no effect without --model",
                hint="leave --shortlist out",
            )
        if self.model is not None and self.source is None:
            raise ConfigError(
                "--model needs --source FILE, the text to translate, beside --reference",
                hint="a generator is evaluated by --text FILE",
            )
        if self.model is not None and self.hypotheses:
            raise ConfigError(
                f"--model makes its own hypotheses, so {self.hypotheses[0]} cannot be scored in the same run",
                hint=f"to compare the two: --baseline {self.hypotheses[0]}",
            )
        if self.inputs.count("-") > 1:
            raise ConfigError(
                "standard input can be read only once, but two texts come from it",
                where="standard input",
                hint="name a file for all but one (no file means the hypotheses come from standard input)",
            )

    @property
    def inputs(self) -> list[str]:
        made = () if self.model is not None else self.hypotheses or ("-",)
        others = [path for path in (self.source, self.baseline) if path is not None]
        return [*made, *self.references, *others]

    @property
    def hypotheses_name(self) -> str:
        from seqkit.data.text.reading import input_name

        if self.model is not None:
            return f"what {self.model} makes"
        return input_name(self.hypotheses[0] if self.hypotheses else "-")


@dataclass(frozen=True)
class Texts:
    """The lines of what one system is scored with; hypotheses are empty where a model makes them.

    Of `references` each set has a line for each hypothesis, None where a line has fewer than others;
    `reference_names` says where each set comes from.
    """

    references: list[list[str | None]]
    reference_names: tuple[str, ...]
    baseline: list[str] | None
    hypotheses: list[str]
    source: list[str] | None

    @classmethod
    def of(cls, inputs: Translations) -> Texts:
        """Read all that is named, references first: a missing file is known before a pipe is read.

        Of several systems the hypotheses are left to be read one by one.
        """
        from seqkit.data.text.reading import input_name

        references: list[list[str | None]] = []
        names: list[str] = []
        for path in inputs.references:
            lines = read(path)
            sets = _cut_at_tabs(lines) if inputs.tab_references else [list[str | None](lines)]
            references += sets
            names += [input_name(path)] * len(sets)
        baseline = None if inputs.baseline is None else read(inputs.baseline)
        source = None if inputs.source is None else read(inputs.source)
        alone = inputs.model is None and len(inputs.hypotheses) < 2
        hypotheses = read((inputs.hypotheses or ("-",))[0]) if alone else []
        return cls(references, tuple(names), baseline, hypotheses, source)

    def names(self, inputs: Translations, hypotheses: str | None = None) -> Names:
        """What messages call the texts, the hypotheses of one system among them."""
        from seqkit.data.text.reading import input_name
        from seqkit.evaluation.translations import Names

        return Names(
            hypotheses=hypotheses or inputs.hypotheses_name,
            references=self.reference_names,
            baseline=input_name(inputs.baseline or ""),
            source=input_name(inputs.source or ""),
        )


def read(path: str) -> list[str]:
    """The lines of a text. Raises DataError for markup, whose tags would be compared as words."""
    from seqkit.data.text.reading import input_name, read_lines

    console.announce_input(path)
    lines = list(read_lines(path))
    first = next((line for line in lines if line.strip()), "")
    if _MARKUP.match(first) and sum(line.lstrip().startswith("<") for line in lines) * 2 > len(lines):
        raise DataError(
            f"{input_name(path)} is markup (SGML or XML), not a sentence per line",
            where=f"{input_name(path)}: {first.strip()[:60]}",
            hint="take the sentences out, one per line",
        )
    return lines


def _cut_at_tabs(lines: Sequence[str]) -> list[list[str | None]]:
    """As many sets as the line with most references has; a line without any has one that is empty."""
    rows = [[cell for cell in line.split("\t") if cell.strip()] or [""] for line in lines]
    most = max(map(len, rows), default=1)
    return [[row[number] if number < len(row) else None for row in rows] for number in range(most)]
