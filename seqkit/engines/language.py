"""A generator as a step function over plain arrays, for drawing and for beam search.

Without torch, but where it is asked for: see `torch_language`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from seqkit.config import Cell
from seqkit.decoding.beam import Continuations
from seqkit.decoding.sampling import LanguageStepper, State
from seqkit.errors import ConfigError, suggest

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS = ("auto", *get_args(Precision))


def resolve_generation_precision(name: str, cell: Cell, *, on_processor: bool) -> Precision:
    """`auto` as int8 on a CPU, where it is the fastest, for gated cells; else fp32.

    The gates of an lstm or a gru keep rounding from adding up, and the likelihood changes by less than a
    thousandth of a nat; a tanh network loses a hundredth.
    """
    if name not in PRECISIONS:
        hint = suggest(name, PRECISIONS) or f"one of {', '.join(PRECISIONS)}"
        raise ConfigError(f"--precision {name!r} is not known", hint=hint)
    if name == "auto":
        return "int8" if on_processor and cell != "rnn" else "fp32"
    if name == "int8" and not on_processor:
        raise ConfigError("--precision int8 needs a CPU", hint="--device cpu, or --precision bf16")
    return cast(Precision, name)


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
