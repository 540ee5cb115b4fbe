"""A generator as a step function over plain arrays, for drawing and for beam search."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import torch

from seqkit.batch import Padded
from seqkit.decoding.beam import Continuations
from seqkit.decoding.sampling import LanguageStepper, State
from seqkit.errors import ConfigError
from seqkit.models import SequenceModel
from seqkit.nn.recurrent import Cell, DecoderState
from seqkit.stepping.fixed_point import FixedPointStepper

Precision = Literal["auto", "fp32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

READ_TOKENS = 1024  # of a text that is read in one pass: memory grows with it


@torch.inference_mode()
def read_text(model: SequenceModel, tokens: np.ndarray) -> DecoderState:
    """The state (one row) after a text of tokens (T,), read in slices and in evaluation mode."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        state = model.start(None, 1)
        for start in range(0, len(tokens), READ_TOKENS):
            values = torch.from_numpy(tokens[start : start + READ_TOKENS].astype(np.int64)).to(device)
            lengths = torch.tensor([len(values)], device=device)
            vectors = model.target_frontend(Padded(values[None], lengths)).values  # (1, T, E)
            state = model.decoder(vectors, state).state
    finally:
        model.train(training)
    return state


def resolve_generation_precision(name: str, device: torch.device, cell: Cell) -> Precision:
    """`auto` as int8 on a processor, where it is the fastest, for gated cells; else fp32.

    The gates of an lstm or a gru keep rounding from adding up, and the likelihood changes by less than a
    thousandth of a nat; a tanh network loses a hundredth.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"--precision {name!r} is not known", hint=", ".join(PRECISIONS))
    if name == "auto":
        return "int8" if device.type == "cpu" and cell != "rnn" else "fp32"
    if name == "int8" and device.type != "cpu":
        raise ConfigError("--precision int8 is for processors", hint="--device cpu, or --precision bf16")
    return cast(Precision, name)


class TorchStepper:
    """The model's own step: for GPUs, for bf16, and to compare with."""

    def __init__(self, model: SequenceModel, precision: Precision, device: torch.device) -> None:
        """`precision` is fp32 or bf16; the model's weights are copied."""
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._model = copy.deepcopy(model).to(device, self._dtype).eval()
        self._device = device

    def begin(self, state: DecoderState, rows: int) -> DecoderState:
        """`rows` copies of a state of one row."""
        layers = tuple(
            tuple(part.to(self._device, self._dtype).expand(rows, -1) for part in layer)
            for layer in state.layers
        )
        return DecoderState(layers)

    @torch.inference_mode()
    def step(self, tokens: np.ndarray, state: DecoderState) -> tuple[np.ndarray, DecoderState]:
        """See `decoding.sampling.LanguageStepper`."""
        logits, _, state = self._model.step(torch.from_numpy(tokens).to(self._device), state)
        return logits.float().cpu().numpy(), state

    def select(self, state: DecoderState, rows: np.ndarray) -> DecoderState:
        """See `decoding.sampling.LanguageStepper`."""
        return state.select(torch.from_numpy(rows).to(self._device))


def language_stepper(
    model: SequenceModel, precision: str, device: torch.device
) -> FixedPointStepper | TorchStepper:
    """The step function for a device: the hand-written one on a processor, but for bf16."""
    cell = model.decoder.recurrent_layers()[0].cell
    chosen = resolve_generation_precision(precision, device, cell)
    if device.type == "cpu" and chosen != "bf16":
        return FixedPointStepper(model, "int8" if chosen == "int8" else "fp32")
    return TorchStepper(model, chosen, device)


@dataclass(frozen=True)
class BeamStepper:
    """A language stepper behind `decoding.beam.Stepper`.

    Ids below `first_allowed` never come. Where the end token is one of them, the search still has to close
    its hypotheses with it when they are long enough: that end is free.
    """

    stepper: LanguageStepper[Any]
    end: int
    first_allowed: int

    def step(
        self, tokens: np.ndarray, state: State, *, width: int, forced: np.ndarray, may_end: bool
    ) -> Continuations[State]:
        """The `width` best continuations of each row; see `decoding.beam.Stepper`."""
        logits, state = self.stepper.step(tokens, state)
        scores = logits.astype(np.float64)  # (N, V)
        scores -= scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        ends = scores[:, self.end].copy() if self.end >= self.first_allowed else np.zeros(len(scores))
        scores[:, : self.first_allowed] = -np.inf
        if not may_end:
            scores[:, self.end] = -np.inf
        must_end = forced == self.end
        scores[must_end] = -np.inf
        scores[must_end, self.end] = ends[must_end]
        width = min(width, scores.shape[1])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :width]  # (N, W)
        return Continuations(best, np.take_along_axis(scores, best, axis=1), None, state)

    def select(self, state: State, rows: np.ndarray, sentences: np.ndarray | None) -> State:  # noqa: ARG002
        """See `decoding.beam.Stepper`."""
        chosen: State = self.stepper.select(state, rows)
        return chosen
