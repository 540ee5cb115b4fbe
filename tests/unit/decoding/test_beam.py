"""Beam search on small languages whose every sentence can be written down."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.decoding.beam import BeamOptions, Hypothesis, beam_search
from seqkit.decoding.stepper import Allowed, Continuations

END = 0
Brute = list[tuple[float, tuple[int, ...]]]


@dataclass
class Speakers:
    """The sentences (B,) that are left, and the last token of each row and the one before. (N,) each"""

    language: Language
    sentences: np.ndarray
    before: np.ndarray
    last: np.ndarray

    def step(self, tokens: np.ndarray) -> None:
        self.before, self.last = self.last, tokens

    def logits(self) -> np.ndarray:
        scores: np.ndarray = self.language.scores[self._owners(), self.before, self.last]  # (N, V)
        return scores

    def best(self, width: int, allowed: Allowed) -> Continuations:
        scores = self.logits()
        assert allowed.end == END
        if not allowed.may_end:
            scores[:, END] = -np.inf
        others = np.arange(scores.shape[1]) != allowed.forced[:, None]
        scores[(allowed.forced >= 0)[:, None] & others] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :width]
        seen = self.language.attention
        attention = None if seen is None else seen[self._owners(), self.last]
        return Continuations(order, np.take_along_axis(scores, order, axis=1), attention)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        self.before, self.last = self.before[rows], self.last[rows]
        if sentences is not None:
            self.sentences = self.sentences[sentences]

    def _owners(self) -> np.ndarray:
        """The sentence of each row. (N,)"""
        return np.repeat(self.sentences, len(self.last) // max(len(self.sentences), 1))


@dataclass(frozen=True)
class Language:
    """The next token depends on the sentence and the last two tokens: probabilities (B, V + 1, V + 1, V).

    Index V stands for the beginning. `attention` (B, V + 1, S) depends on the last token. A row belongs to
    sentence row // k of those left, as it does in the models.
    """

    probabilities: np.ndarray
    attention: np.ndarray | None = None

    @property
    def start(self) -> int:
        return int(self.probabilities.shape[3])

    @property
    def scores(self) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities)

    def begin(self, beam_size: int) -> Speakers:
        count = len(self.probabilities)
        start = np.full(count * beam_size, self.start)
        return Speakers(self, np.arange(count), start, start)

    def token_scores(self, sentence: int, tokens: Sequence[int]) -> list[float]:
        """What the language itself says of a whole sentence, its end included."""
        path = [self.start, self.start, *tokens, END]
        return [
            float(self.scores[sentence, a, b, c]) for a, b, c in zip(path, path[1:], path[2:], strict=False)
        ]

    def sentences(self, sentence: int, longest: int, options: BeamOptions) -> Brute:
        """Every possible sentence with its normalised score, best first."""
        found: Brute = []
        for length in range(options.minimum_length, longest + 1):
            for tokens in itertools.product(range(1, self.start), repeat=length):
                total = sum(self.token_scores(sentence, tokens))
                if math.isfinite(total):
                    found.append((total / ((5 + length + 1) / 6) ** options.normalization, tokens))
        return sorted(found, reverse=True)

    def search(
        self,
        options: BeamOptions,
        longest: int | Sequence[int] = 4,
        prefixes: Sequence[Sequence[int]] | None = None,
        source_lengths: Sequence[int] | None = None,
    ) -> list[list[Hypothesis]]:
        return beam_search(
            self.begin(options.beam_size),
            start=self.start,
            end=END,
            maximum_lengths=np.zeros(len(self.probabilities), dtype=int) + np.array(longest),
            options=options,
            prefixes=None if prefixes is None else [np.array(prefix, dtype=int) for prefix in prefixes],
            source_lengths=None if source_lengths is None else np.array(source_lengths),
        )


def first_order(rows: dict[int, Sequence[float]], size: int) -> Language:
    """One sentence's language in which only the last token matters; a token without a row ends at once."""
    table = np.zeros((1, size + 1, size + 1, size))
    table[..., END] = 1.0
    for last, probabilities in rows.items():
        table[:, :, last] = probabilities
    return Language(table)


