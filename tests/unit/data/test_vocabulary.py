"""What every tokenizer promises of whole texts: nothing is lost, nothing is special, nothing fails."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.tokenizers import (
    END,
    NORMALIZATIONS,
    SMALLEST_VOCABULARY,
    TEXT_KINDS,
    Normalization,
    Tokenizer,
    TokenizerKind,
    load_tokenizer,
    newline_id,
    normal_form,
    train_tokenizer,
)
from seqkit.data.tokenizers.cleaning import clean
from seqkit.data.tokenizers.vocabulary import normalize_lines, normalize_text
from seqkit.errors import ConfigError, DataError

TEXT = "def f(x):\n    return x  # the house\n\n\tthe dogs run,  the dogs  sleep\nBälle\n" * 50
HOSTILE = "\n\n\t a▁b ▁▁ <s> </s><pad> <0x0A> \u2028\u0085\r\n\0 \ufffd\ufdd0▁   \n ▅ ⁇ \U0001f600  "

any_text = st.text(st.characters() | st.sampled_from("▁ \t\n\r\0<s>▅⁇\ufdd0e\u0301\ufb01\ud800\udcff the"))


@functools.cache
def trained(
    kind: TokenizerKind, normalization: Normalization = "identity", *, of_texts: bool = True
) -> Tokenizer:
    tokenizer = train_tokenizer(kind, TEXT.split("\n"), 350, normalization, of_texts=of_texts)
    return load_tokenizer(tokenizer.to_bytes(), f"tokenizer{tokenizer.file_name}")


def text_of(tokenizer: Tokenizer, ids: np.ndarray) -> str:
    spelt = tokenizer.token_bytes()
    return b"".join(spelt[token] for token in ids.tolist()).decode("utf-8", "replace")


@pytest.mark.parametrize("of_texts", [True, False])
@pytest.mark.parametrize("kind", TEXT_KINDS)
@settings(max_examples=80)
@given(text=any_text)
def test_the_bytes_of_the_ids_are_the_text(kind: TokenizerKind, of_texts: bool, text: str) -> None:
    tokenizer = trained(kind, of_texts=of_texts)
    ids = tokenizer.encode_text(text)
    if kind != "byte" or not any("\udc80" <= character <= "\udcff" for character in text):
        assert text_of(tokenizer, ids) == normal_form(text, "identity")
    assert ids.dtype == np.int32
    assert ids.ndim == 1
    assert (ids > END).all()
    assert (ids < tokenizer.size).all()


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_what_looks_special_is_plain_text(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    assert text_of(tokenizer, tokenizer.encode_text(HOSTILE)) == HOSTILE


@pytest.mark.parametrize("kind", TEXT_KINDS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@settings(max_examples=30)
@given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("e\u0301\ufb01\u00a0 \n")))
def test_a_normal_form_keeps_spaces_and_newlines(
    kind: TokenizerKind, normalization: Normalization, text: str
) -> None:
    tokenizer = trained(kind, normalization)
    form = normalization.removeprefix("clean-").upper()
    kept = clean(text) if normalization.startswith("clean-") else text
    wanted = kept if normalization == "identity" else unicodedata.normalize(form, kept)  # type: ignore[arg-type]
    assert text_of(tokenizer, tokenizer.encode_text(text)) == wanted


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@settings(max_examples=200)
# Marks that combine with what is before them, jamo that make a syllable, and what falls apart into spaces.
@given(lines=st.lists(any_text | st.text(" a\u0301\u0338\u1100\u1161\u11a8\u00a8\u3000\ufdfa"), max_size=5))
def test_many_lines_are_normalised_as_one_by_one(normalization: Normalization, lines: list[str]) -> None:
    assert normalize_lines(lines, normalization) == [normalize_text(line, normalization) for line in lines]


@pytest.mark.parametrize("kind", TEXT_KINDS)
@settings(max_examples=30)
@given(texts=st.lists(any_text, max_size=4))
def test_many_texts_are_encoded_as_one_by_one(kind: TokenizerKind, texts: list[str]) -> None:
    tokenizer = trained(kind)
    together = tokenizer.encode_texts(texts, threads=2)
    assert [ids.tolist() for ids in together] == [tokenizer.encode_text(text).tolist() for text in texts]


@pytest.mark.parametrize("kind", ["char", "byte"])
@given(texts=st.lists(any_text, max_size=4))
@settings(max_examples=30)
def test_characters_can_be_cut_anywhere(kind: TokenizerKind, texts: list[str]) -> None:
    tokenizer = trained(kind)
    parts = [token for ids in tokenizer.encode_texts(texts) for token in ids.tolist()]
    assert parts == tokenizer.encode_text("".join(texts)).tolist()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_subwords_can_be_cut_behind_newlines(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    text = HOSTILE + TEXT
    lines = text.split("\n")
    by_line = tokenizer.encode_texts([*(f"{line}\n" for line in lines[:-1]), lines[-1]])
    assert [token for ids in by_line for token in ids.tolist()] == tokenizer.encode_text(text).tolist()


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_a_newline_is_one_token_and_not_lacking(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    token = newline_id(tokenizer)
    assert tokenizer.token_bytes()[token] == b"\n"
    assert tokenizer.encode_text("a\n\nb").tolist().count(token) == 2
    assert tokenizer.byte_count(tokenizer.encode_text("the\n")) == 0
    if kind != "byte":
        assert tokenizer.byte_count(tokenizer.encode_text("the 漢\n")) == 3


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_specials_stand_for_nothing(kind: TokenizerKind) -> None:
    spelt = trained(kind).token_bytes()
    assert len(spelt) == trained(kind).size
    assert spelt[: END + 1] == [b""] * 4
    assert all(spelt[END + 1 :])


def test_subwords_of_texts_begin_lines_without_a_space_and_know_indentation() -> None:
    tokenizer = trained("bpe")
    assert tokenizer.pieces(tokenizer.encode_text("the\n    return")) == ["the", "<0x0A>", "▁▁▁▁", "return"]
    assert tokenizer.decode(tokenizer.encode(["the  dogs ", " the"])) == ["the  dogs ", " the"]
    with pytest.raises(ConfigError, match="learnt for whole texts"):
        tokenizer.encode_sampled(["the"], 0.1, 1)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_long_line_is_cut_before_a_space(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    words = tokenizer.encode_text(" the dogs").tolist()
    assert tokenizer.encode_text(" the dogs" * 5000).tolist() == words * 5000
    spaceless = "thedogs" * 5000
    assert text_of(tokenizer, tokenizer.encode_text(spaceless)) == spaceless


def test_raw_bytes_are_kept_by_bytes_and_replaced_by_characters() -> None:
    raw = bytes(range(256)) * 2
    text = raw.decode("utf-8", "surrogateescape")
    assert trained("byte").encode_text(text).tolist() == [4 + byte for byte in raw]
    assert text_of(trained("char"), trained("char").encode_text("a\udcff\ud800")) == "a\ufffd\ufffd"
    assert text_of(trained("byte"), trained("byte").encode_text("a\ud800")) == "a\ufffd"


def test_characters_that_are_as_frequent_are_in_the_order_of_their_code_points() -> None:
    text = "".join(chr(0x4E00 + (number * 37) % 101) for number in range(101))
    tokenizer = train_tokenizer("char", [text, "\u6000" * 2], 8000, "identity", of_texts=True)
    spelt = b"".join(tokenizer.token_bytes()[SMALLEST_VOCABULARY:]).decode()
    assert spelt == "\u6000" + "".join(sorted(text))


def test_rare_characters_are_not_in_the_vocabulary() -> None:
    text = ["aab\n", "a\nbc"]
    for min_count, characters in ((1, "a\nbc"), (2, "a\nb"), (3, "a")):
        tokenizer = train_tokenizer("char", text, 8000, "identity", of_texts=True, min_count=min_count)
        assert tokenizer.token_bytes()[SMALLEST_VOCABULARY:] == [c.encode() for c in characters]
        assert tokenizer.kind == "char"
    with pytest.raises(DataError, match="no character of the training text occurs 4 times") as caught:
        train_tokenizer("char", text, 8000, "identity", of_texts=True, min_count=4)
    assert caught.value.where == "--min-count"
