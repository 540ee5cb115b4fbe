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
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.model_directory import LoadedModel
from seqkit.stepping.translation import ModelStepper

_LOG = logging.getLogger(__name__)


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
    batch_tokens: int = 4096
    attention: bool = False

    def __post_init__(self) -> None:
        if self.maximum_length < 0:
            raise ConfigError(f"--max-length {self.maximum_length} must be 0 or more")
        if self.maximum_length and self.minimum_length > self.maximum_length:
            raise ConfigError(
                f"--min-length {self.minimum_length} is larger than --max-length {self.maximum_length}"
            )
        if self.batch_tokens < 1:
            raise ConfigError(f"--batch-tokens {self.batch_tokens} must be at least 1")
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
        for path in paths:
            if model_directory.read_facts(path).kind != "translation":
                raise ModelError(
                    f"{path} holds a generator, not a translation model",
                    where=str(path),
                    hint=f"seqkit generate {path}",
                )
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
        if prefixes is not None and len(prefixes) != len(lines):
            raise DataError(f"{len(lines):,} lines but {len(prefixes):,} prefixes")
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
        starts = self.target_tokenizer.encode([prefix or "" for prefix in prefixes or [None] * len(lines)])
        for number, (line, ids, start) in enumerate(zip(lines, encoded, starts, strict=True)):
            if not line.strip() or not len(ids):
                continue
            jobs.extend(
                _Job(number, piece, part, start if piece == 0 else start[:0])
                for piece, part in enumerate(self._split(ids))
            )
        if too_long := sum(job.piece == 1 for job in jobs):
            _LOG.warning(
                "%s longer than the %s tokens that the model has seen at most: translated in pieces",
                "1 line is" if too_long == 1 else f"{too_long:,} lines are",
                f"{self.longest_source:,}",
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
        found = beam_search(
            stepper,
            stepper.start(source, options.beam_size),
            start=START,
            end=END,
            maximum_lengths=np.array([_longest(job, options) for job in jobs]),
            options=options.beam,
            prefixes=[job.prefix for job in jobs] if any(len(job.prefix) for job in jobs) else None,
            source_lengths=np.array([len(job.ids) for job in jobs]),
        )
        if not all(found):
            raise ModelError(
                "the model's probabilities are not numbers, so nothing can be translated",
                hint="it diverged in training: train it again with a lower training.learning_rate",
            )
        return [
            [self._alternative(job, hypothesis, options) for hypothesis in hypotheses]
            for job, hypotheses in zip(jobs, found, strict=True)
        ]

    def _alternative(self, job: _Job, hypothesis: Hypothesis, options: TranslateOptions) -> Alternative:
        source_tokens = tuple(self.source_tokenizer.pieces(job.ids)) if options.attention else ()
        blocks: tuple[np.ndarray, ...] = ()
        if options.attention and hypothesis.attention is not None:
            blocks = (hypothesis.attention[:-1],)  # the last row belongs to the end token
        return Alternative(
            text=self.target_tokenizer.decode([hypothesis.tokens])[0],
            score=hypothesis.score,
            tokens=tuple(self.target_tokenizer.pieces(hypothesis.tokens)),
            token_scores=tuple(float(value) for value in hypothesis.log_probabilities),
            source_tokens=source_tokens,
            attention_blocks=blocks,
        )


@dataclass(frozen=True)
class _Job:
    """A piece of a line to translate."""

    line: int
    piece: int
    ids: np.ndarray
    prefix: np.ndarray


def _longest(job: _Job, options: TranslateOptions) -> int:
    """The most target tokens that a piece may get."""
    return options.maximum_length or max(len(job.prefix) + 2 * len(job.ids) + 20, options.minimum_length)


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
    return Alternative(
        text=" ".join(part.text for part in parts if part.text),
        score=sum(part.score for part in parts),
        tokens=tuple(token for part in parts for token in part.tokens),
        token_scores=tuple(score for part in parts for score in part.token_scores),
        source_tokens=tuple(token for part in parts for token in part.source_tokens),
        attention_blocks=tuple(block for part in parts for block in part.attention_blocks),
    )


def _byte_pieces(values: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"<0x{value:02X}>" for value in values)


_SPACES = ("▁", " ", *_byte_pieces(b" "))
_SENTENCE_ENDS = (*".!?;:", *_byte_pieces(b".!?;:"))
_WITHIN_CHARACTER = _byte_pieces(range(0x80, 0xC0))  # the later bytes of UTF-8 characters


def _cut_quality(pieces: Sequence[str], place: int) -> int:
    """How good it is to cut before a piece.

    3 after the end of a sentence, 2 at a space, 1 within a word, 0 within a character spelt in bytes.
    """
    if not pieces[place].startswith(_SPACES):
        return 0 if pieces[place] in _WITHIN_CHARACTER else 1
    return 3 if pieces[place - 1].endswith(_SENTENCE_ENDS) else 2
