"""The step of a translation model whose sentences may use their own candidate tokens alone.

The output layer and all that follows it are computed for each sentence's candidates (`network.shortlist`)
and not for the vocabulary. Its probabilities are normalised over them, in sums of whole numbers: so they do
not depend, to the bit, on what is translated beside it, nor on how many columns that needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from seqkit.data.tokenizers import END, PAD
from seqkit.decoding.beam import Continuations
from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.grid import Grid
from seqkit.engines.fixed.products import array_session, rows_of, swapped, whole_product
from seqkit.engines.fixed.selection import CLASSES, NEVER, best_columns
from seqkit.engines.fixed.translation import FixedPointModel, FixedPointTranslation, Rows

_EXPONENTIALS = np.float32(1 << 24)  # the largest term of a softmax
# A column that one sentence's rows alone are multiplied with takes as long as so many rows of a shared one.
_OWN_COLUMN = 20


class CandidateLayer:
    """A model's output layer, for sentences' candidates alone.

    Each sentence is multiplied with columns of its own, or, where that would take longer, candidates are
    picked from the whole layer's logits. Both are the same to the bit.
    """

    def __init__(self, output: Affine, grid: Grid) -> None:
        self._whole, self._scale, self._bias = output.parts()
        self._grid = grid
        if grid.in_bytes:
            cut = [rows_of("whole", "ids", "rows"), swapped("rows", "columns")]
            kinds = {"columns": grid.weight_type}
            self._cut = array_session(cut, {"whole": self._whole}, {"ids": np.int64}, kinds)
            self._product = array_session(
                [whole_product("columns", "sums")],
                grid.offsets,
                {"values": grid.value_type, **kinds},
                {"sums": np.int32},
            )

    def columns(self, tokens: np.ndarray, beam_size: int) -> Columns | None:
        """The layer's columns for candidates (B, C); None where the whole layer takes less time."""
        if beam_size * len(self._whole) < _OWN_COLUMN * tokens.shape[1]:
            return None
        if self._grid.in_bytes:
            (weights,) = self._cut.run(None, {"ids": tokens})
        else:
            weights = self._whole[tokens].transpose(0, 2, 1)
        return Columns(weights, self._scale[tokens][:, None], self._bias[tokens][:, None])

    def bind(self, values: np.ndarray, columns: Columns, logits: np.ndarray) -> Callable[[], None]:
        """The call that makes logits (B, k, C) of what is in `values` (B, k, E) then."""
        sums = np.empty(logits.shape, self._grid.sum_type)
        if self._grid.in_bytes:
            binding = self._product.io_binding()
            for name, array in (("values", values), ("columns", columns.weights)):
                binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
            binding.bind_output("sums", "cpu", 0, sums.dtype, sums.shape, sums.ctypes.data)
            multiply: Callable[[], object] = partial(self._product.run_with_iobinding, binding)
        else:
            multiply = partial(np.matmul, values, columns.weights, out=sums)

        def call(_kept: object = values) -> None:  # the binding has addresses alone
            multiply()
            logits[...] = sums
            np.multiply(logits, columns.scales, logits)
            np.add(logits, columns.biases, logits)

        return call


