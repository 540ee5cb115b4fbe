"""Sizes of models by name, for each kind. What each is for stands in cli/README.md."""

from __future__ import annotations

from typing import Any

from seqkit.config.settings import Kind

# What the generators share. Minutes of training want wide layers and a high rate: see recipes/LOG.md.
_GENERATOR: dict[str, Any] = {
    "model.embedding_size": 64,
    "model.hidden_size": 384,
    "model.decoder_layers": 2,
    "model.tied_embeddings": "none",
    "model.dropout": 0.1,
    "model.word_dropout": 0.0,
    "training.learning_rate": 1e-2,
    "training.warmup": 0.04,
    "training.weight_decay": 0.15,
    "training.label_smoothing": 0.0,
    "training.ema": 0.99,
    "training.best_metric": "loss",
    "training.samples": 1,
}

PRESETS: dict[Kind, dict[str, dict[str, Any]]] = {
    "translation": {
        "tiny": {
            "model.embedding_size": 128,
            "model.hidden_size": 256,
            "model.dropout": 0.1,
            "model.word_dropout": 0.0,
            "training.batch_tokens": 1024,
            "training.learning_rate": 4e-3,
        },
        "small": {},
        "base": {
            "model.embedding_size": 512,
            "model.hidden_size": 768,
            "model.encoder_layers": 2,
            "model.decoder_layers": 2,
            "training.learning_rate": 1.5e-3,
            "training.batch_tokens": 4096,
        },
        "large": {
            "model.embedding_size": 768,
            "model.hidden_size": 1024,
            "model.encoder_layers": 3,
            "model.decoder_layers": 3,
            "model.attention_heads": 8,
            "training.learning_rate": 1e-3,
            "training.batch_tokens": 8192,
        },
    },
    "generation": {
        "tiny": {**_GENERATOR, "model.hidden_size": 192, "training.minutes": 1.0},
        "small": {**_GENERATOR, "training.minutes": 3.0, "training.validate_minutes": 0.75},
        "base": {
            **_GENERATOR,
            "model.hidden_size": 512,
            "model.dropout": 0.3,
            "training.learning_rate": 7e-3,
            "training.minutes": 30.0,
        },
        "large": {
            **_GENERATOR,
            "model.embedding_size": 128,
            "model.hidden_size": 1024,
            "model.decoder_layers": 3,
            "model.dropout": 0.4,
            "model.weight_drop": 0.2,
            "data.streams": 64,
            "data.slice_length": 160,
            "training.learning_rate": 2e-3,
            "training.epochs": 60.0,
        },
    },
}
DEFAULT_PRESET = "small"
