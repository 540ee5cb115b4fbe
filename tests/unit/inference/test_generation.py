"""TextGenerator: tokens into text, where a text ends, several samples, and who it refuses."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import seqkit
from seqkit.data.tokenizers import END
from seqkit.errors import ConfigError, ExitCode, InputMissing, ModelError
from seqkit.inference import generation
from seqkit.inference.generation import Generated, GenerateOptions, TextGenerator
from seqkit.inference.translation import Translator
from seqkit.model_directory import Facts, ModelWriter
from tests.generators import ScriptedStepper, small_generator, write_generator

LOADED = small_generator()
TOKENIZER = LOADED.target_tokenizer
BYTES = TOKENIZER.token_bytes()


def tokens_of(*parts: str | bytes | int) -> list[int]:
    """Text as the tokenizer encodes it, bytes one by one, and ids."""
    found: list[int] = []
    for part in parts:
        if isinstance(part, int):
            found.append(part)
        else:
            found += TOKENIZER.encode_text(part).tolist() if isinstance(part, str) else [4 + b for b in part]
    return found


Scripted = Callable[..., TextGenerator]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """A generator that writes given tokens: `scripted([1, 2], [3], documents="line")`, a list a sample."""

    def make(*scripts: Sequence[int], documents: str = "line", rest: str = "a") -> TextGenerator:
        loaded = small_generator(documents=documents)
        (after,) = tokens_of(rest)
        stepper = ScriptedStepper(scripts, TOKENIZER.size, after)
        monkeypatch.setattr(generation, "language_stepper", lambda *_: stepper)
        return TextGenerator(loaded)

    return make


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": -1}, "--length -1"),
        ({"samples": 0}, "--samples 0"),
        ({"stop": ("a", "")}, "--stop needs a text"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**64}, "--seed 18446744073709551616"),
        ({"temperature": -1.0}, "--temperature -1.0"),
        ({"beam_size": 0}, "--beam-size 0"),
        ({"beam_size": 1001}, "--beam-size 1,001"),
        ({"beam_size": 3, "samples": 4}, "--samples 4 needs a beam"),
        ({"beam_size": 3, "seed": 1}, "--seed has no meaning with --beam-size"),
        ({"beam_size": 3, "top_p": 0.9}, "--top-p has no meaning with --beam-size"),
        ({"beam_size": 3, "repetition_ngram": 4}, "--repetition-ngram has no meaning"),
    ],
)
def test_impossible_options_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GenerateOptions(**change)
    assert caught.value.message.startswith(message)


def test_a_misspelt_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="temprature"):
        TextGenerator(LOADED).generate("a", temprature=0.5)


class TestEnds:
    def test_length_counts_characters_and_not_bytes(self, scripted: Scripted) -> None:
        generator = scripted(tokens_of("a", "☃".encode(), "b", "😀".encode(), "cd"))
        (made,) = generator.generate("", length=5)
        assert (made.text, made.reason) == ("a☃b😀c", "length")

    def test_no_length_is_no_text(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("abc")).generate("ab", length=0, log_probabilities=True)
        assert made == Generated("", "ab", "length", 1, made.seed, (), ())

    def test_the_end_token_ends(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("ab", END, "cd")).generate("", length=10)
        assert (made.text, made.reason) == ("ab", "end")

    def test_a_length_that_is_reached_before_the_end_token(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("ab", END)).generate("", length=2)
        assert (made.text, made.reason) == ("ab", "length")

    def test_without_documents_there_is_no_end_token(self, scripted: Scripted) -> None:
        (made,) = scripted([END] * 20, documents="none").generate("", length=8, seed=1)
        assert made.reason == "length"
        assert len(made.text) == 8

    @pytest.mark.parametrize("text", ["xyz", "abc" * 30])
    def test_a_stop_string_and_all_behind_it_are_left_out(self, scripted: Scripted, text: str) -> None:
        generator = scripted(tokens_of(text, "deé", "abab"))
        (made,) = generator.generate("", length=1000, stop=("deé",))
        assert (made.text, made.reason) == (text, "stop")

    def test_a_stop_string_may_be_spelt_in_bytes(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("ab☃é☂ c")).generate("", length=100, stop=("☃é☂",))
        assert (made.text, made.reason) == ("ab", "stop")

    def test_the_prompt_does_not_stop(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("bcd", "ab")).generate("a", length=100, stop=("ab",))
        assert made.text == "bcd"

    def test_a_stop_string_that_is_cut_off_by_the_length_does_not_stop(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("abcde")).generate("", length=4, stop=("cde",))
        assert (made.text, made.reason) == ("abcd", "length")
        (made,) = scripted(tokens_of("abcde")).generate("", length=5, stop=("cde",))
        assert (made.text, made.reason) == ("ab", "stop")

    def test_what_was_held_back_appears_when_the_text_ends(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("abcd", END)).generate("", length=100, stop=("cde",))
        assert (made.text, made.reason) == ("abcd", "end")

    def test_half_a_character_at_the_end_becomes_a_mark(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("a", "☃".encode()[:2], END)).generate("", length=100)
        assert (made.text, made.reason) == ("a\ufffd", "end")

    def test_bytes_that_are_no_character_become_marks(self, scripted: Scripted) -> None:
        (made,) = scripted(tokens_of("a", b"\xe2\x98", "b", b"\xff\x80", "c", END)).generate("", length=100)
        assert made.text == "a\ufffdb\ufffd\ufffdc"


def reference(tokens: Sequence[int], length: int, stops: Sequence[str]) -> tuple[str, str]:
    """A text from its definition: a token at a time, with everything searched every time."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = ""
    for token in tokens:
        more = decoder.decode(BYTES[token], final=token == END)
        for character in more:
            text += character
            found = [len(text) - len(stop) for stop in stops if text.endswith(stop)]
            if found:
                return text[: min(found)], "stop"
            if len(text) == length:
                return text, "length"
        if token == END:
            return text, "end"
    raise AssertionError("the script is too short")


