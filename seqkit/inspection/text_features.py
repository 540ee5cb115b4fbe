"""What a reader of a text keeps in mind at each character: quotes, brackets, indentation, the line's length.

These are the quantities that single cells of a generator were found to follow (Karpathy, Johnson and
Fei-Fei 2015, section 4.2). All are heuristics that need no grammar of a language: they serve prose and code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

_TAB = 8  # columns

# One scanner for all three, so that a quote in a comment opens nothing. A mark within a word, or one that is
# never closed, opens nothing: single ones within the line, since they are apostrophes as well, double ones
# within the paragraph. A string may have a prefix, as in b"".
_SPANS = re.compile(
    r"""
    (?: (?<!\w) | (?<=\b[bBfFrRuU]) | (?<=\b[bBfFrR]{2}) )
    (?: (?P<double> \"{3} [\s\S]*? \"{3}
            | " (?: \\[\s\S] | (?!\n[ \t]*\n) [^"\\] )* "
            | “ (?: (?!\n[ \t]*\n) [^“”] )* ” )
      | (?P<single> '{3} [\s\S]*? '{3}
            | ' (?: \\[\s\S] | [^'\n\\] | (?<=\w)'(?=\w) )+ ' (?!\w)
            | ‘ [^‘’\n]+ ’ (?!\w) ) )
    | (?P<comment> (?: (?<=\s) | ^ ) \# (?: [ !:\#] [^\n]* | $ )
            | (?<![:\S]) // [^\n]*
            | /\* [\s\S]*? \*/ )
    """,
    re.VERBOSE | re.MULTILINE,
)
_SPEAKER = re.compile(r"(?:\A|(?<=\n\n))[^\W\d_a-z][^\n:]{0,40}:(?=\n)")
_WORD = re.compile(r"\w+")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*(?=\n)")


@dataclass(frozen=True)
class Feature:
    """One quantity at every character of a text, as it stands when that character has been read. (T,)"""

    name: str
    description: str
    values: Values


def text_features(text: str) -> list[Feature]:
    """All quantities that are looked for; flags are 0 and 1."""
    spans = _spans(text)
    outside = np.logical_not(spans["double"] + spans["single"] + spans["comment"])
    word_positions = _counted(text, _WORD)
    return [
        Feature("double_quotes", "inside double quotes", spans["double"]),
        Feature("single_quotes", "inside single quotes", spans["single"]),
        Feature("comment", "inside a comment", spans["comment"]),
        Feature("brackets", "depth of brackets", _bracket_depth(text, outside)),
        Feature("indentation", "indentation of the line", _indentation(text)),
        Feature("line_position", "position in the line", _line_position(text)),
        Feature("line_rest", "characters to the line's end", _line_rest(text)),
        Feature("speaker", "speaker's name (NAME:)", _flags(text, _SPEAKER.finditer(text))),
        Feature("capitals", "run of capitals", _capitals(text)),
        Feature("word", "inside a word", _flag(word_positions > 0)),
        Feature("word_start", "first letter of a word", _flag(word_positions == 1)),
        Feature("word_position", "position in the word", word_positions),
    ]


def _flag(values: NDArray[np.bool_]) -> Values:
    return values.astype(np.float32)


def _flags(text: str, found: Iterable[re.Match[str]]) -> Values:
    values = np.zeros(len(text), np.float32)
    for match in found:
        values[match.start() : match.end()] = 1
    return values


def _spans(text: str) -> dict[str, Values]:
    """1 from the opening mark on, 0 from the last closing one on; a line's comment closes behind it."""
    values = {name: np.zeros(len(text), np.float32) for name in ("double", "single", "comment")}
    for match in _SPANS.finditer(text):
        name = match.lastgroup or ""
        start, end = match.span(name)
        to_line_end = name == "comment" and not match[name].endswith("*/")
        values[name][start : end if to_line_end else end - 1] = 1
    return values


def _counted(text: str, pattern: re.Pattern[str]) -> Values:
    """1, 2, 3 … within each match, 0 elsewhere."""
    values = np.zeros(len(text), np.float32)
    for match in pattern.finditer(text):
        values[match.start() : match.end()] = np.arange(1, match.end() - match.start() + 1)
    return values


def _bracket_depth(text: str, outside: NDArray[np.bool_]) -> Values:
    """Brackets that are open, outside quotes and comments; a blank line closes all."""
    changes = {**dict.fromkeys("([{", 1), **dict.fromkeys(")]}", -1)}
    ends = {match.end() for match in _BLANK_LINE.finditer(text)}
    values, depth = np.zeros(len(text), np.float32), 0
    for index, character in enumerate(text):
        if index in ends:
            depth = 0
        elif character in changes and outside[index]:
            depth = max(0, depth + changes[character])
        values[index] = depth
    return values


def _newlines(text: str) -> NDArray[np.int64]:
    return np.array([match.start() for match in re.finditer("\n", text)], np.int64)


def _line_position(text: str) -> Values:
    """Characters of the line that have been read; 0 behind a newline."""
    begins = np.concatenate([[-1], _newlines(text)])
    positions = np.arange(len(text))
    last: NDArray[np.int64] = begins[np.searchsorted(begins, positions, "right") - 1]
    return (positions - last).astype(np.float32)


def _line_rest(text: str) -> Values:
    """Characters that still come before the next newline, or the end of the text."""
    ends = np.concatenate([_newlines(text), [len(text)]])
    positions = np.arange(len(text))
    following: NDArray[np.int64] = ends[np.searchsorted(ends, positions, "right")]
    return (following - positions - 1).astype(np.float32)


def _indentation(text: str) -> Values:
    """Columns of white space at the line's beginning: those read so far, then all of them to its end."""
    values = np.zeros(len(text), np.float32)
    for match in _INDENT.finditer(text):
        column, start = 0, match.start()
        for index, character in enumerate(match[0], start):
            column += _TAB - column % _TAB if character == "\t" else 1
            values[index] = column
        end = text.find("\n", match.end())
        values[match.end() : end if end >= 0 else len(text)] = column
    return values


def _capitals(text: str) -> Values:
    """1 from the second of several capitals in a row on."""
    upper = np.array([character.isupper() for character in text], bool)
    upper[1:], upper[:1] = upper[1:] & upper[:-1], False
    return _flag(upper)
