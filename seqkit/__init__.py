"""seqkit: modelling sequences with recurrent networks, from a shell.

`seqkit.load(directory)` opens a model: a `Translator`, whose `translate(lines)` does what `seqkit translate`
does, a `TextGenerator`, whose `generate(prompt)` does what `seqkit generate` does, or a `Classifier`, whose
`classify(sources)` says the class of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqkit.version import __version__

__all__ = [
    "Classifier",
    "GenerateOptions",
    "TextGenerator",
    "TranslateOptions",
    "Translator",
    "__version__",
    "load",
]

if TYPE_CHECKING:
    from seqkit.inference.classifier import Classifier
    from seqkit.inference.generator import GenerateOptions, TextGenerator
    from seqkit.inference.loading import load
    from seqkit.inference.translator import TranslateOptions, Translator


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: `import seqkit` alone must not load numpy."""
    if name in {"GenerateOptions", "TextGenerator"}:
        from seqkit.inference import generator

        return getattr(generator, name)
    if name in {"TranslateOptions", "Translator"}:
        from seqkit.inference import translator

        return getattr(translator, name)
    if name == "Classifier":
        from seqkit.inference import classifier

        return classifier.Classifier
    if name == "load":
        from seqkit.inference import loading

        return loading.load
    raise AttributeError(f"module 'seqkit' has no attribute {name!r}")
