"""TextGenerator: several samples, streams, beam search, what it loads and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import seqkit
from seqkit.data.tokenizers import END
from seqkit.engines.fixed.decoder import Rows
from seqkit.errors import ConfigError, ExitCode, InputMissing, ModelError
from seqkit.inference import generator as generator_module
from seqkit.inference import sharing
from seqkit.inference.generator import GenerateOptions, TextGenerator
from seqkit.inference.translator import Translator
from seqkit.model_directory import Facts, ModelWriter
from tests.generators import scripted_generator, small_generator, tokens_of, write_generator

LOADED = small_generator()


def test_a_misspelt_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="temprature"):
        TextGenerator(LOADED).generate("a", temprature=0.5)


class TestSamples:
    def test_each_is_whole_before_the_next_begins(self) -> None:
        generator = scripted_generator(
            tokens_of("abcd" * 12, END), tokens_of("e", END), tokens_of("de" * 9, END)
        )
        pieces = list(generator.pieces("c", GenerateOptions(samples=3, seed=5)))
        assert [piece.sample for piece in pieces] == sorted(piece.sample for piece in pieces)
        made = [piece.finished for piece in pieces if piece.finished is not None]
        assert made == generator.generate("c", samples=3, seed=5)
        assert [(one.sample, one.seed, one.prompt, one.text) for one in made] == [
            (1, 5, "c", "abcd" * 12),
            (2, 5, "c", "e"),
            (3, 5, "c", "de" * 9),
        ]
        texts = ["".join(piece.text for piece in pieces if piece.sample == one.sample) for one in made]
        assert texts == [one.text for one in made]

    def test_many_come_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        generator = TextGenerator(LOADED)
        whole = generator.generate("ab", samples=7, length=30, seed=3)
        monkeypatch.setattr(generator_module, "ROWS_TOGETHER", 3)
        assert generator.generate("ab", samples=7, length=30, seed=3) == whole
        assert [one.sample for one in whole] == list(range(1, 8))
        assert len({one.text for one in whole}) == 7

    def test_torch_is_never_copied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its threads do not exist in a copy: the first parallel loop there would never end."""
        monkeypatch.setattr(generator_module, "WORTH_SHARING", 0)
        monkeypatch.setattr(sharing, "in_processes", None)
        generator = TextGenerator(LOADED, precision="bf16", processes=2)
        assert len(generator.generate("ab", samples=7, length=30, seed=3)) == 7

    def test_a_stream_is_the_sample_in_pieces(self) -> None:
        generator = TextGenerator(LOADED)
        pieces = list(generator.stream("ab", length=100, seed=3))
        assert len(pieces) > 3
        assert "" not in pieces
        assert "".join(pieces) == generator.generate("ab", length=100, seed=3)[0].text
        with pytest.raises(ConfigError, match="one sample"):
            generator.stream("ab", samples=2)

    def test_without_a_seed_every_text_is_another_and_says_its_seed(self) -> None:
        generator = TextGenerator(LOADED)
        first, second = (generator.generate("", length=50)[0] for _ in range(2))
        assert first.seed is not None
        assert first.text != second.text
        assert generator.generate("", length=50, seed=first.seed) == [first]

    def test_at_no_temperature_there_is_no_seed(self) -> None:
        generator = TextGenerator(LOADED)
        (made,) = generator.generate("", length=50, temperature=0.0)
        assert made.seed is None
        assert generator.generate("", length=50, temperature=0.0, seed=7)[0].text == made.text


def test_the_repetition_penalty_knows_the_prompt() -> None:
    generator = TextGenerator(LOADED)
    options = {"length": 200, "repetition_ngram": 5, "seed": 1, "temperature": 0.3}
    text = generator.generate("abcdeabcde", repetition_penalty=1e9, **options)[0].text
    whole = "abcdeabcde" + text
    ngrams = [whole[i : i + 5] for i in range(5, len(whole) - 4)]
    assert len(set(ngrams)) == len(ngrams)
    free = generator.generate("abcdeabcde", **options)[0].text
    assert len({free[i : i + 5] for i in range(196)}) < 196


class TestBeamSearch:
    def test_a_beam_of_one_takes_the_likeliest(self) -> None:
        generator = TextGenerator(LOADED)
        options = {"length": 60, "stop": ("de",), "log_probabilities": True}
        (greedy,) = generator.generate("ab", temperature=0.0, **options)
        (found,) = generator.generate("ab", beam_size=1, **options)
        assert (found.text, found.reason, found.tokens) == (greedy.text, greedy.reason, greedy.tokens)
        assert found.log_probabilities == pytest.approx(greedy.log_probabilities)

    def test_a_beam_finds_likelier_texts_best_first(self) -> None:
        generator = TextGenerator(LOADED)
        options = {"length": 12, "log_probabilities": True}
        (greedy,) = generator.generate("b", temperature=0.0, **options)
        found = generator.generate("b", beam_size=30, samples=4, **options)
        totals = [sum(one.log_probabilities or ()) for one in found]
        assert totals == sorted(totals, reverse=True)
        assert totals[0] >= sum(greedy.log_probabilities or ())
        assert len({one.text for one in found}) == 4
        assert [(one.sample, one.seed, one.reason) for one in found] == [
            (number, None, "length") for number in range(1, 5)
        ]

    def test_an_end_token_ends(self) -> None:
        generator = TextGenerator(small_generator(documents="line", end_bias=4.0))
        (found,) = generator.generate("b", beam_size=5, length=50, log_probabilities=True)
        assert found.reason == "end"
        assert found.tokens is not None
        assert found.tokens[-1] == ""
        assert "".join(found.tokens) == found.text

    def test_no_length_is_no_text(self) -> None:
        assert TextGenerator(LOADED).generate("b", beam_size=5, length=0)[0].text == ""


