"""Invisible characters: which of them a reader misses nothing without, and which carry meaning.

What is invisible and says nothing (zero width spaces, soft hyphens, byte order marks, direction marks,
controls, noncharacters) makes two words of one that looks the same. It comes with text from web pages, word
processors and PDF. Some invisible characters are part of the spelling and stay where they are:

- ZWJ and ZWNJ beside letters of scripts that join (Arabic, Indic scripts, …) and ZWJ in emoji (RFC 5892,
  appendix A.1 and A.2; Unicode 16, sections 9.2, 12.1 and 23.2),
- variation selectors behind emoji, ideographs, symbols and Mongolian letters (section 23.4), tags of flags,
- zero width spaces between words of Thai, Lao, Khmer and Myanmar, which writes no other (section 23.2),
- Hangul fillers beside conjoining letters, blank patterns beside Braille.

The lists are of code points, not of properties, so that another version of Python finds the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_ZERO_WIDTH_SPACE, _NON_JOINER, _JOINER = "\u200b", "\u200c", "\u200d"
_BLACK_FLAG, _TAG_END = "\U0001f3f4", "\U000e007f"
_KEYCAP = "\u20e3"
_BRAILLE_BLANK = "\u2800"

# What separates lines or fields in files of some kind is a space in a line.
_SEPARATORS = "\v\f\r\x1c-\x1f\x85\u2028\u2029"
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_MEANINGLESS = (
    "\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls but for tabs and newlines
    "\xad\u034f\u061c\u17b4\u17b5\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
) + _NONCHARACTERS
_EMOJI_SELECTORS = "\ufe0e\ufe0f"
_SELECTORS = "\ufe00-\ufe0d"
_IDEOGRAPH_SELECTORS = "\U000e0100-\U000e01ef"
_MONGOLIAN_SELECTORS = "\u180b-\u180d\u180f"
_TAGS = "\U000e0020-\U000e007f"
_FILLERS = "\u115f\u1160"
_ALL_INVISIBLE = (
    f"{_SEPARATORS}{_MEANINGLESS}{_EMOJI_SELECTORS}{_SELECTORS}{_IDEOGRAPH_SELECTORS}{_MONGOLIAN_SELECTORS}"
    f"{_TAGS}{_FILLERS}{_BRAILLE_BLANK}{_ZERO_WIDTH_SPACE}{_NON_JOINER}{_JOINER}"
)

_INVISIBLE_ASCII = re.compile("[\0-\x08\v-\x1f\x7f]")
_IS_INVISIBLE = np.zeros(0x110000, bool)  # by code point
for _first, _last in re.findall("(.)(?:-(.))?", _ALL_INVISIBLE, re.DOTALL):
    _IS_INVISIBLE[ord(_first) : ord(_last or _first) + 1] = True

_IDEOGRAPHS = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_EMOJI = (
    "\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u27ff\u2801-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001fbff"
)
# Letters and marks of scripts in which ZWJ and ZWNJ choose between forms; their punctuation left out.
_JOINING = (
    "\u0610-\u061a\u0620-\u0669\u066e-\u06d3\u06d5-\u06ff\u0710-\u074f\u0750-\u077f\u07c0-\u07f5\u0840-\u085b"
    "\u0860-\u08ff\u0900-\u0963\u0966-\u0df3\u0f00-\u0fff\u1000-\u1049\u1050-\u109f\u1700-\u1734\u1780-\u17d3"
    "\u17d7-\u17e9\u1807\u180a\u1810-\u18af\u1900-\u194f\u1a20-\u1aaf\u1b00-\u1b59\u1b80-\u1bff\u1c00-\u1c3a"
    "\ua840-\ua873\ua880-\ua8cd\ua8d0-\ua8ff\ua930-\ua953\ua980-\ua9c0\ua9cf-\uaa5b\uaa60-\uaa7f\uaae0-\uaaef"
    "\uaaf6\uabc0-\uabff\ufb50-\ufdc7\ufdf0-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010a48\U00010ac0-\U00010ae6\U00010b80-\U00010baf\U00010d00-\U00010d39\U00010f30-\U00010f54"
    "\U00011000-\U00011fff\U0001e900-\U0001e95f"
)


def _one_of(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{characters}]")


_is_emoji = _one_of(_EMOJI).match
_is_joining = _one_of(_JOINING).match
_is_ideograph = _one_of(_IDEOGRAPHS).match
_is_mongolian = _one_of("\u1820-\u18af").match
_is_jamo = _one_of("\u1100-\u115e\u1161-\u11ff\ua960-\ua97f\ud7b0-\ud7ff").match
_writes_no_spaces = _one_of(
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\uaadf"
).match
_is_braille = _one_of("\u2801-\u28ff").match
# Mathematical symbols, fullwidth forms and ideographs, Myanmar, Phags-pa and Manichaean letters.
_has_variants = _one_of(
    _IDEOGRAPHS
    + "\u2200-\u22ff\u2a00-\u2aff\u3001-\u303f\uff01-\uff60\u1000-\u109f\uaa60-\uaa7f\ua840-\ua877"
    "\U00010ac0-\U00010aff0"
).match
_is_separator = _one_of(_SEPARATORS + _BRAILLE_BLANK).match
_is_emoji_selector = _one_of(_EMOJI_SELECTORS).match
_is_selector = _one_of(_SELECTORS).match
_is_ideograph_selector = _one_of(_IDEOGRAPH_SELECTORS).match
_is_mongolian_selector = _one_of(_MONGOLIAN_SELECTORS).match
_is_tag = _one_of(_TAGS).match
_is_filler = _one_of(_FILLERS).match


def clean(text: str) -> str:
    """`text` without invisible characters that carry no meaning; `clean` of the result is the same.

    Separators of lines other than `\\n` become spaces; tabs, newlines and visible spaces stay.
    """
    if text.isascii() and not _INVISIBLE_ASCII.search(text):
        return text
    parts, place = [], 0
    for start, end in _invisible_runs(text):
        parts += [text[place:start], _kept(text, start, end)]
        place = end
    return "".join([*parts, text[place:]])


def clean_lines(lines: Sequence[str]) -> list[str]:
    """`clean` of each: of thousands together it takes a fraction of the time."""
    text = "\n".join(lines)
    if text.count("\n") != len(lines) - 1:  # there are none, or a newline is inside one
        return [clean(line) for line in lines]
    return clean(text).split("\n")  # a newline is visible, and no other character means anything beside it


def _invisible_runs(text: str) -> list[tuple[int, int]]:
    """Where invisible characters begin and end."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    places = np.flatnonzero(_IS_INVISIBLE[codes])
    if not len(places):
        return []
    gaps = np.flatnonzero(np.diff(places) > 1)
    starts, ends = places[[0, *(gaps + 1)]], places[[*gaps, -1]] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def is_blank(line: str) -> bool:
    """Whether nothing of a line can be seen: spaces and invisible characters, or nothing at all."""
    return not line or line.isspace() or not clean(line).strip()


