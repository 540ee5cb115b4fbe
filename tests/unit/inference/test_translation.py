"""`Translator`: lines in, translations out, with what belongs to them."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqkit
from seqkit.data.tokenizers import SPECIALS
from seqkit.errors import ConfigError, DataError, InputMissing, ModelError
from seqkit.inference import sharing
from seqkit.inference import translator as inference
from seqkit.inference.translator import TranslateOptions, Translator
from seqkit.inference.workers import in_processes
from seqkit.network.blueprint import Blueprint
from seqkit.nn.model import build_model
from tests.conftest import toy_assignments, write_lines

LINES = ["ba di fu", "go", "lo mi nu ba", "ke ke", "nu di go lo ba"]
WITH_ATTENTION = TranslateOptions(beam_size=3, attention=True)


@pytest.fixture(scope="module", params=["int8", "fp32"])
def translator(request: pytest.FixtureRequest, toy_model: Path) -> Translator:
    return Translator.load(toy_model, device="cpu", threads=1, precision=request.param)


def ids_of(translator: Translator, tokens: tuple[str, ...]) -> np.ndarray:
    """The ids of written pieces."""
    names = translator.target_tokenizer.pieces(list(range(translator.target_tokenizer.size)))
    return np.array([names.index(token) for token in tokens], dtype=np.int64)


def broken_copy(translator: Translator, bias: float, tokens: list[int]) -> Translator:
    """The same translator, its model's output bias changed at some tokens."""
    (member,) = translator.members
    changed = member.parameters["head.output.bias"].copy()
    changed[tokens] = bias
    weights = {**member.parameters, "head.output.bias": changed}
    return Translator([replace(member, weights=weights)], precision=translator.precision)


def test_the_package_offers_it() -> None:
    assert seqkit.Translator is Translator


def test_a_translation_a_line_in_order(translator: Translator) -> None:
    found = translator.translate(LINES)
    assert [translation.source for translation in found] == LINES
    assert all(translation.text for translation in found)
    assert [t.text for t in translator.translate(LINES[::-1])] == [t.text for t in found[::-1]]
    assert found[0].text == found[0].alternatives[0].text
    assert found[0].score == found[0].alternatives[0].score < 0


@pytest.mark.parametrize("blank", ["", " ", "\t", "\u3000 ", "\x85\u2028"])
def test_a_blank_line_is_translated_to_an_empty_one(translator: Translator, blank: str) -> None:
    before, empty, after = translator.translate(
        ["ba di", blank, "ba di"], TranslateOptions(beam_size=2, n_best=2)
    )
    assert (empty.text, empty.score, empty.source) == ("", 0.0, blank)
    assert len(empty.alternatives) == 1
    assert empty.alternatives[0].alignment() == []
    assert before.text == after.text != ""


def test_no_lines_no_translations(translator: Translator) -> None:
    assert translator.translate([]) == []
    assert translator.score([], []) == []


def test_n_best_are_sorted_and_distinct(translator: Translator) -> None:
    (best,) = translator.translate(LINES[:1])
    (found,) = translator.translate(LINES[:1], TranslateOptions(n_best=4))
    assert len(found.alternatives) == 4
    assert found.text == best.text
    scores = [alternative.score for alternative in found.alternatives]
    assert scores == sorted(scores, reverse=True)
    assert len({alternative.tokens for alternative in found.alternatives}) == 4


def test_scores_are_token_scores_and_their_normalised_sum(translator: Translator) -> None:
    for alpha in (0.0, 1.0):
        options = TranslateOptions(length_penalty=alpha)
        for translation in translator.translate(LINES, options):
            best = translation.alternatives[0]
            assert len(best.token_scores) == len(best.tokens) + 1
            penalty = ((5 + len(best.token_scores)) / 6) ** alpha
            assert best.score == pytest.approx(sum(best.token_scores) / penalty, abs=1e-9)
            assert best.text == translator.target_tokenizer.decode([ids_of(translator, best.tokens)])[0]


