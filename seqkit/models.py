"""The one model class, and the functions that build it from settings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqkit.batch import Batch, Padded
from seqkit.config import Config, ModelConfig
from seqkit.kinds import KINDS
from seqkit.nn.attention import Attention
from seqkit.nn.frontends import Frontend, TokenFrontend
from seqkit.nn.heads import Head, Loss, TokenHead
from seqkit.nn.recurrent import BidirectionalEncoder, Bridge, DecoderState, RecurrentDecoder, initialize


class SequenceModel(nn.Module):
    """An optional encoder, a decoder and a head. A generator is the model without an encoder."""

    def __init__(
        self,
        *,
        source_frontend: Frontend | None,
        encoder: BidirectionalEncoder | None,
        bridge: Bridge | None,
        target_frontend: Frontend,
        decoder: RecurrentDecoder,
        head: Head,
    ) -> None:
        super().__init__()
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
        groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            groups.setdefault(_group_of(name), []).append(parameter)
        return groups


def _group_of(name: str) -> str:
    if "embedding" in name:
        return "embeddings"
    if name.startswith("encoder."):
        direction, number = name.split(".")[1:3]
        return f"encoder_{int(number) + 1}_{direction}"
    if name.startswith("decoder.layers."):
        return f"decoder_{int(name.split('.')[2]) + 1}"
    return {"decoder.attention": "attention", "decoder.readout": "readout"}.get(
        ".".join(name.split(".")[:2]), name.split(".")[0].replace("head", "output")
    )


def build_model(config: Config, kind: str, source_size: int, target_size: int) -> SequenceModel:
    """The network that a configuration describes, initialised."""
    smoothing = config.training.label_smoothing
    if not KINDS[kind].has_source:
        return build_language_model(config.model, size=target_size, label_smoothing=smoothing)
    return build_encoder_decoder(
        config.model, source_size=source_size, target_size=target_size, label_smoothing=smoothing
    )


def build_encoder_decoder(
    config: ModelConfig, *, source_size: int, target_size: int, label_smoothing: float = 0.0
) -> SequenceModel:
    """A translation model for vocabularies of the given sizes, one and the same with all embeddings tied."""
    target_embedding = _embedding(target_size, config.embedding_size)
    source_embedding = (
        target_embedding
        if config.tied_embeddings == "all"
        else _embedding(source_size, config.embedding_size)
    )
    dropouts = {"dropout": config.dropout, "word_dropout": config.word_dropout}
    hidden = config.hidden_size
    attention = Attention(
        config.attention, hidden, hidden, hidden, config.attention_heads, dropout=config.attention_dropout
    )
    model = SequenceModel(
        source_frontend=TokenFrontend(source_embedding, **dropouts),
        encoder=BidirectionalEncoder(
            config.cell,
            config.embedding_size,
            hidden,
            config.encoder_layers,
            dropout=config.dropout,
            weight_drop=config.weight_drop,
        ),
        bridge=Bridge(config.cell, hidden, hidden, config.decoder_layers)
        if config.bridge == "linear"
        else None,
        target_frontend=TokenFrontend(target_embedding, **dropouts),
        decoder=RecurrentDecoder(
            config.cell,
            config.embedding_size,
            hidden,
            config.decoder_layers,
            attention=attention,
            readout_size=config.embedding_size,
            input_feeding=config.input_feeding,
            dropout=config.dropout,
            weight_drop=config.weight_drop,
        ),
        head=TokenHead(
            config.embedding_size,
            target_size,
            tied_to=None if config.tied_embeddings == "none" else target_embedding,
            label_smoothing=label_smoothing,
        ),
    )
    _initialize_all(model, config, target_embedding, source_embedding)
    return model


def build_language_model(config: ModelConfig, *, size: int, label_smoothing: float = 0.0) -> SequenceModel:
    """A generator: the decoder without an encoder.

    Tied embeddings need readouts of the embedding's size; untied, the output layer reads the last hidden
    layer, which is wider.
    """
    embedding = _embedding(size, config.embedding_size)
    tied = config.tied_embeddings != "none"
    model = SequenceModel(
        source_frontend=None,
        encoder=None,
        bridge=None,
        target_frontend=TokenFrontend(embedding, dropout=config.dropout, word_dropout=config.word_dropout),
        decoder=RecurrentDecoder(
            config.cell,
            config.embedding_size,
            config.hidden_size,
            config.decoder_layers,
            attention=None,
            readout_size=config.embedding_size if tied else None,
            dropout=config.dropout,
            weight_drop=config.weight_drop,
        ),
        head=TokenHead(
            config.embedding_size if tied else config.hidden_size,
            size,
            tied_to=embedding if tied else None,
            label_smoothing=label_smoothing,
        ),
    )
    _initialize_all(model, config, embedding)
    return model


def _embedding(vocabulary_size: int, size: int) -> nn.Embedding:
    return nn.Embedding(vocabulary_size, size)


def _initialize_all(model: SequenceModel, config: ModelConfig, *embeddings: nn.Embedding) -> None:
    # Embeddings come last: a tied output layer is the embedding's own weight.
    initialize(model, config.initialization, config.forget_bias)
    for embedding in embeddings:
        nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
