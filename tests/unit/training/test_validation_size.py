"""A part of a validation split is measured as if it were the whole, and how much of it a budget affords."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqkit.cli import run as run_command
from seqkit.config import Config
from seqkit.data.batching import validation_batches
from seqkit.data.corpus import Corpus
from seqkit.data.tokenizers import END
from seqkit.data.tokenizers.characters import CharacterTokenizer
from seqkit.evaluation.encoded_text import EncodedText, first_tokens
from seqkit.training import session as session_module
from seqkit.training import validation as module
from seqkit.training.clock import Clock
from seqkit.training.events import Progress, Validated
from seqkit.training.options import TrainOptions
from seqkit.training.session import Session
from seqkit.training.start import session_of
from seqkit.training.validation import Measured, affordable_size
from tests.conftest import silence_logger, toy_assignments
from tests.laws.runs import tiny_config, tiny_text_config, train


class SlowValidator:
    """Takes so long for each sentence, by a clock of the test's own."""

    def __init__(self, whole: int, pilot: int, seconds: float) -> None:
        self.whole, self.pilot, self.seconds = whole, pilot, seconds
        self.now = 0.0
        self.sizes: list[int] = []

    def monotonic(self) -> float:
        return self.now

    def measure(self, _model: Any, _should_stop: Callable[[], bool], size: int) -> Measured:
        self.now += size * self.seconds
        self.sizes.append(size)
        return Measured(1.0, (), (), {}, size)


@pytest.mark.parametrize(
    ("whole", "seconds", "expected", "pilots"),
    [
        (1000, 0.001, 1000, [100]),  # all of it fits
        (1000, 0.01, 500, [100]),
        (1000, 1.0, 100, [100]),  # never less than the pilot
        (100, 1.0, 100, []),  # which is the whole
    ],
)
def test_what_a_pilot_tells(
    monkeypatch: pytest.MonkeyPatch, whole: int, seconds: float, expected: int, pilots: list[int]
) -> None:
    validator = SlowValidator(whole, 100, seconds)
    monkeypatch.setattr(module, "time", validator)
    found = affordable_size(validator, None, lambda: False, 5.0)  # type: ignore[arg-type]
    assert found == expected
    assert validator.sizes == pilots


def started(corpus: Path, folder: Path, config: Config) -> Session:
    """The session of a tiny model before its first step."""
    return session_of(TrainOptions(corpus, folder / "model", config, threads=1), Corpus.open(corpus))


def test_a_translators_first_sentences(toy_corpus: Path, tmp_path: Path) -> None:
    session = started(toy_corpus, tmp_path, tiny_config(training__validation_sentences=20))
    validator = session.task.validator
    assert validator.whole == 40
    found = {size: validator.measure(session.model, lambda: False, size) for size in (40, 10, 40)}
    assert [measured.size for measured in found.values()] == [40, 10]
    whole, part = found[40], found[10]
    assert part.loss != whole.loss
    references = session.corpus.valid.first(10)
    assert len(references) == 10
    tokens = references.target.lengths.sum() + 10
    batches = validation_batches(references, batch_tokens=256)
    with torch.inference_mode():
        session.model.eval()
        nats = sum(float(session.model.loss(batch)[0].nats) for batch in batches)
    assert part.loss == pytest.approx(nats / tokens, rel=1e-6)
    again = validator.measure(session.model, lambda: False, 40)
    assert (again.loss, again.scores) == (whole.loss, whole.scores)


def test_a_generators_first_tokens(toy_text_corpus: Path, tmp_path: Path) -> None:
    session = started(toy_text_corpus, tmp_path, tiny_text_config())
    validator = session.task.validator
    part = validator.measure(session.model, lambda: False, 100)
    assert part.size == 100
    assert {score["signature"].count("|tokens:100|") for score in part.scores} == {1}
    whole = validator.measure(session.model, lambda: False, validator.whole)
    assert whole.size == validator.whole
    assert whole.loss != part.loss
    by_name = {score["metric"]: score["score"] for score in part.scores}
    characters = int(part.scores[0]["signature"].split("|characters:")[1].split("|")[0])
    assert by_name["nats_per_character"] == pytest.approx(100 * part.loss / characters, abs=1e-5)


def test_characters_of_the_first_tokens_are_counted() -> None:
    tokenizer = CharacterTokenizer("abé", "identity")
    ids = np.concatenate([tokenizer.encode_text("aé語b"), [END], tokenizer.encode_text("ba")])
    text = EncodedText(ids, END, characters=6, ends=1, unit="char")
    assert first_tokens(text, len(ids), tokenizer) is text
    counts = [
        (part.characters, part.ends)
        for part in (first_tokens(text, count, tokenizer) for count in range(1, len(ids)))
    ]
    # a, é, three bytes of 語, b, the end, b
    assert counts == [(1, 0), (2, 0), (3, 0), (3, 0), (3, 0), (4, 0), (4, 1), (5, 1)]


def test_a_run_remembers_how_much_it_measures(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first validation finds it out; the others, and a run that goes on, keep to it."""
    asked: list[float] = []

    def seven(_validator: Any, _model: Any, _should_stop: Any, seconds: float) -> int:
        asked.append(seconds)
        return 7

    monkeypatch.setattr(session_module, "affordable_size", seven)
    monkeypatch.setattr(Clock, "validation_limit", property(lambda _clock: 2.5))
    model = tmp_path / "model"
    settings = toy_assignments(training__validate_every=5, training__checkpoint_every=5)
    assert run_command(["train", str(toy_corpus), str(model), "--steps", "12", "--quiet", *settings]) == 0
    assert asked == [2.5]
    rows = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    assert {row["valid_size"] for row in rows} == {7}
    states = [json.loads(path.read_text()) for path in (model / "training").rglob("state.json")]
    assert states
    assert {state["validation_size"] for state in states} == {7}
    silence_logger()


def test_a_budget_in_steps_measures_everything(toy_model: Path) -> None:
    rows = [json.loads(line) for line in (toy_model / "metrics.jsonl").read_text().splitlines()]
    assert {row["valid_size"] for row in rows} == {40}


def test_the_pilot_is_no_part_of_what_a_validation_takes(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As much time as a validation took is kept free for the last: a slow pilot is no reason to end early."""

    def slow(*_: object) -> int:
        time.sleep(2.0)
        return 10

    monkeypatch.setattr("seqkit.training.session.affordable_size", slow)
    config = tiny_config(training__steps=0, training__minutes=0.1, training__validate_every=0)
    rows = [
        event.row for event in train(toy_corpus, tmp_path / "model", config) if isinstance(event, Validated)
    ]
    assert {row["valid_size"] for row in rows} == {10}
    assert max(row["timing"]["validation_seconds"] for row in rows) < 2.0


def test_a_pilot_that_takes_too_long_leaves_the_last_validation(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine, in a short budget: the time is for steps, and the state is saved all the same."""

    def slow(*_: object) -> int:
        time.sleep(2.0)  # of 6 seconds
        return 10

    monkeypatch.setattr("seqkit.training.session.affordable_size", slow)
    config = tiny_config(training__steps=0, training__minutes=0.1, training__validate_every=0)
    events = list(train(toy_corpus, tmp_path / "model", config))
    steps = [event.report.step for event in events if isinstance(event, Progress)]
    validated = [event.row["step"] for event in events if isinstance(event, Validated)]
    assert validated == steps[-1:]
