"""The network as data: what is tied, what is read out, what belongs together."""

from __future__ import annotations

from typing import Any

import pytest

from seqkit.config import Cell, ModelConfig
from seqkit.errors import ConfigError
from seqkit.kinds import GENERATION, TRANSLATION
from seqkit.network.blueprint import Blueprint, check_vocabularies
from seqkit.network.parts import (
    AdditiveAttentionPart,
    DotAttentionPart,
    EncoderPart,
    Linear,
    Recurrence,
)
from tests.networks import texts

SMALL: dict[str, Any] = {"embedding_size": 6, "hidden_size": 8, "attention_heads": 2}


def translator(**changes: Any) -> Blueprint:
    target = 11 if changes.get("tied_embeddings", "all") == "all" else 13
    return Blueprint.of(TRANSLATION, ModelConfig(**SMALL, **changes), texts(source=11, target=target))


def generator(**changes: Any) -> Blueprint:
    return Blueprint.of(GENERATION, ModelConfig(**SMALL, **changes), texts(target=13))


@pytest.mark.parametrize(
    ("tying", "source", "target", "output"),
    [
        ("all", "source_frontend.embedding", "source_frontend.embedding", "source_frontend.embedding"),
        ("target", "source_frontend.embedding", "target_frontend.embedding", "target_frontend.embedding"),
        ("none", "source_frontend.embedding", "target_frontend.embedding", "head.output"),
    ],
)
def test_a_part_that_is_tied_names_the_weight_of_another(
    tying: str, source: str, target: str, output: str
) -> None:
    network = translator(tied_embeddings=tying)
    assert network.source is not None
    names = [part.weight.removesuffix(".weight") for part in (network.source, network.target, network.head)]
    assert names == [source, target, output]
    own = {f"{name}.weight" for name in names}
    assert network.per_token() == own | {"head.output.bias"}
    assert (network.source == network.target) == (tying == "all")


def test_what_meets_an_embedding_has_its_size() -> None:
    for network in (translator(tied_embeddings="none"), translator(), generator()):
        assert network.decoder.readout is not None
        assert network.head.inputs == network.decoder.output_size == 6
    untied = generator(tied_embeddings="none")
    assert untied.decoder.readout is None
    assert untied.head.inputs == untied.decoder.output_size == 8


def test_a_generator_is_the_decoder_alone() -> None:
    network = generator(tied_embeddings="all", decoder_layers=2)
    assert (network.source, network.encoder, network.bridge) == (None, None, None)
    assert (network.decoder.attention, network.decoder.feeding) == (None, None)
    assert network.target.vocabulary_size == network.head.vocabulary_size == 13
    assert list(network.groups()) == ["embeddings", "decoder_1", "decoder_2", "readout", "output"]


def test_groups_are_the_parts_that_people_think_in() -> None:
    network = translator(encoder_layers=2, tied_embeddings="target", attention="additive")
    groups = network.groups()
    assert list(groups) == [
        *("embeddings", "encoder_1_forwards", "encoder_2_forwards"),
        *("encoder_1_backwards", "encoder_2_backwards", "bridge"),
        *("decoder_1", "attention", "readout", "output"),
    ]
    assert groups["embeddings"] == ("source_frontend.embedding.weight", "target_frontend.embedding.weight")
    assert groups["output"] == ("head.output.bias",)
    assert groups["attention"][0] == "decoder.attention.energy"


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [({}, [6, 16, 16]), ({"input_feeding": True}, [12, 16, 16])],
    ids=["plain", "fed"],
)
def test_layers_above_the_first_read_the_context(changes: dict[str, Any], inputs: list[int]) -> None:
    decoder = translator(decoder_layers=3, **changes).decoder
    assert [layer.inputs for layer in decoder.layers] == inputs
    assert decoder.readout is not None
    assert decoder.readout.inputs == 8 + 8 + 6
    assert [layer.inputs for layer in generator(decoder_layers=3).decoder.layers] == [6, 8, 8]


def test_each_direction_of_an_encoder_has_half_of_its_size() -> None:
    encoder = EncoderPart("gru", 5, 8, 2)
    assert encoder.forwards == (
        Recurrence("encoder.forwards.0", "gru", 5, 4),
        Recurrence("encoder.forwards.1", "gru", 8, 4),
    )
    assert [layer.name for layer in encoder.backwards] == ["encoder.backwards.0", "encoder.backwards.1"]


@pytest.mark.parametrize(("cell", "rows"), [("lstm", 12), ("gru", 9), ("rnn", 3)])
def test_a_layers_weights_have_the_rows_of_its_gates(cell: Cell, rows: int) -> None:
    layer = Recurrence("x", cell, 5, 3)
    shapes = [(parameter.name, parameter.shape) for parameter in layer.parameters("y")]
    assert shapes == [
        ("x.recurrence.weight_ih_l0", (rows, 5)),
        ("x.recurrence.weight_hh_l0", (rows, 3)),
        ("x.recurrence.bias_ih_l0", (rows,)),
        ("x.recurrence.bias_hh_l0", (rows,)),
    ]


def test_a_linear_map_may_have_no_bias() -> None:
    with_bias, without = Linear("a", 2, 3), Linear("a", 2, 3, has_bias=False)
    assert {parameter.name: parameter.size for parameter in with_bias.parameters("")} == {
        "a.weight": 6,
        "a.bias": 3,
    }
    assert [parameter.name for parameter in without.parameters("")] == ["a.weight"]


def test_heads_divide_an_energy() -> None:
    dot, additive = (
        [parameter.shape for parameter in kind(8, 6, 4, 2).parameters()]
        for kind in (DotAttentionPart, AdditiveAttentionPart)
    )
    assert dot == [(4, 8), (4, 6), (4, 6)]
    assert additive == [(2, 2), *dot]


def test_parts_are_named_by_their_settings() -> None:
    titles = [part.title for part in translator(input_feeding=True, attention="additive").parts()]
    assert "model.input_feeding = true" in titles
    assert "model.attention = additive" in titles
    assert "model.bridge = linear" in titles
    assert titles.count("an embedding") == 2
    assert "model.bridge = linear" not in [part.title for part in translator(bridge="zero").parts()]


def test_two_vocabularies_cannot_share_all_embeddings() -> None:
    with pytest.raises(ConfigError, match="tied_embeddings = all needs one joint vocabulary") as caught:
        check_vocabularies(ModelConfig(tied_embeddings="all"), texts(source=11, target=13))
    assert "tied_embeddings=target" in str(caught.value.hint)
    check_vocabularies(ModelConfig(tied_embeddings="all"), texts(source=11, target=11))
    check_vocabularies(ModelConfig(tied_embeddings="target"), texts(source=11, target=13))
