"""Text from outside made safe to show: what would steer a terminal, or a reader's eye, becomes visible."""

from __future__ import annotations

import re
import unicodedata

# Bidirectional overrides reorder what a reader sees; the categories below catch C0, C1, ESC and DEL.
_OVERRIDES = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """`text` with control characters and direction overrides written as visible escapes."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in {"Cc", "Cs"} or character in _OVERRIDES
        else character
        for character in text
    )


def printable_text(text: str) -> str:
    """`printable`, but for newlines and tabs, which stay."""
    return "".join(part if part in {"\n", "\t"} else printable(part) for part in re.split("([\n\t])", text))
