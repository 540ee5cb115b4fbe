"""The one model class: how it is put together, stepped, grouped and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.data.batch import Batch
from seqkit.data.batching import pad, pair_batch
from seqkit.nn.model import SequenceModel
from tests.networks import build_encoder_decoder, build_language_model

SIZE = 20  # of the vocabularies
SMALL: dict[str, Any] = {"embedding_size": 8, "hidden_size": 12, "attention_heads": 2}


def model(**changes: Any) -> SequenceModel:
    torch.manual_seed(1)
    sizes = {"source_size": changes.pop("source_size", SIZE), "target_size": SIZE}
    return build_encoder_decoder(ModelConfig(**{**SMALL, **changes}), **sizes).eval()


def batch(*shapes: tuple[int, int]) -> Batch:
    """Random pairs of the given source and target lengths."""
    random = np.random.default_rng(2)
    return pair_batch(
        [random.integers(4, SIZE, source) for source, _ in shapes],
        [random.integers(4, SIZE, target) for _, target in shapes],
    )


VARIANTS: list[dict[str, Any]] = [
    {},
    {"cell": "gru", "bridge": "zero"},
    {"cell": "rnn", "attention": "additive"},
    {"encoder_layers": 2, "decoder_layers": 3},
    {"input_feeding": True, "tied_embeddings": "target"},
    {"tied_embeddings": "none"},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_steps_give_the_logits_of_one_pass(changes: dict[str, Any]) -> None:
    network, pairs = model(**changes), batch((5, 6), (3, 4), (9, 6))
    assert pairs.source is not None
    with torch.no_grad():
        whole, weights = network.logits(pairs)
        assert weights is not None
        state = network.start(pairs.source, 3)
        for position in range(pairs.inputs.values.shape[1]):
            logits, attention, state = network.step(pairs.inputs.values[:, position], state)
            assert torch.allclose(logits, whole[:, position], atol=1e-5)
            assert attention is not None
            assert torch.allclose(attention, weights[:, position], atol=1e-5)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_parameter_belongs_to_one_part_and_gets_a_gradient(changes: dict[str, Any]) -> None:
    network = model(**changes).train()
    groups = network.parameter_groups()
    members = [id(parameter) for parameters in groups.values() for parameter in parameters]
    assert sorted(members) == sorted(id(parameter) for parameter in network.parameters())
    layers = {f"decoder_{n + 1}" for n in range(changes.get("decoder_layers", 1))}
    layers |= {
        f"encoder_{n + 1}_{way}"
        for n in range(changes.get("encoder_layers", 1))
        for way in ("forwards", "backwards")
    }
    bridge = set() if changes.get("bridge") == "zero" else {"bridge"}
    assert set(groups) == layers | bridge | {"embeddings", "attention", "readout", "output"}
    loss, _ = network.loss(batch((5, 6), (3, 4)))
    loss.objective.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.ne(0).any(), name


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("input_feeding", [False, True])
def test_bf16_products_stay_near_full_precision(cell: str, input_feeding: bool) -> None:
    layers = {"encoder_layers": 2, "decoder_layers": 2}
    dropouts = {"dropout": 0.0, "word_dropout": 0.0}
    network = model(cell=cell, input_feeding=input_feeding, **layers, **dropouts)
    exact = network.loss(batch((5, 6), (3, 4)))[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network.loss(batch((5, 6), (3, 4)))[0]
    assert rough.objective.item() == pytest.approx(exact.objective.item(), rel=0.03)
    assert rough.objective.item() != exact.objective.item()
    rough.objective.backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in network.parameters())


@pytest.mark.parametrize(("tying", "tensors"), [("all", 1), ("target", 2), ("none", 3)])
def test_tied_embeddings_are_one_tensor(tying: str, tensors: int) -> None:
    network = model(tied_embeddings=tying)
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    assert shapes.count((SIZE, 8)) == tensors
    target = network.target_frontend.embedding.weight
    assert (network.head.output.weight is target) == (tying != "none")
    assert (network.source_frontend.embedding.weight is target) == (tying == "all")


def test_loss_is_the_negative_log_likelihood_of_the_targets() -> None:
    network, pairs = model(), batch((5, 6), (3, 4))
    with torch.no_grad():
        loss, _ = network.loss(pairs)
        scores = torch.log_softmax(network.logits(pairs)[0].double(), dim=2)
    chosen = scores.gather(2, pairs.targets.values[:, :, None])[:, :, 0]
    assert loss.weight == 7 + 5
    assert loss.nats.item() == pytest.approx(-chosen[pairs.targets.mask].sum().item(), rel=1e-5)


def test_gates_are_reported_for_encoder_and_decoder() -> None:
    for changes in VARIANTS:
        network, pairs = model(**changes), batch((5, 6), (3, 4))
        found = network.gate_activations(pairs)
        assert set(found) == {"encoder", "decoder"}
        assert pairs.source is not None
        for name, padded in (("encoder", pairs.source), ("decoder", pairs.inputs)):
            gates, mask = found[name]
            assert torch.equal(mask, padded.mask)
            assert bool(gates) == (changes.get("cell") != "rnn")
            size = 6 if name == "encoder" else 12
            for values in gates.values():
                assert values.shape == (*padded.values.shape, size)
                assert values.min() >= 0
                assert values.max() <= 1


def test_a_generator_is_the_decoder_alone() -> None:
    torch.manual_seed(1)
    network = build_language_model(ModelConfig(**SMALL), size=SIZE)
    assert network.encoder is None
    assert network.decoder.attention is None
    assert set(network.parameter_groups()) == {"embeddings", "decoder_1", "readout", "output"}
    text = pad([np.arange(4, 9)])
    loss, state = network.eval().loss(Batch(inputs=text, targets=text))
    assert loss.weight == 5
    assert state.memory is None
    logits, weights, _ = network.step(torch.tensor([5]), network.start(None, 1))
    assert logits.shape == (1, SIZE)
    assert weights is None


def test_an_untied_generator_reads_out_its_last_layer() -> None:
    torch.manual_seed(1)
    config = ModelConfig(**{**SMALL, "tied_embeddings": "none", "decoder_layers": 3, "embedding_size": 6})
    network = build_language_model(config, size=SIZE).eval()
    assert network.decoder.readout is None
    assert set(network.parameter_groups()) == {"embeddings", "decoder_1", "decoder_2", "decoder_3", "output"}
    text = pad([np.arange(4, 9)])
    logits, _ = network.logits(Batch(inputs=text, targets=text))
    layers = network.decoder.recurrent_layers()
    hidden = network.target_frontend(text).values
    for number, layer in enumerate(layers):
        outputs, _ = layer(hidden, layer.zero_state(1, hidden))
        hidden = hidden + outputs if number else outputs
    assert torch.allclose(logits, network.head.predict(hidden), atol=1e-6)


def test_initialisation_follows_the_seed() -> None:
    first, again = model(), model()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    torch.manual_seed(2)
    other = build_encoder_decoder(ModelConfig(**SMALL), source_size=SIZE, target_size=SIZE)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    embedding = first.target_frontend.embedding.weight
    assert embedding.std().item() == pytest.approx(8**-0.5, rel=0.2)


def fingerprint(network: SequenceModel) -> float:
    """A number that changes with any weight, and when two of them change places."""
    values = torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).double()
    return (values * torch.arange(len(values)).double().cos()).sum().item()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encoder_layers": 2, "decoder_layers": 2}, 9.91943),
        ({"cell": "gru", "tied_embeddings": "none", "attention": "additive", "bridge": "zero"}, -7.31540),
        ({"cell": "rnn", "tied_embeddings": "target", "input_feeding": True}, -0.67498),
    ],
    ids=["lstm", "gru", "rnn"],
)
def test_a_seed_gives_the_weights_that_it_always_gave(changes: dict[str, Any], expected: float) -> None:
    """Version 0.7 drew them in this order, from this generator."""
    assert fingerprint(model(**changes)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("tying", "expected"), [("none", -0.69342), ("target", -2.16345)])
def test_a_seed_gives_a_generator_the_weights_that_it_always_gave(tying: str, expected: float) -> None:
    torch.manual_seed(1)
    settings = ModelConfig(**SMALL, tied_embeddings=tying, decoder_layers=2)  # type: ignore[arg-type]
    network = build_language_model(settings, size=SIZE)
    assert fingerprint(network) == pytest.approx(expected, abs=1e-4)