def _kept(text: str, start: int, end: int) -> str:
    """What stays of a run of invisible characters between two visible ones, or an end of the text."""
    run, before, after = text[start:end], text[max(start - 1, 0) : start], text[end : end + 1]
    if before == _BLACK_FLAG and _is_tag(run) and run.endswith(_TAG_END):
        return "".join(filter(_is_tag, run))
    kept = ""
    for character in run:
        if _is_separator(character):
            braille = character == _BRAILLE_BLANK and (_is_braille(before) or _is_braille(after))
            kept += character if braille else " "
        elif _means_something(character, before, kept, after):
            kept += character
    return kept


def _means_something(character: str, before: str, kept: str, after: str) -> bool:
    """Whether an invisible character stays, between visible ones and behind invisible ones that stayed."""
    last = kept[-1:] or before
    if _is_emoji_selector(character):
        digit = "#" <= last <= "9" and last in "#*0123456789" and after == _KEYCAP
        return digit or bool(_is_emoji(last) or _has_variants(last))
    if character == _JOINER and _is_emoji(before) and _is_emoji(after):
        return not kept or bool(_is_emoji_selector(last))
    if _is_ideograph_selector(character):
        return bool(_is_ideograph(last))
    if _is_selector(character):
        return bool(_has_variants(last))
    if _is_mongolian_selector(character):
        return bool(_is_mongolian(last))
    if kept:
        return False  # one of the following says all that several would
    if character == _JOINER:
        return bool(_is_joining(before) or _is_joining(after))
    if character == _NON_JOINER:
        return _within_word(before, after) and bool(_is_joining(before) or _is_joining(after))
    if character == _ZERO_WIDTH_SPACE:
        return bool(_writes_no_spaces(before) and _writes_no_spaces(after))
    if _is_filler(character):
        return bool(_is_jamo(before) or _is_jamo(after))
    return character == "\u180e" and bool(_is_mongolian(before) and _is_mongolian(after))


def _within_word(before: str, after: str) -> bool:
    return all(_is_joining(character) or character.isalnum() for character in (before, after))
