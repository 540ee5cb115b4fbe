"""Tokenizers lose nothing, take everything for plain text, and are functions of their input alone."""

from __future__ import annotations

import functools
import json
import logging
import subprocess
import sys
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.tokenizers import (
    END,
    KINDS,
    NORMALIZATIONS,
    PAD,
    SMALLEST_VOCABULARY,
    START,
    TEXT_KINDS,
    UNKNOWN,
    CharacterTokenizer,
    Normalization,
    Tokenizer,
    TokenizerKind,
    load_tokenizer,
    train_tokenizer,
)
from seqkit.errors import ConfigError, DataError, ModelError

NOUNS = ("Hund", "Mann", "Straße", "Bälle", "house", "running dogs", "children", "Wiese", "café", "naïve")
LINES = [
    f"{a} und {b}, die {c} {number}!" for number in range(3) for a in NOUNS for b in NOUNS for c in NOUNS
]
SUBWORDS: tuple[TokenizerKind, ...] = ("bpe", "unigram")
HOSTILE = [
    "<s> a </s>",
    "<pad><unk>",
    "▁",
    "a▁b ▁▁",
    "<0x41>",
    "\t▅ ⁇",
    "\ufdd0▁\ufdd1",
    "".join(map(chr, range(0xFDD0, 0xFDF0))) + "▁" * 3,
    "▁" + "".join(map(chr, range(0xFDD0, 0xFDF0))),
    "a▁\ufffe\uffff\U0001ffff \u2028",
    "\0",
    "\ufffd",
    "a\r",
    " ",
]


@functools.cache
def trained(kind: TokenizerKind, normalization: Normalization = "nfc") -> Tokenizer:
    tokenizer = train_tokenizer(kind, LINES, 400, normalization)
    return load_tokenizer(tokenizer.to_bytes(), f"tokenizer{tokenizer.file_name}")


def as_lists(ids: list[Any]) -> list[list[int]]:
    return [line.tolist() for line in ids]


ODD = "▁ \t\n\r\0<s>▅⁇\ufdd0\ufdef\ufffee\u0301\ufb01\ud800\udcffHund\u200b"
any_text = st.text(st.characters(exclude_categories=()) | st.sampled_from(ODD))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@settings(max_examples=60)
@given(lines=st.lists(any_text, max_size=5))
def test_decoding_gives_back_the_normalized_text(
    kind: TokenizerKind, normalization: Normalization, lines: list[str]
) -> None:
    tokenizer = trained(kind, normalization)
    expected = [tokenizer.normalize(line) for line in lines]
    ids = tokenizer.encode(lines)
    assert tokenizer.decode(ids) == expected
    assert all(
        line.dtype == np.int32 and (line > END).all() and (line < tokenizer.size).all() for line in ids
    )


@pytest.mark.parametrize("kind", SUBWORDS)
@settings(max_examples=60)
@given(lines=st.lists(any_text, max_size=5), strength=st.floats(0.01, 1), seed=st.integers(0, 2**63))
def test_a_random_segmentation_is_of_the_same_text(
    kind: TokenizerKind, lines: list[str], strength: float, seed: int
) -> None:
    tokenizer = trained(kind)
    ids = tokenizer.encode_sampled(lines, strength, seed)
    assert tokenizer.decode(ids) == [tokenizer.normalize(line) for line in lines]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", HOSTILE)
def test_what_looks_special_is_plain_text(kind: TokenizerKind, line: str) -> None:
    tokenizer = trained(kind, "identity")
    (ids,) = tokenizer.encode([line])
    assert not set(ids.tolist()) & {PAD, UNKNOWN, START, END}
    assert tokenizer.decode([ids]) == [line if kind in TEXT_KINDS else tokenizer.normalize(line)]


def test_normal_forms() -> None:
    line = "  cafe\u0301  \ufb01n\u00a0da "
    assert trained("char", "identity").normalize(line) == line
    assert trained("char", "nfc").normalize(line) == "café \ufb01n\u00a0da"
    assert trained("char", "nfkc").normalize(line) == "café fin da"
    assert trained("char", "identity").normalize("a\nb\ud800") == "a b\ufffd"


@pytest.mark.parametrize("normalization", ["nfc", "nfkc"])
@settings(max_examples=100)
@given(line=st.text())
def test_normalizing_twice_changes_nothing(normalization: Normalization, line: str) -> None:
    tokenizer = trained("byte", normalization)
    once = tokenizer.normalize(line)
    assert tokenizer.normalize(once) == once
    assert unicodedata.is_normalized(normalization.upper(), once)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", SUBWORDS)
