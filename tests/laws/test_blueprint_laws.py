"""A blueprint describes the network that is built from it: names, shapes, order and groups of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.kinds import CLASSIFICATION, GENERATION, KINDS, TRANSLATION, Form, Kind
from seqkit.network.blueprint import Blueprint
from seqkit.nn.model import build_model
from tests.networks import Sized

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
    CLASSIFICATION: [
        {"tied_embeddings": "none", "pooling": pooling, "convolutions": convolutions}
        for pooling, convolutions in itertools.product(("mean", "max", "last", "attention"), (0, 3))
    ],
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


def fields_of(kind: Kind, sizes: Mapping[str, int]) -> Iterator[dict[str, Sized]]:
    """The fields of the kind in every form that it takes; texts of one size are joint."""
    for forms in itertools.product(*kind.fields.values()):
        known: dict[tuple[Form, int], Sized] = {}
        pairs = {role: (form, sizes[role]) for role, form in zip(kind.fields, forms, strict=True)}
        yield {role: known.setdefault(pair, Sized(*pair)) for role, pair in pairs.items()}


def test_every_kind_has_variants() -> None:
    assert VARIANTS.keys() == set(KINDS.values())


@pytest.mark.parametrize(("kind", "settings"), list(cases()))
def test_shapes_and_groups_are_those_of_the_network(kind: Kind, settings: ModelConfig) -> None:
    sizes = {"source": 13 if settings.tied_embeddings == "all" else 11, "target": 13}
    for fields in fields_of(kind, sizes):
        blueprint = Blueprint.of(kind, settings, fields)
        with torch.device("meta"):  # shapes alone: large networks take no memory
            network = build_model(blueprint, settings)
        built = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
        assert list(blueprint.shapes().items()) == list(built.items())
        grouped = [name for names in blueprint.groups().values() for name in names]
        assert sorted(grouped) == sorted(built)
        members = [id(parameter) for group in network.parameter_groups().values() for parameter in group]
        assert sorted(members) == sorted(id(parameter) for parameter in network.parameters())
        # A row per token: 11 and 13 are no other size of any network here.
        texts = {field.size for field in fields.values() if field.form == "text"}
        assert blueprint.per_token() == {name for name, shape in built.items() if shape[0] in texts}