def test_score_is_the_sum_over_the_target_and_its_end(translator: Translator) -> None:
    targets = ["fu di ba", "", "nu"]
    scores = translator.score(LINES[:3], targets)
    sources, wanted = (
        tokenizer.encode(lines)
        for tokenizer, lines in (
            (translator.source_tokenizer, LINES[:3]),
            (translator.target_tokenizer, targets),
        )
    )
    together = translator.score_tokens(sources, wanted)
    assert [len(some) for some in together] == [len(ids) + 1 for ids in wanted]
    assert scores == pytest.approx([some.sum() for some in together], abs=1e-4)
    assert max(scores) < 0
    # What the search says of its own is the same.
    found = translator.translate(LINES[:3], TranslateOptions(length_penalty=0.0))
    assert translator.score(LINES[:3], [best.text for best in found]) == pytest.approx(
        [best.score for best in found], abs=1e-3
    )


def test_what_does_not_belong_together_is_refused(translator: Translator) -> None:
    with pytest.raises(DataError, match="2 sources but 1 targets"):
        translator.score(["ba", "di"], ["ba"])
    with pytest.raises(DataError, match="2 lines but 1 prefixes"):
        translator.translate(["ba", "di"], prefixes=["ba"])


def test_an_ensemble_of_a_model_and_itself_is_the_model(translator: Translator, toy_model: Path) -> None:
    precision = translator.precision
    twice = Translator.load(toy_model, ensemble=[toy_model], device="cpu", threads=1, precision=precision)
    assert len(twice.members) == 2
    for one, two in zip(translator.translate(LINES), twice.translate(LINES), strict=True):
        assert one.text == two.text
        assert one.score == pytest.approx(two.score, abs=1e-5)
    targets = [line.upper() for line in LINES]
    assert twice.score(LINES, targets) == pytest.approx(translator.score(LINES, targets), abs=1e-3)


def test_an_ensemble_of_different_vocabularies_is_refused(toy_model: Path, tmp_path: Path) -> None:
    from seqkit.cli import run

    lines = [f"{chr(97 + number % 26)}{number}" for number in range(60)]
    pairs = write_lines(tmp_path / "pairs.tsv", [f"{line}\t{line[::-1]}" for line in lines])
    corpus, model = tmp_path / "corpus", tmp_path / "model"
    prepare = ["prepare", corpus, "--pairs", pairs, "--tokenizer", "byte", "--valid-size", "4", "--quiet"]
    train = ["train", corpus, model, "--steps", "1", "--threads", "1", "--quiet"]
    for command in (prepare, [*train, *toy_assignments(training__validation_sentences=4)]):
        assert run([str(argument) for argument in command]) == 0
    with pytest.raises(ConfigError, match="different vocabularies") as caught:
        Translator.load(toy_model, ensemble=[toy_model, model], device="cpu", threads=1)
    assert str(model) in caught.value.message


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="no-model"):
        Translator.load(tmp_path / "no-model")


def test_specials_are_never_written(translator: Translator) -> None:
    eager = broken_copy(translator, 50.0, [0, 1, 2])
    options = TranslateOptions(beam_size=3, n_best=3, minimum_length=2, maximum_length=5)
    for translation in eager.translate(LINES, options):
        for alternative in translation.alternatives:
            assert len(alternative.tokens) >= 2
            assert not set(alternative.tokens) & set(SPECIALS)


def test_a_model_that_diverged_is_a_clear_error(translator: Translator) -> None:
    with pytest.raises(ModelError, match="the model's probabilities are NaN or infinite"):
        broken_copy(translator, float("nan"), [4]).translate(LINES)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_minimum_and_maximum_lengths_are_kept(translator: Translator, beam_size: int) -> None:
    options = TranslateOptions(beam_size=beam_size, minimum_length=9, maximum_length=9)
    assert [len(t.alternatives[0].tokens) for t in translator.translate(LINES, options)] == [9] * len(LINES)
    options = TranslateOptions(beam_size=beam_size, maximum_length=1)
    assert all(len(t.alternatives[0].tokens) <= 1 for t in translator.translate(LINES, options))
    long = TranslateOptions(beam_size=beam_size, minimum_length=60)  # more than the source would allow
    assert len(translator.translate(["go"], long)[0].alternatives[0].tokens) == 60