class TestModels:
    @pytest.mark.parametrize("precision", ["int8", "fp32", "bf16"])
    def test_a_directory_is_loaded(self, tmp_path: Path, precision: str) -> None:
        directory = write_generator(LOADED, tmp_path / "model")
        generator = seqkit.TextGenerator.load(directory, threads=1, precision=precision)
        options = GenerateOptions(length=40, seed=9, log_probabilities=True)
        made = generator.generate("ab", options)
        assert made == TextGenerator(LOADED, precision=precision).generate("ab", options)
        assert (made == TextGenerator(LOADED).generate("ab", options)) is (precision == "int8")

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputMissing):
            TextGenerator.load(tmp_path / "nothing")

    def test_a_translation_model_is_refused_and_the_reverse(self, tmp_path: Path) -> None:
        translator, generator = tmp_path / "translator", write_generator(LOADED, tmp_path / "generator")
        facts = Facts(kind="translation", corpus="0" * 64, longest_source=5)
        translator.mkdir()
        ModelWriter(translator, fresh=True).publish({}, facts, tensors_sha256="", self_test=[])
        with pytest.raises(ModelError, match="holds a translator, not a generator") as caught:
            TextGenerator.load(translator)
        assert caught.value.hint == f"echo 'your sentence' | seqkit translate {translator}"
        assert caught.value.exit_code == ExitCode.BAD_DATA
        with pytest.raises(ModelError, match="this is a translator, not a generator"):
            TextGenerator(replace(LOADED, facts=facts))
        with pytest.raises(ModelError, match="holds a generator") as caught:
            Translator.load(generator)
        assert caught.value.hint == f"seqkit generate {generator} --length 1000"
        with pytest.raises(ModelError, match="holds a generator"):
            Translator.load(translator, ensemble=[generator])

    def test_an_unknown_precision_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="--precision 'int4'"):
            TextGenerator(LOADED, precision="int4")

    @pytest.mark.parametrize("precision", ["int8", "fp32", "bf16"])
    def test_rebuilding_takes_new_weights_over(self, precision: str) -> None:
        loaded = small_generator()
        generator = TextGenerator(loaded, precision=precision)
        before = generator.generate("ab", length=60, seed=1)
        loaded.model.train()
        with torch.no_grad():
            for parameter in loaded.model.parameters():
                parameter.mul_(1.5)
        generator.rebuild()
        assert loaded.model.training
        after = generator.generate("ab", length=60, seed=1)
        assert after != before
        assert after == TextGenerator(loaded, precision=precision).generate("ab", length=60, seed=1)

    @pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
    @pytest.mark.parametrize("tied", ["none", "target"])
    def test_every_network_generates(self, cell: str, tied: str) -> None:
        for precision in ("int8", "fp32"):
            generator = TextGenerator(small_generator(cell, tied=tied, layers=3), precision=precision)
            text = generator.generate("ab", length=80, seed=1)[0].text
            assert len(text) == 80
            assert len(set(text)) > 3


def test_the_numbers_that_reading_and_writing_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last token of the prompt is the first input of the steps; opening and boundary stand before it."""
    seen: list[np.ndarray] = []
    for documents, boundary in (("none", tokens_of("\n")[0]), ("line", END)):
        generator = TextGenerator(small_generator(documents=documents))
        opening = generator.opening().tolist()
        monkeypatch.setattr(Rows, "read", lambda _rows, tokens: seen.append(tokens))
        generator.generate("ab", length=1)
        assert seen.pop().tolist() == [*opening, boundary, *tokens_of("a")]
        generator.generate("", length=1)
        assert seen.pop().tolist() == opening


def test_a_document_opens_as_if_after_another_one() -> None:
    """What is read before it are whole documents of the model's own, always the same."""
    openings = [TextGenerator(small_generator(documents="line", end_bias=1.0)).opening() for _ in range(2)]
    assert openings[0].tolist() == openings[1].tolist()
    assert openings[0][0] == END
    assert 100 < len(openings[0]) <= 601
    endless = TextGenerator(small_generator(documents="line", end_bias=-99.0))
    assert endless.opening().tolist() == []  # it would write for ever
    assert len(endless.generate("", length=5)[0].text) == 5
    assert TextGenerator(small_generator(documents="none")).opening().tolist() == []


def test_a_generator_on_a_processor_needs_no_torch(tmp_path: Path) -> None:
    directory = write_generator(LOADED, tmp_path / "model")
    program = (
        "import sys, seqkit\n"
        "for precision in ('auto', 'int8', 'fp32'):\n"
        "    generator = seqkit.TextGenerator.load(sys.argv[1], precision=precision, device='cpu')\n"
        "    generator.generate('ab', length=20, samples=2)\n"
        "    generator.generate('ab', length=5, beam_size=2)\n"
        "print('torch' in sys.modules)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(directory)], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "False\n"
