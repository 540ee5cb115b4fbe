"""A small untrained generator, as a model directory would give it."""

from __future__ import annotations

from typing import Any

import torch

from seqkit.config import Config, ModelConfig
from seqkit.data.characters import CharacterTokenizer
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.data.vocabulary import newline_id
from seqkit.model_directory import Facts, LoadedModel
from seqkit.models import build_language_model

ALPHABET = "\nabcdefghijklmnopqrstuvwxyz ABC.,:'\"()"
SMALL: dict[str, Any] = {
    "embedding_size": 8,
    "hidden_size": 12,
    "decoder_layers": 2,
    "tied_embeddings": "none",
    "dropout": 0.3,  # must not show
}


def tiny_generator(
    *, documents: str = "none", tokenizer: Tokenizer | None = None, scale: float = 2.0, **changes: Any
) -> LoadedModel:
    """A model whose weights are `scale` times the usual, so that its cells do something."""
    tokenizer = tokenizer or characters()
    config = Config(model=ModelConfig(**{**SMALL, **changes}))
    torch.manual_seed(3)
    model = build_language_model(config.model, size=tokenizer.size).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    boundary = newline_id(tokenizer) if documents == "none" else END
    facts = Facts(kind="generation", corpus="", documents=documents, boundary=boundary)
    return LoadedModel(model, config, facts, tokenizer, tokenizer)


def characters() -> CharacterTokenizer:
    """A vocabulary of `ALPHABET` and bytes."""
    return CharacterTokenizer(ALPHABET, "identity")
