"""Whether two texts belong together line by line, and where they part if they do not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from seqkit.errors import DataError

_ALIKE = 0.1  # mean share of words in common, below which two texts are not compared line by line


def check_aligned(name: str, lines: Sequence[str], other_name: str, other: Sequence[str | None]) -> None:
    """Raise DataError, with where they seem to part, for texts that differ in length or are empty."""
    if len(lines) == len(other):
        if not lines:
            raise DataError(f"there is nothing to score: no lines in {name} and {other_name}", where=name)
        return
    if not lines or not other:
        empty, full_name, full = (name, other_name, other) if not lines else (other_name, name, lines)
        raise DataError(
            f"there is nothing in {empty}, but {count_of_lines(full)} in {full_name}",
            where=empty,
            hint="check that the command that writes it succeeded",
        )
    raise DataError(
        f"texts differ in length: {count_of_lines(lines)} in {name}, {len(other):,} in {other_name}",
        **_where_they_part(name, lines, other_name, [line or "" for line in other]),
    )


def count_of_lines(lines: Sequence[object]) -> str:
    """How many lines, in words."""
    return f"{len(lines):,} line{'' if len(lines) == 1 else 's'}"


def _where_they_part(
    name: str, lines: Sequence[str], other_name: str, other: Sequence[str]
) -> dict[str, str]:
    """`where` and `hint` of the error for two texts of different length."""
    (short_name, short), (long_name, long) = sorted(
        ((name, lines), (other_name, other)), key=lambda named: len(named[1])
    )
    surplus = long[len(short) :]
    if not any(line.strip() for line in surplus):
        extra = "an empty line" if len(surplus) == 1 else f"{len(surplus):,} empty lines"
        return {
            "where": f"line {len(short) + 1:,} of {long_name}: it ends with {extra}",
            "hint": f"remove the end of {long_name}: a last line needs one newline and no more",
        }
    hint = (
        "check that both are complete and from one test set; seqkit translate writes one line per input line"
    )
    part = _parting_line(short, long)
    if part is None:
        return {"where": f"{short_name} ends after line {len(short):,}", "hint": hint}
    if part == len(short):
        return {
            "where": f"{short_name} ends after line {part:,}; what there is fits {long_name}",
            "hint": hint,
        }
    missing = "a line seems" if len(surplus) == 1 else f"{len(surplus):,} lines seem"
    return {"where": f"line {part + 1:,} of {short_name}: {missing} to be missing before it", "hint": hint}


def _parting_line(short: Sequence[str], long: Sequence[str]) -> int | None:
    """How many lines of `short` fit `long` as they stand, before the rest fits better further down.

    Fit is the share of words in common. None when the texts have too little in common to tell (a source and
    a reference are in different languages).
    """
    shift = len(long) - len(short)
    straight = [_overlap(line, long[index]) for index, line in enumerate(short)]
    shifted = [_overlap(line, long[index + shift]) for index, line in enumerate(short)]
    gains = accumulate((here - there for here, there in zip(straight, shifted, strict=True)), initial=0.0)
    # The fit of parting after k lines is sum(straight[:k]) + sum(shifted[k:]).
    fits = [sum(shifted) + gain for gain in gains]
    best = max(range(len(fits)), key=fits.__getitem__)
    return best if fits[best] >= _ALIKE * len(short) else None


def _overlap(left: str, right: str) -> float:
    left_words, right_words = set(left.lower().split()), set(right.lower().split())
    union = left_words | right_words
    return len(left_words & right_words) / len(union) if union else 1.0
