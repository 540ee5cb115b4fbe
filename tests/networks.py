"""Networks of each kind, initialised, for settings and sizes of vocabularies."""

from __future__ import annotations

from seqkit.config import ModelConfig
from seqkit.kinds import GENERATION, TRANSLATION
from seqkit.network.blueprint import Blueprint
from seqkit.nn.model import SequenceModel, build_model


def build_encoder_decoder(
    settings: ModelConfig, *, source_size: int, target_size: int, label_smoothing: float = 0.0
) -> SequenceModel:
    """A translator's; with all embeddings tied both sizes are one vocabulary's."""
    blueprint = Blueprint.of(TRANSLATION, settings, source_size, target_size)
    return build_model(blueprint, settings, label_smoothing=label_smoothing)


def build_language_model(settings: ModelConfig, *, size: int) -> SequenceModel:
    """A generator's."""
    return build_model(Blueprint.of(GENERATION, settings, size, size), settings)
