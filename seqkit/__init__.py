"""seqkit: modelling sequences with recurrent networks, from a shell.

`seqkit.Translator.load(directory).translate(lines)` does what `seqkit translate` does, and
`seqkit.TextGenerator.load(directory).generate(prompt)` what `seqkit generate` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.9.0"
__all__ = ["GenerateOptions", "TextGenerator", "TranslateOptions", "Translator", "__version__"]

if TYPE_CHECKING:
    from seqkit.inference.generation import GenerateOptions, TextGenerator
    from seqkit.inference.translation import TranslateOptions, Translator


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: `import seqkit` alone must not load numpy."""
    if name in {"GenerateOptions", "TextGenerator"}:
        from seqkit.inference import generation

        return getattr(generation, name)
    if name in {"TranslateOptions", "Translator"}:
        from seqkit.inference import translation

        return getattr(translation, name)
    raise AttributeError(f"module 'seqkit' has no attribute {name!r}")
