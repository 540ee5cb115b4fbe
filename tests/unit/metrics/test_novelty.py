"""Copies are found exactly: as by a search of every substring, however the texts are cut."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.metrics import copying as module
from seqkit.metrics.copying import Novelty, measure_novelty

texts = st.text("ab \u00e9", max_size=30)


def longest_match(text: str, start: int, training: str) -> int:
    length = 0
    while start + length < len(text) and text[start : start + length + 1] in training:
        length += 1
    return length


def cut(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


@given(texts, texts, st.text("ab \u00e9", max_size=80), st.integers(1, 9))
def test_lengths_agree_with_a_search_of_every_substring(
    first: str, second: str, training: str, size: int
) -> None:
    for text, found in zip(
        (first, second), measure_novelty([first, second], cut(training, size)), strict=True
    ):
        assert found.text == text
        assert found.lengths.tolist() == [longest_match(text, start, training) for start in range(len(text))]
        words = set(re.findall(r"\w+", training))
        assert (found.words, found.new_words) == (
            len(re.findall(r"\w+", text)),
            sum(word not in words for word in re.findall(r"\w+", text)),
        )


@given(texts, st.text("ab", max_size=120), st.sampled_from([8, 16, 32]), st.integers(1, 40))
def test_pieces_change_nothing_up_to_the_longest_match(
    text: str, training: str, longest: int, query: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONGEST", longest)
        patch.setattr(module, "_PIECE", 2 * longest)
        patch.setattr(module, "_QUERY", query)
        (found,) = measure_novelty([text], cut(training, 7))
    (whole,) = measure_novelty([text], [training])
    assert found.lengths.tolist() == whole.lengths.clip(max=longest).tolist()
    if max(map(len, re.findall(r"\w+", text)), default=0) <= longest:  # a longer word cannot be matched whole
        assert found.new_words == whole.new_words


@given(texts, st.text("ab \u00e9", max_size=80), st.integers(1, 6))
def test_measures_follow_from_substrings(text: str, training: str, length: int) -> None:
    (found,) = measure_novelty([text], [training])
    ngrams = [text[start : start + length] for start in range(len(text) - length + 1)]
    new = [ngram not in training for ngram in ngrams]
    assert found.share_of_new_ngrams(length) == pytest.approx(sum(new) / max(len(new), 1))
    covered = {start + offset for start, is_new in enumerate(new) if not is_new for offset in range(length)}
    assert found.share_copied(length) == pytest.approx(len(covered) / max(len(text), 1))
    copies = maximal_copies(text, training)
    assert list(zip(*(part.tolist() for part in found.copies), strict=True)) == copies
    assert found.longest_copy[1] == max((size for _, size in copies), default=0)
    assert found.mean_copy == pytest.approx(sum(size for _, size in copies) / max(len(copies), 1))


def maximal_copies(text: str, training: str) -> list[tuple[int, int]]:
    """Substrings of the training text that cannot be extended to either side."""
    copies = []
    for start in range(len(text)):
        size = longest_match(text, start, training)
        if size and not (start and text[start - 1 : start + size] in training):
            copies.append((start, size))
    return copies


def test_a_copy_longer_than_a_match_is_found_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 64)
    training = "".join(random.Random(1).choices("abcdefgh", k=3000))
    text = "xx" + training[100:1100] + "xx" + training[2000:2030] + "x"
    (found,) = measure_novelty([text], [training])
    assert found.longest_copy == (2, 1000)
    assert [part.tolist() for part in found.copies] == [[2, 1004], [1000, 30]]
    assert found.share_copied(50) == pytest.approx(1000 / len(text))


def test_the_longest_copy_is_compared_at_equal_length() -> None:
    lengths = np.array([3, 2, 1, 1, 1, 5, 4, 3, 2, 1])
    found = Novelty("x" * 10, lengths, 0, 0)
    assert found.longest_copy == (5, 5)
    assert found.typical_longest_copy(10) == 5
    assert found.typical_longest_copy(99) == 5
    assert found.typical_longest_copy(5) == (3 + 5) / 2
    assert found.typical_longest_copy(4) == (3 + 3) / 2  # the second part ends within the longest copy


def test_texts_do_not_run_into_each_other_nor_into_the_training_text() -> None:
    first, second = measure_novelty(["ab", "cd"], ["abcd"])
    assert first.lengths.tolist() == second.lengths.tolist() == [2, 1]
    (alone,) = measure_novelty(["da"], ["abcd"])
    assert alone.lengths.tolist() == [1, 1]


@pytest.mark.parametrize("training", [[], [""], ["", "xyz"]])
def test_nothing_in_common(training: list[str]) -> None:
    for text in ("", "abc"):
        (found,) = measure_novelty([text], training)
        assert (found.longest_copy, found.mean_copy, found.share_copied(20)) == ((0, 0), 0, 0)
        assert found.share_of_new_ngrams(2) == (1.0 if text else 0.0)
        assert found.typical_longest_copy(10) == 0


def test_characters_beyond_the_basic_plane_and_lone_surrogates_count_as_one() -> None:
    (found,) = measure_novelty(["\U0001f600\U0001f601\ud800"], ["-\U0001f600\U0001f601\ud800"])
    assert found.lengths.tolist() == [3, 2, 1]


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_repetitive_text_is_no_trap(seed: int) -> None:
    training = "a" * 5000 + str(seed) + "ab" * 3000
    (found,) = measure_novelty(["a" * 4500 + "b"], [training])
    assert found.lengths[0] == module.LONGEST
    assert found.longest_copy == (0, 4500)


def test_progress_hears_every_character_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 4)
    monkeypatch.setattr(module, "_PIECE", 10)
    heard: list[int] = []
    measure_novelty(["abc"], cut("abcdefghij" * 5, 3), heard.append)
    assert heard[-1] == 50
    assert len(heard) > 3
    assert heard == sorted(heard)
