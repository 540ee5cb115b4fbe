"""A prompt in, text out: sampled from a generator, or found by beam search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqkit import model_directory
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.decoding.beam import beam_search
from seqkit.decoding.sampling import SampleOptions, Sampler, random_stream
from seqkit.device import resolve_device
from seqkit.engines.fixed.generation import FixedPointStepper
from seqkit.engines.language import BeamStepper, Precision, resolve_generation_precision
from seqkit.errors import ConfigError
from seqkit.inference.fresh_workers import FreshWorkers, can_start
from seqkit.inference.handover import packed
from seqkit.inference.samples import Generated, GenerateOptions, Piece, Spelling, Text
from seqkit.inference.workers import can_fork, in_processes
from seqkit.kinds import GENERATION
from seqkit.model_directory import LoadedModel
from seqkit.processors import single_threaded_blas, thread_count

if TYPE_CHECKING:
    import torch

    from seqkit.engines.torch_language import TorchStepper

__all__ = ["GenerateOptions", "Generated", "Piece", "TextGenerator"]

ROWS_TOGETHER = 64  # samples of a batch: more are hardly faster
WORTH_SHARING = 100_000  # characters that are drawn in several processes: fewer are made in no time
TOKENS_TOGETHER = 16  # drawn before the texts are looked at: a few characters, as a reader sees it
SHORTEST_OPENING, LONGEST_OPENING = 100, 600  # tokens
HISTORY = 4096  # tokens of the prompt that the repetition penalty remembers


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
        self._precision = resolve_generation_precision(
            precision, loaded.config.model.cell, on_processor=self._device is None
        )
        self._fresh_workers = FreshWorkers("generation", lambda: packed([loaded]), self._precision)
        self.rebuild()
        # torch's threads do not exist in a copy of the process: its next parallel loop would wait for ever.
        self._processes = processes if isinstance(self._stepper, FixedPointStepper) else 1

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
        self._fresh_workers.dismiss()
        with single_threaded_blas():
            self._stepper: Any = _stepper(self.loaded, self._precision, self._device)
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
                    self._stepper,
                    self._stepper.begin(self._stepper.read(self._opening), 1),
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
        state = self._read(tokens)
        if options.beam_size is not None:
            yield from self._search(prompt, tokens, state, options)
            return
        options = options.seeded()
        processes = self._sharing(options)
        rows = min(-(-options.samples // processes), ROWS_TOGETHER)
        numbers = range(1, options.samples + 1)
        batches = [numbers[start : start + rows] for start in range(0, options.samples, rows)]
        if processes > 1:
            yield from self._draw_in_processes(prompt, tokens, state, batches, options)
        else:
            for batch in batches:
                yield from self._draw(prompt, tokens, state, batch, options)

    def _read(self, tokens: np.ndarray) -> Any:
        """The state before the last of a prompt's tokens (T,)."""
        opening = self.opening()
        with single_threaded_blas():
            return self._stepper.read(np.concatenate([opening, tokens[:-1]]))

    def _sharing(self, options: GenerateOptions) -> int:
        """In how many processes the samples are drawn."""
        worth_it = options.samples * options.length >= WORTH_SHARING and (can_fork() or can_start())
        return min(self._processes, options.samples) if worth_it else 1

    def _draw_in_processes(
        self,
        prompt: str,
        tokens: np.ndarray,
        state: Any,
        batches: Sequence[range],
        options: GenerateOptions,
    ) -> Iterator[Piece]:
        """Batches are dealt out to the processes; what is not yet due is kept until it is."""
        processes = min(self._processes, len(batches))
        if can_fork():
            with single_threaded_blas():
                self._stepper.complete_tables()
            dealt = [batches[first::processes] for first in range(processes)]
            records = in_processes([partial(self._share, tokens, state, each, options) for each in dealt])
        else:
            tasks = [_task(tokens, numbers, options) for numbers in batches]
            records = self._fresh_workers.records(tasks, processes)
        waiting: dict[int, list[Piece]] = {}
        due = 1
        for record in records:
            piece = _piece(json.loads(record), prompt)
            waiting.setdefault(piece.sample, []).append(piece)
            while due in waiting:
                pieces = waiting.pop(due)
                yield from pieces
                if pieces[-1].finished is None:
                    break
                due += 1

    def _share(
        self, tokens: np.ndarray, state: Any, batches: Iterable[range], options: GenerateOptions
    ) -> Iterator[bytes]:
        """The pieces of some batches, for another process, which knows the prompt."""
        for numbers in batches:
            for piece in self._draw("", tokens, state, numbers, options):
                yield json.dumps(asdict(piece)).encode()

    def _draw(
        self,
        prompt: str,
        tokens: np.ndarray,
        state: Any,
        numbers: Sequence[int],
        options: GenerateOptions,
    ) -> Iterator[Piece]:
        """A batch of samples; what is not yet due is kept until it is."""
        seed = options.seed or 0
        texts = [Text(self._spelling, prompt, number, options) for number in numbers]
        sampler = Sampler(
            self._stepper,
            self._stepper.begin(state, len(numbers)),
            np.repeat(tokens[-1:], len(numbers)),
            [random_stream(seed, number) for number in numbers],
            options.sampling,
            first_allowed=self._first_allowed,
            history=tokens[-HISTORY:].tolist(),
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

    def _search(
        self, prompt: str, tokens: np.ndarray, state: Any, options: GenerateOptions
    ) -> Iterator[Piece]:
        """The most probable texts, best first."""
        stepper = BeamStepper(self._stepper, END, self._first_allowed)
        with single_threaded_blas():
            (found,) = beam_search(
                stepper,
                self._stepper.begin(state, options.beam.beam_size),
                start=int(tokens[-1]),
                end=END,
                maximum_lengths=np.array([options.length]),
                options=options.beam,
            )
        for number, hypothesis in enumerate(found, 1):
            text = Text(self._spelling, prompt, number, options)
            made, scores = hypothesis.tokens.tolist(), hypothesis.log_probabilities.tolist()
            whole = len(made) < options.length
            text.add([*made, END] if whole else made, scores if whole else scores[:-1])
            text.end("length")
            yield from text.release()


def _stepper(
    loaded: LoadedModel, precision: Precision, device: torch.device | None
) -> FixedPointStepper | TorchStepper:
    """The hand-written step on the CPU, where `device` is None, but for bf16; else that of torch."""
    if precision == "int8" or (precision == "fp32" and device is None):
        return FixedPointStepper(loaded.blueprint, loaded.parameters, precision)
    import torch

    from seqkit.engines.torch_language import TorchStepper

    return TorchStepper(loaded.model, precision, device or torch.device("cpu"))


def worker_task(models: Sequence[LoadedModel], precision: Precision) -> Callable[[bytes], Iterable[bytes]]:
    """What makes the records of a task, for fresh workers of a generator with this model."""
    generator = TextGenerator(models[0], precision=precision)

    @lru_cache(maxsize=1)  # the tasks of one work have the same prompt
    def state_after(tokens: bytes) -> Any:
        return generator._read(np.frombuffer(tokens, np.int64))

    def records(task: bytes) -> Iterator[bytes]:
        prompt, (first, end), options = json.loads(task)
        tokens = np.array(prompt, np.int64)
        state = state_after(tokens.tobytes())
        named = GenerateOptions(**{**options, "stop": tuple(options["stop"])})
        return generator._share(tokens, state, [range(first, end)], named)

    return records


def _task(tokens: np.ndarray, numbers: range, options: GenerateOptions) -> bytes:
    """A batch of samples as a fresh worker is told of it."""
    return json.dumps([tokens.tolist(), [numbers.start, numbers.stop], asdict(options)]).encode()


def _piece(record: dict[str, Any], prompt: str) -> Piece:
    """A piece that another process has made."""
    finished = record["finished"]
    if finished is not None:
        lists = {name: tuple(value) for name, value in finished.items() if isinstance(value, list)}
        finished = Generated(**{**finished, **lists, "prompt": prompt})
    return Piece(record["sample"], record["text"], finished)