def test_prefixes_begin_their_own_lines(translator: Translator) -> None:
    free, bound, other = translator.translate(["ba di fu"] * 3, prefixes=[None, "nu ke", "di"])
    assert free.text == translator.translate(["ba di fu"])[0].text
    assert bound.text.startswith("nu ke")
    assert other.text.startswith("di")
    # A forced token keeps the score that the model gives it.
    assert bound.score < free.score
    ids = ids_of(translator, bound.alternatives[0].tokens)
    forced = translator.score_tokens(translator.source_tokenizer.encode(["ba di fu"]), [ids])[0]
    assert bound.alternatives[0].token_scores == pytest.approx(forced.tolist(), abs=1e-4)


def test_a_long_prefix_is_kept_whole(translator: Translator) -> None:
    prefix = " ".join(["nu"] * 100)
    (found,) = translator.translate(["go"], prefixes=[prefix])
    assert found.text.startswith(prefix)


def test_attention_is_a_row_a_target_token_and_a_column_a_source_token(translator: Translator) -> None:
    for translation in translator.translate([*LINES, "ba"], WITH_ATTENTION):
        best = translation.alternatives[0]
        assert best.attention is not None
        assert best.attention.shape == (len(best.tokens), len(best.source_tokens))
        sums = best.attention.sum(axis=1)
        assert (sums <= 1 + 1e-5).all()  # the rest looks at the source's end
        assert (sums > 0).all()
        expected = [(int(row.argmax()), target) for target, row in enumerate(best.attention)]
        assert best.alignment() == expected
        written = translator.source_tokenizer.pieces(
            translator.source_tokenizer.encode([translation.source])[0]
        )
        assert list(best.source_tokens) == written


def test_attention_is_left_out_when_not_asked_for(translator: Translator) -> None:
    best = translator.translate(LINES[:1])[0].alternatives[0]
    assert best.attention is None
    assert best.alignment() == []


def test_coverage_lowers_scores_by_the_penalty(translator: Translator) -> None:
    differences = []
    plain = TranslateOptions(beam_size=1, attention=True)
    covered = TranslateOptions(beam_size=1, attention=True, coverage_penalty=0.3)
    for one, two in zip(
        translator.translate(LINES, plain), translator.translate(LINES, covered), strict=True
    ):
        assert one.text == two.text
        # The end token's attention is not among the alternative's, so only bounds follow from it.
        seen = one.alternatives[0].attention
        assert seen is not None
        most = 0.3 * np.log(np.clip(seen.sum(axis=0), 1e-6, 1)).sum()
        least = 0.3 * np.log(np.clip(seen.sum(axis=0) + 1, 1e-6, 1)).sum()
        assert most - 1e-6 <= two.score - one.score <= least + 1e-6
        differences.append(one.score - two.score)
    assert max(differences) > 0.01


def test_a_long_line_is_translated_in_pieces_with_a_warning(
    translator: Translator, warnings: list[str]
) -> None:
    longest = translator.longest_source
    line = " ".join(["ba di fu go"] * longest)
    (found,) = translator.translate([line], WITH_ATTENTION)
    best = found.alternatives[0]
    assert len(best.attention_blocks) > 4
    assert max(block.shape[1] for block in best.attention_blocks) <= longest
    assert sum(block.shape[1] for block in best.attention_blocks) == len(best.source_tokens)
    assert len(found.text.split()) > 4
    assert len(best.token_scores) == len(best.tokens) + len(best.attention_blocks)
    translator.translate([line, "go", line])
    told = f"longer than the longest training sentence ({longest} tokens): translated in segments"
    assert warnings == [f"1 line is {told}", f"2 lines are {told}"]


