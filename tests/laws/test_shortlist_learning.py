"""A shortlist learnt at the end of a run: the right words, the same after any interruption."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit import model_directory
from seqkit.data.corpus import Corpus
from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel
from seqkit.data.tokenizers import END, PAD, START, UNKNOWN
from seqkit.errors import ConfigError, Interrupted
from seqkit.model_directory import CONFIG, SHORTLIST
from seqkit.network.shortlist import Shortlist
from seqkit.training import finishing, shortlist
from seqkit.training.events import Finished
from seqkit.training.shortlist import learn_shortlist
from tests.conftest import write_lines
from tests.laws.runs import StopAt, assert_same, tiny_config, tiny_text_config, train, train_with_stops

CIPHER = dict(
    zip(["ba", "di", "fu", "go", "ke", "lo"], ["zix", "yaw", "wep", "vor", "tuk", "sol"], strict=True)
)
RUN: dict[str, Any] = {"training__steps": 4, "training__validate_every": 2, "training__shortlist": 3}


def shortlist_of(model: Path) -> bytes:
    return (model / SHORTLIST).read_bytes()


def cipher_corpus(folder: Path) -> Path:
    """A language in which every word has another word for its translation, in reverse order."""
    generator = random.Random(1)
    sentences = [[generator.choice(list(CIPHER)) for _ in range(generator.randint(3, 6))] for _ in range(840)]
    source = [" ".join(words) for words in sentences]
    target = [" ".join(CIPHER[word] for word in reversed(words)) for words in sentences]
    files = {}
    for name, lines in (("s", source), ("t", target)):
        files[name] = write_lines(folder / name, lines[:800])
        files["v" + name] = write_lines(folder / ("v" + name), lines[800:])
    prepare_parallel(
        PrepareOptions(
            directory=folder / "corpus",
            source=(str(files["s"]),),
            target=(str(files["t"]),),
            valid_source=(str(files["vs"]),),
            valid_target=(str(files["vt"]),),
            vocabulary_size=320,  # a piece a word
        ),
        lambda _stage, _done, _total: None,
    )
    return folder / "corpus"


@pytest.fixture(scope="module")
def cipher(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The cipher's corpus, and a model that has learnt it."""
    folder = tmp_path_factory.mktemp("cipher")
    corpus = cipher_corpus(folder)
    learner = {
        "model__embedding_size": 48,
        "model__hidden_size": 96,
        "model__dropout": 0.0,
        "model__word_dropout": 0.0,
        "training__batch_tokens": 256,
        "training__learning_rate": 1e-2,
        "training__ema": 0.98,
        "training__best_metric": "loss",
        "training__steps": 250,
        "training__validate_every": 250,
        "training__checkpoint_every": 0,
    }
    train(corpus, folder / "model", tiny_config(**learner))
    return corpus, folder / "model"


def test_words_partners_are_their_translations(cipher: tuple[Path, Path]) -> None:
    loaded, corpus = model_directory.load(cipher[1]), Corpus.open(cipher[0])
    learnt = learn_shortlist(loaded, corpus, 2, frequent=1)
    assert learnt.frequent.tolist() == [END]
    for word, translation in CIPHER.items():
        (source,), (target,) = (loaded.source_tokenizer.encode([one]) for one in (word, translation))
        assert len(source) == len(target) == 1, "a piece a word"
        # Its own copy comes first, since both languages have one vocabulary.
        assert learnt.partners[source[0]].tolist() == [source[0], target[0]]


def test_a_shortlist_has_nothing_that_is_never_chosen(cipher: tuple[Path, Path]) -> None:
    loaded, corpus = model_directory.load(cipher[1]), Corpus.open(cipher[0])
    size = loaded.target_tokenizer.size
    learnt = learn_shortlist(loaded, corpus, size, frequent=10)
    assert learnt.frequent[0] == END
    assert len(set(learnt.frequent.tolist())) == 10
    for ids in (learnt.partners, learnt.frequent):
        assert not np.isin(ids, [PAD, START, UNKNOWN]).any()
    # Where a source token has fewer partners, a frequent token is in their place, and only there.
    assert set(np.intersect1d(learnt.partners, learnt.frequent).tolist()) == {END}
    Shortlist.from_bytes(learnt.to_bytes(), size, size, "")  # what was learnt can be read


