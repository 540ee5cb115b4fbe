"""A prompt in, text out: sampled from a generator, or found by beam search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqkit import model_directory
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.decoding.sampling import SampleOptions, Sampler, random_stream
from seqkit.decoding.stepper import Reader
from seqkit.device import resolve_device
from seqkit.engines.choose import resolve_precision, text_engine, without_torch
from seqkit.errors import ConfigError
from seqkit.inference.drawing import Prompt, most_probable, sampled
from seqkit.inference.fresh_workers import FreshWorkers
from seqkit.inference.handover import packed
from seqkit.inference.samples import Generated, GenerateOptions, Piece, Spelling
from seqkit.inference.sharing import Sharing, Worth, in_order
from seqkit.kinds import GENERATION
from seqkit.model_directory import LoadedModel
from seqkit.processors import single_threaded_blas, thread_count

if TYPE_CHECKING:
    import torch

__all__ = ["GenerateOptions", "Generated", "Piece", "TextGenerator"]

ROWS_TOGETHER = 64  # samples of a batch: more are hardly faster
WORTH_SHARING = 100_000  # characters that are drawn in several processes: fewer are made in no time
SHORTEST_OPENING, LONGEST_OPENING = 100, 600  # tokens


class Batch(NamedTuple):
    """A batch of samples of a prompt: their numbers, from 1."""

    prompt: Prompt
    numbers: range
    options: GenerateOptions


class TextGenerator:
    """A trained generator."""

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        device: torch.device | None = None,
        precision: str = "auto",
        processes: int = 1,
    ) -> None:
        """`device` computes the steps; None is the CPU, where only bf16 needs torch.

        If the model continues training, `rebuild` takes its new weights over. Long work on many samples is
        divided among up to `processes` processes. Raises `ModelError` for a model that is no generator, and
        `ConfigError` for a precision that the device has not.
        """
        model_directory.refuse_other_kind(loaded.kind, GENERATION)
        self.loaded = loaded
        self.tokenizer: Tokenizer = loaded.target_tokenizer
        self.options = GenerateOptions()
        self._first_allowed = END + 1 if loaded.facts.documents == "none" else END
        self._spelling = Spelling(self.tokenizer)
        self._device = None if device is None or device.type == "cpu" else device
        on_cpu = self._device is None
        self._precision = resolve_precision(precision, [loaded], on_cpu=on_cpu)
        workers = FreshWorkers("generation", lambda: packed([loaded]), self._precision)
        self._sharing = Sharing(workers, _task)
        # torch's threads do not exist in a copy of the process: its next parallel loop would wait for ever.
        self._processes = processes if without_torch(self._precision, loaded, on_cpu=on_cpu) else 1
        self.rebuild()

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
    ) -> TextGenerator:
        """Open a model directory. `auto` prefers the CPU to a GPU, whose single steps are slower.

        So many processes as there are `threads` share what is worth it; None is all cores.
        Raises `ModelError` when it is damaged or holds a translation model and `InputMissing` when it is
        absent.
        """
        chosen = None if device in {"auto", "cpu"} else resolve_device(device)
        model_directory.read_facts_of(Path(directory), GENERATION)
        loaded = model_directory.load(Path(directory))
        return cls(loaded, device=chosen, precision=precision, processes=thread_count(threads))

    def rebuild(self) -> None:
        """Take over the model's current weights."""
        self._sharing.dismiss()
        with single_threaded_blas():
            self._engine = text_engine(self.loaded, self._precision, self._device)
        self._opening: np.ndarray | None = None

    def opening(self) -> np.ndarray:
        """The tokens (T,) that are read before every prompt: documents of the model's own, if it makes any.

        In training a document always followed another one; after one the model knows how they begin. Nothing
        for a text without documents, and where the model writes on without an end.
        """
        if self._opening is None:
            self._opening = np.zeros(0, np.int64)
            if self.loaded.facts.documents != "none":
                sampler = Sampler(
                    self._engine.begin(),
                    np.array([END]),
                    [random_stream(0, 0)],
                    SampleOptions(),
                    first_allowed=self._first_allowed,
                )
                with single_threaded_blas():
                    drawn = sampler.advance(LONGEST_OPENING).tokens[0]
                ends = np.flatnonzero(drawn[SHORTEST_OPENING:] == END)
                if len(ends):
                    self._opening = np.append(END, drawn[: SHORTEST_OPENING + ends[0]])
        return self._opening

    def generate(
        self, prompt: str = "", options: GenerateOptions | None = None, **changes: Any
    ) -> list[Generated]:
        """The samples that follow a prompt: `generate("Once", length=200, temperature=0.8)`.

        `changes` are fields of `GenerateOptions`; `ConfigError` for values that they cannot have.
        """
        pieces = self.pieces(prompt, replace(options or self.options, **changes))
        return [piece.finished for piece in pieces if piece.finished is not None]

    def stream(
        self, prompt: str = "", options: GenerateOptions | None = None, **changes: Any
    ) -> Iterator[str]:
        """The text of one sample as it is made, without the prompt. `ConfigError` for several samples."""
        options = replace(options or self.options, **changes)
        if options.samples > 1:
            raise ConfigError("a stream is one sample", hint="use generate for several")
        return (piece.text for piece in self.pieces(prompt, options) if piece.text)

    def pieces(self, prompt: str, options: GenerateOptions) -> Iterator[Piece]:
        """All samples, one after the other, as they are made."""
        encoded = self.tokenizer.encode_text(prompt)
        tokens = np.append(self.loaded.facts.boundary, encoded).astype(np.int64)  # (T,)
        read = self._prompt(prompt, tokens)
        if options.beam_size is not None:
            yield from most_probable(read, options)
            return
        options = options.seeded()
        worth = Worth(WORTH_SHARING, WORTH_SHARING)
        most = min(self._processes, options.samples)
        processes = self._sharing.count(most, options.samples * options.length, worth)
        rows = min(-(-options.samples // processes), ROWS_TOGETHER)
        numbers = range(1, options.samples + 1)
        batches = [
            Batch(read, numbers[start : start + rows], options) for start in range(0, options.samples, rows)
        ]
        if processes > 1:
            records = self._sharing.records(batches, min(processes, len(batches)), _records, self._engine)
            made = (_piece(json.loads(record), prompt) for record in records)
            yield from in_order((piece.sample, piece, piece.finished is not None) for piece in made)
        else:
            for batch in batches:
                yield from sampled(*batch)

    def _prompt(self, text: str, tokens: np.ndarray) -> Prompt:
        """A prompt and the state before the last of its tokens (T,)."""
        opening = self.opening()
        reader: Reader = self._engine.begin()
        with single_threaded_blas():
            reader.read(np.concatenate([opening, tokens[:-1]]))
        return Prompt(text, tokens, reader, self._spelling, self._first_allowed)


def worker_task(models: Sequence[LoadedModel], precision: str) -> Callable[[bytes], Iterable[bytes]]:
    """What makes the records of a task, for fresh workers of a generator with this model."""
    generator = TextGenerator(models[0], precision=precision)

    @lru_cache(maxsize=1)  # the tasks of one work have the same prompt
    def prompt_of(tokens: bytes) -> Prompt:
        return generator._prompt("", np.frombuffer(tokens, np.int64))

    def records(task: bytes) -> Iterator[bytes]:
        tokens, (first, end), options = json.loads(task)
        prompt = prompt_of(np.array(tokens, np.int64).tobytes())
        named = GenerateOptions(**{**options, "stop": tuple(options["stop"])})
        return _records(Batch(prompt, range(first, end), named))

    return records


def _records(batch: Batch) -> Iterator[bytes]:
    """The pieces of a batch, for another process, which knows the prompt."""
    prompt = replace(batch.prompt, text="")
    return (json.dumps(asdict(piece)).encode() for piece in sampled(prompt, batch.numbers, batch.options))


def _task(batch: Batch) -> bytes:
    """A batch of samples as a fresh worker is told of it."""
    numbers, tokens = batch.numbers, batch.prompt.tokens
    return json.dumps([tokens.tolist(), [numbers.start, numbers.stop], asdict(batch.options)]).encode()


def _piece(record: dict[str, Any], prompt: str) -> Piece:
    """A piece that another process has made."""
    finished = record["finished"]
    if finished is not None:
        lists = {name: tuple(value) for name, value in finished.items() if isinstance(value, list)}
        finished = Generated(**{**finished, **lists, "prompt": prompt})
    return Piece(record["sample"], record["text"], finished)
