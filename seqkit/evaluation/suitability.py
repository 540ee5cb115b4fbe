"""Which metrics suit a text: BLEU says nothing of single words, and little of lines below four tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seqkit.metrics.measure import References
from seqkit.metrics.tokenizers import load_tokenizer, script_of
from seqkit.scores import BLEU, CER, CHRF, EXACT, PER

_MOST = 0.9  # of the lines, for all of them to be called words
_ENOUGH = 0.2  # of the lines have to have an n-gram of four tokens for BLEU to say something
_ORDER = 4
_SAMPLE = 5000  # lines by which it is judged


@dataclass(frozen=True)
class Suitable:
    """The metric by which checkpoints are ranked, and why, in words that follow "as"."""

    metric: str
    reason: str


def are_words(lines: Sequence[str | None]) -> bool:
    """Whether nearly all lines that are not empty are single words, in a script that has words.

    A line of Chinese, Japanese or Thai has no spaces, and may be a sentence.
    """
    counts = [len(line.split()) for line in lines if line and line.strip()]
    single = sum(count == 1 for count in counts)
    return bool(counts) and single >= _MOST * len(counts) and script_of(filter(None, lines)).spaced


def suitable_metrics(references: References) -> tuple[str, ...]:
    """The metrics of an evaluation that names none."""
    usual = (BLEU.name, CHRF.name)
    return (*usual, EXACT.name, CER.name) if are_words(references[0]) else usual


def ranking_metric(sources: Sequence[str], targets: Sequence[str], tokenizer: str) -> Suitable:
    """By what the checkpoints of a translator are ranked, from lines that it is validated with.

    `tokenizer` is BLEU's.
    """
    sources, targets = sources[:_SAMPLE], targets[:_SAMPLE]
    if are_words(targets):
        return Suitable(EXACT.name, "targets are single words")
    if _share_with_ngrams(targets, tokenizer) < _ENOUGH:
        return Suitable(
            CHRF.name, "nearly all targets have fewer than four tokens, and BLEU counts n-grams of four"
        )
    if are_words(sources):
        return Suitable(PER.name, "targets are symbols that spell a word")
    return Suitable(BLEU.name, "targets are sentences")


def _share_with_ngrams(lines: Iterable[str], tokenizer: str) -> float:
    """The share of lines, of those that are not empty, with an n-gram of four tokens."""
    tokenize, _ = load_tokenizer(tokenizer)
    lengths = [len(tokenize(line).split()) for line in lines if line.strip()]
    return sum(length >= _ORDER for length in lengths) / len(lengths) if lengths else 1.0
