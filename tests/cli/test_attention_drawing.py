"""The drawing of attention: nothing is wider than the window, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seqkit.cli.terminal.attention_drawing import ASCII, BLOCKS, LARGEST, Palette, draw, palette

tokens = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=60)


def test_tokens_beside_each_other_where_they_fit() -> None:
    weights = np.array([[0.9, 0.04, 0.06], [0.3, 0.5, 0.2]])
    assert list(draw(weights, ["▁a", "▁dog", "s"], ["▁ein", "▁Hund"], 60, BLOCKS)) == [
        "      ▁a ▁dog s",
        "▁ein  ██      ░",
        "▁Hund ▒▒ ▓▓▓▓ ░",
    ]
    assert list(draw(weights, ["▁a", "▁dog", "s"], ["▁ein", "▁Hund"], 60, ASCII)) == [
        "      _a _dog s",
        "_ein  ##      .",
        "_Hund :: ++++ .",
    ]


def test_tokens_downwards_and_in_bands_where_they_do_not() -> None:
    first = ["      a", "      \\", "  東e\u0301 t", "  京t\u0301 b", "A ██", "B   ██", "C     ██", "D"]
    second = [*(f"  {letter}" for letter in "interna"), "  …", "A", "B", "C", "D ██"]
    source = ["東京", "e\u0301t\u0301", "a\tb", "internationalisation"]
    assert list(draw(np.eye(4), source, ["A", "B", "C", "D"], 8, BLOCKS)) == [*first, "", *second]


@settings(max_examples=60)
@given(tokens, tokens, st.integers(20, 200), st.sampled_from([BLOCKS, ASCII]))
def test_no_line_is_wider_than_the_window(
    source: list[str], target: list[str], width: int, pens: Palette
) -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(len(source)), len(target))
    lines = list(draw(weights, source, target, width, pens))
    assert max(map(cell_len, lines)) <= width
    assert not any(character in line for line in lines for character in "\x1b\n\t\x85\u202e")


def test_too_many_tokens_are_not_drawn() -> None:
    source = ["a"] * (LARGEST + 1)
    (line,) = draw(np.ones((1, len(source))), source, ["b"], 80, BLOCKS)
    assert line == "attention is drawn for up to 200 tokens; here are 201 and 1"


@pytest.mark.parametrize("encoding", [None, "ascii", "latin-1", "nonsense"])
def test_letters_where_there_are_no_blocks(encoding: str | None) -> None:
    assert palette(encoding) is ASCII
    assert palette("utf-8") is BLOCKS
