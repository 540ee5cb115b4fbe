"""A kind made only of what a new kind provides: frames in, a class out, a front-end that halves the length.

It is prepared, trained, interrupted, continued and measured, and has card, report and dry run, although no
file but this one knows it: what differs between kinds is declared in tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqkit import cli, kinds, model_directory
from seqkit.config import Config, Layer, ModelConfig, preset_layer, resolve
from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import length_batches, pad
from seqkit.data.corpus import Corpus, Split
from seqkit.data.forms.frames import Frames, FrameSums
from seqkit.data.forms.labels import Labels
from seqkit.data.prepare.writer import CorpusWriter, Counts
from seqkit.data.store import create_corpus
from seqkit.errors import DataError, ExitCode, ModelError
from seqkit.kinds import Kind, Noun, Preset
from seqkit.kinds.scaling import Curve, Scaling, Size
from seqkit.model_directory import Facts
from seqkit.network import blueprint
from seqkit.network.blueprint import FieldSize
from seqkit.network.parts import Linear, Parameter
from seqkit.nn import model as networks
from seqkit.nn.frontends import Frontend
from seqkit.nn.heads import Head, Loss
from seqkit.nn.model import Building, SequenceModel
from seqkit.nn.modes import evaluating
from seqkit.scores import Metric
from seqkit.training import jobs
from seqkit.training.health import saturation
from seqkit.training.jobs.job import Network, Task
from seqkit.training.validation import Measured, Stopped
from tests.laws.runs import assert_same, train, train_with_stops

FRAME = 3
SHARE = Metric("share", "share of right classes", 3, "more", "share")

KIND = Kind(
    name="rising",
    model=Noun("toy classifier", "toy classifiers"),
    corpus="sequences of frames",
    counted=Noun("sequence", "sequences"),
    prepared_by="",
    evaluated_by="",
    fields={"source": ("array",), "target": ("class",)},
    parts=frozenset({"encoder", "pairs"}),
    presets={
        "small": Preset(
            {
                "model.hidden_size": 8,
                "model.dropout": 0.0,
                "training.batch_tokens": 8,
                "training.learning_rate": 0.02,
                "training.best_metric": "loss",
                "training.label_smoothing": 0.0,
            },
            suits=(0, 1e15),
        )
    },
    metrics=(SHARE,),
    shown=(SHARE,),
    samples={"class": " ", "predicted": "→"},
    scaling=Scaling((Size("small"),), Curve(1.0, 1.0), ()),
    summary="{a_family} that tells what rises from what falls",
    uses="Nothing but a test uses it.\n",
    next_command="seqkit evaluate --model {model}",
)


# The network: a part and a module for what reads frames, and for what says the class -----------------


class HalvingPart(NamedTuple):
    """Two frames make a vector."""

    name: str
    inputs: int
    output_size: int

    @property
    def title(self) -> str:
        return "a front-end that halves the length"

    @property
    def projection(self) -> Linear:
        return Linear(f"{self.name}.project", 2 * self.inputs, self.output_size)

    def parameters(self) -> Iterator[Parameter]:
        yield from self.projection.parameters("frontend")


class Halving(nn.Module):
    """(B, T, F) -> (B, (T + 1) // 2, E)"""

    def __init__(self, part: HalvingPart) -> None:
        super().__init__()
        self.output_size = part.output_size
        self.project = nn.Linear(2 * part.inputs, part.output_size)

    def forward(self, inputs: Padded) -> Padded:
        frames = inputs.values * inputs.mask[:, :, None]  # (B, T, F)
        if frames.shape[1] % 2:
            frames = nn.functional.pad(frames, (0, 0, 0, 1))
        pairs = frames.reshape(len(frames), frames.shape[1] // 2, -1)  # (B, (T + 1) // 2, 2 F)
        return Padded(torch.tanh(self.project(pairs)), (inputs.lengths + 1) // 2)


class MeanClassPart(NamedTuple):
    """The class of a sequence, by the mean of its readouts."""

    inputs: int
    classes: int

    @property
    def title(self) -> str:
        return "a class"

    def parameters(self) -> Iterator[Parameter]:
        yield from Linear("head.output", self.inputs, self.classes).parameters("output")


class MeanClass(nn.Module):
    def __init__(self, part: MeanClassPart) -> None:
        super().__init__()
        self.output = nn.Linear(part.inputs, part.classes)

    def predict(self, readouts: Tensor) -> Tensor:
        """(..., R) -> logits (..., C)"""
        logits: Tensor = self.output(readouts)
        return logits

    def pooled(self, readouts: Padded) -> Tensor:
        """Logits of sequences. (B, C)"""
        kept = readouts.values * readouts.mask[:, :, None]  # (B, T, R)
        return self.predict(kept.sum(dim=1) / readouts.lengths[:, None])

    def loss(self, readouts: Padded, targets: Padded, weight: int) -> Loss:
        """One target per sequence, (B, 1)."""
        nats = nn.functional.cross_entropy(self.pooled(readouts), targets.values[:, 0], reduction="sum")
        return Loss(nats, nats.detach(), weight)


def halving_part(name: str, field: FieldSize, settings: ModelConfig) -> HalvingPart:
    return HalvingPart(name, field.size, settings.embedding_size)


def class_part(inputs: int, field: FieldSize, settings: ModelConfig) -> MeanClassPart:  # noqa: ARG001
    return MeanClassPart(inputs, field.size)


def halving(part: object, building: Building) -> Frontend:  # noqa: ARG001
    assert isinstance(part, HalvingPart)
    return Halving(part)


def mean_class(part: object, building: Building) -> Head:  # noqa: ARG001
    assert isinstance(part, MeanClassPart)
    return MeanClass(part)


# The job: batches, and what a validation measures ----------------------------------------------------


def batch_of(split: Split, frames: Frames, rows: Sequence[int]) -> Batch:
    assert split.source is not None
    sources = [frames.standardised(split.source[int(row)]) for row in rows]
    return Batch(None, pad([split.target[int(row)] for row in rows], on_grid=False), pad(sources))


@dataclass(frozen=True)
class SequenceBatches:
    split: Split
    frames: Frames
    rows: int
    seed: int

    def plan(self, epoch: int) -> list[np.ndarray]:
        assert self.split.source is not None
        lengths = self.split.source.lengths
        ones = np.ones_like(lengths)
        return length_batches(lengths, ones, batch_tokens=4 * self.rows, seed=self.seed, epoch=epoch)

    def load(self, piece: np.ndarray, *, seed: int) -> Batch:  # noqa: ARG002
        return batch_of(self.split, self.frames, piece)


@dataclass(frozen=True)
class ClassValidator:
    corpus: Corpus
    frames: Frames
    labels: Labels

    unit = KIND.counted.many
    pilot = 10

    @property
    def whole(self) -> int:
        return len(self.corpus.valid)

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        if should_stop():
            raise Stopped
        batch = batch_of(self.corpus.valid, self.frames, range(size))
        head = model.head
        assert isinstance(head, MeanClass)
        with evaluating(model):
            loss, _ = model.loss(batch)
            said = head.pooled(model.run(batch).readouts).argmax(dim=1)  # (B,)
        share = float((said == batch.targets.values[:, 0]).double().mean())
        names = self.labels.names
        sample = {"class": names[int(batch.targets.values[0, 0])], "predicted": names[int(said[0])]}
        score = {"metric": SHARE.name, "score": share, "signature": "toy"}
        return Measured(
            loss=float(loss.nats) / loss.weight,
            scores=(score,),
            samples=(sample,),
            gates=saturation(model.gate_activations(batch)),
            size=size,
        )


def task(corpus: Corpus, config: Config, network: Network) -> Task:
    frames, labels = network.fields["source"], network.fields["target"]
    assert isinstance(frames, Frames)
    assert isinstance(labels, Labels)
    training = config.training
    return Task(
        SequenceBatches(corpus.train, frames, training.batch_tokens, training.seed),
        ClassValidator(corpus, frames, labels),
        Facts(kind=KIND.name, corpus=corpus.fingerprint, size=len(corpus.train), longest_source=1),
    )


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that a new kind adds to the tables."""
    monkeypatch.setitem(kinds._TABLE, KIND.name, KIND)
    monkeypatch.setitem(jobs.JOBS, KIND.name, task)
    monkeypatch.setitem(blueprint.FRONTENDS, "array", halving_part)
    monkeypatch.setitem(blueprint.HEADS, "class", class_part)
    monkeypatch.setitem(networks.FRONTENDS, HalvingPart, halving)
    monkeypatch.setitem(networks.HEADS, MeanClassPart, mean_class)


# The data --------------------------------------------------------------------------------------------


def examples(count: int, seed: int) -> Iterator[tuple[np.ndarray, str]]:
    """Frames (T, F) that rise or fall in their first number, beside noise in other units."""
    random = np.random.default_rng(seed)
    for number in range(count):
        length = int(random.integers(3, 12))
        frames = random.normal(loc=(2, -30, 0), scale=(0.3, 5.0, 0.01), size=(length, FRAME))
        rises = number % 2 == 0
        frames[:, 0] += (1 if rises else -1) * np.arange(length)
        yield frames, "rises" if rises else "falls"


def prepare(directory: Path) -> Path:
    """What a reader of a new form does: rows of named fields to the one writer."""
    rows = {"train": list(examples(60, 1)), "valid": list(examples(20, 2))}
    sums = FrameSums(FRAME)
    for frames, _ in rows["train"]:
        sums.add(frames)
    labels = Labels.fitted(label for _, label in rows["train"])
    with (
        create_corpus(directory, overwrite=False) as folder,
        CorpusWriter(folder, KIND, {"source": sums.frames(), "target": labels}) as writer,
    ):
        for split, pairs in rows.items():
            ids = labels.encode([label for _, label in pairs])
            sources, targets = [frames for frames, _ in pairs], list(ids[:, None])
            writer.append(split, {"source": sources, "target": targets})
        writer.finish()
        writer.describe(Counts(60, 60, {}), seed=1, columns={"source": ("frames",), "target": ("direction",)})
    return directory


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return prepare(tmp_path / "corpus")


# What it gets for nothing ----------------------------------------------------------------------------


def words(corpus: Path, model: Path, *more: str) -> list[str]:
    return ["train", str(corpus), str(model), "--preset", "small", "--steps", "24", "--threads", "1", *more]


def test_a_corpus_that_is_opened_says_what_it_is(corpus: Path) -> None:
    opened = Corpus.open(corpus, verify=True)
    assert (opened.kind, len(opened.train), len(opened.valid)) == (KIND, 60, 20)
    described = json.loads((corpus / "corpus.json").read_text())
    assert described["version"] == 2
    assert described["fields"]["source"] == {"form": "array", "columns": ["frames"]}
    names = {path.name for path in corpus.iterdir()}
    assert {"source.frames.json", "target.labels.json"} < names
    (first, *_), source = examples(60, 1), opened.train.source
    assert source is not None
    assert np.array_equal(source[0], first[0].astype(np.float32))
    values = np.concatenate([opened.fields["source"].standardised(source[row]) for row in range(60)])
    assert values.mean(axis=0) == pytest.approx(np.zeros(FRAME), abs=1e-3)
    assert values.std(axis=0) == pytest.approx(np.ones(FRAME), abs=1e-3)


@pytest.mark.parametrize("name", ["train.source.values.bin", "source.frames.json", "target.labels.json"])
def test_damage_is_found(corpus: Path, name: str) -> None:
    content = bytearray((corpus / name).read_bytes())
    content[len(content) // 2] ^= 16
    (corpus / name).write_bytes(content)
    with pytest.raises(DataError, match=name.replace(".", r"\.") + " is damaged"):
        Corpus.open(corpus, verify=True)


def test_it_is_trained_and_measured(corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    assert cli.run(words(corpus, model, "--set", "training.validate_every=8")) == ExitCode.OK
    said = capfd.readouterr().err
    assert "share" in said
    assert f"next: seqkit evaluate --model {model}" in said
    rows = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [8, 16, 24]
    assert rows[-1]["scores"][0]["score"] == 1.0
    loaded = model_directory.load(model)
    network = Network(loaded.model, loaded.fields, torch.device("cpu"), "fp32")
    again = jobs.build_task(Corpus.open(corpus), loaded.config, network).validator.measure(
        loaded.model, lambda: False, 20
    )
    assert again.metric(SHARE.name) == 1.0
    assert again.loss == pytest.approx(min(row["valid_nats"] for row in rows), rel=1e-5)


def test_an_interrupted_run_becomes_the_same_model(corpus: Path, tmp_path: Path) -> None:
    values = {"training.steps": 12, "training.checkpoint_every": 2, "training.validate_every": 5}
    config = resolve([preset_layer("small", KIND), Layer("test", values)], KIND).config
    train(corpus, tmp_path / "whole", config)
    assert train_with_stops(corpus, tmp_path / "parts", config, [4, 5, 6]) == 3
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_it_has_a_card_a_report_and_a_dry_run(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    assert cli.run(words(corpus, model, "--dry-run")) == ExitCode.OK
    assert "60 sequences" in capfd.readouterr().out
    assert not model.exists()
    assert cli.run(words(corpus, model, "--report")) == ExitCode.OK
    capfd.readouterr()
    page = (model / "report.html").read_text()
    assert "report of a toy classifier" in page
    assert "rises → " in page or "falls → " in page
    assert cli.run(["evaluate", "--model", str(model), "--format", "markdown"]) == ExitCode.OK
    card = capfd.readouterr().out
    assert card.startswith("<!--") or "# A toy classifier" in card
    for line in (
        "An LSTM that tells what rises",
        "frames of 3 numbers",
        "2 classes",
        "share",
        "60 sequences",
    ):
        assert line in card
    assert "vocabulary" not in card
    assert "decoder" not in card


def test_a_model_of_it_is_closed_and_checked(corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert cli.run(words(corpus, model, "--quiet")) == ExitCode.OK
    assert {"source.frames.json", "target.labels.json"} < {path.name for path in model.iterdir()}
    (model / "target.labels.json").unlink()
    with pytest.raises(ModelError, match=r"target\.labels\.json is missing"):
        model_directory.load(model)


def test_settings_of_what_it_lacks_are_refused(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for setting in ("model.decoder_layers=2", "model.attention_heads=2", "data.streams=2"):
        assert cli.run(words(corpus, tmp_path / "model", "--set", setting)) == ExitCode.USAGE
        assert setting.partition("=")[0] in capfd.readouterr().err


def test_translate_and_generate_say_that_it_is_neither(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    assert cli.run(words(corpus, model, "--quiet")) == ExitCode.OK
    for command in ("translate", "generate"):
        assert cli.run([command, str(model)]) == ExitCode.BAD_DATA
        assert "holds a toy classifier" in capfd.readouterr().err