def test_the_same_pairs_give_the_same_shortlist(
    cipher: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, corpus = model_directory.load(cipher[1]), Corpus.open(cipher[0])

    def learnt(seed: int) -> bytes:
        return learn_shortlist(loaded, corpus, 5, frequent=2, seed=seed).to_bytes()

    assert learnt(1) == learnt(1)
    whole = learn_shortlist(loaded, corpus, 5, frequent=2)
    monkeypatch.setattr(shortlist, "_MERGE", 50)  # summed in many parts
    parts = learn_shortlist(loaded, corpus, 5, frequent=2)
    assert np.mean(whole.partners == parts.partners) > 0.99  # sums are rounded elsewhere
    monkeypatch.setattr(shortlist, "PAIRS", 20)
    assert learnt(1) == learnt(1)
    assert learnt(1) != learnt(2), "other pairs"


def test_a_run_without_it_has_none(toy_corpus: Path, tmp_path: Path) -> None:
    train(toy_corpus, tmp_path / "model", tiny_config(**{**RUN, "training__shortlist": 0}))
    assert model_directory.load(tmp_path / "model").shortlist is None
    assert not (tmp_path / "model" / SHORTLIST).exists()


def test_resumed_is_the_same_as_uninterrupted(toy_corpus: Path, tmp_path: Path) -> None:
    config = tiny_config(**RUN)
    events = train(toy_corpus, tmp_path / "whole", config)
    assert isinstance(events[-1], Finished)
    found = model_directory.load(tmp_path / "whole").shortlist
    assert found is not None
    assert found.size == 3
    assert train_with_stops(toy_corpus, tmp_path / "stopped", config, [3, 4, 5]) == 3
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    assert shortlist_of(tmp_path / "stopped") == shortlist_of(tmp_path / "whole")


def test_a_signal_while_it_is_learnt_leaves_a_whole_model(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, model = tiny_config(**RUN), tmp_path / "stopped"
    train(toy_corpus, tmp_path / "whole", config)
    learning: list[bool] = []
    learn = shortlist.learn_shortlist

    def noticed(*arguments: Any, **options: Any) -> Shortlist:
        learning.append(True)
        return learn(*arguments, **options)

    monkeypatch.setattr(finishing, "learn_shortlist", noticed)
    with pytest.raises(
        Interrupted, match="stopped before the model had its shortlist; all else is saved"
    ) as caught:
        train(toy_corpus, model, config, signalled=lambda: 15 if learning else 0)
    assert caught.value.exit_code == 143
    assert model_directory.load(model).shortlist is None
    (finished,) = train(toy_corpus, model, config)
    assert isinstance(finished, Finished)
    assert finished.already
    assert_same(tmp_path / "whole", model)
    assert shortlist_of(model) == shortlist_of(tmp_path / "whole")


def test_a_kill_at_any_write_of_it_leaves_a_whole_model(
    toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, model = tiny_config(**RUN), tmp_path / "model"
    train(toy_corpus, model, tiny_config(**{**RUN, "training__shortlist": 0}))
    write, left = model_directory.writing.write_atomic, [0]

    def deadly(path: Path, content: bytes) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(model_directory.writing, "write_atomic", deadly)
    for death in (1, 2, 3, 4):  # the pending manifest, two files, the manifest
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(model, tmp_path / "copy")
        left[0] = death
        with pytest.raises(KeyboardInterrupt):
            train(toy_corpus, tmp_path / "copy", config)
        model_directory.load(tmp_path / "copy")
        train(toy_corpus, tmp_path / "copy", config)
        found = model_directory.load(tmp_path / "copy")
        assert found.shortlist is not None
        assert found.config.training.shortlist == 3


def test_a_finished_model_gets_one_and_another(toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    train(toy_corpus, model, tiny_config(**{**RUN, "training__shortlist": 0}))
    before = (model / "weights.safetensors").read_bytes()
    learnt = {}
    for size in (3, 5):
        train(toy_corpus, model, tiny_config(**{**RUN, "training__shortlist": size}))
        found = model_directory.load(model)
        assert found.shortlist is not None
        assert (found.shortlist.size, found.config.training.shortlist) == (size, size)
        learnt[size] = shortlist_of(model)
    train(toy_corpus, model, tiny_config(**{**RUN, "training__shortlist": 0}))
    assert shortlist_of(model) == learnt[5], "asking for none takes none away"
    assert (model / "weights.safetensors").read_bytes() == before
    train(toy_corpus, tmp_path / "whole", tiny_config(**{**RUN, "training__shortlist": 5}))
    assert shortlist_of(tmp_path / "whole") == learnt[5]
    assert (tmp_path / "whole" / CONFIG).read_bytes() == (model / CONFIG).read_bytes()
    train(toy_corpus, model, tiny_config(**{**RUN, "training__shortlist": 0}), restart=True)
    assert model_directory.load(model).shortlist is None


def test_a_generator_has_no_such_setting() -> None:
    with pytest.raises(ConfigError, match=r"training\.shortlist"):
        tiny_text_config(training__shortlist=5)


def test_an_interrupted_run_may_ask_for_one_later(toy_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(
            toy_corpus,
            tmp_path / "model",
            tiny_config(**{**RUN, "training__shortlist": 0}),
            signalled=StopAt(3),
        )
    train(toy_corpus, tmp_path / "model", tiny_config(**RUN))
    assert model_directory.load(tmp_path / "model").config.training.shortlist == 3