characters = st.sampled_from("ab\n é")
some_tokens = st.lists(
    st.one_of(
        characters.map(lambda character: tokens_of(character)),
        st.sampled_from("☃😀").map(lambda character: tokens_of(character.encode())),
        st.binary(min_size=1, max_size=1).map(lambda byte: tokens_of(byte)),
        st.just([END]),
    ),
    max_size=40,
).map(lambda parts: [token for part in parts for token in part])
some_stops = st.lists(st.text(characters, min_size=1, max_size=4), max_size=3)


@settings(max_examples=300, deadline=None)
@given(tokens=some_tokens, length=st.integers(1, 30), stops=some_stops, together=st.integers(1, 20))
def test_a_text_ends_where_its_definition_says(
    tokens: list[int], length: int, stops: list[str], together: int
) -> None:
    script = [*tokens, *tokens_of("d" * 40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "language_stepper", lambda *_: ScriptedStepper([script], TOKENIZER.size, 9))
        patch.setattr(generation, "TOKENS_TOGETHER", together)
        generator = TextGenerator(small_generator_with_end)
        options = GenerateOptions(length=length, stop=tuple(stops), log_probabilities=True)
        pieces = list(generator.pieces("", options))
    made = pieces[-1].finished
    assert made is not None
    assert (made.text, made.reason) == reference(script, length, stops)
    assert "".join(piece.text for piece in pieces) == made.text
    assert made.tokens is not None
    assert made.log_probabilities is not None
    assert len(made.tokens) == len(made.log_probabilities)
    assert "".join(made.tokens).startswith(made.text)
    assert "".join(made.tokens[:-1]) != made.text or made.reason == "end" or not made.text


small_generator_with_end = small_generator(documents="line")


class TestSamples:
    def test_each_is_whole_before_the_next_begins(self, scripted: Scripted) -> None:
        generator = scripted(tokens_of("abcd" * 12, END), tokens_of("e", END), tokens_of("de" * 9, END))
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
        monkeypatch.setattr(generation, "ROWS_TOGETHER", 3)
        assert generator.generate("ab", samples=7, length=30, seed=3) == whole
        assert [one.sample for one in whole] == list(range(1, 8))
        assert len({one.text for one in whole}) == 7

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
        with pytest.raises(ModelError, match="holds a translation model") as caught:
            TextGenerator.load(translator)
        assert caught.value.hint == f"seqkit translate {translator}"
        assert caught.value.exit_code == ExitCode.BAD_DATA
        with pytest.raises(ModelError, match="a translation model, not a generator"):
            TextGenerator(replace(LOADED, facts=facts))
        with pytest.raises(ModelError, match="holds a generator") as caught:
            Translator.load(generator)
        assert caught.value.hint == f"seqkit generate {generator}"
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
    """The last token of the prompt is the first input of the steps; the boundary stands before the rest."""
    seen: list[np.ndarray] = []
    genuine = generation.read_text
    monkeypatch.setattr(
        generation, "read_text", lambda model, tokens: seen.append(tokens) or genuine(model, tokens)
    )
    for documents, boundary in (("none", tokens_of("\n")[0]), ("line", END)):
        TextGenerator(small_generator(documents=documents)).generate("ab", length=1)
        assert seen.pop().tolist() == [boundary, *tokens_of("a")]
        TextGenerator(small_generator(documents=documents)).generate("", length=1)
        assert seen.pop().tolist() == []
