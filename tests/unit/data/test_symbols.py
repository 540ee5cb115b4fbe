"""Vocabularies of symbols: words, tags, columns, and symbols that stay whole in characters and subwords."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.forms import field_files, load_fields
from seqkit.data.tokenizers import (
    SMALLEST_VOCABULARY,
    SymbolTokenizer,
    Tokenizer,
    load_tokenizer,
    symbols_in,
    train_tokenizer,
)
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.kinds import GENERATION, TRANSLATION

WORDS = train_tokenizer("word", ["AH B K", "B K T"], 1000)
COLUMNS = train_tokenizer("char,tags", ["kinder\tN;DAT;PL", "V a\tV;IMP;NOM(2,PL)"], 1000)
SYMBOLS = train_tokenizer("char", ["<go> one", "<go><go>two"], 1000, symbols=("<go>", "<goal>"))
SUBWORDS = {
    kind: train_tokenizer(kind, ["hello <go> world a b c the sun"] * 10, 300, symbols=("<go>", "<stop>"))
    for kind in ("bpe", "unigram")
}
PARTS = [*"ABKTH<go>é\t \n\u2028▁;,)", "AH", "<go>", "<stop>", "\ud800"]
ALL: dict[str, Tokenizer] = {"word": WORDS, "columns": COLUMNS, "symbols": SYMBOLS, **SUBWORDS}


def pieces(tokenizer: Tokenizer, line: str) -> list[str]:
    return tokenizer.pieces(tokenizer.encode([line])[0])


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=200)
@given(line=st.lists(st.sampled_from(PARTS), max_size=20).map("".join))
def test_what_is_kept_of_a_line_comes_back(name: str, line: str) -> None:
    tokenizer = ALL[name]
    (ids,) = tokenizer.encode([line])
    assert tokenizer.decode([ids]) == [tokenizer.normalize(line)]
    assert tokenizer.encode([tokenizer.normalize(line)])[0].tolist() == ids.tolist()


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=100)
@given(numbers=st.lists(st.integers(0, 1 << 20), max_size=20))
def test_any_ids_are_a_line(name: str, numbers: list[int]) -> None:
    tokenizer = ALL[name]
    ids = [number % tokenizer.size for number in numbers]
    (line,) = tokenizer.decode([ids])
    assert "\n" not in line
    assert len(tokenizer.pieces(ids)) == len(ids)


@pytest.mark.parametrize("name", ALL)
def test_a_file_gives_the_same_tokenizer(name: str) -> None:
    tokenizer = ALL[name]
    again = load_tokenizer(tokenizer.to_bytes(), tokenizer.file_name)
    assert again.fingerprint == tokenizer.fingerprint
    assert (again.kind, again.size) == (tokenizer.kind, tokenizer.size)
    assert pieces(again, "AH <go> x") == pieces(tokenizer, "AH <go> x")


def test_words_are_tokens_and_others_bytes() -> None:
    assert pieces(WORDS, " B  AH ") == ["B", "AH"]
    assert WORDS.encode(["B AH"])[0].min() >= SMALLEST_VOCABULARY
    assert pieces(WORDS, "Z é B") == ["<0x5A>", "<0x20>", "<0xC3>", "<0xA9>", "B"]
    assert WORDS.byte_count(np.array(WORDS.encode(["Z B"])[0])) == 1


def test_a_word_is_one_token_whatever_its_neighbours() -> None:
    assert WORDS.decode([[*WORDS.encode(["B"])[0], *WORDS.encode(["B"])[0]]]) == ["B B"]


@pytest.mark.parametrize(
    "tags",
    ["V;IMP;NOM(2,PL)", "V IMP NOM 2 PL", "V|IMP|NOM|2|PL", "[V][IMP]<NOM>{2}PL", ";V,,IMP; NOM (2 PL)"],
)
def test_tags_are_cut_at_separators(tags: str) -> None:
    assert pieces(COLUMNS, f"k\t{tags}") == ["k", "<0x09>", "V", "IMP", "NOM", "2", "PL"]


def test_a_tag_is_another_token_than_the_same_letter() -> None:
    letter, _, tag = COLUMNS.encode(["V\tV"])[0].tolist()
    assert letter != tag


def test_columns_behind_the_last_rule_are_cut_as_the_last() -> None:
    assert pieces(COLUMNS, "k\tN\tDAT;PL") == ["k", "<0x09>", "N", "<0x09>", "DAT", "PL"]
    assert pieces(COLUMNS, "kind") == ["k", "i", "n", "d"]


def test_symbols_stay_whole_the_longest_first() -> None:
    assert pieces(SYMBOLS, "<goal><go>e") == ["<goal>", "<go>", "e"]
    for tokenizer in SUBWORDS.values():
        assert "<go>" in pieces(tokenizer, "hello<go> the")


@pytest.mark.parametrize("kind", SUBWORDS)
def test_symbols_stay_whole_in_sampled_segmentations(kind: str) -> None:
    line = "hello <go>world the<stop> <go>"
    for seed in range(10):
        (ids,) = SUBWORDS[kind].encode_sampled([line], 0.9, seed)
        assert SUBWORDS[kind].decode([ids]) == [line]
        assert [piece for piece in SUBWORDS[kind].pieces(ids) if "g" in piece or "st" in piece] == [
            "<go>",
            "<stop>",
            "<go>",
        ]


def test_the_most_frequent_have_a_place() -> None:
    tokenizer = train_tokenizer("word", ["a a a b b c c d", "d d"], SMALLEST_VOCABULARY + 2)
    assert isinstance(tokenizer, SymbolTokenizer)
    assert tokenizer.entries == (("word", "a"), ("word", "d"))
    with pytest.raises(ConfigError, match="symbols and bytes alone are 263"):
        train_tokenizer("word", ["a"], SMALLEST_VOCABULARY + 1, symbols=("x", "y", "z"))


@pytest.mark.parametrize("kind", ["word", "tags", "char,tags"])
def test_whole_texts_are_refused_by_name(kind: str) -> None:
    tokenizer = train_tokenizer(kind, ["a b"], 1000)
    with pytest.raises(ConfigError, match="cuts lines, not whole texts"):
        tokenizer.encode_text("a\nb")
    with pytest.raises(ConfigError, match="subword sampling"):
        tokenizer.encode_sampled(["a"], 0.1, 1)


@pytest.mark.parametrize("kind", ["word,bpe", "byte,tags", "char,", "words"])
def test_an_unknown_rule_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"no tokenizer {kind}"):
        train_tokenizer(kind, ["a"], 1000)


@pytest.mark.parametrize("symbol", ["<s>", "<0x41>", "▁x", "</s>"])
def test_a_symbol_that_subwords_need_is_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a symbol beside subwords"):
        train_tokenizer("bpe", ["a b"], 300, symbols=(symbol,))


def test_a_list_of_symbols_has_one_a_line() -> None:
    assert symbols_in(["<a>", " <b> ", "", "<a>", "e\u0301"], "nfc", "f") == ("<a>", "<b>", "é")
    with pytest.raises(DataError, match="has no space inside") as caught:
        symbols_in(["<a>", "New York"], "nfc", "list.txt")
    assert caught.value.where == "list.txt:2"


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"kind": "bpe"},
        {"kind": ["word"]},
        {"kind": "char,"},
        {"normalization": "nfd"},
        {"entries": None},
        {"entries": "ab"},
        {"entries": ["char", "a"]},
        {"entries": [["char"]]},
        {"entries": [["char", "a", "b"]]},
        {"entries": [["char", 1]]},
        {"entries": [["char", ""]]},
        {"entries": [["char", "\t"]]},
        {"entries": [["char", "a b"]]},
        {"entries": [["word", " "]]},
        {"entries": [["word", "\ud800"]]},
        {"entries": [["tag", "a"]]},
        {"entries": [["word", "a"], ["word", "a"]]},
    ],
)
def test_a_bad_file_is_one_error(changes: dict[str, Any]) -> None:
    value = json.loads(COLUMNS.to_bytes())
    with pytest.raises(ModelError, match=r"symbols\.json"):
        load_tokenizer(json.dumps(value | changes).encode(), "symbols.json")


def test_sides_may_have_files_of_different_kinds() -> None:
    characters = train_tokenizer("char", ["abc"], 1000)
    for source, target in [(characters, WORDS), (WORDS, characters), (SUBWORDS["bpe"], WORDS)]:
        found = load_fields(field_files({"source": source, "target": target}), TRANSLATION)
        assert [field.fingerprint for field in found.values()] == [source.fingerprint, target.fingerprint]


def test_a_generator_has_no_vocabulary_of_symbols() -> None:
    with pytest.raises(ModelError, match="are not the fields of a generation corpus"):
        load_fields(field_files({"target": WORDS}), GENERATION)
