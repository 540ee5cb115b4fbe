"""The benchmark counts operations right: its closed form against what torch counts, unrolled."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from seqkit.config import ModelConfig
from seqkit.data.batch import Batch, Padded
from seqkit.network.parts import GATES
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import LayerState, RecurrentLayer
from tests.networks import build_encoder_decoder, build_language_model

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "benchmark"


def load_module(name: str) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPE))


flops = load_module("flops")
Work = flops.Work


# Operations


def unrolled(layer: RecurrentLayer, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
    """A recurrent layer as plain matrix products, a step at a time: the counter sees these only."""
    inward, recurrent, *biases = layer.recurrence.parameters()
    outputs = []
    for position in range(inputs.shape[1]):
        given = functional.linear(inputs[:, position], inward, biases[0])
        fed = functional.linear(state[0], recurrent, biases[1])
        if layer.cell == "lstm":
            i, f, g, o = (given + fed).chunk(4, dim=1)
            c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
            state = (o.sigmoid() * c.tanh(), c)
        elif layer.cell == "gru":
            (r, z, n), (rf, zf, nf) = given.chunk(3, dim=1), fed.chunk(3, dim=1)
            update = (z + zf).sigmoid()
            state = ((1 - update) * (n + (r + rf).sigmoid() * nf).tanh() + update * state[0],)
        else:
            state = ((given + fed).tanh(),)
        outputs.append(state[0])
    return torch.stack(outputs, dim=1), state


def batch(rows: int, target: int, source: int | None, size: int) -> Batch:
    """Sentences of one length each side, without padding."""

    def ids(time: int) -> Padded:
        return Padded(torch.randint(4, size, (rows, time)), torch.full((rows,), time))

    return Batch(ids(target), ids(target), None if source is None else ids(source))


def counted(model: SequenceModel, given: Batch) -> tuple[int, int]:
    """What torch counts in a forward and in a backward pass."""
    with FlopCounterMode(display=False) as forward:
        loss, _ = model.loss(given)
    with FlopCounterMode(display=False) as backward:
        loss.objective.backward()
    return forward.get_total_flops(), backward.get_total_flops()


def without_gradient(config: ModelConfig, rows: int, encoder: bool) -> int:
    """Products of a backward pass that nobody needs: the gradients of states that begin at zero."""
    gates, hidden = GATES[config.cell], config.hidden_size
    decoder = 0 if encoder and config.bridge == "linear" else config.decoder_layers * hidden * hidden
    both = 2 * config.encoder_layers * (hidden // 2) ** 2 if encoder else 0
    return 2 * gates * rows * (decoder + both)


TRANSLATORS = {
    "small": {},
    "layers": {"encoder_layers": 2, "decoder_layers": 3, "embedding_size": 24, "attention_heads": 2},
    "gru": {"cell": "gru", "decoder_layers": 2, "tied_embeddings": "none"},
    "rnn without a bridge": {"cell": "rnn", "encoder_layers": 3, "bridge": "zero"},
    "input feeding": {"input_feeding": True, "decoder_layers": 2, "tied_embeddings": "target"},
}


@pytest.mark.parametrize("changes", TRANSLATORS.values(), ids=TRANSLATORS)
def test_operations_of_a_translator_are_those_that_torch_counts(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(**{"embedding_size": 16, "hidden_size": 32, **changes})
    monkeypatch.setattr(RecurrentLayer, "forward", unrolled)
    model = build_encoder_decoder(config, source_size=50, target_size=50)
    rows, target, source = 4, 12, 8
    forward, backward = counted(model, batch(rows, target, source, 50))
    work = Work(rows * target, rows * source, rows * target * source, rows)
    expected = flops.translation_flops(config, 50, work)
    assert forward == expected.forward
    missing = without_gradient(config, rows, encoder=True)
    assert forward + backward == expected.training - missing
    assert 0 < expected.recurrent < expected.encoder + expected.decoder


@pytest.mark.parametrize("tied", ["all", "none"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_operations_of_a_generator_are_those_that_torch_counts(
    cell: Any, layers: int, tied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(
        cell=cell, embedding_size=8, hidden_size=24, decoder_layers=layers, tied_embeddings=tied
    )
    monkeypatch.setattr(RecurrentLayer, "forward", unrolled)
    model = build_language_model(config, size=40)
    forward, backward = counted(model, batch(8, 16, None, 40))
    expected = flops.generation_flops(config, 40, Work(8 * 16))
    assert forward == expected.forward
    assert forward + backward == expected.training - without_gradient(config, 8, encoder=False)


def test_additive_attention_counts_a_multiply_add_a_pair_of_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch does not see the energies, which are no matrix product there."""
    config = ModelConfig(embedding_size=16, hidden_size=32, attention="additive")
    monkeypatch.setattr(RecurrentLayer, "forward", unrolled)
    model = build_encoder_decoder(config, source_size=50, target_size=50)
    forward, _ = counted(model, batch(4, 12, 8, 50))
    energies = 2 * 32 * 4 * 12 * 8
    assert forward + energies == flops.translation_flops(config, 50, Work(48, 32, 4 * 96, 4)).forward


def test_the_peers_network_is_luongs() -> None:
    """At H 512, E 256, V 8,000, 25 tokens a side: the sum of the sizes of its matrices, twice."""
    found = flops.luong_flops(256, 512, 8000, Work(25, 25, 625, 1))
    encoder, keys = 2 * 4 * 256 * (256 + 256), 512 * 512
    decoder, readout, output = 4 * 512 * (256 + 512 + 512), 2 * 512 * 512, 512 * 8000
    attention = 2 * 512 * 25
    assert found.forward == 25 * 2 * (encoder + keys + decoder + readout + output + attention)


@given(
    st.floats(min_value=0.1, max_value=1e3), st.integers(1, 4), st.integers(1, 4), st.sampled_from([64, 96])
)
def test_operations_grow_with_the_work(factor: float, above: int, below: int, hidden: int) -> None:
    config = ModelConfig(encoder_layers=below, decoder_layers=above, hidden_size=hidden)
    work = Work(100, 90, 1500, 7)
    once = flops.translation_flops(config, 500, work)
    scaled = flops.translation_flops(config, 500, work.scaled(factor))
    assert scaled.training == pytest.approx(factor * once.training)