def random_language(seed: int, size: int, sentences: int = 1, *, gaps: float = 0.0) -> Language:
    """Any probabilities; a share of `gaps` of them is zero."""
    random = np.random.default_rng(seed)
    table = random.dirichlet(np.full(size, 0.7), size=(sentences, size + 1, size + 1)) + 1e-6
    table[random.random(table.shape) < gaps] = 0.0
    return Language(table)


# After the beginning (3) token 1 looks best, but what follows it is spread; token 2 surely ends.
GARDEN_PATH = first_order({3: [0.0, 0.6, 0.4], 1: [0.4, 0.3, 0.3], 2: [0.9, 0.05, 0.05]}, 3)

gapless = st.builds(random_language, st.integers(0, 2**32 - 1), st.integers(2, 5), st.just(2))
gapped = st.builds(
    random_language, st.integers(0, 2**32 - 1), st.integers(2, 5), st.just(2), gaps=st.just(0.3)
)
languages = gapless | gapped
alphas = st.sampled_from([0.0, 0.6, 1.0, 2.0])


def tokens_of(hypotheses: Sequence[Hypothesis]) -> list[list[int]]:
    return [hypothesis.tokens.tolist() for hypothesis in hypotheses]


def test_greedy_search_walks_into_the_garden_path() -> None:
    (best,) = GARDEN_PATH.search(BeamOptions(beam_size=1, normalization=0.0))[0]
    assert best.tokens.tolist() == [1]
    assert best.score == pytest.approx(math.log(0.6 * 0.4))
    assert best.log_probabilities.tolist() == pytest.approx([math.log(0.6), math.log(0.4)])


def test_a_beam_of_two_finds_the_way_round() -> None:
    first, second = GARDEN_PATH.search(BeamOptions(beam_size=2, n_best=2, normalization=0.0))[0]
    assert (first.tokens.tolist(), second.tokens.tolist()) == ([2], [1])
    assert first.score == pytest.approx(math.log(0.4 * 0.9))
    assert second.score == pytest.approx(math.log(0.6 * 0.4))


def test_an_end_takes_no_place_from_what_goes_on() -> None:
    # At the first step ending, 1 and 2 all come from one row; 2 is the third of them, and the best sentence.
    language = first_order({3: [0.4, 0.35, 0.25], 1: [0.2, 0.4, 0.4], 2: [0.9, 0.1, 0.0]}, 3)
    (found,) = language.search(BeamOptions(beam_size=2, n_best=2, normalization=0.0))
    assert tokens_of(found) == [[], [2]]
    assert found[1].score == pytest.approx(math.log(0.25 * 0.9))


def test_normalisation_prefers_the_longer_of_two() -> None:
    # [] has log 0.5 = -0.693; [1] has log 0.45 = -0.799, which over 7/6 is -0.684.
    language = first_order({2: [0.5, 0.5], 1: [0.9, 0.1]}, 2)
    plain = language.search(BeamOptions(beam_size=4, n_best=2, normalization=0.0), 3)[0]
    normalised = language.search(BeamOptions(beam_size=4, n_best=2, normalization=1.0), 3)[0]
    assert tokens_of(plain) == [[], [1]]
    assert tokens_of(normalised) == [[1], []]
    assert normalised[0].score == pytest.approx(math.log(0.45) * 6 / 7)
    assert normalised[1].score == pytest.approx(math.log(0.5))


