"""seqkit: modelling sequences with recurrent networks, from a shell.

`seqkit.Translator.load(directory).translate(lines)` does what `seqkit translate` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Translator", "__version__"]

if TYPE_CHECKING:
    from seqkit.inference.translation import Translator


def __getattr__(name: str) -> Any:
    """Import `Translator` when it is first asked for: `import seqkit` alone must not load torch."""
    if name == "Translator":
        from seqkit.inference.translation import Translator

        return Translator
    raise AttributeError(f"module 'seqkit' has no attribute {name!r}")
