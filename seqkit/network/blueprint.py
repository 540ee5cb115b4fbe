"""The network as data: which parts it has.

Nothing here computes. `seqkit.nn.model` builds the modules from a `Blueprint`, `seqkit.engines` reads arrays
by the names in it, and a file of weights must have its shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from seqkit.config import ModelConfig
from seqkit.errors import ConfigError
from seqkit.kinds import Kind
from seqkit.network.parts import (
    AdditiveAttentionPart,
    AttentionPart,
    BridgePart,
    DecoderPart,
    DotAttentionPart,
    EncoderPart,
    InputFeedingPart,
    Parameter,
    Part,
    Shape,
    TokenFrontendPart,
    TokenHeadPart,
)


class Blueprint(NamedTuple):
    """A network: an optional encoder and a decoder, each behind its front-end, and a head.

    A generator has no encoder, and so neither a bridge nor attention. What answers once for a whole sequence
    has no decoder: its head reads the encoder's outputs.
    """

    target: TokenFrontendPart | None
    decoder: DecoderPart | None
    head: TokenHeadPart
    source: TokenFrontendPart | None = None
    encoder: EncoderPart | None = None
    bridge: BridgePart | None = None

    @classmethod
    def of(cls, kind: Kind, settings: ModelConfig, source_size: int, target_size: int) -> Blueprint:
        """The network of a kind of model, for vocabularies of the given sizes; a generator has the target's.

        See `check_vocabularies` for what the settings ask of two vocabularies.
        """
        cell, embedding, hidden = settings.cell, settings.embedding_size, settings.hidden_size
        layers, tied = settings.decoder_layers, settings.tied_embeddings
        encodes = kind.has_source
        target = TokenFrontendPart("target_frontend", target_size, embedding)
        source, encoder, bridge, feeding = None, None, None, None
        attention: AttentionPart | None = None
        if encodes:
            source = TokenFrontendPart("source_frontend", source_size, embedding)
            target = source if tied == "all" else target
            encoder = EncoderPart(cell, embedding, hidden, settings.encoder_layers)
            if settings.bridge == "linear":
                bridge = BridgePart(cell, encoder.hidden, hidden, layers)
            sizes = hidden, encoder.hidden, hidden, settings.attention_heads
            dot = settings.attention == "dot"
            attention = DotAttentionPart(*sizes) if dot else AdditiveAttentionPart(*sizes)
            feeding = InputFeedingPart(embedding) if settings.input_feeding else None
        # A context is read out, and so is what meets an embedding, of its size. The output layer of an untied
        # generator reads the last hidden layer, which is wider.
        readout_size = embedding if encodes or tied != "none" else None
        decoder = DecoderPart(cell, embedding, hidden, layers, readout_size, attention, feeding)
        head = TokenHeadPart(decoder.output_size, target_size, None if tied == "none" else target)
        return cls(target, decoder, head, source, encoder, bridge)

    def parts(self) -> Iterator[Part]:
        """All parts, in the order of the network's modules; a shared front-end occurs twice."""
        decoder = self.decoder
        inside = () if decoder is None else (decoder, decoder.attention, decoder.feeding, decoder.readout)
        parts: tuple[Part | None, ...] = (
            *(self.source, self.encoder, self.bridge, self.target, *inside, self.head),
        )
        return (part for part in parts if part is not None)

    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, in the order of the network's; what is tied occurs once, under its first name."""
        return tuple(dict.fromkeys(chain.from_iterable(part.parameters() for part in self.parts())))

    def shapes(self) -> dict[str, Shape]:
        """The shape of every parameter by its name."""
        return {parameter.name: parameter.shape for parameter in self.parameters()}

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The names of the parameters by group: embeddings, encoder_1_forwards, … decoder_1, … output."""
        groups: dict[str, tuple[str, ...]] = {}
        for parameter in self.parameters():
            groups[parameter.group] = (*groups.get(parameter.group, ()), parameter.name)
        return groups

    def per_token(self) -> frozenset[str]:
        """The names of the parameters that have a row for every token of a vocabulary."""
        return frozenset(parameter.name for parameter in self.parameters() if parameter.per_token)


def check_vocabularies(settings: ModelConfig, *, joint: bool) -> None:
    """Raise ConfigError where the model needs one vocabulary for both languages and they have two."""
    if settings.tied_embeddings == "all" and not joint:
        raise ConfigError(
            "model.tied_embeddings = all needs one joint vocabulary, but there are two",
            where="model.tied_embeddings",
            hint="--set model.tied_embeddings=target, or prepare the corpus without --separate-vocabularies",
        )
