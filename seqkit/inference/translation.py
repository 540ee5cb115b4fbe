"""Translations: what is asked for, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqkit import limits
from seqkit.config import DecodingConfig
from seqkit.data.tokenizers import Tokenizer
from seqkit.decoding.beam import BeamOptions, Hypothesis
from seqkit.errors import ConfigError
from seqkit.html import heat_map, paragraph


@dataclass(frozen=True)
class TranslateOptions:
    """How to translate.

    `maximum_length` and `minimum_length` count target tokens; 0 lets the source's length decide (twice as
    many tokens and 20 more, after the prefix). `batch_tokens` bounds the source tokens of a batch, padding
    included.
    """

    beam_size: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    minimum_length: int = 0
    maximum_length: int = 0
    batch_tokens: int = 1024
    attention: bool = False

    def __post_init__(self) -> None:
        if self.maximum_length < 0:
            raise ConfigError(f"--max-length {self.maximum_length} must be 0 or more")
        if self.maximum_length and self.minimum_length > self.maximum_length:
            raise ConfigError(
                f"--min-length {self.minimum_length} is larger than --max-length {self.maximum_length}"
            )
        if not 1 <= self.batch_tokens <= limits.BATCH_TOKENS:
            raise ConfigError(
                f"--batch-tokens {self.batch_tokens:,} must be from 1 to {limits.BATCH_TOKENS:,}"
            )
        self.beam  # noqa: B018  checks the rest

    @property
    def beam(self) -> BeamOptions:
        """The part of it that the search reads."""
        return BeamOptions(
            beam_size=self.beam_size,
            n_best=self.n_best,
            normalization=self.length_penalty,
            coverage=self.coverage_penalty,
            minimum_length=self.minimum_length,
        )

    @classmethod
    def from_config(cls, config: DecodingConfig) -> TranslateOptions:
        """A model's own defaults."""
        return cls(
            beam_size=config.beam_size,
            length_penalty=config.length_penalty,
            coverage_penalty=config.coverage_penalty,
            batch_tokens=config.batch_tokens,
        )


@dataclass(frozen=True)
class Alternative:
    """One translation of a line.

    `score` is the normalised log-probability that ranks it, `token_scores` each token's log-probability (the
    end token's last) in nats. `attention_blocks` has a matrix (target tokens, source tokens). A line that was
    translated in pieces has one, and an end token's score, a piece; its score is the pieces' sum.
    """

    text: str
    score: float
    tokens: tuple[str, ...]
    token_scores: tuple[float, ...]
    source_tokens: tuple[str, ...] = ()
    attention_blocks: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, hypothesis: Hypothesis, source: Tokenizer, target: Tokenizer, ids: np.ndarray) -> Alternative:
        """What a search has found for the `ids` (S,) of one piece."""
        blocks: tuple[np.ndarray, ...] = ()
        tokens: tuple[str, ...] = ()
        if hypothesis.attention is not None:
            blocks = (hypothesis.attention[:-1],)  # the last row belongs to the end token
            tokens = tuple(source.pieces(ids))
        return cls(
            text=target.decode([hypothesis.tokens])[0],
            score=hypothesis.score,
            tokens=tuple(target.pieces(hypothesis.tokens)),
            token_scores=tuple(float(value) for value in hypothesis.log_probabilities),
            source_tokens=tokens,
            attention_blocks=blocks,
        )

    @property
    def attention(self) -> np.ndarray | None:
        """Soft alignment, (target tokens, source tokens): zero where they are of different pieces."""
        if not self.attention_blocks:
            return None
        whole = np.zeros((len(self.tokens), len(self.source_tokens)))
        for row, column, block in self._placed():
            whole[row : row + block.shape[0], column : column + block.shape[1]] = block
        return whole

    def alignment(self) -> list[tuple[int, int]]:
        """Hard alignment: (source position, target position) of each target token's strongest attention."""
        return [
            (column + int(weights.argmax()), row + target)
            for row, column, block in self._placed()
            for target, weights in enumerate(block)
        ]

    def _repr_html_(self) -> str:
        """The text and, where attention was asked for, a heat map of it, for notebooks."""
        weights = self.attention
        drawn = "" if weights is None else heat_map(weights, self.source_tokens, self.tokens)
        return paragraph(self.text) + drawn

    def _placed(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Each block with the target and source position where it begins."""
        row = column = 0
        for block in self.attention_blocks:
            yield row, column, block
            row, column = row + block.shape[0], column + block.shape[1]


@dataclass(frozen=True)
class Translation:
    """A line and its translations, best first; never empty."""

    source: str
    alternatives: tuple[Alternative, ...]

    @property
    def text(self) -> str:
        """The best translation."""
        return self.alternatives[0].text

    @property
    def score(self) -> float:
        """The best translation's score."""
        return self.alternatives[0].score

    def _repr_html_(self) -> str:
        """Its translations, for notebooks."""
        return "".join(alternative._repr_html_() for alternative in self.alternatives)


EMPTY = Alternative("", 0.0, (), ())  # of an empty line


def join(pieces: Sequence[Sequence[Alternative]]) -> list[Alternative]:
    """The translations of a line's pieces as translations of the line: the i-th best of each, joined."""
    if len(pieces) == 1:
        return list(pieces[0])
    return [_joined([piece[rank] for piece in pieces]) for rank in range(min(map(len, pieces)))]


# Chinese, Japanese, Yi, Thai, Lao, Tibetan, Myanmar, Khmer, Javanese and the like put no space between words.
_SPACELESS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u312f\u3190-\ua4cf"
    "\ua980-\uaadf\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


def _text(parts: Sequence[str]) -> str:
    """The translations of consecutive parts as one text, with spaces where the script has some."""
    text = ""
    for part in filter(None, parts):
        apart = text and not (_SPACELESS.match(text[-1]) or _SPACELESS.match(part[0]))
        text += f" {part}" if apart else part
    return text


def _joined(parts: Sequence[Alternative]) -> Alternative:
    return Alternative(
        text=_text([part.text for part in parts]),
        score=sum(part.score for part in parts),
        tokens=tuple(token for part in parts for token in part.tokens),
        token_scores=tuple(score for part in parts for score in part.token_scores),
        source_tokens=tuple(token for part in parts for token in part.source_tokens),
        attention_blocks=tuple(block for part in parts for block in part.attention_blocks),
    )
