"""Where long lines are cut, and how the translations of their parts are put together."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.tokenizers import Tokenizer, TokenizerKind, train_tokenizer
from seqkit.inference.segments import split
from seqkit.inference.translation import Alternative, join

SENTENCES = {
    "English": ["The old man reads a book.", "It is raining!", "Is it 3.14 or more?", '"Go on," he said.'],
    "Chinese": [
        "我们昨天在图书馆看见一位老人。",
        "他正在读一本很旧的书，天气很好。",
        "“火车晚点了！”",
        "请等一会儿。",
    ],
    "Japanese": ["昨日は図書館で老人を見かけました。", "「とても古い本です。」", "電車が遅れています！"],
    "Hindi": ["हमने कल पुस्तकालय में देखा।", "मौसम बहुत अच्छा है।", "क्या आप आएँगे?"],
    "Urdu": ["ہم نے کل دیکھا۔", "موسم بہت اچھا ہے۔", "کیا آپ آئیں گے؟"],
    "Burmese": ["ကျွန်တော်တို့ မနေ့က တွေ့ခဲ့တယ်။", "ရာသီဥတု ကောင်းတယ်။"],
    "Khmer": ["យើងបានឃើញបុរសចំណាស់។", "អាកាសធាតុល្អ។"],
    "Amharic": ["ትናንት አየነው።", "አየሩ ጥሩ ነው።"],
    "Armenian": ["Երեկ տեսանք մի ծերունու։", "Եղանակը լավ է։"],
}
SPACED = {"English", "Hindi", "Urdu", "Burmese", "Amharic", "Armenian"}
KINDS: tuple[TokenizerKind, ...] = ("bpe", "unigram", "char", "byte")


@cache
def tokenizer(kind: TokenizerKind) -> Tokenizer:
    lines = [sentence for sentences in SENTENCES.values() for sentence in sentences]
    return train_tokenizer(kind, lines * 5, 600)


def parts_of(line: str, longest: int, kind: TokenizerKind) -> list[str]:
    (ids,) = tokenizer(kind).encode([line])
    parts = split(ids, longest, tokenizer(kind))
    assert np.concatenate(parts).tolist() == ids.tolist()
    assert all(len(part) <= longest for part in parts)
    return tokenizer(kind).decode(parts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", SENTENCES)
def test_lines_are_cut_behind_sentences(language: str, kind: TokenizerKind) -> None:
    sentences = SENTENCES[language] * 12
    line = (" " if language in SPACED else "").join(sentences)
    longest = 3 * max(len(ids) for ids in tokenizer(kind).encode(sentences))
    parts = parts_of(line, longest, kind)
    assert len(parts) > 2
    assert all(part.strip().endswith(tuple(set(sentences))) for part in parts), parts


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_end_further_away_is_better_than_a_space(kind: TokenizerKind) -> None:
    line = "The old man reads a book, it is raining! " + "the old man reads a book and " * 12
    (ids,) = tokenizer(kind).encode([line[: len(line) // 3]])
    first, *_ = parts_of(line, len(ids), kind)
    assert first == "The old man reads a book, it is raining!"


@pytest.mark.parametrize("kind", KINDS)
def test_commas_of_scripts_without_spaces(kind: TokenizerKind) -> None:
    *parts, _ = parts_of("他正在读一本很旧的书，" * 30, 60, kind)
    assert all(part.endswith("，") for part in parts), parts


@settings(max_examples=200)
@given(
    line=st.text(
        st.sampled_from("ab 。！.!?」)漢👍🏽\u200d\ufe0f\u0301é\u064e") | st.characters(), max_size=60
    ),
    longest=st.integers(1, 20),
    kind=st.sampled_from(KINDS),
)
def test_no_part_is_too_long_and_nothing_is_lost(line: str, longest: int, kind: TokenizerKind) -> None:
    parts_of(line, longest, kind)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["One day.", "Two days."], "One day. Two days."),
        (["我们看见他。", "天气很好。"], "我们看见他。天气很好。"),
        (["昨日は", "見ました。"], "昨日は見ました。"),
        (["ราคา", "สูง"], "ราคาสูง"),
        (["어제 보았다.", "날씨가 좋다."], "어제 보았다. 날씨가 좋다."),
        (["हमने देखा।", "मौसम अच्छा है।"], "हमने देखा। मौसम अच्छा है।"),
        (["他说", "OK", "好。"], "他说OK好。"),
        (["Один.", "", "Два."], "Один. Два."),
        (["", ""], ""),
    ],
)
def test_translations_are_joined_as_the_script_writes(parts: list[str], whole: str) -> None:
    (joined,) = join([[Alternative(part, -1.0, (part,), (-1.0,))] for part in parts])
    assert joined.text == whole
    assert joined.tokens == tuple(parts)
