"""Samples: what is asked for, what comes out, and how tokens become a text that ends somewhere."""

from __future__ import annotations

import codecs
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from seqkit import limits
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.decoding.beam import BeamOptions
from seqkit.decoding.sampling import SEED_LIMIT, SampleOptions
from seqkit.errors import ConfigError

Reason = Literal["length", "stop", "end"]


@dataclass(frozen=True)
class GenerateOptions:
    """How to generate.

    `length` counts characters. A text ends before the first of the `stop` strings, at the end token where the
    model knows one, or when it is long enough. The same `seed` gives the same samples; None chooses one
    at random. With a `beam_size`, beam search finds the `samples` most probable texts of that many tokens.
    For the rest see `decoding.sampling.SampleOptions`.
    """

    length: int = 500
    samples: int = 1
    stop: tuple[str, ...] = ()
    seed: int | None = None
    beam_size: int | None = None
    log_probabilities: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    repetition_penalty: float = 1.0
    repetition_ngram: int = 8

    def __post_init__(self) -> None:
        if self.length < 0:
            raise ConfigError(f"--length {self.length} must be 0 or more")
        if not 1 <= self.samples <= limits.SAMPLES:
            raise ConfigError(f"--samples {self.samples:,} must be from 1 to {limits.SAMPLES:,}")
        if "" in self.stop:
            raise ConfigError("--stop needs a text that is not empty")
        if self.seed is not None and not 0 <= self.seed < SEED_LIMIT:
            raise ConfigError(f"--seed {self.seed} must be from 0 to {SEED_LIMIT - 1}")
        self.sampling  # noqa: B018  checks its part
        if self.beam_size is not None:
            self._check_beam(self.beam_size)

    def _check_beam(self, beam_size: int) -> None:
        drawing = ["seed", *(field.name for field in fields(SampleOptions))]
        for field in fields(self):
            if field.name in drawing and getattr(self, field.name) != field.default:
                raise ConfigError(
                    f"--{field.name.replace('_', '-')} has no meaning with --beam-size: "
                    "beam search finds the most probable text and does not sample",
                    hint="leave one of them out",
                )
        if self.samples > beam_size >= 1:
            raise ConfigError(
                f"--samples {self.samples} needs a beam at least as large, but --beam-size is {beam_size}",
                hint=f"--beam-size {self.samples}",
            )
        self.beam  # noqa: B018  checks the rest

    @property
    def sampling(self) -> SampleOptions:
        """The part of it that drawing reads."""
        return SampleOptions(**{field.name: getattr(self, field.name) for field in fields(SampleOptions)})

    @property
    def beam(self) -> BeamOptions:
        """The part of it that beam search reads."""
        if self.beam_size is None:
            return BeamOptions(beam_size=1)
        return BeamOptions(beam_size=self.beam_size, n_best=self.samples)

    @property
    def draws(self) -> bool:
        """Whether the text depends on the seed."""
        return self.beam_size is None and self.temperature > 0

    def seeded(self) -> GenerateOptions:
        """The same with a seed, drawn where there is none but needs to be one."""
        return replace(self, seed=secrets.randbits(32)) if self.draws and self.seed is None else self


@dataclass(frozen=True)
class Generated:
    """One sample: the text that follows the prompt, and why it ended.

    Bytes of a byte vocabulary that are no UTF-8 are surrogate escapes (PEP 383) in `text`.
    `sample` counts from 1; `seed` is None where nothing is sampled. If asked for, `tokens` are the pieces
    that make up the text (a character encoded as bytes comes with its last piece, after empty ones; the last
    piece may reach beyond the text's end). `log_probabilities` are those of the model in nats, whatever the
    temperature; an end token comes last.
    """

    text: str
    prompt: str
    reason: Reason
    sample: int = 1
    seed: int | None = None
    tokens: tuple[str, ...] | None = None
    log_probabilities: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Piece:
    """Some more text of a sample; with the last piece comes the whole of it."""

    sample: int
    text: str
    finished: Generated | None = None


