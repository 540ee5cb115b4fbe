"""The one model class, and the function that builds it from a blueprint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqkit.batch import Batch, Padded
from seqkit.config import ModelConfig
from seqkit.network.blueprint import Blueprint
from seqkit.network.parts import TokenFrontendPart
from seqkit.nn.attention import Attention
from seqkit.nn.frontends import Frontend, TokenFrontend
from seqkit.nn.heads import Head, Loss, TokenHead
from seqkit.nn.recurrent import BidirectionalEncoder, Bridge, DecoderState, RecurrentDecoder, initialize


class SequenceModel(nn.Module):
    """An optional encoder, a decoder and a head. A generator is the model without an encoder.

    Its parameters have the names and shapes of the `blueprint` that it was built from.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        source_frontend: Frontend | None,
        encoder: BidirectionalEncoder | None,
        bridge: Bridge | None,
        target_frontend: Frontend,
        decoder: RecurrentDecoder,
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
        like = next(self.parameters())
        if source is None or self.encoder is None or self.source_frontend is None:
            return self.decoder.start(rows, like, None, None)
        encoded = self.encoder(self.source_frontend(source))
        memory = None
        if self.decoder.attention is not None:
            memory = self.decoder.attention.remember(encoded.outputs.values, encoded.outputs.mask)
        first = None if self.bridge is None else self.bridge(encoded.final[0])
        return self.decoder.start(len(source.lengths), encoded.outputs.values, first, memory)

    def loss(self, batch: Batch, state: DecoderState | None = None) -> tuple[Loss, DecoderState]:
        """The loss of a teacher-forced pass, and the state after it; `state` carries a stream on."""
        if state is None:
            state = self.start(batch.source, len(batch.inputs.lengths))
        decoded = self.decoder(self.target_frontend(batch.inputs).values, state)
        return self.head.loss(decoded.readouts, batch.targets), decoded.state

    def logits(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Teacher-forced logits (B, T, V) and attention weights (B, T, S), for scoring given targets."""
        state = self.start(batch.source, len(batch.inputs.lengths))
        decoded = self.decoder(self.target_frontend(batch.inputs).values, state)
        return self.head.predict(decoded.readouts), decoded.weights

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None, DecoderState]:
        """One decoding step: tokens (N,) -> logits (N, V), attention weights (N, S), state."""
        lengths = torch.ones_like(tokens)
        vectors = self.target_frontend(Padded(tokens[:, None], lengths)).values  # (N, 1, E)
        decoded = self.decoder(vectors, state)
        weights = None if decoded.weights is None else decoded.weights[:, 0]
        return self.head.predict(decoded.readouts[:, 0]), weights, decoded.state

    @torch.no_grad()
    def gate_activations(self, batch: Batch) -> dict[str, tuple[dict[str, Tensor], Tensor]]:
        """The gates of the first layers on a batch: layer name -> (gate values (B, T, H), mask (B, T))."""
        state = self.start(batch.source, len(batch.inputs.lengths))
        vectors = self.target_frontend(batch.inputs).values
        if state.feed is not None:
            vectors = torch.cat(
                [vectors, torch.zeros_like(vectors[:, :, :1]).expand(-1, -1, state.feed.shape[1])], 2
            )
        found = {
            "decoder": (
                self.decoder.recurrent_layers()[0].gate_activations(vectors, state.layers[0]),
                batch.inputs.mask,
            )
        }
        if self.encoder is not None and self.source_frontend is not None and batch.source is not None:
            inputs = self.source_frontend(batch.source)
            layer = self.encoder.forward_layers()[0]
            start = layer.zero_state(len(inputs.lengths), inputs.values)
            found["encoder"] = (layer.gate_activations(inputs.values, start), inputs.mask)
        return found

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the part of the network that a reader thinks in: embeddings, encoder, … output."""
        parameters = dict(self.named_parameters())
        return {
            group: [parameters[name] for name in names] for group, names in self.blueprint.groups().items()
        }


def build_model(
    blueprint: Blueprint, settings: ModelConfig, *, label_smoothing: float = 0.0
) -> SequenceModel:
    """The network of a blueprint, initialised; of the `settings` come dropout and how weights begin.

    What is random is drawn in the order of this function: one seed gives the same weights in every version.
    """
    source, target, decoder = blueprint.source, blueprint.target, blueprint.decoder
    target_embedding = _embedding(target)
    source_embedding = target_embedding if source is None or source == target else _embedding(source)
    dropouts = {"dropout": settings.dropout, "word_dropout": settings.word_dropout}
    between = {"dropout": settings.dropout, "weight_drop": settings.weight_drop}
    attention = None
    if decoder.attention is not None:
        attention = Attention(decoder.attention, dropout=settings.attention_dropout)
    model = SequenceModel(
        blueprint,
        source_frontend=None if source is None else TokenFrontend(source_embedding, **dropouts),
        encoder=None if blueprint.encoder is None else BidirectionalEncoder(blueprint.encoder, **between),
        bridge=None if blueprint.bridge is None else Bridge(blueprint.bridge),
        target_frontend=TokenFrontend(target_embedding, **dropouts),
        decoder=RecurrentDecoder(decoder, attention=attention, **between),
        head=TokenHead(
            blueprint.head.inputs,
            blueprint.head.vocabulary_size,
            tied_to=None if blueprint.head.tied_to is None else target_embedding,
            label_smoothing=label_smoothing,
        ),
    )
    initialize(model, settings.initialization, settings.forget_bias)
    # Embeddings come last: a tied output layer is the embedding's own weight. One that both sides share is
    # drawn twice, as it always was.
    for embedding in (target_embedding,) if source is None else (target_embedding, source_embedding):
        nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    return model


def _embedding(part: TokenFrontendPart) -> nn.Embedding:
    return nn.Embedding(part.vocabulary_size, part.output_size)
