"""The names and shapes of a model's parameters, as its configuration says, without building it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seqkit.config import ModelConfig
from seqkit.errors import ConfigError
from seqkit.kinds import KINDS

if TYPE_CHECKING:
    from seqkit.arrays import Shapes  # numpy, which a command that only counts can do without

Parameter = tuple[str, tuple[int, ...]]
_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def parameter_shapes(config: ModelConfig, kind: str, source_size: int, target_size: int) -> Shapes:
    """Every parameter's shape by the name it has in the network; what is tied occurs once.

    `source_size` and `target_size` are those of the vocabularies.
    """
    return dict(_parameters(config, KINDS[kind].has_source, source_size, target_size))


def check_vocabularies(config: ModelConfig, *, joint: bool) -> None:
    """Raise ConfigError where the model needs one vocabulary for both languages and they have two."""
    if config.tied_embeddings == "all" and not joint:
        raise ConfigError(
            "model.tied_embeddings = all needs one joint vocabulary, but there are two",
            where="model.tied_embeddings",
            hint="--set model.tied_embeddings=target, or prepare the corpus without --separate-vocabularies",
        )


def _parameters(
    config: ModelConfig, translates: bool, source_size: int, target_size: int
) -> Iterator[Parameter]:
    hidden, embedding = config.hidden_size, config.embedding_size
    tied = config.tied_embeddings
    if translates:
        yield "source_frontend.embedding.weight", (source_size, embedding)
        yield from _encoder(config)
        if config.bridge == "linear":
            yield from _linear("bridge.projection", hidden * config.decoder_layers, hidden)
    if not (translates and tied == "all"):
        yield "target_frontend.embedding.weight", (target_size, embedding)
    context = hidden if translates else 0
    fed = embedding if translates and config.input_feeding else 0
    for number in range(config.decoder_layers):
        inputs = hidden + context if number else embedding + fed
        yield from _recurrence(f"decoder.layers.{number}", config, inputs, hidden)
    if translates:
        if config.attention == "additive":
            heads = config.attention_heads
            yield "decoder.attention.energy", (heads, hidden // heads)
        for part in ("query", "key", "value"):
            yield f"decoder.attention.{part}.weight", (hidden, hidden)
    read = hidden
    if translates or tied != "none":
        yield from _linear("decoder.readout", embedding, hidden + context + embedding)
        read = embedding
    if tied == "none":
        yield "head.output.weight", (target_size, read)
    yield "head.output.bias", (target_size,)


def _encoder(config: ModelConfig) -> Iterator[Parameter]:
    hidden, embedding = config.hidden_size, config.embedding_size
    for direction in ("forwards", "backwards"):
        for number in range(config.encoder_layers):
            inputs = hidden if number else embedding
            yield from _recurrence(f"encoder.{direction}.{number}", config, inputs, hidden // 2)


def _recurrence(name: str, config: ModelConfig, inputs: int, size: int) -> Iterator[Parameter]:
    rows = _GATES[config.cell] * size
    yield f"{name}.recurrence.weight_ih_l0", (rows, inputs)
    yield f"{name}.recurrence.weight_hh_l0", (rows, size)
    yield f"{name}.recurrence.bias_ih_l0", (rows,)
    yield f"{name}.recurrence.bias_hh_l0", (rows,)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[Parameter]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)