def test_sampling_follows_from_the_seed_alone(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    first = as_lists(tokenizer.encode_sampled(LINES[:50], 0.3, 7))
    tokenizer.encode_sampled(LINES[50:90], 0.5, 8)  # what happened before must not matter
    trained("bpe").encode_sampled(LINES, 0.5, 9)
    assert as_lists(tokenizer.encode_sampled(LINES[:50], 0.3, 7)) == first
    assert as_lists(tokenizer.encode_sampled(LINES[:50], 0.3, 8)) != first
    assert as_lists(tokenizer.encode(LINES[:50])) != first


def test_sampling_is_the_same_in_another_process() -> None:
    program = (
        "import sys; from seqkit.data.tokenizers import *;"
        "t = load_tokenizer(sys.stdin.buffer.read(), 'tokenizer.spm');"
        "print([ids.tolist() for ids in t.encode_sampled(['running dogs und Hund'] * 5, 0.5, 3)])"
    )
    tokenizer = trained("bpe")
    output = subprocess.run(
        [sys.executable, "-c", program], input=tokenizer.to_bytes(), capture_output=True, check=True
    ).stdout
    here = as_lists(tokenizer.encode_sampled(["running dogs und Hund"] * 5, 0.5, 3))
    assert output.decode().strip() == str(here)


def test_stronger_sampling_gives_more_pieces() -> None:
    tokenizer = trained("bpe")
    counts = [sum(map(len, tokenizer.encode_sampled(LINES, strength, 1))) for strength in (0.01, 0.3, 0.9)]
    assert sum(map(len, tokenizer.encode(LINES))) < counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.1, float("nan")])
