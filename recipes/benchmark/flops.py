"""Floating-point operations of seqkit's networks in closed form; a multiply-add counts as two.

Matrix products alone are counted, and dot products of attention: gates, dropout, softmax and the optimizer
are not. What is padding is not counted either, so operations a second are useful ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from seqkit.config import Cell, ModelConfig
from seqkit.network.parts import GATES

TRAINING = 3  # a backward pass multiplies twice for every product of the forward pass


@dataclass(frozen=True)
class Work:
    """What a network went through: sentences, tokens (END included), sum of source times target length.

    A generator has target tokens only.
    """

    target_tokens: float
    source_tokens: float = 0.0
    products: float = 0.0
    sentences: float = 0.0

    def scaled(self, factor: float) -> Work:
        """The same kind of text, more or less of it."""
        return Work(
            self.target_tokens * factor,
            self.source_tokens * factor,
            self.products * factor,
            self.sentences * factor,
        )


@dataclass(frozen=True)
class Flops:
    """Operations of a forward pass by part of the network."""

    encoder: float
    bridge: float
    memory: float  # the keys and values of attention
    decoder: float
    attention: float
    readout: float
    output: float
    recurrent: float  # of encoder and decoder, the products with the last state: one step after the other

    @property
    def forward(self) -> float:
        """All parts together."""
        return (
            self.encoder
            + self.bridge
            + self.memory
            + self.decoder
            + self.attention
            + self.readout
            + self.output
        )

    @property
    def training(self) -> float:
        """Forward and backward."""
        return TRAINING * self.forward


def layer(cell: Cell, input_size: int, hidden_size: int) -> float:
    """One recurrent layer in one direction, a token."""
    return 2 * GATES[cell] * hidden_size * (input_size + hidden_size)


def translation_flops(config: ModelConfig, vocabulary_size: int, work: Work) -> Flops:
    """An encoder-decoder with a target vocabulary of the given size, teacher-forced over `work`."""
    cell, embedding, hidden = config.cell, config.embedding_size, config.hidden_size
    half, gates = hidden // 2, GATES[config.cell]
    encoder = 2 * (layer(cell, embedding, half) + (config.encoder_layers - 1) * layer(cell, hidden, half))
    fed = embedding if config.input_feeding else 0
    decoder = layer(cell, embedding + fed, hidden)
    decoder += (config.decoder_layers - 1) * layer(cell, 2 * hidden, hidden)
    recurrent = 2 * gates * hidden * hidden * config.decoder_layers * work.target_tokens
    recurrent += 2 * 2 * gates * half * half * config.encoder_layers * work.source_tokens
    bridge = 2 * hidden * hidden * config.decoder_layers if config.bridge == "linear" else 0
    return Flops(
        encoder=encoder * work.source_tokens,
        bridge=bridge * work.sentences,
        memory=2 * 2 * hidden * hidden * work.source_tokens,
        decoder=decoder * work.target_tokens,
        # The query's projection; then a score and a weighted value for every pair of positions.
        attention=2 * hidden * hidden * work.target_tokens + 2 * 2 * hidden * work.products,
        readout=2 * (2 * hidden + embedding) * embedding * work.target_tokens,
        output=2 * embedding * vocabulary_size * work.target_tokens,
        recurrent=recurrent,
    )


def generation_flops(config: ModelConfig, vocabulary_size: int, work: Work) -> Flops:
    """A generator over `work.target_tokens`."""
    cell, embedding, hidden = config.cell, config.embedding_size, config.hidden_size
    tied = config.tied_embeddings != "none"
    decoder = layer(cell, embedding, hidden) + (config.decoder_layers - 1) * layer(cell, hidden, hidden)
    return Flops(
        encoder=0,
        bridge=0,
        memory=0,
        decoder=decoder * work.target_tokens,
        attention=0,
        readout=2 * (hidden + embedding) * embedding * work.target_tokens if tied else 0,
        output=2 * (embedding if tied else hidden) * vocabulary_size * work.target_tokens,
        recurrent=2 * GATES[cell] * hidden * hidden * config.decoder_layers * work.target_tokens,
    )


def luong_flops(embedding: int, hidden: int, vocabulary_size: int, work: Work) -> Flops:
    """The peers' network: one LSTM layer a side, input feeding, general attention (Luong et al. 2015).

    Their readout has the hidden size, so that their output layer is wider than seqkit's at equal sizes, and
    attention projects its keys only.
    """
    half = hidden // 2
    return Flops(
        encoder=2 * layer("lstm", embedding, half) * work.source_tokens,
        bridge=0,
        memory=2 * hidden * hidden * work.source_tokens,
        decoder=layer("lstm", embedding + hidden, hidden) * work.target_tokens,
        attention=2 * 2 * hidden * work.products,
        readout=2 * 2 * hidden * hidden * work.target_tokens,
        output=2 * hidden * vocabulary_size * work.target_tokens,
        recurrent=8 * hidden * hidden * work.target_tokens + 2 * 8 * half * half * work.source_tokens,
    )
