"""Text in, text out: what the commands and Python callers use."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seqkit import model_directory
from seqkit.batch import Batch
from seqkit.config import DecodingConfig
from seqkit.data.batching import grid_length, pad, pair_batch
from seqkit.data.tokenizers import END, START, Tokenizer
from seqkit.decoding.beam import BeamOptions, Hypothesis, beam_search
from seqkit.device import resolve_device, set_threads
from seqkit.errors import ConfigError, DataError
from seqkit.model_directory import LoadedModel
from seqkit.stepping import ModelStepper

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranslateOptions:
    """How to translate.

    `maximum_length` and `minimum_length` count target tokens; 0 lets the source's length decide (twice as
    many tokens and 20 more). `batch_tokens` bounds the source tokens of a batch, padding included.
    """

    beam_size: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    minimum_length: int = 0
    maximum_length: int = 0
    batch_tokens: int = 4096
    attention: bool = False

    def __post_init__(self) -> None:
        if self.maximum_length and self.minimum_length > self.maximum_length:
            raise ConfigError(
                f"--min-length {self.minimum_length} is larger than --max-length {self.maximum_length}"
            )
        self.beam  # noqa: B018  checks beam size and n-best

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
    end token's last) in nats. `attention` is (target tokens, source tokens); `pieces` names both.
    """

    text: str
    score: float
    tokens: tuple[str, ...]
    token_scores: tuple[float, ...]
    source_tokens: tuple[str, ...] = ()
    attention: np.ndarray | None = None

    def alignment(self) -> list[tuple[int, int]]:
        """Hard alignment: (source position, target position) of each target token's strongest attention."""
        if self.attention is None:
            return []
        return [(int(weights.argmax()), target) for target, weights in enumerate(self.attention)]


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


_EMPTY = Alternative("", 0.0, (), ())


