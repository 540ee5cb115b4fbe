"""Networks of each kind, initialised, for settings and sizes of vocabularies."""

from __future__ import annotations

from typing import NamedTuple

from seqkit.config import ModelConfig
from seqkit.kinds import GENERATION, TRANSLATION, Form
from seqkit.network.blueprint import Blueprint
from seqkit.nn.model import SequenceModel, build_model


class Sized(NamedTuple):
    """What a network needs to know of a field."""

    form: Form
    size: int


def texts(**sizes: int) -> dict[str, Sized]:
    """Fields of text with vocabularies of the given sizes; those of one size are joint."""
    known = {size: Sized("text", size) for size in sizes.values()}
    return {role: known[size] for role, size in sizes.items()}


def build_encoder_decoder(
    settings: ModelConfig, *, source_size: int, target_size: int, label_smoothing: float = 0.0
) -> SequenceModel:
    """A translator's; with all embeddings tied both sizes are one vocabulary's."""
    blueprint = Blueprint.of(TRANSLATION, settings, texts(source=source_size, target=target_size))
    return build_model(blueprint, settings, label_smoothing=label_smoothing)


def build_language_model(settings: ModelConfig, *, size: int) -> SequenceModel:
    """A generator's."""
    return build_model(Blueprint.of(GENERATION, settings, texts(target=size)), settings)
