"""seqkit: modelling sequences with recurrent networks, from a shell.

`seqkit.Translator.load(directory).translate(lines)` does what `seqkit translate` does, and
`seqkit.TextGenerator.load(directory).generate(prompt)` what `seqkit generate` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.7.0"
__all__ = ["TextGenerator", "Translator", "__version__"]

if TYPE_CHECKING:
    from seqkit.inference.generation import TextGenerator
    from seqkit.inference.translation import Translator


def __getattr__(name: str) -> Any:
    """Import the two when they are first asked for: `import seqkit` alone must not load torch."""
    if name == "TextGenerator":
        from seqkit.inference.generation import TextGenerator

        return TextGenerator
    if name == "Translator":
        from seqkit.inference.translation import Translator

        return Translator
    raise AttributeError(f"module 'seqkit' has no attribute {name!r}")