def test_early_ends_do_not_crowd_out_the_right_one() -> None:
    # Every step ends with a probability of 0.02, too little to win but enough to be among the best two.
    table = np.zeros((1, 8, 8, 7))
    for last in range(7):
        table[:, :, (last or 7), [END, last + 1 if last < 6 else END]] = [0.02, 0.98]
    table[:, :, 6, END] = 1.0
    best, second = Language(table).search(BeamOptions(beam_size=2, n_best=2), 10)[0]
    assert best.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert second.score == pytest.approx((5 * math.log(0.98) + math.log(0.02)) / (11 / 6))


@settings(max_examples=60)
@given(languages, st.integers(1, 4), alphas, st.integers(0, 2))
def test_a_wide_beam_is_brute_force(language: Language, longest: int, alpha: float, shortest: int) -> None:
    size = language.start**longest  # no fewer than there are sentences
    options = BeamOptions(size, n_best=size, normalization=alpha, minimum_length=min(shortest, longest))
    for number, found in enumerate(language.search(options, longest)):
        expected = language.sentences(number, longest, options)
        assert [h.score for h in found] == pytest.approx([score for score, _ in expected], abs=1e-9)
        assert {tuple(tokens) for tokens in tokens_of(found)} == {tokens for _, tokens in expected}


@settings(max_examples=60)
@given(languages, st.integers(0, 6))
def test_a_beam_of_one_is_greedy_search(language: Language, longest: int) -> None:
    for number, found in enumerate(language.search(BeamOptions(beam_size=1), longest)):
        path = [language.start, language.start]
        while len(path) < longest + 2 and path[-1] != END:
            path.append(int(language.scores[number, path[-2], path[-1]].argmax()))
        if path[-1] == END:
            path.pop()
        if all(math.isfinite(score) for score in language.token_scores(number, path[2:])):
            assert tokens_of(found) == [path[2:]]
        else:
            assert found == []


@settings(max_examples=60)
@given(languages, st.integers(1, 6), st.integers(1, 6), alphas)
def test_scores_are_those_of_the_whole_sentence(
    language: Language, size: int, longest: int, alpha: float
) -> None:
    for number, found in enumerate(
        language.search(BeamOptions(size, n_best=size, normalization=alpha), longest)
    ):
        for hypothesis in found:
            expected = language.token_scores(number, hypothesis.tokens.tolist())
            assert hypothesis.log_probabilities.tolist() == pytest.approx(expected, abs=1e-9)
            penalty = ((5 + len(expected)) / 6) ** alpha
            assert hypothesis.score == pytest.approx(sum(expected) / penalty, abs=1e-9)


@settings(max_examples=40)
@given(languages, st.integers(2, 6), st.integers(1, 5))
def test_n_best_are_sorted_distinct_and_a_beginning_of_more(
    language: Language, size: int, longest: int
) -> None:
    everything = language.search(BeamOptions(size, n_best=size), longest)
    for found in everything:
        scores = [hypothesis.score for hypothesis in found]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(tokens) for tokens in tokens_of(found)}) == len(found)
    for count in range(1, size):
        fewer = language.search(BeamOptions(size, n_best=count), longest)
        assert [tokens_of(found) for found in fewer] == [tokens_of(found)[:count] for found in everything]


def test_there_are_as_many_as_asked_for() -> None:
    found = random_language(1, 5, 3).search(BeamOptions(beam_size=4, n_best=3), 6)
    assert [len(some) for some in found] == [3, 3, 3]


@pytest.mark.parametrize("size", [1, 4])
def test_the_minimum_length_is_kept(size: int) -> None:
    eager = first_order({2: [0.9, 0.1], 1: [0.9, 0.1]}, 2)
    options = BeamOptions(size, n_best=size, minimum_length=3)
    (found,) = eager.search(options, 5)
    assert found[0].tokens.tolist() == [1, 1, 1]
    assert min(len(hypothesis.tokens) for hypothesis in found) == 3
    # What was forbidden before does not change the scores.
    assert found[0].log_probabilities.tolist() == pytest.approx([math.log(p) for p in (0.1, 0.1, 0.1, 0.9)])


