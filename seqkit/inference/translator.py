"""Lines in, translations out: what the command and Python callers use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqkit import model_directory
from seqkit.data.tokenizers import Tokenizer
from seqkit.decoding.beam import BeamOptions
from seqkit.device import resolve_device, set_threads, wants_processor
from seqkit.engines.choose import resolve_precision, translation_engine, without_torch
from seqkit.engines.fixed.decoder import diverged
from seqkit.errors import ConfigError, DataError
from seqkit.inference.fresh_workers import FreshWorkers
from seqkit.inference.handover import packed
from seqkit.inference.searching import (
    Batch,
    Found,
    batch_of,
    found_in,
    record_of,
    search,
    task_of,
    translated,
)
from seqkit.inference.segments import Encoder, Piece, batches
from seqkit.inference.sharing import Sharing, Worth
from seqkit.inference.translation import EMPTY, Alternative, TranslateOptions, Translation, join
from seqkit.kinds import TRANSLATION
from seqkit.model_directory import LoadedModel
from seqkit.network.shortlist import Shortlist
from seqkit.processors import single_threaded_blas, thread_count

if TYPE_CHECKING:
    import torch

__all__ = ["Alternative", "TranslateOptions", "Translation", "Translator"]

WORTH_SHARING = 5000  # tokens times beam: what is less is done before the processes are copied
WORTH_STARTING = 50_000  # … started afresh: seconds of work, for a second to start


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
        on_cpu = device is None or device.type == "cpu"
        self.precision = resolve_precision(precision, members, on_cpu=on_cpu)
        self.shortlist = _shortlist(members[0], self.precision) if shortlist else None
        self._device = device
        # torch's threads do not exist in a copy of the process: its next parallel loop would wait for ever.
        self._processes = processes if without_torch(self.precision, members[0], on_cpu=on_cpu) else 1
        handed = members if shortlist else [replace(member, shortlist=None) for member in members]
        workers = FreshWorkers("translation", lambda: packed(handed))
        self._sharing = Sharing(workers, task_of)
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
        members = _members([Path(directory), *map(Path, ensemble)])
        place = None if wants_processor(device) else resolve_device(device)
        processes = workers or thread_count(threads)
        translator = cls(members, device=place, precision=precision, processes=processes, shortlist=shortlist)
        if translator.precision != "int8":
            set_threads(threads)
        if (workers or 1) > translator._processes:
            raise ConfigError(
                f"--workers {workers} needs int8; the precision is {translator.precision}",
                hint="--precision int8, or --threads instead",
            )
        return translator

    @single_threaded_blas()
    def rebuild(self) -> None:
        """Take over the models' current weights. Raises `ModelError` if they contain NaN or infinity."""
        self._sharing.dismiss()
        self._engine = translation_engine(self.members, self.precision, self._device, self.shortlist)

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
        tokenizers = self.source_tokenizer, self.target_tokenizer
        pieces = Encoder(*tokenizers, self.longest_source).pieces(lines, prefixes)
        work = list(batches(pieces, options.batch_tokens))
        results: dict[tuple[int, int], list[Alternative]] = {}
        for number, found in self._search(work, options):
            for piece, hypotheses in zip(work[number], found, strict=True):
                results[piece.line, piece.number] = [
                    Alternative.of(hypothesis, *tokenizers, piece.ids) for hypothesis in hypotheses
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
            found = search(self._engine, batch, lengths, BeamOptions(beam_size=1), forced)
            for piece, (hypothesis,) in zip(batch, self._checked(found), strict=True):
                scores[piece.line] = hypothesis.log_probabilities
        return [scores[number] for number in range(len(sources))]

    def _search(
        self, work: Sequence[Sequence[Piece]], options: TranslateOptions
    ) -> Iterator[tuple[int, Found]]:
        """Batches' numbers and what was found for their pieces, as the batches are done."""
        size = sum(len(piece.ids) for pieces in work for piece in pieces) * options.beam_size
        tasks = [Batch(number, pieces, options) for number, pieces in enumerate(work)]
        most = min(self._processes, len(work))
        processes = self._sharing.count(most, size, Worth(WORTH_SHARING, WORTH_STARTING))
        if processes > 1:
            return map(found_in, self._sharing.records(tasks, processes, self._records, self._engine))
        return ((task.number, self._checked(translated(self._engine, task))) for task in tasks)

    def _records(self, batch: Batch) -> Iterator[bytes]:
        """A batch's one record, for another process."""
        yield record_of(batch.number, self._checked(translated(self._engine, batch)))

    def _checked(self, found: Found) -> Found:
        """Hypotheses of every piece. Raises `ModelError` where nothing has a probability."""
        if not all(found):
            raise diverged(self.members[0].blueprint)
        return found


def _members(paths: Sequence[Path]) -> list[LoadedModel]:
    """The models of an ensemble. Raises `ConfigError` when their vocabularies differ."""
    for path in paths:
        model_directory.read_facts_of(path, TRANSLATION)
    members = [model_directory.load(path) for path in paths]
    vocabularies = [
        (member.source_tokenizer.fingerprint, member.target_tokenizer.fingerprint) for member in members
    ]
    for path, vocabulary in zip(paths, vocabularies, strict=True):
        if vocabulary != vocabularies[0]:
            raise ConfigError(
                f"{path} and {paths[0]} have different vocabularies, so they cannot be one ensemble",
                hint="train the members on the same corpus directory",
            )
    return members


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


def worker_task(members: Sequence[LoadedModel]) -> Callable[[bytes], Iterable[bytes]]:
    """What makes the record of a task, for fresh workers of a translator with these models."""
    translator = Translator(members, precision="int8", shortlist=members[0].shortlist is not None)
    return lambda task: translator._records(batch_of(task))