class Spelling:
    """What every token stands for.

    Bytes that are no UTF-8 are kept in the text of a byte vocabulary, as surrogate escapes (PEP 383), and are
    U+FFFD in that of all others, which have learnt from text alone.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.errors = "surrogateescape" if tokenizer.kind == "byte" else "replace"
        self.bytes = tokenizer.token_bytes()
        self.texts = [_decoded(content) for content in self.bytes]  # None: not a whole number of characters


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode() or None
    except UnicodeDecodeError:
        return None


class Text:
    """A sample as it grows: tokens come in, text goes out, and somewhere it ends.

    What could be the beginning of a stop string is held back until it is known not to be. So only the last
    few characters are ever searched, and what was released can never be part of one.
    """

    def __init__(self, spelling: Spelling, prompt: str, sample: int, options: GenerateOptions) -> None:
        self.reason: Reason | None = None
        self.room = options.length  # characters, what is held back not counted
        self._spelling = spelling
        self._prompt, self._sample, self._options = prompt, sample, options
        self._decoder: codecs.IncrementalDecoder | None = None  # while a character's bytes are coming in
        self._held = ""
        self._fresh: list[str] = []  # made since the last release
        self._released: list[str] = []
        self._pieces: list[str] = []
        self._scores: list[float] = []
        self._finish_if_over("", ended=False)

    def add(self, tokens: Sequence[int], scores: Sequence[float] | None) -> None:
        """The next tokens; what comes after the end is ignored."""
        if self.reason is not None:
            return
        pieces, ended = self._spell(tokens)
        if scores is not None:
            self._pieces += pieces
            self._scores += scores[: len(pieces)]
        self._finish_if_over(self._held + "".join(pieces), ended=ended)

    def end(self, reason: Reason) -> None:
        """No more tokens will come."""
        if self.reason is None:
            self._finish(self._held + self._rest(), reason)

    def release(self) -> Iterator[Piece]:
        """What has become of the text since the last time."""
        fresh = "".join(self._fresh)
        self._released.append(fresh)
        self._fresh = []
        if self.reason is not None:
            yield Piece(self._sample, fresh, self._generated(self.reason))
        elif fresh:
            yield Piece(self._sample, fresh)

    def _spell(self, tokens: Sequence[int]) -> tuple[list[str], bool]:
        """The text of every token up to an end token, and whether there is one."""
        texts = self._spelling.texts
        if self._decoder is None:
            whole = [text for token in tokens if (text := texts[token]) is not None]
            if len(whole) == len(tokens):  # as it is in most texts at most times
                return whole, False
        pieces: list[str] = []
        for token in tokens:
            text = texts[token]
            if text is not None and self._decoder is None:
                pieces.append(text)
            elif token == END:
                pieces.append(self._rest())
                return pieces, True
            else:
                decoder = self._decoder or codecs.getincrementaldecoder("utf-8")(self._spelling.errors)
                pieces.append(decoder.decode(self._spelling.bytes[token]))
                self._decoder = decoder if decoder.getstate()[0] else None
        return pieces, False

    def _rest(self) -> str:
        """What becomes of a character whose last bytes never came."""
        decoder, self._decoder = self._decoder, None
        return "" if decoder is None else str(decoder.decode(b"", final=True))

    def _finish_if_over(self, text: str, *, ended: bool) -> None:
        """Decide on `text`, which is what was held back and what is new."""
        ends = [(place + len(stop), place) for stop in self._options.stop if (place := text.find(stop)) >= 0]
        first_end, first_start = min(ends, default=(self.room + 1, 0))
        if first_end <= self.room:
            self._finish(text[:first_start], "stop")
        elif len(text) >= self.room:
            self._finish(text[: self.room], "length")
        elif ended:
            self._finish(text, "end")
        else:
            kept = max((_overlap(text, stop) for stop in self._options.stop), default=0)
            cut = len(text) - kept
            self._fresh.append(text[:cut])
            self.room -= cut
            self._held = text[cut:]

    def _finish(self, text: str, reason: Reason) -> None:
        self._fresh.append(text)
        self.reason = reason

    def _generated(self, reason: Reason) -> Generated:
        text = "".join(self._released)
        tokens = scores = None
        if self._options.log_probabilities:
            count, length = 0, 0
            while length < len(text):
                length += len(self._pieces[count])
                count += 1
            count = len(self._pieces) if reason == "end" else count
            tokens, scores = tuple(self._pieces[:count]), tuple(self._scores[:count])
        seed = self._options.seed if self._options.draws else None
        return Generated(text, self._prompt, reason, self._sample, seed, tokens, scores)


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that `stop`, not the whole of it, begins with."""
    longest = min(len(stop) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
