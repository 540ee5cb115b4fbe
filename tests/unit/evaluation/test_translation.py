"""Texts that do not belong together are found out; a model is translated, then scored."""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import pytest

from seqkit.errors import DataError
from seqkit.evaluation.translations import Names, evaluate_model, evaluate_translation
from seqkit.metrics.sacre import MetricOptions

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
REFERENCES = [
    f"the {NUMBERS[i // 10]} dogs see {NUMBERS[i % 10]} cats near house {NUMBERS[i * 7 % 10]}."
    for i in range(40)
]
NAMES = Names(hypotheses="out.de", references=("test.de",), baseline="old.de", source="test.en")


@dataclass(frozen=True)
class FakeTranslation:
    text: str


@dataclass
class FakeTranslator:
    """Translates by changing the case."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def translate(self, lines: list[str], *options: Any) -> list[FakeTranslation]:
        self.calls.append((lines, *options))
        return [FakeTranslation(line.lower()) for line in lines]


def error_of(hypotheses: list[str], references: list[str], **more: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        evaluate_translation(hypotheses, [references], names=NAMES, **more)
    return caught.value


def test_scores_come_in_the_order_asked_for() -> None:
    options = MetricOptions(metrics=("chrf", "bleu"))
    evaluation = evaluate_translation(REFERENCES, [REFERENCES], options)
    assert [score.metric for score in evaluation.scores] == ["chrf", "bleu"]
    assert evaluation.score("bleu").score == pytest.approx(100)
    assert evaluation.hypotheses == tuple(REFERENCES)
    with pytest.raises(KeyError):
        evaluation.score("ter")


@pytest.mark.parametrize("lost", [0, 1, 17, 38])
def test_a_lost_line_is_found(lost: int) -> None:
    error = error_of(REFERENCES[:lost] + REFERENCES[lost + 1 :], REFERENCES)
    assert error.message == "texts differ in length: 39 lines in out.de, 40 in test.de"
    assert error.where == f"line {lost + 1} of out.de: a line seems to be missing before it"


def test_several_lost_lines_are_found() -> None:
    error = error_of(REFERENCES[:10] + REFERENCES[13:], REFERENCES)
    assert error.where == "line 11 of out.de: 3 lines seem to be missing before it"


def test_a_doubled_line_is_missing_in_the_other_text() -> None:
    error = error_of([*REFERENCES[:10], "something else", *REFERENCES[10:]], REFERENCES)
    assert error.message == "texts differ in length: 41 lines in out.de, 40 in test.de"
    assert error.where == "line 11 of test.de: a line seems to be missing before it"


def test_a_text_that_stops_early_is_said_to_fit_so_far() -> None:
    error = error_of(REFERENCES[:25], REFERENCES)
    assert error.where == "out.de ends after line 25; what there is fits test.de"


@pytest.mark.parametrize(("blank", "said"), [([""], "an empty line"), (["", " ", ""], "3 empty lines")])
def test_blank_lines_at_the_end_are_named(blank: list[str], said: str) -> None:
    error = error_of(REFERENCES + blank, REFERENCES)
    assert error.where == f"line 41 of out.de: it ends with {said}"
    assert error.hint is not None
    assert "newline" in error.hint


def test_texts_in_different_languages_are_not_guessed_at() -> None:
    error = error_of([f"wort{i} ding{i}" for i in range(39)], REFERENCES)
    assert error.where == "out.de ends after line 39"


@pytest.mark.parametrize(
    ("hypotheses", "references", "message", "where"),
    [
        ([], REFERENCES, "there is nothing in out.de, but 40 lines in test.de", "out.de"),
        (REFERENCES[:1], [], "there is nothing in test.de, but 1 line in out.de", "test.de"),
        ([], [], "there is nothing to score: no lines in out.de and test.de", "out.de"),
    ],
)
def test_empty_texts(hypotheses: list[str], references: list[str], message: str, where: str) -> None:
    error = error_of(hypotheses, references)
    assert (error.message, error.where) == (message, where)


def test_the_second_reference_and_the_baseline_are_checked_by_name() -> None:
    with pytest.raises(DataError, match=r"39 in reference 2"):
        evaluate_translation(REFERENCES, [REFERENCES, REFERENCES[:-1]])
    error = error_of(REFERENCES, REFERENCES, baseline=REFERENCES[:-1])
    assert error.message == "texts differ in length: 39 lines in old.de, 40 in test.de"


def test_empty_hypotheses_are_warned_of(warnings: list[str]) -> None:
    hypotheses = [*REFERENCES[:5], "", " ", *REFERENCES[7:]]
    evaluate_translation(hypotheses, [REFERENCES], names=NAMES)
    assert warnings == ["out.de: 2 of 40 lines are empty where the reference is not, the first at line 6"]


def test_blank_lines_on_both_sides_are_fine(warnings: list[str]) -> None:
    lines = [*REFERENCES[:5], "", *REFERENCES[6:]]
    assert evaluate_translation(lines, [lines]).score("bleu").score == pytest.approx(100)
    assert warnings == []


def test_text_in_the_form_of_the_other_protocol_is_warned_of(warnings: list[str]) -> None:
    tokenized = [line.replace(".", " .") for line in REFERENCES]
    lowercased = MetricOptions(protocol="lowercased-tokenized")

    evaluate_translation(tokenized, [REFERENCES], names=NAMES)
    assert len(warnings) == 1
    assert warnings[0].startswith("out.de looks tokenised")
    assert "--protocol lowercased-tokenized" in warnings[0]

    evaluate_translation(tokenized, [REFERENCES], lowercased, names=NAMES)
    assert len(warnings) == 2
    assert warnings[1].startswith("test.de does not look tokenised")

    evaluate_translation(REFERENCES, [REFERENCES])
    evaluate_translation(tokenized, [tokenized], lowercased)
    evaluate_translation(["a ."], [["a ."]])  # too little to tell
    assert len(warnings) == 2


def test_a_model_is_translated_and_scored() -> None:
    translator = FakeTranslator()
    source = [line.upper() for line in REFERENCES]
    evaluation = evaluate_model(translator, source, [REFERENCES])
    assert translator.calls == [(source,)]
    assert evaluation.hypotheses == tuple(REFERENCES)
    assert evaluation.score("bleu").score == pytest.approx(100)


def test_translation_options_are_handed_on() -> None:
    translator = FakeTranslator()
    options = object()
    evaluate_model(translator, ["A"], [["a"]], translate_options=options)
    assert translator.calls == [(["A"], options)]


def test_nothing_is_translated_when_source_and_reference_differ() -> None:
    translator = FakeTranslator()
    with pytest.raises(DataError, match=r"39 lines in test\.en, 40 in test\.de"):
        evaluate_model(translator, REFERENCES[:-1], [REFERENCES], names=NAMES)
    assert translator.calls == []


def test_a_model_can_be_compared_with_a_baseline() -> None:
    evaluation = evaluate_model(FakeTranslator(), REFERENCES, [REFERENCES], baseline=["x"] * 40)
    paired = evaluation.score("bleu").paired
    assert paired is not None
    assert paired.baseline_score == 0
    assert paired.difference == pytest.approx(100)


def test_undefined_scores_and_notes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """On standard error, and not where --quiet hides it: the table says `undefined` too."""
    caplog.set_level(logging.INFO, "seqkit")
    evaluation = evaluate_translation(["yes", "no"], [["yes", "no"]], names=NAMES)
    assert evaluation.score("bleu").undefined
    reason = "no reference line has four tokens (tokenizer 13a), and BLEU counts n-grams of four"
    assert caplog.messages == [f"BLEU is undefined: {reason}"]
    caplog.clear()
    evaluate_translation(["a b c d"], [["a b c e"]], MetricOptions(metrics=("bleu",)))
    assert caplog.messages == ["BLEU: BLEU of one line says little: chrF is made for it"]


def test_ter_of_long_lines_is_warned_of(warnings: list[str]) -> None:
    """Before it begins: a line of 300 words takes seconds."""
    heard: list[tuple[str, int]] = []
    long = " ".join(["word"] * 101)
    evaluate_translation(
        [long, "a", long + " word"],
        [[long, "a", long]],
        MetricOptions(metrics=("ter",)),
        progress=lambda metric, done, _total: heard.append((metric, len(warnings) * 10 + done)),
    )
    assert warnings == [
        "TER takes seconds for each long line: 2 are of more than 100 words, the longest of 102"
    ]
    assert heard == [("ter", 11), ("ter", 12), ("ter", 13)]
    evaluate_translation([long], [[long]], MetricOptions(metrics=("chrf",)))
    assert len(warnings) == 1


def test_outputs_of_a_model_with_nfkc_are_recognised(warnings: list[str]) -> None:
    """Their references have full-width characters, and they have none."""
    references = [f"第{number}章，他说：「好！」" for number in range(20)]
    outputs = [unicodedata.normalize("NFKC", line) for line in references]
    evaluate_translation(outputs, [references], names=NAMES)
    assert len(warnings) == 1
    assert warnings[0].startswith("test.de: 20 of 20 lines have characters that NFKC writes otherwise")
    assert "--normalization clean-nfkc" in warnings[0]
    evaluate_translation(references, [references], names=NAMES)
    evaluate_translation(outputs, [references], MetricOptions(normalization="nfkc"), names=NAMES)
    assert len(warnings) == 1