def test_the_pieces_of_a_line_are_translated_like_lines(translator: Translator) -> None:
    line = " ".join(["ba di fu go"] * translator.longest_source)
    best = translator.translate([line], WITH_ATTENTION)[0].alternatives[0]
    columns = np.cumsum([0, *(block.shape[1] for block in best.attention_blocks)])
    parts = ["".join(best.source_tokens[a:b]).replace("▁", " ").strip() for a, b in pairwise(columns)]
    alone = [translation.alternatives[0] for translation in translator.translate(parts, WITH_ATTENTION)]
    assert best.text == " ".join(part.text for part in alone if part.text)
    assert best.score == pytest.approx(sum(part.score for part in alone), abs=1e-4)
    # A prefix begins the first alone.
    options = [None] * len(parts)
    bound = [t.text for t in translator.translate(parts, WITH_ATTENTION, prefixes=["nu ke", *options[1:]])]
    (whole,) = translator.translate([line], WITH_ATTENTION, prefixes=["nu ke"])
    assert whole.text == " ".join(bound)
    # Links point into the whole line.
    rows = np.cumsum([0, *(len(part.tokens) for part in alone)])
    moved = [
        (column + source, row + target)
        for part, row, column in zip(alone, rows, columns, strict=False)
        for source, target in part.alignment()
    ]
    assert best.alignment() == moved
    assert best.attention is not None
    assert best.attention[: rows[1], columns[1] :].max() == 0.0


@settings(max_examples=25)
@given(
    words=st.lists(st.sampled_from(["ba", "unheard", "x", "東京", "Satz."]), min_size=1, max_size=60),
    longest=st.integers(1, 20),
)
def test_cutting_loses_nothing(translator: Translator, words: list[str], longest: int) -> None:
    other = copy.copy(translator)
    other.longest_source = longest
    line = " ".join(words)
    options = TranslateOptions(beam_size=1, maximum_length=1, attention=True)
    best = other.translate([line], options)[0].alternatives[0]
    whole = translator.source_tokenizer.pieces(translator.source_tokenizer.encode([line])[0])
    assert list(best.source_tokens) == whole
    assert all(1 <= block.shape[1] <= longest for block in best.attention_blocks)


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        (" ".join(["unheard"] * 12), "▁"),  # between words
        ("東" * 40, "<0xE6>"),  # between characters: it is E6 9D B1 in UTF-8
    ],
)
def test_cuts_fall_between_words_or_at_least_characters(
    translator: Translator, line: str, begins: str
) -> None:
    other = copy.copy(translator)
    other.longest_source = 40
    options = TranslateOptions(beam_size=1, maximum_length=1, attention=True)
    best = other.translate([line], options)[0].alternatives[0]
    starts = np.cumsum([block.shape[1] for block in best.attention_blocks])[:-1]
    assert len(starts) >= 1
    assert all(best.source_tokens[start].startswith(begins) for start in starts)


