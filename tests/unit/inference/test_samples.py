"""Samples: options that cannot be, and where a text ends."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.tokenizers import END
from seqkit.errors import ConfigError
from seqkit.inference import drawing
from seqkit.inference.generator import Generated, GenerateOptions
from tests.generators import TOKENIZER, scripted_generator, tokens_of

BYTES = TOKENIZER.token_bytes()


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


class TestEnds:
    def test_length_counts_characters_and_not_bytes(self) -> None:
        generator = scripted_generator(tokens_of("a", "☃".encode(), "b", "😀".encode(), "cd"))
        (made,) = generator.generate("", length=5)
        assert (made.text, made.reason) == ("a☃b😀c", "length")

    def test_no_length_is_no_text(self) -> None:
        (made,) = scripted_generator(tokens_of("abc")).generate("ab", length=0, log_probabilities=True)
        assert made == Generated("", "ab", "length", 1, made.seed, (), ())

    def test_the_end_token_ends(self) -> None:
        (made,) = scripted_generator(tokens_of("ab", END, "cd")).generate("", length=10)
        assert (made.text, made.reason) == ("ab", "end")

    def test_a_length_that_is_reached_before_the_end_token(self) -> None:
        (made,) = scripted_generator(tokens_of("ab", END)).generate("", length=2)
        assert (made.text, made.reason) == ("ab", "length")

    def test_without_documents_there_is_no_end_token(self) -> None:
        (made,) = scripted_generator([END] * 20, documents="none").generate("", length=8, seed=1)
        assert made.reason == "length"
        assert len(made.text) == 8

    @pytest.mark.parametrize("text", ["xyz", "abc" * 30])
    def test_a_stop_string_and_all_behind_it_are_left_out(self, text: str) -> None:
        generator = scripted_generator(tokens_of(text, "deé", "abab"))
        (made,) = generator.generate("", length=1000, stop=("deé",))
        assert (made.text, made.reason) == (text, "stop")

    def test_a_stop_string_may_be_spelt_in_bytes(self) -> None:
        (made,) = scripted_generator(tokens_of("ab☃é☂ c")).generate("", length=100, stop=("☃é☂",))
        assert (made.text, made.reason) == ("ab", "stop")

    def test_the_prompt_does_not_stop(self) -> None:
        (made,) = scripted_generator(tokens_of("bcd", "ab")).generate("a", length=100, stop=("ab",))
        assert made.text == "bcd"

    def test_a_stop_string_that_is_cut_off_by_the_length_does_not_stop(self) -> None:
        (made,) = scripted_generator(tokens_of("abcde")).generate("", length=4, stop=("cde",))
        assert (made.text, made.reason) == ("abcd", "length")
        (made,) = scripted_generator(tokens_of("abcde")).generate("", length=5, stop=("cde",))
        assert (made.text, made.reason) == ("ab", "stop")

    def test_what_was_held_back_appears_when_the_text_ends(self) -> None:
        (made,) = scripted_generator(tokens_of("abcd", END)).generate("", length=100, stop=("cde",))
        assert (made.text, made.reason) == ("abcd", "end")

    def test_half_a_character_at_the_end_becomes_a_mark(self) -> None:
        (made,) = scripted_generator(tokens_of("a", "☃".encode()[:2], END)).generate("", length=100)
        assert (made.text, made.reason) == ("a\ufffd", "end")

    def test_bytes_that_are_no_character_become_marks(self) -> None:
        (made,) = scripted_generator(tokens_of("a", b"\xe2\x98", "b", b"\xff\x80", "c", END)).generate(
            "", length=100
        )
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


@settings(max_examples=150)
@given(tokens=some_tokens, length=st.integers(1, 30), stops=some_stops, together=st.integers(1, 20))
def test_a_text_ends_where_its_definition_says(
    tokens: list[int], length: int, stops: list[str], together: int
) -> None:
    script = [*tokens, *tokens_of("d" * 40)]
    options = GenerateOptions(length=length, stop=tuple(stops), log_probabilities=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "TOKENS_TOGETHER", together)
        pieces = list(scripted_generator(script).pieces("", options))
    made = pieces[-1].finished
    assert made is not None
    assert (made.text, made.reason) == reference(script, length, stops)
    assert "".join(piece.text for piece in pieces) == made.text
    assert made.tokens is not None
    assert made.log_probabilities is not None
    assert len(made.tokens) == len(made.log_probabilities)
    assert "".join(made.tokens).startswith(made.text)
    assert "".join(made.tokens[:-1]) != made.text or made.reason == "end" or not made.text
