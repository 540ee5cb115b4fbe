"""A session learns and measures what a run does, without a directory."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import pytest
import torch

from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.nn import weights
from seqkit.training.checkpoints import load_newest
from seqkit.training.options import TrainOptions
from seqkit.training.session import Session
from seqkit.training.start import session_of
from seqkit.training.state import Position, RunState
from tests.laws.runs import tiny_config, tiny_text_config, train


def session(corpus: Path, folder: Path, config: Config) -> Session:
    """A session before its first step."""
    return session_of(TrainOptions(corpus, folder / "model", config, threads=1), Corpus.open(corpus))


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_a_session_alone_learns_what_a_run_learns(
    kind: str, toy_corpus: Path, toy_text_corpus: Path, tmp_path: Path
) -> None:
    corpus, make = (toy_corpus, tiny_config) if kind == "translation" else (toy_text_corpus, tiny_text_config)
    config = make(
        training__steps=4,
        training__validate_every=100,
        training__schedule="constant",
        training__warmup=0.0,
        training__accumulate=2,
    )
    train(corpus, tmp_path / "run", config)
    checkpoint = load_newest(tmp_path / "run/training")
    assert checkpoint is not None
    alone, state, rate = session(corpus, tmp_path, config), RunState(), config.training.learning_rate
    for report in islice(alone.steps(state.position, lambda _step: rate, lambda: False), 4):
        alone.average(report, state.ranking)
        state.count(report)
    assert weights.to_bytes(alone.learner.delivered()) == weights.to_bytes(checkpoint.averages)
    found = alone.learner.checkpoint(state.to_dict(), b"")
    for mine, theirs in (
        (found.parameters, checkpoint.parameters),
        (found.optimizer, checkpoint.optimizer),
        (found.carried, checkpoint.carried),
    ):
        assert weights.to_bytes(mine) == weights.to_bytes(theirs)
    position = {name: checkpoint.state[name] for name in ("step", "epoch", "batch", "failures")}
    assert vars(state.position) == position
    measured = alone.validate(0, lambda: False)
    assert measured is not None
    assert [measured.loss] == checkpoint.state["losses"]
    assert alone.facts(state).size == alone.task.facts.size
    assert not (tmp_path / "model").exists()


def test_steps_end_when_they_are_told_to(toy_corpus: Path, tmp_path: Path) -> None:
    alone, position, done = session(toy_corpus, tmp_path, tiny_config()), Position(), []
    for report in alone.steps(position, lambda _step: 0.0, lambda: len(done) == 3):
        position.step = report.step
        done.append(report.step)
    assert done == [1, 2, 3]
    assert list(alone.steps(position, lambda _step: 0.0, lambda: True)) == []
    assert (position.step, position.batch) == (3, 3)


def test_the_next_epoch_follows_the_last_batch(toy_corpus: Path, tmp_path: Path) -> None:
    alone = session(toy_corpus, tmp_path, tiny_config(training__batch_tokens=2048))
    batches = alone.batches_per_epoch
    position, epochs = Position(), []
    for report in islice(alone.steps(position, lambda _step: 0.0, lambda: False), batches + 1):
        position.step = report.step
        epochs.append((position.epoch, position.batch, report.epoch))
    assert epochs[batches - 1] == (0, batches, 1.0)
    assert epochs[batches][:2] == (1, 1)
    assert alone.epoch(position) == 1 + 1 / batches
    assert alone.steps_per_epoch == batches


def test_a_validation_that_is_stopped_measures_nothing(toy_corpus: Path, tmp_path: Path) -> None:
    alone = session(toy_corpus, tmp_path, tiny_config())
    before = weights.to_bytes(alone.learner.checkpoint({}, b"").parameters)
    assert alone.validate(0, lambda: True) is None
    assert weights.to_bytes(alone.learner.checkpoint({}, b"").parameters) == before


def test_other_weights_are_measured_in_place_of_its_own(toy_corpus: Path, tmp_path: Path) -> None:
    alone = session(toy_corpus, tmp_path, tiny_config())
    own = alone.learner.checkpoint({}, b"").parameters
    before = weights.to_bytes(own)
    first = alone.validate(0, lambda: False)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in own.items()}
    other = alone.validate(0, lambda: False, zeros)
    again = alone.validate(0, lambda: False)
    assert first is not None
    assert other is not None
    assert again is not None
    assert other.loss == pytest.approx(math.log(alone.fields["target"].size), rel=1e-5)
    assert first.loss == again.loss != other.loss
    assert weights.to_bytes(own) == before
