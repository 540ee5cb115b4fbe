"""What must hold of a classifier's network and training whatever its weights and data are."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from seqkit import model_directory
from seqkit.config import Config, DataConfig, Layer, ModelConfig, preset_layer, resolve
from seqkit.data.batch import Batch, Padded
from seqkit.data.corpus import Corpus
from seqkit.inference.classifier import Classifier, probabilities
from seqkit.kinds import CLASSIFICATION, Form
from seqkit.network.blueprint import Blueprint
from seqkit.network.parts import FrameFrontendPart
from seqkit.nn.frontends import FrameFrontend
from seqkit.nn.heads import ClassHead
from seqkit.nn.model import SequenceModel, build_model
from seqkit.training.jobs.classification import SequenceBatches, augmented, batch_of
from tests.conftest import make_toy_table_corpus
from tests.laws.runs import assert_same, train, train_with_stops
from tests.networks import Sized

FRAME, CLASSES, VOCABULARY = 3, 4, 11
LENGTHS = [7, 1, 4, 12, 2]
EVERY_NETWORK = pytest.mark.parametrize(
    ("form", "convolutions", "pooling"),
    [
        *itertools.product(["number"], range(4), ["mean", "max", "last", "attention"]),
        *itertools.product(["text"], [0], ["mean", "max", "last", "attention"]),
    ],
)


def network(form: str, convolutions: int, pooling: str, **settings: Any) -> SequenceModel:
    """A classifier in double precision, so that only true differences show."""
    config = ModelConfig(
        embedding_size=6,
        hidden_size=8,
        encoder_layers=2,
        tied_embeddings="none",
        convolutions=convolutions,
        pooling=pooling,  # type: ignore[arg-type]
        **{"dropout": 0.0, "word_dropout": 0.0, **settings},
    )
    size = VOCABULARY if form == "text" else FRAME
    fields = {"source": Sized(cast(Form, form), size), "target": Sized("class", CLASSES)}
    torch.manual_seed(5)
    blueprint = Blueprint.of(CLASSIFICATION, config, fields)
    return build_model(blueprint, config, label_smoothing=0.1).double().train()


def sequences(form: str) -> list[Tensor]:
    torch.manual_seed(6)
    if form == "text":
        return [torch.randint(4, VOCABULARY, (length,)) for length in LENGTHS]
    return [torch.randn(length, FRAME, dtype=torch.float64) for length in LENGTHS]


def batch(rows: list[Tensor], *, more: int = 0, fill: float = 0) -> Batch:
    """Rows with `more` positions behind the longest and `fill` in every position of padding."""
    lengths = torch.tensor([len(row) for row in rows])
    shape = (len(rows), int(lengths.max()) + more, *rows[0].shape[1:])
    values = torch.full(shape, fill).to(rows[0].dtype)
    for place, row in enumerate(rows):
        values[place, : len(row)] = row
    targets = torch.tensor([[len(row) % CLASSES] for row in rows])
    return Batch(None, Padded(targets, torch.ones(len(rows), dtype=torch.int64)), Padded(values, lengths))


def loss_and_gradients(model: SequenceModel, some: Batch) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    loss, _ = model.loss(some)
    loss.objective.backward()
    gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return loss.objective.item(), {name: gradient.clone() for name, gradient in gradients.items()}


@EVERY_NETWORK
def test_padding_changes_neither_loss_nor_gradients(form: str, convolutions: int, pooling: str) -> None:
    model, rows = network(form, convolutions, pooling), sequences(form)
    loss, gradients = loss_and_gradients(model, batch(rows))
    other_loss, other = loss_and_gradients(model, batch(rows, more=5, fill=7))
    assert other_loss == pytest.approx(loss, rel=1e-12)
    assert gradients.keys() == other.keys() == dict(model.named_parameters()).keys()
    for name, gradient in gradients.items():
        assert torch.allclose(other[name], gradient, rtol=1e-9, atol=1e-12), name


@EVERY_NETWORK
def test_neighbours_change_nothing(form: str, convolutions: int, pooling: str) -> None:
    model, rows = network(form, convolutions, pooling).eval().requires_grad_(False), sequences(form)
    together = probabilities(model, batch(rows))
    assert together.sum(axis=1) == pytest.approx(np.ones(len(rows)))
    for place, row in enumerate(rows):
        assert probabilities(model, batch([row]))[0] == pytest.approx(together[place], abs=1e-12)
    assert probabilities(model, batch(rows[::-1])) == pytest.approx(together[::-1], abs=1e-12)


@EVERY_NETWORK
def test_gradients_agree_with_finite_differences(form: str, convolutions: int, pooling: str) -> None:
    model, some = network(form, convolutions, pooling), batch(sequences(form))
    _, gradients = loss_and_gradients(model, some)
    random = np.random.default_rng(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            flat = parameter.view(-1)
            # Embeddings of tokens that do not occur have no gradient to tell: try the largest one.
            places = {int(gradients[name].abs().argmax()), int(random.integers(len(flat)))}
            for place in places:
                before, losses = float(flat[place]), []
                for step in (1e-6, -1e-6):
                    flat[place] = before + step
                    losses.append(model.loss(some)[0].objective.item())
                flat[place] = before
                slope = (losses[0] - losses[1]) / 2e-6
                assert float(gradients[name].view(-1)[place]) == pytest.approx(slope, rel=1e-4, abs=1e-6), (
                    name
                )


@pytest.mark.parametrize("convolutions", range(4))
def test_each_convolution_halves_the_length(convolutions: int) -> None:
    part = FrameFrontendPart("source", FRAME, 6, convolutions)
    torch.manual_seed(2)
    frontend = FrameFrontend(part, dropout=0.0)
    source = batch(sequences("number")).source
    assert source is not None
    with torch.no_grad():
        found = frontend(Padded(source.values.float(), source.lengths))
    halved = LENGTHS
    for _ in range(convolutions):
        halved = [(length + 1) // 2 for length in halved]
    assert found.lengths.tolist() == halved
    assert found.values.shape == (len(LENGTHS), max(halved), 6)


def test_pooling_by_hand() -> None:
    values = torch.tensor([[[1.0, 4.0], [3.0, 2.0], [9.0, 9.0]]])
    readouts = Padded(values, torch.tensor([2]))
    heads = {pooling: network("number", 0, pooling).head for pooling in ("mean", "max", "last", "attention")}
    pooled = {}
    for name, head in heads.items():
        assert isinstance(head, ClassHead)
        if head.weighing is not None:
            head.weighing = torch.nn.Linear(2, 1)
            with torch.no_grad():
                head.weighing.weight.copy_(torch.tensor([[1.0, 0.0]]))
                head.weighing.bias.fill_(3.0)
        pooled[name] = head._pooled(readouts)[0].tolist()
    assert pooled["mean"] == [2, 3]
    assert pooled["max"] == [3, 4]
    assert pooled["last"] == [3, 2]
    share = 1 / (1 + np.exp(-2))  # softmax of 1 and 3
    assert pooled["attention"] == pytest.approx([1 + 2 * share, 4 - 2 * share], rel=1e-6)


def test_a_smoothed_loss_is_of_training_alone() -> None:
    model, some = network("number", 0, "mean"), batch(sequences("number"))
    smoothed, _ = model.loss(some)
    assert smoothed.weight == len(LENGTHS)
    assert smoothed.objective.item() != pytest.approx(smoothed.nats.item(), rel=1e-3)
    plain, _ = model.eval().loss(some)
    assert plain.objective.item() == plain.nats.item() == pytest.approx(smoothed.nats.item())


# Training --------------------------------------------------------------------------------------------

TINY: dict[str, Any] = {
    "model.embedding_size": 8,
    "model.hidden_size": 12,
    "model.convolutions": 1,
    "model.dropout": 0.1,
    "data.noise": 0.2,
    "data.scaling": 0.1,
    "data.time_mask": 0.3,
    "training.batch_tokens": 64,
    "training.precision": "fp32",
    "training.ema": 0.9,
    "training.steps": 12,
    "training.validate_every": 5,
    "training.checkpoint_every": 2,
}


def tiny(**changes: Any) -> Config:
    values = {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}}
    return resolve([preset_layer("tiny", CLASSIFICATION), Layer("test", values)], CLASSIFICATION).config


@pytest.fixture(scope="module")
def series_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_table_corpus(tmp_path_factory.mktemp("series"), "series:number", "other:number")


def test_an_interrupted_run_becomes_the_same_model(series_corpus: Path, tmp_path: Path) -> None:
    train(series_corpus, tmp_path / "whole", tiny())
    assert train_with_stops(series_corpus, tmp_path / "parts", tiny(), [4, 5, 6]) == 3
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_the_seed_decides(series_corpus: Path, tmp_path: Path) -> None:
    train(series_corpus, tmp_path / "one", tiny())
    train(series_corpus, tmp_path / "again", tiny())
    assert_same(tmp_path / "again", tmp_path / "one")
    train(series_corpus, tmp_path / "other", tiny(training__seed=2))
    one, other = (model_directory.load(tmp_path / name).parameters for name in ("one", "other"))
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_what_changes_frames_follows_from_the_seed(series_corpus: Path) -> None:
    corpus = Corpus.open(series_corpus)

    def values(seed: int, **settings: float) -> Tensor:
        data = DataConfig(**settings)  # type: ignore[arg-type]
        batches = SequenceBatches(corpus.train, corpus.fields, data, 64, 0, 1)
        source = batches.load(batches.plan(0)[0], seed=seed).source
        assert source is not None
        return source.values

    plain = values(1)
    assert torch.equal(values(2), plain)
    for name in ("noise", "scaling", "time_mask", "time_crop", "time_warp"):
        changed = values(1, **{name: 0.5})
        assert torch.equal(values(1, **{name: 0.5}), changed)
        assert not torch.equal(values(2, **{name: 0.5}), changed), name
        assert not torch.equal(changed, plain), name


def test_validation_sees_frames_as_they_are(series_corpus: Path) -> None:
    corpus = Corpus.open(series_corpus)
    frames: Any = corpus.fields["source"]
    source = batch_of(corpus.valid, corpus.fields, range(4)).source
    assert source is not None
    assert corpus.valid.source is not None
    for row in range(4):
        expected = frames.standardised(corpus.valid.source[row])
        assert np.array_equal(source.values[row, : len(expected)].numpy(), expected)


def test_augmentation_by_hand() -> None:
    frames = np.ones((4000, 2), np.float32)
    random = np.random.default_rng(1)
    noisy = augmented(frames, DataConfig(noise=0.5), random) - frames
    assert noisy.std() == pytest.approx(0.5, rel=0.05)
    scales = np.array([augmented(frames[:2], DataConfig(scaling=0.2), random) for _ in range(2000)])
    assert (scales[:, 0] == scales[:, 1]).all(), "one factor for a number over all of the time"
    assert np.log(scales[:, 0]).std() == pytest.approx(0.2, rel=0.1)
    blanks = [
        int((augmented(frames, DataConfig(time_mask=0.25), random) == 0).all(axis=1).sum())
        for _ in range(200)
    ]
    assert 0 <= min(blanks) < 100
    assert 900 < max(blanks) <= 1000
    assert augmented(frames, DataConfig(), random).dtype == np.float32


def test_the_best_model_is_measured_as_the_classifier_measures(series_corpus: Path, tmp_path: Path) -> None:
    """Validation in training, and the class for Python, agree."""
    train(series_corpus, tmp_path / "m", tiny(training__ema=0.0))
    corpus, classifier = Corpus.open(series_corpus), Classifier.load(tmp_path / "m", device="cpu")
    source, target = corpus.valid.source, corpus.valid.target
    assert source is not None
    found = classifier.shares([source[row] for row in range(len(source))])
    wanted = np.array([int(target[row][0]) for row in range(len(source))])
    nats = -np.log(found[np.arange(len(wanted)), wanted]).mean()
    rows = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").read_text().splitlines()]
    assert nats == pytest.approx(min(row["valid_nats"] for row in rows), rel=1e-4)
