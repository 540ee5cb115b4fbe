"""The kinds of models, each declared in a file of its own. This is the one table of them."""

from types import MappingProxyType

from seqkit.kinds.classification import CLASSIFICATION
from seqkit.kinds.generation import GENERATION
from seqkit.kinds.kind import DEFAULT_PRESET, Form, Kind, Noun, Part, Preset
from seqkit.kinds.translation import TRANSLATION

_TABLE = {kind.name: kind for kind in (TRANSLATION, GENERATION, CLASSIFICATION)}
KINDS = MappingProxyType(_TABLE)

__all__ = [
    "CLASSIFICATION",
    "DEFAULT_PRESET",
    "GENERATION",
    "KINDS",
    "TRANSLATION",
    "Form",
    "Kind",
    "Noun",
    "Part",
    "Preset",
]
