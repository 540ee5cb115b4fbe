"""Samples of one prompt, a batch at a time: sampled, or found by beam search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqkit.data.tokenizers import END
from seqkit.decoding.beam import beam_search
from seqkit.decoding.sampling import Sampler, random_stream
from seqkit.decoding.stepper import Reader
from seqkit.inference.samples import GenerateOptions, Piece, Spelling, Text
from seqkit.processors import single_threaded_blas

TOKENS_TOGETHER = 16  # drawn before the texts are looked at: a few characters, as a reader sees it
HISTORY = 4096  # tokens of the prompt that the repetition penalty remembers


@dataclass(frozen=True)
class Prompt:
    """A prompt with its `tokens` (T,), and a reader of one row that has read all but the last of them.

    Ids below `first_allowed` never follow it.
    """

    text: str
    tokens: np.ndarray
    reader: Reader
    spelling: Spelling
    first_allowed: int

    def copied(self, rows: int) -> Reader:
        """The reader in so many rows; the prompt's own stays as it is."""
        return self.reader.copied(np.zeros(rows, np.int64))


def sampled(prompt: Prompt, numbers: Sequence[int], options: GenerateOptions) -> Iterator[Piece]:
    """A batch of samples, one after the other; what is not yet due is kept until it is."""
    seed = options.seed or 0
    texts = [Text(prompt.spelling, prompt.text, number, options) for number in numbers]
    sampler = Sampler(
        prompt.copied(len(numbers)),
        np.repeat(prompt.tokens[-1:], len(numbers)),
        [random_stream(seed, number) for number in numbers],
        options.sampling,
        first_allowed=prompt.first_allowed,
        history=prompt.tokens[-HISTORY:].tolist(),
        log_probabilities=options.log_probabilities,
    )
    rows, due = texts, 0
    while due < len(texts):
        with single_threaded_blas():
            drawn = sampler.advance(min(TOKENS_TOGETHER, max(text.room for text in rows)))
        for row, text in enumerate(rows):
            scores = None if drawn.log_probabilities is None else drawn.log_probabilities[row].tolist()
            text.add(drawn.tokens[row].tolist(), scores)
        while due < len(texts):
            yield from texts[due].release()
            if texts[due].reason is None:
                break
            due += 1
        going_on = [row for row, text in enumerate(rows) if text.reason is None]
        if 0 < len(going_on) < len(rows):
            sampler.keep(np.array(going_on, np.int64))
            rows = [rows[row] for row in going_on]


def most_probable(prompt: Prompt, options: GenerateOptions) -> Iterator[Piece]:
    """The most probable texts, best first."""
    with single_threaded_blas():
        (found,) = beam_search(
            prompt.copied(options.beam.beam_size),
            start=int(prompt.tokens[-1]),
            end=END,
            first_allowed=prompt.first_allowed,
            maximum_lengths=np.array([options.length]),
            options=options.beam,
        )
    for number, hypothesis in enumerate(found, 1):
        text = Text(prompt.spelling, prompt.text, number, options)
        made, scores = hypothesis.tokens.tolist(), hypothesis.log_probabilities.tolist()
        whole = len(made) < options.length
        text.add([*made, END] if whole else made, scores if whole else scores[:-1])
        text.end("length")
        yield from text.release()