def _bind_whole(rows: Rows, tokens: np.ndarray, logits: np.ndarray) -> Callable[[], None]:
    """The call that picks logits (B, k, C) of candidates (B, C) from those of the whole vocabulary."""
    work, size = rows.workspace, logits.shape[1]
    picked = logits.reshape(-1, logits.shape[2])  # (N, C)
    width = work.logits.shape[2]
    parts = []
    for block, output in zip(work.blocks, work.outputs, strict=True):
        here = np.arange(block.stop - block.start)  # (N',)
        places = here[:, None] * width + tokens[np.arange(block.start, block.stop) // size]  # (N', C)
        parts.append((output, work.logits[0, : len(here)].reshape(-1), places, picked[block]))

    def call() -> None:
        for output, whole, places, some in parts:
            output()
            whole.take(places, out=some, mode="clip")  # clip: the other modes copy

    return call


@dataclass(frozen=True)
class Columns:
    """An output layer's columns for B sentences: whole weights (B, E, C), scales and biases (B, 1, C)."""

    weights: np.ndarray
    scales: np.ndarray
    biases: np.ndarray

    def select(self, sentences: np.ndarray) -> Columns:
        """Those of the given sentences (B',)."""
        return Columns(self.weights[sentences], self.scales[sentences], self.biases[sentences])


@dataclass(frozen=True)
class Candidates:
    """The tokens (B, C) that B sentences may use, and each model's columns for them.

    `ends` (B,) is the end token's place; `missing` (B, 1, C) is -inf behind a sentence's last candidate, and
    `never` (B, 1, C) for what a search does not choose.
    """

    tokens: np.ndarray
    ends: np.ndarray
    missing: np.ndarray
    never: np.ndarray
    columns: tuple[Columns | None, ...]

    def select(self, sentences: np.ndarray) -> Candidates:
        """Those of the given sentences (B',)."""
        return Candidates(
            self.tokens[sentences],
            self.ends[sentences],
            self.missing[sentences],
            self.never[sentences],
            tuple(one and one.select(sentences) for one in self.columns),
        )


@dataclass(frozen=True)
class State:
    """The models' states, the sentences' candidates, and the calls that make each model's logits of them.

    `logits` are (B, k, C).
    """

    rows: tuple[Rows, ...]
    candidates: Candidates
    logits: tuple[np.ndarray, ...]
    outputs: tuple[Callable[[], None], ...]


class ShortlistTranslation:
    """One model, or an ensemble, behind `decoding.beam.Stepper`; see `FixedPointTranslation`."""

    def __init__(
        self,
        models: Sequence[FixedPointModel],
        layers: Sequence[CandidateLayer],
        candidates: Sequence[np.ndarray],
        *,
        with_attention: bool = False,
    ) -> None:
        """`candidates` are every sentence's rising ids, with the end token and all that is forced."""
        self._whole = FixedPointTranslation(models, with_attention=with_attention)
        self._layers = layers
        self._candidates = candidates

    def start(self, sources: Sequence[np.ndarray], beam_size: int) -> State:
        """The state before the first step for sentences of ids that end with END, `beam_size` rows each."""
        lengths = np.array([len(ids) for ids in self._candidates])
        width = -(-int(lengths.max()) // CLASSES) * CLASSES
        tokens = np.full((len(lengths), width), PAD)
        for row, ids in zip(tokens, self._candidates, strict=True):
            row[: len(ids)] = ids
        real = np.arange(width) < lengths[:, None]  # (B, C)
        candidates = Candidates(
            tokens,
            np.argmax((tokens == END) & real, axis=1),
            np.where(real, np.float32(0), np.float32(-np.inf))[:, None],
            np.where(np.isin(tokens, NEVER), np.float32(-np.inf), np.float32(0))[:, None],
            tuple(layer.columns(tokens, beam_size) for layer in self._layers),
        )
        return self._bound(self._whole.start(sources, beam_size), candidates, beam_size)

    def step(
        self, tokens: np.ndarray, state: State, *, width: int, forced: np.ndarray, may_end: bool
    ) -> Continuations[State]:
        """The `width` best continuations of each row; see `decoding.beam.Stepper`."""
        attention = self._whole.advance(tokens, state.rows)
        candidates, found = state.candidates, []
        for output, out in zip(state.outputs, state.logits, strict=True):
            output()
            np.add(out, candidates.missing, out)
            logits = out.reshape(len(tokens), -1)  # (N, C)
            found.append((logits, _log_normalizers(logits)))
        values, shifts = found[0]  # (N, C), (N, 1)
        if len(found) > 1:
            values = np.logaddexp.reduce([logits - normalizers for logits, normalizers in found], axis=0)
            shifts = np.full((len(values), 1), np.log(len(found)))
        _restrict(values, candidates, forced, may_end)
        chosen = best_columns(values, min(width, values.shape[1]))  # (N, W)
        scores = np.take_along_axis(values, chosen, axis=1) - shifts
        sentences = np.arange(len(tokens)) // (len(tokens) // len(candidates.tokens))  # (N,)
        return Continuations(candidates.tokens[sentences[:, None], chosen], scores, attention, state)

    def select(self, state: State, rows: np.ndarray, sentences: np.ndarray | None) -> State:
        """The state of the given rows; of the given sentences where some are done."""
        chosen = self._whole.select(state.rows, rows, sentences)
        if sentences is None or not len(sentences):  # the same rows' memory, or a search that is over
            return State(chosen, state.candidates, state.logits, state.outputs)
        return self._bound(chosen, state.candidates.select(sentences), len(rows) // len(sentences))

    def _bound(self, rows: tuple[Rows, ...], candidates: Candidates, beam_size: int) -> State:
        """The state with memory for the logits of `beam_size` rows per sentence."""
        count, width = candidates.tokens.shape
        logits, outputs = [], []
        for layer, one, columns in zip(self._layers, rows, candidates.columns, strict=True):
            out = np.empty((count, beam_size, width), np.float32)
            values = one.workspace.rounded_readouts.reshape(count, beam_size, -1)
            if columns is None:
                outputs.append(_bind_whole(one, candidates.tokens, out))
            else:
                outputs.append(layer.bind(values, columns, out))
            logits.append(out)
        return State(rows, candidates, tuple(logits), tuple(outputs))


def _log_normalizers(logits: np.ndarray) -> np.ndarray:
    """log sum exp of every row, (N, C) -> (N, 1) in fp64: the same however many columns hold -inf."""
    largest = logits.max(axis=1, keepdims=True)  # (N, 1)
    terms = logits - largest
    np.exp(terms, out=terms)
    terms *= _EXPONENTIALS
    np.rint(terms, out=terms)
    sums = terms.sum(axis=1, dtype=np.float64, keepdims=True)  # of whole numbers: exact
    normalizers: np.ndarray = largest + np.log(sums / float(_EXPONENTIALS))
    return normalizers


def _restrict(values: np.ndarray, candidates: Candidates, forced: np.ndarray, may_end: bool) -> None:
    """Leave what a search allows, in place: nothing but its token in a row (N,) that is forced."""
    sentences, width = candidates.tokens.shape
    size = len(values) // sentences
    must = np.flatnonzero(forced >= 0)
    places = np.argmax(candidates.tokens[must // size] == forced[must, None], axis=1)
    kept = values[must, places]
    grouped = values.reshape(sentences, size, width)
    grouped += candidates.never
    if not may_end:
        grouped[np.arange(sentences), :, candidates.ends] = -np.inf
    values[must] = -np.inf
    values[must, places] = kept
