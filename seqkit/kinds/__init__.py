"""The kinds of models, each declared in a file of its own. This is the one table of them."""

from types import MappingProxyType

from seqkit.kinds.generation import GENERATION
from seqkit.kinds.kind import DEFAULT_PRESET, Kind, Noun, Part, Preset
from seqkit.kinds.translation import TRANSLATION

KINDS = MappingProxyType({kind.name: kind for kind in (TRANSLATION, GENERATION)})

__all__ = ["DEFAULT_PRESET", "GENERATION", "KINDS", "TRANSLATION", "Kind", "Noun", "Part", "Preset"]
