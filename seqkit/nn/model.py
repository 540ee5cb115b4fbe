"""The one model class, and the function that builds it from a blueprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from seqkit.config import ModelConfig
from seqkit.data.batch import Batch, Padded
from seqkit.network.blueprint import Blueprint
from seqkit.network.parts import ClassHeadPart, FrameFrontendPart, Part, TokenFrontendPart, TokenHeadPart
from seqkit.nn.attention import Attention
from seqkit.nn.frontends import FrameFrontend, Frontend, TokenFrontend
from seqkit.nn.heads import ClassHead, Head, Loss, TokenHead
from seqkit.nn.recurrent import (
    BidirectionalEncoder,
    Bridge,
    DecoderState,
    Encoded,
    RecurrentDecoder,
    initialize,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Pass:
    """What a pass over whole sequences gives to a head, and beside it.

    `readouts` (B, T, R) with their lengths; attention weights (B, T, S) and the state after the pass, where
    the model has such things.
    """

    readouts: Padded
    attention: Tensor | None
    state: DecoderState | None


class SequenceModel(nn.Module):
    """An encoder, a decoder and a head; a generator has no encoder, and what answers once has no decoder.

    Its parameters have the names and shapes of the `blueprint` that it was built from.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        source_frontend: Frontend | None,
        encoder: BidirectionalEncoder | None,
        bridge: Bridge | None,
        target_frontend: Frontend | None,
        decoder: RecurrentDecoder | None,
        head: Head,
    ) -> None:
        super().__init__()
        self.blueprint = blueprint
        self.source_frontend = source_frontend
        self.encoder = encoder
        self.bridge = bridge
        self.target_frontend = target_frontend
        self.decoder = decoder
        self.head = head

    def start(self, source: Padded | None, rows: int) -> DecoderState:
        """The decoder's state before the first step: one row a source sentence, else `rows` of them."""
        decoder = _present(self.decoder)
        if source is None:
            return decoder.start(rows, next(self.parameters()), None, None)
        encoded = self._encode(source)
        memory = None
        if decoder.attention is not None:
            memory = decoder.attention.remember(encoded.outputs.values, encoded.outputs.mask)
        first = None if self.bridge is None else self.bridge(encoded.final[0])
        return decoder.start(len(source.lengths), encoded.outputs.values, first, memory)

    def _encode(self, source: Padded) -> Encoded:
        encoded: Encoded = _present(self.encoder)(_present(self.source_frontend)(source))
        return encoded

    def _read(self, source: Padded) -> Padded:
        """What a head without a decoder reads: the encoder's outputs and, where the blueprint says so, the
        front-end's vectors beside them.
        """
        vectors = _present(self.source_frontend)(source)  # (B, T, E)
        outputs: Padded = _present(self.encoder)(vectors).outputs  # (B, T, H)
        if not self.blueprint.reads_frontend:
            return outputs
        return Padded(torch.cat([outputs.values, vectors.values], dim=2), vectors.lengths)

    def run(self, batch: Batch, state: DecoderState | None = None) -> Pass:
        """The one pass over whole sequences, the decoder's teacher-forced; `state` carries a stream on."""
        if self.decoder is None:
            return Pass(self._read(_present(batch.source)), None, None)
        if state is None:
            state = self.start(batch.source, batch.rows)
        inputs = _present(self.target_frontend)(_present(batch.inputs))
        decoded = self.decoder(inputs.values, state)
        return Pass(Padded(decoded.readouts, inputs.lengths), decoded.weights, decoded.state)

    def loss(self, batch: Batch, state: DecoderState | None = None) -> tuple[Loss, DecoderState | None]:
        """The loss of a pass, and the state after it."""
        done = self.run(batch, state)
        return self.head.loss(done.readouts, batch.targets, batch.weight), done.state

    def logits(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Teacher-forced logits (B, T, V) and attention weights (B, T, S), for scoring given targets."""
        done = self.run(batch)
        return self.head.predict(done.readouts.values), done.attention

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None, DecoderState]:
        """One decoding step: tokens (N,) -> logits (N, V), attention weights (N, S), state."""
        lengths = torch.ones_like(tokens)
        vectors = _present(self.target_frontend)(Padded(tokens[:, None], lengths)).values  # (N, 1, E)
        decoded = _present(self.decoder)(vectors, state)
        weights = None if decoded.weights is None else decoded.weights[:, 0]
        return self.head.predict(decoded.readouts[:, 0]), weights, decoded.state

    @torch.no_grad()
    def gate_activations(self, batch: Batch) -> dict[str, tuple[dict[str, Tensor], Tensor]]:
        """The gates of the first layers on a batch: layer name -> (gate values (B, T, H), mask (B, T))."""
        found = {}
        if self.decoder is not None and self.target_frontend is not None:
            state, inputs = self.start(batch.source, batch.rows), self.target_frontend(_present(batch.inputs))
            vectors = inputs.values
            if state.feed is not None:
                vectors = nn.functional.pad(vectors, (0, state.feed.shape[1]))
            gates = self.decoder.recurrent_layers()[0].gate_activations(vectors, state.layers[0])
            found["decoder"] = gates, inputs.mask
        if self.encoder is not None and self.source_frontend is not None:
            inputs = self.source_frontend(_present(batch.source))
            layer = self.encoder.forward_layers()[0]
            start = layer.zero_state(len(inputs.lengths), inputs.values)
            found["encoder"] = layer.gate_activations(inputs.values, start), inputs.mask
        return found

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the part of the network that a reader thinks in: embeddings, encoder, … output."""
        parameters = dict(self.named_parameters())
        return {
            group: [parameters[name] for name in names] for group, names in self.blueprint.groups().items()
        }


class Building(NamedTuple):
    """What modules are made with: settings of the network, and the embeddings that parts of it share."""

    settings: ModelConfig
    label_smoothing: float
    embeddings: dict[TokenFrontendPart, nn.Embedding]

    def embedding(self, part: TokenFrontendPart) -> nn.Embedding:
        """The embedding of a part; parts that are equal are one and the same."""
        if part not in self.embeddings:
            self.embeddings[part] = nn.Embedding(part.vocabulary_size, part.output_size)
        return self.embeddings[part]


def _token_frontend(part: Part, building: Building) -> Frontend:
    assert isinstance(part, TokenFrontendPart)
    settings = building.settings
    return TokenFrontend(
        building.embedding(part), dropout=settings.dropout, word_dropout=settings.word_dropout
    )


def _token_head(part: Part, building: Building) -> Head:
    assert isinstance(part, TokenHeadPart)
    tied_to = None if part.tied_to is None else building.embedding(part.tied_to)
    return TokenHead(
        part.inputs, part.vocabulary_size, tied_to=tied_to, label_smoothing=building.label_smoothing
    )


def _frame_frontend(part: Part, building: Building) -> Frontend:
    assert isinstance(part, FrameFrontendPart)
    return FrameFrontend(part, dropout=building.settings.dropout)


def _class_head(part: Part, building: Building) -> Head:
    assert isinstance(part, ClassHeadPart)
    return ClassHead(part, dropout=building.settings.dropout, label_smoothing=building.label_smoothing)


# What makes the module of a part. A new front-end or head adds a line.
FRONTENDS: dict[type[Part], Callable[[Part, Building], Frontend]] = {
    TokenFrontendPart: _token_frontend,
    FrameFrontendPart: _frame_frontend,
}
HEADS: dict[type[Part], Callable[[Part, Building], Head]] = {
    TokenHeadPart: _token_head,
    ClassHeadPart: _class_head,
}


def build_model(
    blueprint: Blueprint, settings: ModelConfig, *, label_smoothing: float = 0.0
) -> SequenceModel:
    """The network of a blueprint, initialised; of the `settings` come dropout and how weights begin.

    What is random is drawn in the order of this function: one seed gives the same weights in every version.
    """
    source, target, decoder = blueprint.source, blueprint.target, blueprint.decoder
    building = Building(settings, label_smoothing, {})
    target_frontend = None if target is None else FRONTENDS[type(target)](target, building)
    source_frontend = None if source is None else FRONTENDS[type(source)](source, building)
    between = {"dropout": settings.dropout, "weight_drop": settings.weight_drop}
    attention = None
    if decoder is not None and decoder.attention is not None:
        attention = Attention(decoder.attention, dropout=settings.attention_dropout)
    model = SequenceModel(
        blueprint,
        source_frontend=source_frontend,
        encoder=None if blueprint.encoder is None else BidirectionalEncoder(blueprint.encoder, **between),
        bridge=None if blueprint.bridge is None else Bridge(blueprint.bridge),
        target_frontend=target_frontend,
        decoder=None if decoder is None else RecurrentDecoder(decoder, attention=attention, **between),
        head=HEADS[type(blueprint.head)](blueprint.head, building),
    )
    initialize(model, settings.initialization, settings.forget_bias)
    # Embeddings come last: a tied output layer is the embedding's own weight. One that both sides share is
    # drawn twice, as it always was.
    for part in (target, source):
        if isinstance(part, TokenFrontendPart):
            embedding = building.embedding(part)
            nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    return model


def _present(part: T | None) -> T:
    """A part, or a batch's side, that the caller's model has."""
    assert part is not None
    return part
