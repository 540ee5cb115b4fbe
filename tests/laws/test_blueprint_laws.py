"""A blueprint describes the network that is built from it: names, shapes, order and groups of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.kinds import GENERATION, KINDS, TRANSLATION, Kind
from seqkit.network.blueprint import Blueprint
from seqkit.nn.model import build_model
from tests.networks import texts

CELLS = ("lstm", "gru", "rnn")
TYINGS = ("all", "target", "none")
VARIANTS: dict[Kind, list[dict[str, Any]]] = {
    TRANSLATION: [
        {"tied_embeddings": tied, "attention": attention, "bridge": bridge, "input_feeding": feeding}
        for tied, attention, bridge, feeding in itertools.product(
            TYINGS, ("dot", "additive"), ("linear", "zero"), (False, True)
        )
    ],
    GENERATION: [{"tied_embeddings": tied} for tied in TYINGS],
}
# Beside the presets, which have as many layers in the decoder as in the encoder.
UNEVEN = {"embedding_size": 6, "hidden_size": 8, "attention_heads": 2, "encoder_layers": 3}


def cases() -> Iterator[Any]:
    for kind in KINDS.values():
        sizes = {name: model_settings(preset.settings) for name, preset in kind.presets.items()}
        sizes["uneven"] = UNEVEN
        for name, cell, variant in itertools.product(sizes, CELLS, VARIANTS[kind]):
            settings = {**sizes[name], "cell": cell, **variant}
            words = (kind.name, name, cell, *(str(value) for value in variant.values()))
            yield pytest.param(kind, ModelConfig(**settings), id="-".join(words))


def model_settings(preset: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's settings of the network."""
    parts = (key.split(".") for key in preset)
    return {name: preset[f"{table}.{name}"] for table, name in parts if table == "model"}


@pytest.mark.parametrize(("kind", "settings"), list(cases()))
def test_shapes_and_groups_are_those_of_the_network(kind: Kind, settings: ModelConfig) -> None:
    sizes = {"source": 13 if settings.tied_embeddings == "all" else 11, "target": 13}
    blueprint = Blueprint.of(kind, settings, texts(**{role: sizes[role] for role in kind.fields}))
    with torch.device("meta"):  # shapes alone: large networks take no memory
        network = build_model(blueprint, settings)
    built = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert list(blueprint.shapes().items()) == list(built.items())
    grouped = [name for names in blueprint.groups().values() for name in names]
    assert sorted(grouped) == sorted(built)
    members = [id(parameter) for group in network.parameter_groups().values() for parameter in group]
    assert sorted(members) == sorted(id(parameter) for parameter in network.parameters())
    # A row per token: 11 and 13 are no other size of any network here.
    by_rows = {name for name, shape in built.items() if shape[0] in set(sizes.values())}
    assert blueprint.per_token() == by_rows
