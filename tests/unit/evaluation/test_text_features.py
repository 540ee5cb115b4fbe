"""Quotes, comments, brackets, lines and words of a text, followed character by character."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.inspection.text_features import text_features


def values(name: str, text: str) -> list[float]:
    (found,) = [feature.values.tolist() for feature in text_features(text) if feature.name == name]
    return found


def marked(name: str, text: str) -> str:
    """The text's characters at which a flag is up, dots for the others."""
    flags = values(name, text)
    assert set(flags) <= {0, 1}
    return "".join(c if up else "." for c, up in zip(text, flags, strict=True))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('say "no", he', '...."no.....'),
        ('"a" and "b', '"a........'),  # never closed: no quote
        ('"a\nb" c', '"a\nb...'),  # prose is wrapped
        ('"p\n\nq" "c"', '......."c.'),  # but a paragraph ends it, and a mark behind a letter opens none
        ('x = """a "b" c"""', '...."""a "b" c"".'),
        (r'"a\"b" c', r'"a\"b...'),
        ('f"a" rb"b" xf"c"', '."a...."b.......'),  # prefixes of strings
        ("“a b” c", "“a b..."),
        ('# no " here\nnor " there', "......................."),
    ],
)
def test_double_quotes(text: str, inside: str) -> None:
    assert marked("double_quotes", text) == inside


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("it's 'so' here", ".....'so......"),
        ("the dogs' and 'tis", ".................."),  # apostrophes
        ("'don't' x", "'don't..."),
        ("d['k'] = b'v'", "..'k......'v."),
        ("'a\nb'", "....."),
        ("‘a’ b", "‘a..."),
        ('"it\'s" \'"\' "x"', ".......'\"....."),  # the one kind inside the other
        ("''' a\nb ''' c", "''' a\nb ''..."),
    ],
)
def test_single_quotes(text: str, inside: str) -> None:
    assert marked("single_quotes", text) == inside


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("x = 1  # set x\ny", ".......# set x.."),
        ("#include <a>\n// b\nc", ".............// b.."),
        ("http://a.b/c #tag", "................."),
        ("a /* b\nc */ d", "../* b\nc *..."),
        ('"# no" # "yes"', '.......# "yes"'),
        ("#!/bin/sh\n#\n## x\n", "#!/bin/sh.#.## x."),
    ],
)
def test_comments(text: str, inside: str) -> None:
    assert marked("comment", text) == inside


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("brackets", "f(a[1]) )", [0, 1, 1, 2, 2, 1, 0, 0, 0]),
        ("brackets", '("(" #\n', [1, 1, 1, 1, 1, 1, 1]),  # what is quoted opens nothing
        ("brackets", "(a\n\nb(", [1, 1, 1, 0, 0, 1]),  # a blank line closes all
        ("indentation", "a\n  b c\n\n\td\n ", [0, 0, 1, 2, 2, 2, 2, 0, 0, 8, 8, 0, 1]),
        ("line_position", "ab\n\nc", [1, 2, 0, 0, 1]),
        ("line_rest", "ab\n\nc", [1, 0, 0, 1, 0]),
        ("capitals", "ABc dEFÉ A", [0, 1, 0, 0, 0, 0, 1, 1, 0, 0]),
        ("word", "a bc-d", [1, 0, 1, 1, 0, 1]),
        ("word_start", "a bc-d", [1, 0, 1, 0, 0, 1]),
        ("word_position", "a bc-d", [1, 0, 1, 2, 0, 1]),
    ],
)
def test_numbers_and_flags(name: str, text: str, expected: list[int]) -> None:
    assert values(name, text) == expected


def test_speakers_stand_alone_in_the_first_line_of_a_paragraph() -> None:
    text = "ROMEO:\nNurse: hi\n\nFirst Citizen:\nAy:\n\nno:\n"
    assert re.findall(r"[^.]+", marked("speaker", text)) == ["ROMEO:", "First Citizen:"]


@given(st.text(alphabet="aB'\"#/*([)] \n\t\\“”‘’☃b", max_size=60))
def test_every_character_of_any_text_has_a_value(text: str) -> None:
    for feature in text_features(text):
        assert feature.values.shape == (len(text),)
        assert (feature.values >= 0).all()


@given(st.text(alphabet="ab \n", max_size=40))
def test_position_and_rest_make_the_length_of_the_line(text: str) -> None:
    position, rest = values("line_position", text), values("line_rest", text)
    lines = text.split("\n")
    line = 0
    for index, character in enumerate(text):
        line += character == "\n"
        assert position[index] + rest[index] == len(lines[line])


HOSTILE = ["/*", "“", '"', "'", "‘", "(", "\n", ' "\\', " '''", " 'a'a", '"\n ', " //", "#"]


@pytest.mark.parametrize("part", HOSTILE)
def test_no_text_takes_long(part: str) -> None:
    text = part * (20_000 // len(part))
    started = time.process_time()
    text_features(text)
    assert time.process_time() - started < 1