def test_a_strength_outside_the_range_is_refused(strength: float) -> None:
    with pytest.raises(ConfigError, match="strength"):
        trained("bpe").encode_sampled(["a"], strength, 1)


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_characters_cannot_be_sampled(kind: TokenizerKind) -> None:
    with pytest.raises(ConfigError, match=f"this one is {kind}"):
        trained(kind).encode_sampled(["a"], 0.1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_the_ids(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    assert as_lists(tokenizer.encode(LINES, threads=3)) == as_lists(tokenizer.encode(LINES))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_lines_give_the_same_bytes(kind: TokenizerKind) -> None:
    again = train_tokenizer(kind, iter(LINES), 400, "nfc", seed=5)
    assert again.to_bytes() == trained(kind).to_bytes()
    assert again.fingerprint == trained(kind).fingerprint
    other = train_tokenizer(kind, LINES, 400, "nfkc")
    assert other.fingerprint != again.fingerprint


@pytest.mark.parametrize("kind", SUBWORDS)
def test_a_small_text_gets_a_small_vocabulary_and_a_note(
    kind: TokenizerKind, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("seqkit"), "propagate", True)
    with caplog.at_level(logging.INFO, "seqkit"):
        tokenizer = train_tokenizer(kind, ["ein Hund", "ein Mann"], 8000)
    assert SMALLEST_VOCABULARY < tokenizer.size < 300
    assert caplog.messages == [f"vocabulary: the text supports {tokenizer.size} pieces, not 8,000"]


@pytest.mark.parametrize("kind", SUBWORDS)
def test_a_vocabulary_without_room_for_the_characters_names_the_least(kind: TokenizerKind) -> None:
    with pytest.raises(ConfigError, match=r"characters and bytes alone are \d+") as caught:
        train_tokenizer(kind, LINES, 270)
    assert train_tokenizer(kind, LINES, int(str(caught.value.message).split()[-1])).size > 270


@pytest.mark.parametrize("kind", SUBWORDS)
def test_no_text_is_an_error_of_the_data(kind: TokenizerKind) -> None:
    with pytest.raises(DataError, match="no text"):
        train_tokenizer(kind, ["", "  "], 300)


def test_lines_with_marks_of_sentencepiece_are_learnt_from_too() -> None:
    tokenizer = train_tokenizer("bpe", ["wort\twort ▁ ▅"] * 50, 300)
    assert len(tokenizer.encode(["wort"])[0]) == 1


def test_an_error_while_learning_reaches_the_caller() -> None:
    def broken() -> Any:
        yield "a line"
        raise DataError("the file is damaged")

    with pytest.raises(Exception, match="the file is damaged"):
        train_tokenizer("bpe", broken(), 300)


def test_characters_are_ranked_by_frequency() -> None:
    tokenizer = train_tokenizer("char", ["bbb aa c d"], SMALLEST_VOCABULARY + 4)
    assert isinstance(tokenizer, CharacterTokenizer)
    assert tokenizer.characters == " bac"  # of c and d, both once, the first
    assert as_lists(tokenizer.encode(["ab", "d"])) == [[262, 261], [4 + ord("d")]]


def test_bytes_need_no_text() -> None:
    tokenizer = train_tokenizer("byte", [], 8000)
    assert (tokenizer.kind, tokenizer.size) == ("byte", SMALLEST_VOCABULARY)
    assert as_lists(tokenizer.encode(["é"])) == [[4 + 0xC3, 4 + 0xA9]]
    assert tokenizer.byte_count(tokenizer.encode(["é"])[0]) == 0


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_characters_that_are_lacking_are_counted_in_bytes(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    assert tokenizer.byte_count(tokenizer.encode(["Hund 漢"])[0]) == 3
    assert tokenizer.byte_count(tokenizer.encode(["Hund"])[0]) == 0


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_decoding_leaves_specials_out_and_stays_on_one_line(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    (ids,) = tokenizer.encode(["Hund"])
    newline = tokenizer.pieces(list(range(tokenizer.size))).index("<0x0A>")
    assert tokenizer.decode([[START, *ids.tolist(), newline, UNKNOWN, END, PAD], []]) == ["Hund ", ""]
    assert tokenizer.decode([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_broken_utf8_in_ids_is_replaced(kind: TokenizerKind) -> None:
    tokenizer = trained(kind)
    pieces = tokenizer.pieces(list(range(tokenizer.size)))
    assert (
        tokenizer.decode([[pieces.index("<0xC3>"), *tokenizer.encode(["a"])[0].tolist()]])[0][0] == "\ufffd"
    )


def test_pieces_show_what_an_id_is() -> None:
    assert trained("bpe").pieces([PAD, UNKNOWN, START, END]) == ["<pad>", "<unk>", "<s>", "</s>"]
    tokenizer = trained("char")
    assert tokenizer.pieces(tokenizer.encode(["aé漢"])[0]) == ["a", "é", "<0xE6>", "<0xBC>", "<0xA2>"]
    assert "".join(trained("bpe").pieces(trained("bpe").encode(["Hund und"])[0])) == "▁Hund▁und"


@pytest.mark.parametrize("kind", SUBWORDS)
@pytest.mark.parametrize(
    "damage", [lambda b: b[:0], lambda b: b[:-1], lambda b: b"\xff" * 60 + b[60:], lambda b: b[-20:]]
)
def test_a_damaged_model_is_one_error(kind: TokenizerKind, damage: Any) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.spm"):
        load_tokenizer(damage(trained(kind).to_bytes()), "tokenizer.spm")


@settings(max_examples=150)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_flipped_byte_is_loaded_or_refused_in_words(position: int, value: int) -> None:
    content = bytearray(trained("bpe").to_bytes())
    content[position % len(content)] = value
    try:
        tokenizer = load_tokenizer(bytes(content), "tokenizer.spm")
    except ModelError:
        return
    assert len(tokenizer.encode(["Hund und Mann"])) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": "seqkit characters", "version": 2, "normalization": "nfc", "characters": "a"}',
        b'{"format": "seqkit characters", "version": 1, "normalization": "nfd", "characters": "a"}',
        b'{"format": "seqkit characters", "version": 1, "normalization": "nfc", "characters": ["a"]}',
        b'{"format": "seqkit characters", "version": 1, "normalization": "nfc", "characters": "aa"}',
        b'{"format": "seqkit characters", "version": 1, "normalization": "nfc", "characters": "\\ud800"}',
        b" " * (2 << 20),
    ],
)
def test_a_bad_character_file_is_one_error(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"characters\.json"):
        load_tokenizer(content, "characters.json")


def test_a_character_file_is_readable() -> None:
    value = json.loads(trained("char", "nfkc").to_bytes())
    assert value["normalization"] == "nfkc"
    assert "ß" in value["characters"]


def test_other_files_are_no_tokenizer() -> None:
    with pytest.raises(ModelError, match=r"vocab\.txt is not a tokenizer"):
        load_tokenizer(b"", "vocab.txt")


@pytest.mark.parametrize(("characters", "better"), [(20, "several thousand"), (3000, "7,000")])
def test_what_is_advised_is_more_than_what_is_needed(characters: int, better: str) -> None:
    """An alphabet may have more letters than "several thousand"."""
    text = "".join(chr(0x4E00 + number) for number in range(characters))
    lines = [text[start : start + 10] for start in range(0, characters, 10)]
    with pytest.raises(ConfigError, match="is too small: the characters and bytes alone are") as caught:
        train_tokenizer("bpe", lines, 270)
    assert caught.value.hint is not None
    assert f"better {better}; or" in caught.value.hint
    assert train_tokenizer("bpe", lines, 7000).size <= 7000


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("of_texts", [False, True])
def test_a_vocabulary_too_large_for_the_text_is_as_large_as_it_can_be(
    kind: TokenizerKind, of_texts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "seqkit")
    size = train_tokenizer(kind, ["ba di fu"] * 9, 900_000, of_texts=of_texts).size
    assert 260 < size < 300
    assert f"the text supports {size} pieces, not 900,000" in caplog.text
