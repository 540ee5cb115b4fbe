"""What other tools left in a text is noticed, and undone on demand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.data.corpus import Corpus
from seqkit.data.prepare.options import PrepareOptions
from seqkit.data.prepare.parallel import PrepareReport, prepare_parallel
from seqkit.data.text.mending import FAULTS, detokenised, faults_of, mender, notice, without_entities
from seqkit.errors import ConfigError

TOKENISED = {
    "It 's a dog , is n't it ?": "It's a dog, isn't it?",
    "Das ist ein Hund ( ein großer ) .": "Das ist ein Hund (ein großer).",
    'He said " go on " .': 'He said "go on".',
    "a well @-@ known dog": "a well-known dog",
    "L' homme qu' il a vu .": "L'homme qu'il a vu.",
    "我们 看见 一 位 老人 。": "我们看见一位老人。",
    "50 % of $ 20": "50% of $20",
}
WRITTEN = [
    "It's a dog, isn't it? (A big one.)",
    'He said "go on".',
    "Vraiment ? Oui !",
    "the dogs ' tails",
    "3.14 and 1,000 and .5",
    "我们看见一位老人。",
]


@pytest.mark.parametrize("line", TOKENISED)
def test_tokens_are_written_as_usual(line: str) -> None:
    assert detokenised(line) == TOKENISED[line]


@pytest.mark.parametrize("line", [*TOKENISED.values(), WRITTEN[0], WRITTEN[1], *WRITTEN[3:]])
def test_what_is_written_as_usual_stays(line: str) -> None:
    assert detokenised(line) == line


def test_entities() -> None:
    assert without_entities("R&amp;D &quot;x&#39;&#x41;") == "R&D \"x'A"
    assert without_entities("&amp;quot;go&amp;quot;") == '"go"'
    assert without_entities("R&D, AT&T; a&b;") == "R&D, AT&T; a&b;"
    assert without_entities("a&#10;b") == "a b"


@given(line=st.text(), faults=st.sets(st.sampled_from(FAULTS)))
def test_a_line_stays_a_line(line: str, faults: set[str]) -> None:
    (mended,) = mender(faults_of(",".join(faults)) if faults else ())([line])
    assert mended.count("\n") <= line.count("\n")


def test_faults_are_noticed(warnings: list[str]) -> None:
    notice([("source", ["It 's a dog ."] * 9), ("target", ["it&apos;s 5 &amp; more"] * 9 + ["plain"] * 9)])
    assert len(warnings) == 2
    assert warnings[0].startswith("source looks tokenised")
    assert warnings[1] == (
        "target: 50 % of the lines have HTML entities (&apos;); --mend entities makes characters of them"
    )


@pytest.mark.parametrize("line", WRITTEN)
def test_usual_text_is_not_warned_of(line: str, warnings: list[str]) -> None:
    notice([("source", [line] * 99)])
    assert warnings == []


def prepare(folder: Path, **options: str) -> tuple[PrepareReport, Corpus]:
    (folder / "pairs").write_text(
        "".join(f"the dog &amp; {number} cats .\tder Hund &amp; {number} Katzen .\n" for number in range(60))
    )
    given = PrepareOptions(
        folder / "corpus",
        pairs=(str(folder / "pairs"),),
        tokenizer="char",
        **options,  # type: ignore[arg-type]
    )
    return prepare_parallel(given, lambda *_: None), Corpus.open(folder / "corpus")


def test_prepare_notices(tmp_path: Path, warnings: list[str]) -> None:
    report, corpus = prepare(tmp_path)
    assert len(warnings) == 4
    assert report.mended == 0
    assert corpus.valid_text("source")[0].endswith(" cats .")


def test_prepare_mends(tmp_path: Path, warnings: list[str]) -> None:
    report, corpus = prepare(tmp_path, mend="entities,tokens")
    assert warnings == []
    assert report.mended == 60
    assert all(
        line.startswith("the dog & ") and line.endswith(" cats.") for line in corpus.valid_text("source")
    )


def test_unknown_faults() -> None:
    with pytest.raises(ConfigError, match="--mend entitys is not known") as caught:
        faults_of("entitys")
    assert caught.value.hint == "did you mean entities?"
