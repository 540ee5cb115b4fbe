"""A flipped bit or a cut anywhere in any file of a corpus, a model or a checkpoint is found and named."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqkit import model_directory
from seqkit.cli import run
from seqkit.data.corpus import Corpus
from seqkit.errors import ExitCode, SeqkitError
from seqkit.model_directory.card import CARD
from seqkit.training.checkpoints import load_newest
from tests.laws.runs import assert_same, tiny_config, tiny_text_config, train

OFFSETS = 20  # in every file


def damages(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """The content with one bit flipped, and cut off, at twenty places each, both ends among them."""
    generator = random.Random(name)
    places = [0, len(content) - 1, *(generator.randrange(len(content)) for _ in range(OFFSETS - 2))]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << generator.randrange(8)
        yield f"flipped at {place}", bytes(flipped)
        yield f"cut at {place}", content[:place]


def files_of(folder: Path) -> list[Path]:
    """All files that are not empty: of an empty one nothing can be lost."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def assert_all_damage_is_found(folder: Path, read: Callable[[], object]) -> int:
    """Damage one file after the other; each time `read` must refuse it by name. How often it did."""
    refused = 0
    read()
    for path in files_of(folder):
        content = path.read_bytes()
        for what, damaged in damages(content, path.name):
            path.write_bytes(damaged)
            with pytest.raises(SeqkitError) as caught:
                read()
            error = caught.value
            assert error.exit_code == ExitCode.BAD_DATA, f"{path.name} {what}"
            assert path.name in f"{error.message} {error.where}", f"{path.name} {what}: {error.message}"
            refused += 1
        path.write_bytes(content)
    read()
    return refused


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_a_corpus(kind: str, toy_corpus: Path, toy_text_corpus: Path, tmp_path: Path) -> None:
    corpus = toy_corpus if kind == "translation" else toy_text_corpus
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    refused = assert_all_damage_is_found(copy, lambda: Corpus.open(copy, verify=True))
    assert refused == 2 * OFFSETS * len(files_of(copy)) >= 2 * OFFSETS * (12 if kind == "translation" else 6)


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_a_model(kind: str, toy_model: Path, toy_generator: Path, tmp_path: Path) -> None:
    model = toy_model if kind == "translation" else toy_generator
    copy = tmp_path / "model"
    shutil.copytree(model, copy, ignore=shutil.ignore_patterns("training", CARD))  # no reader reads the card
    refused = assert_all_damage_is_found(copy, lambda: model_directory.load(copy))
    assert refused == 2 * OFFSETS * 5


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_the_commands_refuse_it(
    kind: str, toy_model: Path, toy_generator: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, name = (toy_model, "translate") if kind == "translation" else (toy_generator, "generate")
    copy = Path(shutil.copytree(model, tmp_path / "model"))
    arguments = [name, str(copy), *(["--length", "5"] if name == "generate" else ["no-such-file"])]
    for path in (copy / "weights.safetensors", copy / "manifest.json"):
        content = path.read_bytes()
        for _, damaged in list(damages(content, "command"))[:6]:
            path.write_bytes(damaged)
            assert run(arguments) == ExitCode.BAD_DATA
            out, err = capfd.readouterr()
            assert out == ""
            assert path.name in err
        path.write_bytes(content)


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_training_falls_back_to_the_checkpoint_before_and_says_so(
    kind: str,
    toy_corpus: Path,
    toy_text_corpus: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    corpus, config = (
        (toy_corpus, tiny_config(training__steps=4, training__checkpoint_every=1, training__samples=0))
        if kind == "translation"
        else (toy_text_corpus, tiny_text_config(training__steps=4, training__checkpoint_every=1))
    )
    train(corpus, tmp_path / "whole", config)
    training = tmp_path / "whole" / "training"
    newest = max(training.glob("checkpoint-*"))
    for path in files_of(newest):
        content = path.read_bytes()
        for _, damaged in damages(content, path.name):
            path.write_bytes(damaged)
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                found = load_newest(training)
            assert found is not None
            assert found.state["step"] == 3
            (record,) = caplog.records
            assert "checkpoint-00000004 is damaged" in record.getMessage()
            assert "trying the checkpoint before it" in record.getMessage()
        path.write_bytes(content)
    damaged_run = Path(shutil.copytree(tmp_path / "whole", tmp_path / "damaged"))
    weights = damaged_run / "training" / newest.name / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    train(corpus, damaged_run, config)
    assert_same(tmp_path / "whole", damaged_run)