@pytest.mark.parametrize(
    ("settings_", "fragment"),
    [
        ({"beam_size": 0}, "--beam-size 0"),
        ({"beam_size": 2, "n_best": 3}, "--n-best 3"),
        ({"minimum_length": 5, "maximum_length": 4}, "--min-length 5 is larger than --max-length 4"),
        ({"maximum_length": -1}, "--max-length -1"),
        ({"minimum_length": -1}, "--min-length -1"),
        ({"batch_tokens": 0}, "--batch-tokens 0"),
        ({"coverage_penalty": -1.0}, "--coverage-penalty -1"),
    ],
)
def test_impossible_options_are_refused_by_name(settings_: dict[str, float], fragment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TranslateOptions(**settings_)  # type: ignore[arg-type]
    assert fragment in caught.value.message


class TestProcesses:
    """Many lines are shared by several processes, and nothing else changes."""

    def test_the_translations_are_the_same(self, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shared = Translator.load(toy_model, device="cpu", workers=3)
        translator = Translator.load(toy_model, device="cpu", workers=1)
        lines = [*LINES, "", *(" ".join(LINES[: 1 + number % 5]) for number in range(40))]
        options = TranslateOptions(beam_size=3, n_best=2, batch_tokens=40, attention=True)
        alone = translator.translate(lines, options)
        monkeypatch.setattr(inference, "WORTH_SHARING", 0)
        forks = []
        monkeypatch.setattr(
            sharing, "in_processes", lambda works: forks.append(len(works)) or in_processes(works)
        )
        for one, other in zip(shared.translate(lines, options), alone, strict=True):
            assert one.text == other.text
            for a, b in zip(one.alternatives, other.alternatives, strict=True):
                assert (a.score, a.token_scores, a.tokens) == (b.score, b.token_scores, b.tokens)
                assert len(a.attention_blocks) == len(b.attention_blocks) > 0 or not one.source
                for mine, theirs in zip(a.attention_blocks, b.attention_blocks, strict=True):
                    assert np.array_equal(mine, theirs)
        assert forks == [3]

    def test_torch_is_never_copied(self, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its threads do not exist in a copy: the first parallel loop there would never end."""
        monkeypatch.setattr(inference, "WORTH_SHARING", 0)
        monkeypatch.setattr(sharing, "in_processes", None)
        whole = Translator.load(toy_model, device="cpu", threads=2, precision="fp32")
        lines = LINES * 20
        assert len(whole.translate(lines, TranslateOptions(batch_tokens=40))) == len(lines)
        with pytest.raises(ConfigError, match="--workers 2 needs int8; the precision is fp32"):
            Translator.load(toy_model, device="cpu", workers=2, precision="fp32")

    def test_a_few_lines_are_not_worth_it(self, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shared = Translator.load(toy_model, device="cpu", workers=3)
        monkeypatch.setattr(sharing, "in_processes", None)
        assert len(shared.translate(LINES)) == len(LINES)


def test_precisions_are_resolved_and_refused_by_name(toy_model: Path) -> None:
    def load(precision: str, **changes: str) -> Translator:
        (member,) = Translator.load(toy_model, device="cpu").members
        model = replace(member.config.model, **changes)
        config = replace(member.config, model=model)
        network = build_model(Blueprint.of(member.kind, model, member.fields), model).eval()
        return Translator([replace(member, weights=network, config=config)], precision=precision)

    assert Translator.load(toy_model, device="cpu").precision == "int8"
    assert load("auto", attention="additive").precision == "fp32"
    assert load("auto", cell="rnn").precision == "fp32"
    with pytest.raises(ConfigError, match=r"int8 cannot run a model with model\.attention = additive"):
        load("int8", attention="additive")
    with pytest.raises(ConfigError, match="'int4' is not known"):
        load("int4")


def test_options_are_given_as_one_object_or_by_name(toy_model: Path) -> None:
    translator = seqkit.Translator.load(toy_model)
    named = translator.translate(["ba di"], beam_size=2, attention=True)
    options = replace(translator.options, beam_size=2, attention=True)
    (whole,) = translator.translate(["ba di"], options)
    assert isinstance(options, seqkit.TranslateOptions)
    assert (named[0].text, named[0].score) == (whole.text, whole.score)
    assert named[0].alternatives[0].attention is not None
    with pytest.raises(TypeError, match="beam_width"):
        translator.translate(["ba di"], beam_width=2)
    assert {*seqkit.__all__} == {
        *("Classifier", "GenerateOptions", "TextGenerator", "TranslateOptions", "Translator"),
        *("__version__", "load"),
    }
    with pytest.raises(AttributeError, match="module 'seqkit' has no attribute 'Trainer'"):
        seqkit.Trainer  # noqa: B018


def test_invisible_characters_change_no_translation(translator: Translator) -> None:
    """Nor do they make one: a line of nothing else is as empty as it looks."""
    visible, *others = translator.translate(
        ["ba di", "ba\u200b di", "\ufeffb\u00ada di\u200e", "\u202aba\0 di\u202c"]
    )
    assert [other.text for other in others] == [visible.text] * 3
    assert [other.score for other in others] == [visible.score] * 3
    blank = translator.translate(["\u200b", "\u200b \u200b", "\ufeff\u2060", "\x07", "\u2800\u3164"])
    assert [translation.text for translation in blank] == [""] * 5