@pytest.mark.parametrize("size", [1, 4])
def test_the_maximum_length_is_kept_sentence_by_sentence(size: int) -> None:
    endless = first_order({2: [0.01, 0.99], 1: [0.01, 0.99]}, 2)
    three = Language(np.repeat(endless.probabilities, 3, axis=0))
    found = three.search(BeamOptions(size), [2, 0, 5])
    assert [tokens_of(some) for some in found] == [[[1, 1]], [[]], [[1] * 5]]
    assert found[1][0].log_probabilities.tolist() == pytest.approx([math.log(0.01)])


@settings(max_examples=40)
@given(gapless, st.integers(1, 5), st.lists(st.integers(1, 4), max_size=3))
def test_a_prefix_is_kept_and_scored(language: Language, size: int, prefix: list[int]) -> None:
    prefix = [token for token in prefix if token < language.start]
    free, bound = language.search(BeamOptions(size, n_best=size), 4, [[], prefix])
    assert tokens_of(free) == tokens_of(language.search(BeamOptions(size, n_best=size), 4)[0])
    assert bound
    for hypothesis in bound:
        assert hypothesis.tokens[: len(prefix)].tolist() == prefix
        assert hypothesis.log_probabilities.tolist() == pytest.approx(
            language.token_scores(1, hypothesis.tokens.tolist()), abs=1e-9
        )


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.data())
def test_the_sentences_of_a_batch_do_not_see_each_other(seed: int, size: int, data: st.DataObject) -> None:
    together = random_language(seed, 4, 5)
    longest = data.draw(st.lists(st.integers(0, 6), min_size=5, max_size=5))
    prefixes = data.draw(st.lists(st.lists(st.integers(1, 3), max_size=2), min_size=5, max_size=5))
    options = BeamOptions(size, n_best=size)
    for number, found in enumerate(together.search(options, longest, prefixes)):
        alone = Language(together.probabilities[number : number + 1])
        (expected,) = alone.search(options, longest[number], prefixes[number : number + 1])
        assert tokens_of(found) == tokens_of(expected)
        assert [h.score for h in found] == [h.score for h in expected]


def test_no_sentences_no_hypotheses() -> None:
    assert random_language(1, 3, 0).search(BeamOptions()) == []


def attended() -> Language:
    """[1] is likelier than [2], but leaves the second word of the source untranslated."""
    language = first_order({3: [0.0, 0.6, 0.4]}, 3)
    attention = np.zeros((1, 4, 4))
    attention[0, 3, 0] = attention[0, 1, 0] = 1.0
    attention[0, 2, 1] = 0.75
    return Language(language.probabilities, attention)


def test_coverage_decides_between_hypotheses() -> None:
    plain = attended().search(BeamOptions(2, n_best=2, normalization=0.0))[0]
    covered = attended().search(
        BeamOptions(2, n_best=2, normalization=0.0, coverage=0.5), source_lengths=[2]
    )[0]
    assert tokens_of(plain) == [[1], [2]]
    assert tokens_of(covered) == [[2], [1]]
    assert covered[0].score == pytest.approx(math.log(0.4) + 0.5 * math.log(0.75))
    assert covered[1].score == pytest.approx(math.log(0.6) + 0.5 * math.log(1e-6))


def test_only_the_sentence_s_own_words_are_to_be_covered() -> None:
    options = BeamOptions(2, normalization=0.0, coverage=0.5)
    one = attended().search(options, source_lengths=[1])[0][0]
    assert one.tokens.tolist() == [1]
    assert one.score == pytest.approx(math.log(0.6))


def test_attention_has_a_row_a_token_and_one_for_the_end() -> None:
    best = attended().search(BeamOptions(2, normalization=0.0), source_lengths=[3])[0][0]
    assert best.attention is not None
    assert best.attention.tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert GARDEN_PATH.search(BeamOptions(2))[0][0].attention is None
