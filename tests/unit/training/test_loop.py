"""The training loop: what a step does, and what it never does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seqkit.config import ModelConfig, TrainingConfig
from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import pair_batch
from seqkit.errors import RunFailed
from seqkit.nn import weights
from seqkit.nn.model import SequenceModel
from seqkit.training.learner import Learner, WeightAverage
from seqkit.training.loop import (
    MAX_NONFINITE_STEPS,
    MAX_OVERFLOWS,
    StepBatches,
    StepReport,
    derived_seed,
    train_steps,
)
from seqkit.training.optim import average_decay
from tests.networks import build_encoder_decoder, build_language_model

SIZE = 20
CPU = torch.device("cpu")


def make(dropout: float = 0.0, **changes: Any) -> SequenceModel:
    torch.manual_seed(1)
    settings = {"embedding_size": 8, "hidden_size": 12, "attention_heads": 2, "word_dropout": dropout}
    config = ModelConfig(**{**settings, "dropout": dropout, **changes})
    return build_encoder_decoder(config, source_size=SIZE, target_size=SIZE, label_smoothing=0.1)


def pairs(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(seed)
    return [
        (random.integers(4, SIZE, random.integers(1, 9)), random.integers(4, SIZE, random.integers(1, 9)))
        for _ in range(count)
    ]


def batch_of(some: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    return pair_batch([source for source, _ in some], [target for _, target in some])


class Trainer:
    """A model and all that it takes to run the loop on it."""

    def __init__(
        self, model: SequenceModel, *, clip: float = 0.0, seed: int = 1, scaled: bool = False, **settings: Any
    ) -> None:
        self.model = model
        self.learner = Learner(model, TrainingConfig(**settings), CPU, "fp32")
        self.learner.scaler = torch.amp.GradScaler("cpu", enabled=scaled)
        self.seed, self.clip = seed, clip

    def steps(self, work: list[list[Batch]], first: int = 1, rate: float = 0.01) -> Iterator[StepReport]:
        items = (StepBatches(first + number, 0.0, batches) for number, batches in enumerate(work))
        return train_steps(self.learner, items, lambda _step: rate, seed=self.seed, clip_norm=self.clip)

    def parameters(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in weights.parameter_tensors(self.model).items()}


PLAIN = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}


def test_accumulated_batches_are_one_big_batch() -> None:
    some = pairs(12, seed=3)
    parts = [batch_of(some[:2]), batch_of(some[2:9]), batch_of(some[9:])]
    split, whole = Trainer(make(), **PLAIN), Trainer(make(), **PLAIN)
    before = split.parameters()
    (one,) = split.steps([parts], rate=1.0)
    (other,) = whole.steps([[batch_of(some)]], rate=1.0)
    assert one.positions == other.positions
    assert one.source_positions == other.source_positions
    assert one.objective == pytest.approx(other.objective, rel=1e-6)
    assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-5)
    for name, tensor in split.parameters().items():
        assert torch.allclose(tensor, whole.parameters()[name], rtol=0, atol=1e-6), name
        assert not torch.equal(tensor, before[name]), name


def test_a_report_says_what_happened() -> None:
    trainer = Trainer(make(), **PLAIN)
    batch = batch_of(pairs(5, seed=4))
    with torch.no_grad():
        expected, _ = trainer.model.train().loss(batch)
    (report,) = trainer.steps([[batch]], first=7, rate=0.25)
    assert (report.step, report.learning_rate, report.finite, report.clipped) == (7, 0.25, True, False)
    assert report.positions == expected.weight == int(batch.targets.lengths.sum())
    assert report.objective == pytest.approx(float(expected.objective), rel=1e-6)
    assert report.nats == pytest.approx(float(expected.nats), rel=1e-6)
    assert len(report.norms) == len(list(trainer.model.parameters()))
    assert report.gradient_norm == pytest.approx(float(report.norms.square().sum().sqrt()), rel=1e-6)


@pytest.mark.parametrize("clip", [0.0, 0.05, 1e6])
def test_clipping_bounds_the_step_and_reports_the_norm_before(clip: float) -> None:
    trainer = Trainer(make(), clip=clip, **PLAIN)
    before = trainer.parameters()
    (report,) = trainer.steps([[batch_of(pairs(5, seed=4))]], rate=1.0)
    moved = torch.cat([(before[name] - tensor).flatten() for name, tensor in trainer.parameters().items()])
    norm = float(moved.norm())
    assert report.gradient_norm > 0.05
    assert report.clipped == (clip == 0.05)
    assert norm == pytest.approx(0.05 if report.clipped else report.gradient_norm, rel=1e-4)


def poison(model: SequenceModel, bad: set[int], value: float) -> None:
    """Make the gradient of one parameter `value` in its `bad`-th backward passes, counted from 1."""
    passes = [0]

    def hook(gradient: Tensor) -> Tensor:
        passes[0] += 1
        return gradient * value if passes[0] in bad else gradient

    model.decoder.readout.weight.register_hook(hook)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_reaches_nothing(value: float) -> None:
    trainer = Trainer(make(), optimizer="adamw", clip=1.0)
    poison(trainer.model, {2, 3}, value)
    before, states = trainer.parameters(), []
    for report in trainer.steps([[batch_of(pairs(4, seed))] for seed in range(4)]):
        after = trainer.parameters()
        moved = not all(torch.equal(before[name], tensor) for name, tensor in after.items())
        assert moved == report.finite == (report.step not in {2, 3})
        before = after
        state = trainer.learner.optimizer.state_dict()["state"]
        states.append([state[0]["step"].item(), state[0]["exp_avg"].sum().item()])
    assert states[0] == states[1] == states[2] != states[3]
    assert all(torch.isfinite(tensor).all() for tensor in before.values())


def test_five_in_a_row_end_the_run() -> None:
    trainer = Trainer(make(), **PLAIN)
    bad = set(range(1, MAX_NONFINITE_STEPS)) | set(range(MAX_NONFINITE_STEPS + 1, 50))
    poison(trainer.model, bad, math.nan)
    done = []
    with pytest.raises(RunFailed, match=f"not finite {MAX_NONFINITE_STEPS} steps in a row") as caught:
        done.extend(trainer.steps([[batch_of(pairs(4, seed))] for seed in range(20)], rate=0.125))
    assert MAX_NONFINITE_STEPS == 5
    assert caught.value.exit_code == 1
    assert str(caught.value.hint).endswith("(the rate is 0.12 now)")
    trainer = Trainer(make(), **PLAIN)
    poison(trainer.model, bad, math.nan)
    steps = trainer.steps([[batch_of(pairs(4, seed))] for seed in range(20)])
    finite = [next(steps).finite for _ in range(9)]
    assert finite == [False] * 4 + [True] + [False] * 4, "a good step in between starts the count anew"


def test_loss_scaling_finds_its_scale_and_gives_up_late() -> None:
    batches = [[batch_of(pairs(3, seed))] for seed in range(MAX_OVERFLOWS + 5)]
    trainer = Trainer(make(), scaled=True, **PLAIN)
    poison(trainer.model, set(range(1, 9)), math.inf)
    reports = list(trainer.steps(batches[:10]))
    assert [report.finite for report in reports] == [False] * 8 + [True] * 2
    assert trainer.learner.scaler.get_scale() == 2.0**16 / 2**8
    plain = Trainer(make(), **PLAIN)
    (unscaled,) = plain.steps([batches[8]], first=9)
    assert reports[8].gradient_norm == pytest.approx(unscaled.gradient_norm, rel=1e-4)
    trainer = Trainer(make(), scaled=True, **PLAIN)
    poison(trainer.model, set(range(1, 99)), math.inf)
    with pytest.raises(RunFailed):
        list(trainer.steps(batches))


def test_randomness_follows_from_seed_and_step_alone() -> None:
    work = [[batch_of(pairs(6, seed))] for seed in range(4)]

    def train(seed: int, *, disturbed: bool = False, cut: int = 4) -> bytes:
        trainer = Trainer(make(dropout=0.3), seed=seed)
        for report in trainer.steps(work[:cut]):
            if disturbed:
                torch.rand(report.step)
        for _ in trainer.steps(work[cut:], first=cut + 1):
            pass
        return weights.to_bytes(trainer.parameters())

    expected = train(1)
    assert train(1) == expected
    assert train(1, disturbed=True) == expected
    assert train(1, cut=2) == expected
    assert train(2) != expected


def test_derived_seeds_differ() -> None:
    seeds = {derived_seed(a, b) for a in range(30) for b in range(30)}
    assert len(seeds) == 900
    assert derived_seed(1, 23) != derived_seed(12, 3)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_moving_average_is_the_sum_it_should_be() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(8.0)
    average = WeightAverage(layer)
    expected = 8.0
    for step, value in enumerate([4.0, -2.0, 6.0, 1.0, 3.0, 5.0, 7.0, 9.0, 2.0], start=1):
        with torch.no_grad():
            layer.weight.fill_(value)
        decay = average_decay(step, TrainingConfig(ema=0.5), averaging_from=0)
        assert decay == min(0.5, (1 + step) / (10 + step))
        average.update(decay)
        expected = decay * expected + (1 - decay) * value
        assert average.average[0].item() == pytest.approx(expected, rel=1e-6)
        assert layer.weight.item() == value
    average.swap()
    assert layer.weight.item() == pytest.approx(expected, rel=1e-6)
    average.swap()
    assert layer.weight.item() == 2.0
    assert average.average[0].item() == pytest.approx(expected, rel=1e-6)


def slices(count: int, length: int, *, rows: int = 3, seed: int = 1) -> list[Batch]:
    """The slices of `rows` streams of random tokens."""
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.integers(4, SIZE, (rows, count * length + 1)))
    lengths = torch.full((rows,), length)
    return [
        Batch(
            Padded(ids[:, start : start + length], lengths),
            Padded(ids[:, start + 1 : start + length + 1], lengths),
            continues=start > 0,
            carries=True,
        )
        for start in range(0, count * length, length)
    ]


def generator(**changes: Any) -> SequenceModel:
    torch.manual_seed(1)
    settings = {
        "embedding_size": 8,
        "hidden_size": 12,
        "decoder_layers": 2,
        "dropout": 0.0,
        "word_dropout": 0.0,
    }
    config = ModelConfig(**{**settings, "tied_embeddings": "none", **changes})
    return build_language_model(config, size=SIZE)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_carried_state_over_slices_is_one_pass(cell: str) -> None:
    parts = slices(count=4, length=5)
    (whole,) = slices(count=1, length=20)
    with torch.no_grad():
        expected, after = generator(cell=cell).loss(whole)
    trainer = Trainer(generator(cell=cell), **PLAIN)
    reports = list(trainer.steps([[part] for part in parts], rate=0.0))
    assert sum(report.nats for report in reports) == pytest.approx(float(expected.nats), rel=1e-5)
    state = trainer.learner.carried
    assert state is not None
    for mine, theirs in zip(state.layers, after.layers, strict=True):
        for part, wanted in zip(mine, theirs, strict=True):
            assert torch.allclose(part, wanted, atol=1e-6)
            assert not part.requires_grad


def test_a_slice_that_does_not_continue_begins_with_nothing() -> None:
    first, second = slices(count=2, length=5)
    trainer = Trainer(generator(), **PLAIN)
    alone = Batch(second.inputs, second.targets, carries=True)
    _, carried, again = trainer.steps([[first], [second], [alone]], rate=0.0)
    fresh = Trainer(generator(), **PLAIN)
    (expected,) = fresh.steps([[second]], rate=0.0)  # continues, but nothing is carried
    assert again.nats == expected.nats
    assert carried.nats != expected.nats


def test_gradients_do_not_cross_slices() -> None:
    first, second = slices(count=2, length=5)
    trainer = Trainer(generator(), **PLAIN)
    (together,) = trainer.steps([[first, second]], rate=0.0)
    assert trainer.learner.carried is not None
    parts = []
    carried = None
    for part in (first, second):
        model = generator()
        loss, state = model.loss(part, carried)
        loss.objective.backward()
        parts.append([p.grad for p in model.parameters()])
        carried = state.detach()
    positions = together.positions
    norms = [torch.linalg.vector_norm((a + b) / positions) for a, b in zip(*parts, strict=True)]
    assert torch.allclose(together.norms, torch.stack(norms), rtol=1e-4, atol=1e-7)


def test_a_failed_step_forgets_the_carried_state() -> None:
    first, second = slices(count=2, length=5)
    trainer = Trainer(generator(), **PLAIN)
    steps = trainer.steps([[first], [second]], rate=0.0)
    next(steps)
    with torch.no_grad():
        trainer.model.head.output.bias[5] = math.nan
    assert not next(steps).finite
    assert trainer.learner.carried is None


def test_the_state_of_streams_is_none_of_a_translator_s() -> None:
    trainer = Trainer(make(), **PLAIN)
    list(trainer.steps([[batch_of(pairs(3, seed=1))]]))
    assert trainer.learner.carried is None


def test_a_training_step_uses_the_fused_kernel() -> None:
    trainer = Trainer(make(hidden_size=64, encoder_layers=2, decoder_layers=2))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        list(trainer.steps([[batch_of(pairs(6, seed=1))]]))
    calls = {event.key: event.count for event in profile.key_averages()}
    layers = 2 * 2 + 2
    assert calls["aten::mkldnn_rnn_layer"] == layers
    assert calls["aten::mkldnn_rnn_layer_backward"] == layers
    assert not [name for name in calls if "lstm_cell" in name or "pack_padded" in name]