class Translator:
    """A trained translation model, or an ensemble of several with the same vocabulary."""

    def __init__(self, members: Sequence[LoadedModel], *, device: torch.device) -> None:
        self.device = device
        self.models = [member.model.to(device).eval() for member in members]
        self.source_tokenizer: Tokenizer = members[0].source_tokenizer
        self.target_tokenizer: Tokenizer = members[0].target_tokenizer
        self.longest_source = min(member.facts.longest_source for member in members)
        self.options = TranslateOptions.from_config(members[0].config.decoding)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        ensemble: Iterable[str | Path] = (),
        device: str = "auto",
        threads: int | None = None,
    ) -> Translator:
        """Open a model directory, and those of the other members of an ensemble.

        Raises `ModelError` when one is damaged, `InputMissing` when one is absent and `ConfigError` when
        their vocabularies differ.
        """
        set_threads(threads)
        paths = [Path(directory), *map(Path, ensemble)]
        members = [model_directory.load(path) for path in paths]
        for path, member in zip(paths[1:], members[1:], strict=True):
            if (member.source_tokenizer.fingerprint, member.target_tokenizer.fingerprint) != (
                members[0].source_tokenizer.fingerprint,
                members[0].target_tokenizer.fingerprint,
            ):
                raise ConfigError(
                    f"{path} and {paths[0]} have different vocabularies, so they cannot be one ensemble",
                    hint="train the members on the same corpus directory",
                )
        return cls(members, device=resolve_device(device))

    def translate(
        self,
        lines: Sequence[str],
        options: TranslateOptions | None = None,
        *,
        prefixes: Sequence[str | None] | None = None,
    ) -> list[Translation]:
        """Translate lines; one result a line, in order. An empty line is translated to an empty line.

        `prefixes` are beginnings that the translations must have.
        """
        options = options or self.options
        jobs = self._jobs(lines, prefixes)
        results: dict[tuple[int, int], list[Alternative]] = {}
        for batch in _batches(jobs, options):
            for job, alternatives in zip(batch, self._search(batch, options), strict=True):
                results[job.line, job.piece] = alternatives
        pieces: list[list[list[Alternative]]] = [[] for _ in lines]
        for job in jobs:
            pieces[job.line].append(results[job.line, job.piece])
        return [
            Translation(line, tuple(_join(some)) if some else (_EMPTY,))
            for line, some in zip(lines, pieces, strict=True)
        ]

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """The log-probability, in nats, of each given target, end token included."""
        if len(sources) != len(targets):
            raise DataError(f"{len(sources):,} sources but {len(targets):,} targets")
        scores = []
        for source, target in zip(
            self.source_tokenizer.encode(list(sources)),
            self.target_tokenizer.encode(list(targets)),
            strict=True,
        ):
            scores.append(float(self.score_tokens(pair_batch([source], [target]))[0].sum()))
        return scores

    @torch.inference_mode()
    def score_tokens(self, batch: Batch) -> list[np.ndarray]:
        """Each target token's log-probability, one array a sentence: what a forced pass of the model says."""
        batch = batch.to(self.device)
        mean = torch.stack([torch.log_softmax(m.logits(batch)[0].float(), dim=2) for m in self.models])
        scores = torch.logsumexp(mean, dim=0) - np.log(len(self.models))  # (B, T, V)
        chosen = scores.gather(2, batch.targets.values[:, :, None])[:, :, 0].cpu().numpy()  # (B, T)
        lengths = batch.targets.lengths.cpu().tolist()
        return [row[:length] for row, length in zip(chosen, lengths, strict=True)]

    def _jobs(self, lines: Sequence[str], prefixes: Sequence[str | None] | None) -> list[_Job]:
        """The pieces that are translated: one a line, more for a long line, none for a blank one."""
        jobs: list[_Job] = []
        encoded = self.source_tokenizer.encode(list(lines))
        for number, (line, ids) in enumerate(zip(lines, encoded, strict=True)):
            if not line.strip():
                continue
            prefix = prefixes[number] if prefixes else None
            start = self.target_tokenizer.encode([prefix])[0] if prefix else np.array([], dtype=np.int64)
            parts = self._split(ids)
            if len(parts) > 1:
                _LOG.warning(
                    "a line of %d tokens is longer than any that the model has seen (%d): "
                    "it is translated in %d pieces",
                    len(ids),
                    self.longest_source,
                    len(parts),
                )
            jobs.extend(
                _Job(number, piece, part, start if piece == 0 else start[:0])
                for piece, part in enumerate(parts)
            )
        return jobs

    def _split(self, ids: np.ndarray) -> list[np.ndarray]:
        """Cut a long line into about equal pieces: after punctuation or at a space where one is near."""
        if len(ids) <= self.longest_source:
            return [ids]
        count = -(-len(ids) // max(self.longest_source * 3 // 4, 1))
        pieces = self.source_tokenizer.pieces(ids)
        cuts, start = [0], 0
        for number in range(1, count):
            goal = len(ids) * number // count
            low = max(start + 1, goal - self.longest_source // 8)
            high = min(start + self.longest_source, goal + self.longest_source // 8, len(ids) - 1)
            places = range(low, max(high, low) + 1)
            start = max(places, key=lambda place: (_cut_quality(pieces, place), -abs(place - goal)))
            cuts.append(start)
        return [ids[a:b] for a, b in zip(cuts, [*cuts[1:], len(ids)], strict=True) if b > a]

    @torch.inference_mode()
    def _search(self, jobs: Sequence[_Job], options: TranslateOptions) -> list[list[Alternative]]:
        stepper = ModelStepper(
            self.models, self.device, with_attention=options.attention or options.coverage_penalty > 0
        )
        source = pad([np.append(job.ids, END) for job in jobs])
        longest = options.maximum_length or 0
        found = beam_search(
            stepper,
            stepper.start(source, options.beam_size),
            start=START,
            end=END,
            maximum_lengths=np.array(
                [longest or max(2 * len(job.ids) + 20, options.minimum_length) for job in jobs]
            ),
            options=options.beam,
            prefixes=[job.prefix for job in jobs] if any(len(job.prefix) for job in jobs) else None,
        )
        return [
            [self._alternative(job, hypothesis, options) for hypothesis in hypotheses]
            for job, hypotheses in zip(jobs, found, strict=True)
        ]

    def _alternative(self, job: _Job, hypothesis: Hypothesis, options: TranslateOptions) -> Alternative:
        source_tokens = tuple(self.source_tokenizer.pieces(job.ids)) if options.attention else ()
        attention = None
        if options.attention and hypothesis.attention is not None:
            # The last row belongs to the end token, the last columns to the source's end and padding.
            attention = hypothesis.attention[: len(hypothesis.tokens), : len(job.ids)]
        return Alternative(
            text=self.target_tokenizer.decode([hypothesis.tokens])[0],
            score=hypothesis.score,
            tokens=tuple(self.target_tokenizer.pieces(hypothesis.tokens)),
            token_scores=tuple(float(value) for value in hypothesis.log_probabilities),
            source_tokens=source_tokens,
            attention=attention,
        )


@dataclass(frozen=True)
class _Job:
    """A piece of a line to translate."""

    line: int
    piece: int
    ids: np.ndarray
    prefix: np.ndarray


def _batches(jobs: Sequence[_Job], options: TranslateOptions) -> Iterator[list[_Job]]:
    """Jobs of similar length together, longest first, about `batch_tokens` source positions a batch."""
    order = sorted(jobs, key=lambda job: -len(job.ids))
    batch: list[_Job] = []
    for job in order:
        longest = int(grid_length(len((batch or [job])[0].ids) + 1))
        if batch and (len(batch) + 1) * longest > options.batch_tokens:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _join(pieces: Sequence[Sequence[Alternative]]) -> list[Alternative]:
    """The translations of a line's pieces as translations of the line: the i-th best of each, joined."""
    if len(pieces) == 1:
        return list(pieces[0])
    return [_joined([piece[rank] for piece in pieces]) for rank in range(min(map(len, pieces)))]


def _joined(parts: Sequence[Alternative]) -> Alternative:
    attention = None
    if all(part.attention is not None for part in parts):
        blocks = [part.attention for part in parts if part.attention is not None]
        attention = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
        row = column = 0
        for block in blocks:
            attention[row : row + block.shape[0], column : column + block.shape[1]] = block
            row, column = row + block.shape[0], column + block.shape[1]
    return Alternative(
        text=" ".join(part.text for part in parts if part.text),
        score=sum(part.score for part in parts),
        tokens=tuple(token for part in parts for token in part.tokens),
        token_scores=tuple(score for part in parts for score in part.token_scores),
        source_tokens=tuple(token for part in parts for token in part.source_tokens),
        attention=attention,
    )


def _cut_quality(pieces: Sequence[str], place: int) -> int:
    """How good it is to cut before a piece: 2 after the end of a sentence, 1 at a space, 0 within a word."""
    if not pieces[place].startswith(("▁", " ")):
        return 0
    return 2 if pieces[place - 1].endswith((".", "!", "?", ";", ":")) else 1
