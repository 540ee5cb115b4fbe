"""A model directory opened as what it holds, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from seqkit import model_directory
from seqkit.inference.classifier import Classifier
from seqkit.inference.generator import TextGenerator
from seqkit.inference.translator import Translator
from seqkit.kinds import CLASSIFICATION, GENERATION, TRANSLATION

Model = Translator | TextGenerator | Classifier

# What opens a model of each kind.
_OPENED_BY: Mapping[str, Callable[..., Model]] = {
    TRANSLATION.name: Translator.load,
    GENERATION.name: TextGenerator.load,
    CLASSIFICATION.name: Classifier.load,
}


def load(
    directory: str | Path, *, device: str = "auto", threads: int | None = None, precision: str = "auto"
) -> Model:
    """Open a model directory: a `Translator`, a `TextGenerator` or a `Classifier`, as its kind says.

    `threads` are the CPU's cores to use, None is all. The classes' own `load` have more options. Raises
    `ModelError` when the directory is damaged and `InputMissing` when it is absent.
    """
    kind = model_directory.read_facts(Path(directory)).kind
    return _OPENED_BY[kind](directory, device=device, threads=threads, precision=precision)
