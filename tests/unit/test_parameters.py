"""The shapes that are told without building a network are those of the network."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from seqkit.config import Config, ModelConfig
from seqkit.models import build_model
from seqkit.parameters import parameter_shapes

SIZES: dict[str, Any] = {"embedding_size": 6, "hidden_size": 8, "attention_heads": 2}
TRANSLATORS = [
    {"cell": cell, "encoder_layers": encoder, "decoder_layers": decoder, "tied_embeddings": tied, **more}
    for (cell, tied), (encoder, decoder), more in itertools.product(
        [("lstm", "all"), ("gru", "target"), ("rnn", "none")],
        [(1, 1), (3, 2)],
        [{}, {"attention": "additive", "bridge": "zero"}, {"input_feeding": True}],
    )
]
GENERATORS = [
    {"cell": cell, "decoder_layers": layers, "tied_embeddings": tied}
    for cell, layers, tied in itertools.product(["lstm", "gru", "rnn"], [1, 3], ["none", "all"])
]
CASES = [("translation", case) for case in TRANSLATORS] + [("generation", case) for case in GENERATORS]


@pytest.mark.parametrize(
    ("kind", "settings"),
    CASES,
    ids=lambda case: case if isinstance(case, str) else "-".join(map(str, case.values())),
)
def test_shapes_are_those_of_the_network(kind: str, settings: dict[str, Any]) -> None:
    config = Config(model=ModelConfig(**SIZES, **settings))
    source, target = (11, 11) if settings["tied_embeddings"] == "all" else (11, 13)
    built = build_model(config, kind, source, target)
    shapes = {name: tuple(parameter.shape) for name, parameter in built.named_parameters()}
    assert parameter_shapes(config.model, kind, source, target) == shapes
