"""The network as data: which parts it has.

Nothing here computes. `seqkit.nn.model` builds the modules from a `Blueprint`, `seqkit.engines` reads arrays
by the names in it, and a file of weights must have its shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple, Protocol

from seqkit.config import ModelConfig
from seqkit.errors import ConfigError
from seqkit.kinds import Form, Kind
from seqkit.network.parts import (
    AdditiveAttentionPart,
    AttentionPart,
    BridgePart,
    ClassHeadPart,
    DecoderPart,
    DotAttentionPart,
    EncoderPart,
    FrameFrontendPart,
    FrontendPart,
    HeadPart,
    InputFeedingPart,
    Parameter,
    Part,
    Shape,
    TokenFrontendPart,
    TokenHeadPart,
)


class FieldSize(Protocol):
    """What a network needs to know of a field: its form, and how many ids or numbers a value can be."""

    @property
    def form(self) -> Form: ...

    @property
    def size(self) -> int: ...


class Blueprint(NamedTuple):
    """A network: an optional encoder and a decoder, each behind its front-end, and a head.

    A generator has no encoder, and so neither a bridge nor attention. What answers once for a whole sequence
    has no decoder: its head reads the encoder's outputs. With `reads_frontend` it reads the front-end's
    vectors beside them, so that what is local reaches it without the recurrence (Karim et al. 2018).
    """

    target: TokenFrontendPart | None
    decoder: DecoderPart | None
    head: HeadPart
    source: FrontendPart | None = None
    encoder: EncoderPart | None = None
    bridge: BridgePart | None = None
    reads_frontend: bool = False

    @classmethod
    def of(cls, kind: Kind, settings: ModelConfig, fields: Mapping[str, FieldSize]) -> Blueprint:
        """The network of a kind of model, for the fields that its corpus has, by name.

        See `check_vocabularies` for what the settings ask of two vocabularies.
        """
        source: FrontendPart | None = None
        encoder = None
        if "encoder" in kind.parts:
            source = FRONTENDS[fields["source"].form]("source_frontend", fields["source"], settings)
            encoder = EncoderPart(
                settings.cell, source.output_size, settings.hidden_size, settings.encoder_layers
            )
        target = fields["target"]
        if "decoder" not in kind.parts:
            assert source is not None
            assert encoder is not None  # a network has one of the two
            read = encoder.hidden + source.output_size
            head = HEADS[target.form](read, target, settings)
            return cls(None, None, head, source, encoder, reads_frontend=True)
        return _with_decoder(settings, source, encoder, target.size)

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


def _with_decoder(
    settings: ModelConfig, source: FrontendPart | None, encoder: EncoderPart | None, vocabulary_size: int
) -> Blueprint:
    """The network whose decoder writes tokens, with attention where there is an encoder."""
    cell, embedding, hidden = settings.cell, settings.embedding_size, settings.hidden_size
    layers, tied = settings.decoder_layers, settings.tied_embeddings
    target = TokenFrontendPart("target_frontend", vocabulary_size, embedding)
    bridge, feeding = None, None
    attention: AttentionPart | None = None
    if encoder is not None:
        if tied == "all" and isinstance(source, TokenFrontendPart):
            target = source
        if settings.bridge == "linear":
            bridge = BridgePart(cell, encoder.hidden, hidden, layers)
        sizes = hidden, encoder.hidden, hidden, settings.attention_heads
        dot = settings.attention == "dot"
        attention = DotAttentionPart(*sizes) if dot else AdditiveAttentionPart(*sizes)
        feeding = InputFeedingPart(embedding) if settings.input_feeding else None
    # A context is read out, and so is what meets an embedding, of its size. The output layer of an untied
    # generator reads the last hidden layer, which is wider.
    readout_size = embedding if encoder is not None or tied != "none" else None
    decoder = DecoderPart(cell, embedding, hidden, layers, readout_size, attention, feeding)
    head = TokenHeadPart(decoder.output_size, vocabulary_size, None if tied == "none" else target)
    return Blueprint(target, decoder, head, source, encoder, bridge)


def _token_frontend(name: str, field: FieldSize, settings: ModelConfig) -> FrontendPart:
    return TokenFrontendPart(name, field.size, settings.embedding_size)


def _frame_frontend(name: str, field: FieldSize, settings: ModelConfig) -> FrontendPart:
    return FrameFrontendPart(name, field.size, settings.embedding_size, settings.convolutions)


def _class_head(inputs: int, field: FieldSize, settings: ModelConfig) -> HeadPart:
    return ClassHeadPart(inputs, field.size, settings.pooling)


# What reads a source, by its form, and what predicts a target that no decoder writes. A new form adds a line.
FRONTENDS: dict[Form, Callable[[str, FieldSize, ModelConfig], FrontendPart]] = {
    "text": _token_frontend,
    "number": _frame_frontend,
    "array": _frame_frontend,
}
HEADS: dict[Form, Callable[[int, FieldSize, ModelConfig], HeadPart]] = {"class": _class_head}


def check_vocabularies(settings: ModelConfig, fields: Mapping[str, FieldSize]) -> None:
    """Raise ConfigError where the model needs one vocabulary for two fields of text and they have two."""
    texts = {id(field) for field in fields.values() if field.form == "text"}
    if settings.tied_embeddings == "all" and len(texts) > 1:
        raise ConfigError(
            "model.tied_embeddings = all needs one joint vocabulary, but there are two",
            where="model.tied_embeddings",
            hint="--set model.tied_embeddings=target, or prepare the corpus without --separate-vocabularies",
        )
