"""Word and phoneme error rates, as the literature on pronunciation has them.

    python recipes/pronunciation/score.py REFERENCES OUTPUT …

A line of REFERENCES has all pronunciations of a word, joined by TABs; a line of OUTPUT has one. WER is the
share of words whose output is none of their pronunciations. PER is the edit distance to the nearest
pronunciation, summed, over that pronunciation's length, summed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def distance(first: Sequence[str], second: Sequence[str]) -> int:
    """The least number of phonemes to insert, delete or replace (Levenshtein 1966)."""
    row = list(range(len(second) + 1))
    for number, phoneme in enumerate(first, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            changed = before + (phoneme != other)
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, changed)
    return row[-1]


def rates(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, float]:
    """WER and PER, in percent, of outputs with the pronunciations that each may have."""
    wrong = edits = length = 0
    for output, answers in zip(outputs, references, strict=True):
        found = output.split()
        nearest, phonemes = min(
            (distance(found, answer), len(answer)) for answer in (text.split() for text in answers)
        )
        wrong += nearest > 0
        edits += nearest
        length += phonemes
    return 100 * wrong / len(outputs), 100 * edits / length


def lines(path: str) -> list[str]:
    """The lines of a file."""
    return Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")


def main(arguments: Sequence[str]) -> None:
    """The command."""
    if len(arguments) < 2:
        sys.exit(__doc__)
    references = [line.split("\t") for line in lines(arguments[0])]
    for path in arguments[1:]:
        outputs = lines(path)
        if len(outputs) != len(references):
            sys.exit(f"score.py: error: {path} has {len(outputs)} lines, not {len(references)}")
        wer, per = rates(outputs, references)
        print(f"{path}: WER {wer:.2f} %, PER {per:.2f} %, {len(outputs):,} words")


if __name__ == "__main__":
    main(sys.argv[1:])
