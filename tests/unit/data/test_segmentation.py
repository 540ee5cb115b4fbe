"""Random segmentation agrees with SentencePiece where nothing is random, and with its law where it is."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.tokenizers import SentencePieceTokenizer, TokenizerKind, segmentation, train_tokenizer
from seqkit.data.tokenizers.segmentation import SubwordSampler, dropout_merges, sample_lattice, symbols_of

WORDS = ["Hund", "Hunde", "Hündin", "laufen", "läuft", "Straße", "straff", "rennen", "renne", "aaaaaa"]
LINES = [f"{a} {b} und {a}{b}" for a in WORDS for b in WORDS]


def trained(kind: TokenizerKind) -> SentencePieceTokenizer:
    tokenizer = train_tokenizer(kind, LINES, 360, "identity")
    assert isinstance(tokenizer, SentencePieceTokenizer)
    return tokenizer


BPE = trained("bpe")
UNIGRAM = trained("unigram")

word_like = st.text(st.sampled_from("Hundläuferstßaq▁ 漢\ufdd0"), max_size=30)


@settings(max_examples=300)
@given(line=st.one_of(word_like, st.lists(st.sampled_from(WORDS)).map("".join)))
def test_dropping_no_merge_is_plain_bpe(line: str) -> None:
    (sampled,) = BPE._sampler.encode([line], 0.0, 1)
    assert sampled.tolist() == BPE.encode([line])[0].tolist()


@settings(max_examples=100)
@given(line=st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_a_cold_lattice_is_the_best_segmentation(line: str) -> None:
    (sampled,) = UNIGRAM._sampler.encode([line], 200.0, 1)
    scores = [UNIGRAM._processor.get_score(int(token)) for token in sampled]
    best = [UNIGRAM._processor.get_score(int(token)) for token in UNIGRAM.encode([line])[0]]
    assert sum(scores) == pytest.approx(sum(best), abs=0.05)


def test_dropping_every_merge_leaves_characters() -> None:
    assert BPE.pieces(BPE.encode_sampled(["Hunde"], 1.0, 1)[0]) == ["▁", *"Hunde"]


def test_a_merge_is_dropped_with_the_given_probability() -> None:
    segment = dropout_merges({"▁a": 0.0})
    generator = random.Random(1)
    whole = sum(segment(["▁", "a"], 0.3, generator) == ["▁a"] for _ in range(10_000))
    assert whole == pytest.approx(7000, abs=150)  # 3 standard deviations are 137


def test_lattice_frequencies_are_powers_of_the_probabilities() -> None:
    scores = {"▁": -2.0, "a": -1.5, "b": -2.5, "▁a": -2.2, "ab": -2.0, "▁ab": -6.0}
    alpha, symbols = 0.5, ["▁", "a", "b"]
    expected: dict[tuple[str, ...], float] = {}
    for cuts in itertools.product([False, True], repeat=2):
        pieces = [symbols[0]]
        for cut, symbol in zip(cuts, symbols[1:], strict=True):
            pieces = [*pieces, symbol] if cut else [*pieces[:-1], pieces[-1] + symbol]
        expected[tuple(pieces)] = math.exp(alpha * sum(scores[piece] for piece in pieces))
    generator, segment = random.Random(1), sample_lattice(scores)
    drawn = Counter(tuple(segment(symbols, alpha, generator)) for _ in range(20_000))
    assert set(drawn) == set(expected)
    for pieces_drawn, weight in expected.items():
        share = weight / sum(expected.values())
        assert drawn[pieces_drawn] / 20_000 == pytest.approx(share, abs=4 * math.sqrt(share / 20_000))


def test_a_character_outside_the_lattice_is_a_piece_of_its_own() -> None:
    segment = sample_lattice({"▁": -1.0, "a": -1.0})
    assert segment(["▁", "x", "a"], 1.0, random.Random(1)) == ["▁", "x", "a"]


def test_a_mark_in_the_text_is_no_space() -> None:
    assert symbols_of("a▁") == ["▁", "a", "▁▁"]
    byte_ids = list(range(4, 260))
    sampler = SubwordSampler(dropout_merges({"▁▁": 0.0}), {"▁": 260, "a": 261}, byte_ids)
    assert sampler.encode(["▁ a"], 0.1, 1)[0].tolist() == [260, 4 + 0xE2, 4 + 0x96, 4 + 0x81, 260, 261]


def test_what_is_kept_at_hand_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [ids.tolist() for ids in BPE.encode_sampled(LINES, 0.4, 5)]
    monkeypatch.setattr(segmentation, "_CACHED_LENGTH", -1)
    assert [ids.tolist() for ids in BPE.encode_sampled(LINES, 0.4, 5)] == kept


def test_a_word_of_ten_thousand_characters_is_cut_too() -> None:
    for tokenizer in (BPE, UNIGRAM):
        word = "Hunderennenstraff" * 600
        assert tokenizer.decode(tokenizer.encode_sampled([word], 0.2, 1)) == [word]
