"""Lines in, translations out: what the command and Python callers use."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqkit import model_directory
from seqkit.data.tokenizers import END, START, Tokenizer, is_blank
from seqkit.decoding.beam import BeamOptions, Hypothesis, beam_search
from seqkit.device import resolve_device, set_threads, wants_processor
from seqkit.engines.fixed.candidates import CandidateLayer, ShortlistTranslation
from seqkit.engines.fixed.translation import FixedPointModel, FixedPointTranslation, unsupported
from seqkit.errors import ConfigError, DataError, ModelError, suggest
from seqkit.inference.fresh_workers import FreshWorkers, can_start
from seqkit.inference.handover import packed
from seqkit.inference.segments import Piece, batches, split
from seqkit.inference.translation import EMPTY, Alternative, TranslateOptions, Translation, join
from seqkit.inference.workers import can_fork, in_processes
from seqkit.kinds import TRANSLATION
from seqkit.model_directory import LoadedModel
from seqkit.network.shortlist import Shortlist
from seqkit.processors import single_threaded_blas, thread_count

if TYPE_CHECKING:
    import torch

__all__ = ["Alternative", "TranslateOptions", "Translation", "Translator"]

PRECISIONS = ("auto", "int8", "fp32")
WORTH_SHARING = 5000  # tokens times beam: what is less is done before the processes are copied
WORTH_STARTING = 50_000  # … started afresh: seconds of work, for a second to start

_LOG = logging.getLogger(__name__)


class Translator:
    """A trained translation model, or an ensemble of several with the same vocabulary."""

    def __init__(
        self,
        members: Sequence[LoadedModel],
        *,
        device: torch.device | None = None,
        precision: str = "auto",
        processes: int = 1,
        shortlist: bool = False,
    ) -> None:
        """`device` computes the steps; None is the CPU.

        On a CPU int8 needs no torch; it is the default for all models that the hand-written step supports.
        Many lines are divided among up to `processes` processes. If the models continue training, `rebuild`
        takes over their new weights. With `shortlist` a translation has only words that the first model's
        shortlist has for its source. Raises `ConfigError` if the precision or shortlist is unavailable.
        """
        self.members = members
        self.source_tokenizer: Tokenizer = members[0].source_tokenizer
        self.target_tokenizer: Tokenizer = members[0].target_tokenizer
        self.longest_source = min(member.facts.longest_source for member in members)
        self.options = TranslateOptions.from_config(members[0].config.decoding)
        on_processor = device is None or device.type == "cpu"
        self.precision = _resolve_precision(precision, members, on_processor)
        self.shortlist = _shortlist(members[0], self.precision) if shortlist else None
        self._device = device
        self._share_among(processes)
        handed = members if shortlist else [replace(member, shortlist=None) for member in members]
        self._fresh_workers = FreshWorkers("translation", lambda: packed(handed))
        self.rebuild()

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        ensemble: Iterable[str | Path] = (),
        device: str = "auto",
        threads: int | None = None,
        workers: int | None = None,
        precision: str = "auto",
        shortlist: bool = False,
    ) -> Translator:
        """Open a model directory, and those of the other members of an ensemble.

        `threads` is the number of CPU cores to use; None uses all. Many lines are divided among `workers`
        single-threaded processes, by default as many as threads.

        Raises `ModelError` when one is damaged, `InputMissing` when one is absent and `ConfigError` when
        their vocabularies differ.
        """
        paths = [Path(directory), *map(Path, ensemble)]
        for path in paths:
            model_directory.read_facts_of(path, TRANSLATION)
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
        place = None if wants_processor(device) else resolve_device(device)
        translator = cls(members, device=place, precision=precision, shortlist=shortlist)
        if translator.precision != "int8":
            set_threads(threads)
        translator._share_among(workers or thread_count(threads))
        if (workers or 1) > translator._processes:
            raise ConfigError(
                f"--workers {workers} needs int8; the precision is {translator.precision}",
                hint="--precision int8, or --threads instead",
            )
        return translator

    def _share_among(self, processes: int) -> None:
        """Divide many lines among up to this many copies of the process, if the hand-written step computes.

        torch's threads do not exist in a copy, and its next parallel loop would wait for them for ever.
        """
        self._processes = processes if self.precision == "int8" else 1

    @single_threaded_blas()
    def rebuild(self) -> None:
        """Take over the models' current weights. Raises `ModelError` if they contain NaN or infinity."""
        if self.precision != "int8":
            return
        self._fresh_workers.dismiss()
        for member in self.members:
            if not all(bool(np.isfinite(values).all()) for values in member.parameters.values()):
                raise _diverged()
        self._models = [FixedPointModel(one.blueprint, one.parameters) for one in self.members]
        if self.shortlist is not None:
            self._layers = [CandidateLayer(model.output, model.grid) for model in self._models]

    def translate(
        self,
        lines: Sequence[str],
        options: TranslateOptions | None = None,
        *,
        prefixes: Sequence[str | None] | None = None,
        progress: Callable[[int], None] = lambda _done: None,
        **changes: Any,
    ) -> list[Translation]:
        """Translate lines; one result per line, in order. An empty line is translated to an empty line.

        `prefixes` are beginnings that the translations must have; `progress` hears how many are done.
        `changes` are fields of `TranslateOptions`: `translate(lines, beam_size=1, attention=True)`.

        Raises `ConfigError` for impossible options, `DataError` for another number of prefixes than lines,
        and `ModelError` if the model's probabilities are NaN or infinite.
        """
        if prefixes is not None and len(prefixes) != len(lines):
            raise DataError(f"{len(lines):,} lines but {len(prefixes):,} prefixes")
        options = replace(options or self.options, **changes)
        pieces = self._pieces(lines, prefixes)
        work = list(batches(pieces, options.batch_tokens))
        results: dict[tuple[int, int], list[Alternative]] = {}
        for number, found in self._search(work, options):
            for piece, hypotheses in zip(work[number], found, strict=True):
                results[piece.line, piece.number] = [
                    self._alternative(piece, hypothesis, options) for hypothesis in hypotheses
                ]
            progress(len(lines) * len(results) // len(pieces))
        parts: list[list[list[Alternative]]] = [[] for _ in lines]
        for piece in pieces:
            parts[piece.line].append(results[piece.line, piece.number])
        return [
            Translation(line, tuple(join(some)) if some else (EMPTY,))
            for line, some in zip(lines, parts, strict=True)
        ]

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """The log-probability, in nats, of each given target, end token included."""
        if len(sources) != len(targets):
            raise DataError(f"{len(sources):,} sources but {len(targets):,} targets")
        encoded = self.source_tokenizer.encode(list(sources)), self.target_tokenizer.encode(list(targets))
        return [float(scores.sum()) for scores in self.score_tokens(*encoded)]

    def score_tokens(self, sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each target token's log-probability, the end token's last, one array per sentence.

        They are what a search that must write the targets says, in double precision.
        """
        nothing = np.zeros(0, np.int64)
        pieces = [Piece(number, 0, ids, nothing) for number, ids in enumerate(sources)]
        scores: dict[int, np.ndarray] = {}
        for batch in batches(pieces, self.options.batch_tokens):
            forced = [targets[piece.line] for piece in batch]
            lengths = np.array([len(target) for target in forced])
            found = self._search_batch(batch, lengths, BeamOptions(beam_size=1), forced, attention=False)
            for piece, (hypothesis,) in zip(batch, found, strict=True):
                scores[piece.line] = hypothesis.log_probabilities
        return [scores[number] for number in range(len(sources))]

    def _pieces(self, lines: Sequence[str], prefixes: Sequence[str | None] | None) -> list[Piece]:
        """What is translated: one piece per line, more for a long line, none for a blank one."""
        pieces: list[Piece] = []
        encoded = self.source_tokenizer.encode(list(lines))
        starts = self.target_tokenizer.encode([prefix or "" for prefix in prefixes or [None] * len(lines)])
        for number, (line, ids, start) in enumerate(zip(lines, encoded, starts, strict=True)):
            if is_blank(line) or not len(ids):
                continue
            pieces.extend(
                Piece(number, place, part, start if place == 0 else start[:0])
                for place, part in enumerate(split(ids, self.longest_source, self.source_tokenizer))
            )
        if too_long := sum(piece.number == 1 for piece in pieces):
            _LOG.warning(
                "%s longer than the longest training sentence (%s tokens): translated in segments",
                "1 line is" if too_long == 1 else f"{too_long:,} lines are",
                f"{self.longest_source:,}",
            )
        return pieces

    def _search(
        self, work: Sequence[Sequence[Piece]], options: TranslateOptions
    ) -> Iterator[tuple[int, list[list[Hypothesis]]]]:
        """Batches' numbers and what was found for their pieces, as the batches are done."""
        size = sum(len(piece.ids) for batch in work for piece in batch) * options.beam_size
        processes = min(self._processes, len(work))
        if processes > 1 and size >= WORTH_SHARING and can_fork():
            self._complete_tables()
            records = in_processes(
                [partial(self._share, work, process, processes, options) for process in range(processes)]
            )
        elif processes > 1 and (self._fresh_workers.started or size >= WORTH_STARTING) and can_start():
            tasks = [_task(number, batch, options) for number, batch in enumerate(work)]
            records = self._fresh_workers.records(tasks, processes)
        else:
            for number, batch in enumerate(work):
                yield number, self._translated(batch, options)
            return
        for content in records:
            number, found = json.loads(content)
            yield number, [[_hypothesis(record) for record in some] for some in found]

    @single_threaded_blas()
    def _complete_tables(self) -> None:
        for model in self._models:
            model.complete_tables()

    def _share(
        self, work: Sequence[Sequence[Piece]], first: int, step: int, options: TranslateOptions
    ) -> Iterator[bytes]:
        """What one of `step` processes does: batches are dealt out in turn.

        The long ones come first, so that the shares end together.
        """
        return (self._record(number, work[number], options) for number in range(first, len(work), step))

    def _record(self, number: int, batch: Sequence[Piece], options: TranslateOptions) -> bytes:
        """A batch's number and what is found for its pieces, for another process."""
        found = self._translated(batch, options)
        return json.dumps([number, [[_record(one) for one in some] for some in found]]).encode()

    def _translated(self, batch: Sequence[Piece], options: TranslateOptions) -> list[list[Hypothesis]]:
        found = self._search_batch(
            batch,
            np.array([_longest(piece, options) for piece in batch]),
            options.beam,
            [piece.prefix for piece in batch] if any(len(piece.prefix) for piece in batch) else None,
            attention=options.attention or options.coverage_penalty > 0,
        )
        if not options.attention:  # it was needed for the penalty alone
            found = [[_without_attention(one) for one in some] for some in found]
        return found

    @single_threaded_blas()
    def _search_batch(
        self,
        batch: Sequence[Piece],
        maximum_lengths: np.ndarray,
        options: BeamOptions,
        prefixes: Sequence[np.ndarray] | None,
        *,
        attention: bool,
    ) -> list[list[Hypothesis]]:
        stepper = self._stepper(batch, prefixes, with_attention=attention)
        found = beam_search(
            stepper,
            stepper.start([np.append(piece.ids, END) for piece in batch], options.beam_size),
            start=START,
            end=END,
            maximum_lengths=maximum_lengths,
            options=options,
            prefixes=prefixes,
            source_lengths=np.array([len(piece.ids) for piece in batch]),
        )
        if not all(found):
            raise _diverged()
        return found

    def _stepper(
        self, batch: Sequence[Piece], prefixes: Sequence[np.ndarray] | None, *, with_attention: bool
    ) -> Any:
        """The step function: the hand-written one, with or without a shortlist, or the networks' own."""
        if self.shortlist is not None:
            starts = prefixes or [np.zeros(0, np.int64)] * len(batch)
            candidates = [
                self.shortlist.candidates(piece.ids, np.append(start, END))
                for piece, start in zip(batch, starts, strict=True)
            ]
            return ShortlistTranslation(self._models, self._layers, candidates, with_attention=with_attention)
        if self.precision == "int8":
            return FixedPointTranslation(self._models, with_attention=with_attention)
        import torch

        from seqkit.engines.torch_translation import ModelStepper

        device = self._device or torch.device("cpu")
        models = [member.model.to(device).eval() for member in self.members]
        return ModelStepper(models, device, with_attention=with_attention)

    def _alternative(self, piece: Piece, hypothesis: Hypothesis, options: TranslateOptions) -> Alternative:
        source_tokens = tuple(self.source_tokenizer.pieces(piece.ids)) if options.attention else ()
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


def _resolve_precision(name: str, members: Sequence[LoadedModel], on_processor: bool) -> str:
    """`auto` as int8 on a CPU for models that the hand-written step supports, else as fp32.

    Not for tanh networks: their rounding adds up, the gates of an lstm or a gru keep it from that.
    """
    if name not in PRECISIONS:
        hint = suggest(name, PRECISIONS) or f"one of {', '.join(PRECISIONS)}"
        raise ConfigError(f"--precision {name!r} is not known", hint=hint)
    lacking = next(filter(None, (unsupported(member.blueprint) for member in members)), None)
    if name == "auto":
        gated = all(member.config.model.cell != "rnn" for member in members)
        return "int8" if on_processor and gated and lacking is None else "fp32"
    if name == "int8" and not on_processor:
        raise ConfigError("--precision int8 needs a CPU", hint="--device cpu, or --precision fp32")
    if name == "int8" and lacking is not None:
        raise ConfigError(f"--precision int8 cannot run a model with {lacking}", hint="--precision fp32")
    return name


def _shortlist(model: LoadedModel, precision: str) -> Shortlist:
    """The model's shortlist, to be used at a precision. Raises `ConfigError` when it cannot be."""
    if precision != "int8":
        raise ConfigError(
            f"--shortlist needs int8 on a CPU; the precision is {precision}",
            hint="--device cpu --precision int8, or no --shortlist",
        )
    if model.shortlist is None:
        raise ConfigError(
            "--shortlist: the model has none",
            hint="repeat the training command with --set training.shortlist=100",
        )
    return model.shortlist


def _diverged() -> ModelError:
    return ModelError(
        "the model's probabilities are NaN or infinite, so nothing can be translated",
        hint="training diverged: train again with a lower training.learning_rate",
    )


def _longest(piece: Piece, options: TranslateOptions) -> int:
    """The most target tokens that a piece may get."""
    natural = max(len(piece.prefix) + 2 * len(piece.ids) + 20, options.minimum_length)
    return options.maximum_length or natural


def _without_attention(hypothesis: Hypothesis) -> Hypothesis:
    return Hypothesis(hypothesis.tokens, hypothesis.log_probabilities, hypothesis.score, None)


def worker_task(members: Sequence[LoadedModel]) -> Callable[[bytes], Iterable[bytes]]:
    """What makes the record of a task, for fresh workers of a translator with these models."""
    translator = Translator(members, precision="int8", shortlist=members[0].shortlist is not None)

    def records(task: bytes) -> Iterator[bytes]:
        number, pieces, options = json.loads(task)
        batch = [
            Piece(0, place, np.array(ids, np.int64), np.array(prefix, np.int64))
            for place, (ids, prefix) in enumerate(pieces)
        ]
        yield translator._record(number, batch, TranslateOptions(**options))

    return records


def _task(number: int, batch: Sequence[Piece], options: TranslateOptions) -> bytes:
    """A batch as a fresh worker is told of it."""
    pieces = [(piece.ids.tolist(), piece.prefix.tolist()) for piece in batch]
    return json.dumps([number, pieces, asdict(options)]).encode()


def _record(hypothesis: Hypothesis) -> dict[str, Any]:
    """A hypothesis as another process is told of it; floats survive JSON to the bit."""
    attention = None if hypothesis.attention is None else hypothesis.attention.tolist()
    tokens, scores = hypothesis.tokens.tolist(), hypothesis.log_probabilities.tolist()
    return {"tokens": tokens, "scores": scores, "score": hypothesis.score, "attention": attention}


def _hypothesis(record: dict[str, Any]) -> Hypothesis:
    tokens, scores = np.array(record["tokens"], np.int64), np.array(record["scores"], np.float64)
    attention = None if record["attention"] is None else np.array(record["attention"])
    return Hypothesis(tokens, scores, record["score"], attention)
