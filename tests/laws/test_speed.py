"""Training is not far from what the machine multiplies: steps against bare matrix products, in one process.

Ratios only, the best of several tries on both sides, and a third of what is measured (0.47 to 0.61 on a Zen 5
with bf16): a busy machine does not fail, what makes training several times slower does. For comparison, fp32
reaches 0.27 to 0.31, and recurrent layers that are loops over steps in fp32 0.17.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from seqkit.batch import Batch, Padded
from seqkit.config import ModelConfig
from seqkit.device import autocast, resolve_precision
from seqkit.models import SequenceModel, build_encoder_decoder, build_language_model

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "benchmark"
CPU = torch.device("cpu")
TRIES = 6  # of a step and of a product, taking turns
VOCABULARY = 4000


def load_module(name: str) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPE))


flops = load_module("flops")


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ids(rows: int, time: int) -> Padded:
    """Random ids without padding."""
    return Padded(torch.randint(4, VOCABULARY, (rows, time)), torch.full((rows,), time))


def share_of_gemm(model: SequenceModel, batch: Batch, operations: float) -> float:
    """Operations a second of a training step over those of a square product of the same type."""
    precision = resolve_precision("auto", CPU)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.randn(1024, 1024).to(dtype), torch.randn(1024, 1024).to(dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        with autocast(precision, CPU):
            loss, _ = model.loss(batch)
        loss.objective.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def product() -> None:
        for _ in range(10):
            left @ right

    step()  # makes primitives
    product()
    pairs = [(seconds(step), seconds(product)) for _ in range(TRIES)]
    training = operations / min(first for first, _ in pairs)
    bare = 10 * 2 * 1024**3 / min(second for _, second in pairs)
    return training / bare


@pytest.mark.parametrize(("layers", "least"), [(1, 0.15), (2, 0.15)])
def test_a_translators_training_step_is_not_far_from_bare_products(layers: int, least: float) -> None:
    torch.manual_seed(1)
    config = ModelConfig(encoder_layers=layers, decoder_layers=layers)
    model = build_encoder_decoder(config, source_size=VOCABULARY, target_size=VOCABULARY)
    rows, length = 64, 16
    batch = Batch(ids(rows, length), ids(rows, length), ids(rows, length))
    work = flops.Work(rows * length, rows * length, rows * length * length, rows)
    operations = flops.translation_flops(config, VOCABULARY, work).training
    assert share_of_gemm(model, batch, operations) > least


def test_a_generators_training_step_is_not_far_from_bare_products() -> None:
    torch.manual_seed(1)
    config = ModelConfig(embedding_size=64, hidden_size=512, decoder_layers=2, tied_embeddings="none")
    model = build_language_model(config, size=VOCABULARY)
    batch = Batch(ids(64, 32), ids(64, 32))
    operations = flops.generation_flops(config, VOCABULARY, flops.Work(64 * 32)).training
    assert share_of_gemm(model, batch, operations) > 0.15
