"""Vocabularies that can be joined: those of characters and of symbols, whose entries stand for themselves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from seqkit.data.field import Field
from seqkit.data.tokenizers.characters import CharacterTokenizer
from seqkit.data.tokenizers.symbols import SymbolTokenizer
from seqkit.data.tokenizers.vocabulary import SMALLEST_VOCABULARY, TokenizerKind


def union(own: Field, other: Field) -> Field:
    """`own` with what `other` has more, at the end, so that ids keep their meaning.

    Just `own` where they cannot be joined: subwords, or lines that are cut by other rules.
    """
    if kind_of(own) != kind_of(other):
        return own
    if isinstance(own, CharacterTokenizer) and isinstance(other, CharacterTokenizer):
        new = [character for character in other.characters if character not in own.characters]
        return CharacterTokenizer(own.characters + "".join(new), own.normalization)
    if isinstance(own, SymbolTokenizer) and isinstance(other, SymbolTokenizer):
        entries = dict.fromkeys((*own.entries, *other.entries))
        return SymbolTokenizer(own.kind, own.normalization, tuple(entries))
    return own


def begins_with(whole: Field, own: Field) -> bool:
    """Whether `whole` is `own`, or a union of it and something else, so that it gives the same ids."""
    if whole.fingerprint == own.fingerprint:
        return True
    first, second = entries_of(whole), entries_of(own)
    if first is None or second is None or kind_of(whole) != kind_of(own):
        return False
    return list(first[: len(second)]) == list(second)


def rows(ours: Field, theirs: Field) -> list[int] | None:
    """Their id for each of our ids, -1 where they have none; None where vocabularies cannot be compared."""
    if ours.fingerprint == theirs.fingerprint:
        return list(range(ours.size))
    mine, others = entries_of(ours), entries_of(theirs)
    if mine is None or others is None or kind_of(ours) != kind_of(theirs):
        return None
    place = {entry: number for number, entry in enumerate(others, SMALLEST_VOCABULARY)}
    return [*range(SMALLEST_VOCABULARY), *(place.get(entry, -1) for entry in mine)]


def entries_of(field: Field) -> Sequence[Hashable] | None:
    """What the ids from 260 on stand for; None of what is no vocabulary of characters or symbols."""
    if isinstance(field, CharacterTokenizer):
        return field.characters
    return field.entries if isinstance(field, SymbolTokenizer) else None


def kind_of(field: Field) -> TokenizerKind | None:
    """How lines are cut; None of what is no vocabulary of characters or symbols."""
    return field.kind if isinstance(field, CharacterTokenizer | SymbolTokenizer) else None
