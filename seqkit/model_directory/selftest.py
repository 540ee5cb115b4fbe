"""How the tokenizers of a model segment a few fixed strings, now and when it was trained."""

from __future__ import annotations

from typing import Any

from seqkit.data.tokenizers import Tokenizer

_SELF_TEST = ("A man rides a bicycle.", "Zwei Hunde, 3 Bälle: schön!", "naïve ☃ 東京 <s>")


def self_test(*tokenizers: Tokenizer) -> list[Any]:
    """How each tokenizer segments a few fixed strings."""
    return [[[int(i) for i in ids] for ids in tokenizer.encode(list(_SELF_TEST))] for tokenizer in tokenizers]
