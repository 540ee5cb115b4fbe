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
from seqkit.decoding.stepper import Allowed, Continuations
from seqkit.engines.fixed.affine import Affine
from seqkit.engines.fixed.decoder import FixedPointDecoder, Rows
from seqkit.engines.fixed.ensemble import EnsembleRows, FixedPointEnsemble
from seqkit.engines.fixed.grid import Grid
from seqkit.engines.fixed.products import array_session, rows_of, swapped, whole_product
from seqkit.engines.fixed.selection import (
    CLASSES,
    best_columns,
    exact_log_normalizers,
    mean_log_probabilities,
)
from seqkit.network.shortlist import Shortlist

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
    size = logits.shape[1]
    picked = logits.reshape(-1, logits.shape[2])  # (N, C)
    parts = []
    for block, output, whole, _ in rows.workspace.blocks:
        here = np.arange(len(whole))  # (N',)
        places = here[:, None] * whole.shape[1] + tokens[np.arange(block.start, block.stop) // size]
        parts.append((output, whole.reshape(-1), places, picked[block]))

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

    `ends` (B,) is the end token's place; `missing` (B, 1, C) is -inf behind a sentence's last candidate.
    """

    tokens: np.ndarray
    ends: np.ndarray
    missing: np.ndarray
    columns: tuple[Columns | None, ...]

    def select(self, sentences: np.ndarray) -> Candidates:
        """Those of the given sentences (B',)."""
        return Candidates(
            self.tokens[sentences],
            self.ends[sentences],
            self.missing[sentences],
            tuple(one and one.select(sentences) for one in self.columns),
        )

    def restrict(self, values: np.ndarray, allowed: Allowed) -> None:
        """`decoding.stepper.restrict`, of values (N, C) of the candidates."""
        sentences, width = self.tokens.shape
        size = len(values) // sentences
        rows = np.flatnonzero(allowed.forced >= 0)
        places = np.argmax(self.tokens[rows // size] == allowed.forced[rows, None], axis=1)
        kept = values[rows, places]
        grouped = values.reshape(sentences, size, width)
        never = self.tokens[:, : allowed.first] < allowed.first  # rising ids: only the first can be so small
        grouped[:, :, : allowed.first] += np.where(never, np.float32(-np.inf), np.float32(0))[:, None]
        if not allowed.may_end:
            grouped[np.arange(sentences), :, self.ends] = -np.inf
        values[rows] = -np.inf
        values[rows, places] = kept


class ShortlistEnsemble:
    """One model, or an ensemble, whose sentences have candidates, behind `decoding.stepper.Engine`."""

    def __init__(self, decoders: Sequence[FixedPointDecoder], shortlist: Shortlist) -> None:
        self._whole = FixedPointEnsemble(decoders)
        self._layers = [CandidateLayer(decoder.output, decoder.grid) for decoder in decoders]
        self._shortlist = shortlist

    def complete_tables(self) -> None:
        """See `decoding.stepper.Engine`."""
        self._whole.complete_tables()

    def start(
        self,
        sources: Sequence[np.ndarray],
        rows: int,
        *,
        prefixes: Sequence[np.ndarray] | None = None,
        with_attention: bool = False,
    ) -> ShortlistRows:
        """See `decoding.stepper.Engine`."""
        required = prefixes or [np.zeros(0, np.int64)] * len(sources)
        candidates = [
            self._shortlist.candidates(source[:-1], np.append(prefix, END))
            for source, prefix in zip(sources, required, strict=True)
        ]
        whole = self._whole.start(sources, rows, with_attention=with_attention)
        return ShortlistRows(whole, self._layers, candidates)


class ShortlistRows:
    """The rows of all members with their sentences' candidates, behind `decoding.stepper.Stepper`."""

    def __init__(
        self, whole: EnsembleRows, layers: Sequence[CandidateLayer], candidates: Sequence[np.ndarray]
    ) -> None:
        """`candidates` are every sentence's rising ids, with the end token and all that is forced."""
        self._whole, self._layers = whole, layers
        lengths = np.array([len(ids) for ids in candidates])
        width = -(-int(lengths.max()) // CLASSES) * CLASSES
        tokens = np.full((len(lengths), width), PAD)
        for row, ids in zip(tokens, candidates, strict=True):
            row[: len(ids)] = ids
        real = np.arange(width) < lengths[:, None]  # (B, C)
        self._beam_size = whole.members[0].workspace.count // len(tokens)
        self._candidates = Candidates(
            tokens,
            np.argmax((tokens == END) & real, axis=1),
            np.where(real, np.float32(0), np.float32(-np.inf))[:, None],
            tuple(layer.columns(tokens, self._beam_size) for layer in layers),
        )
        self._bind()

    def _bind(self) -> None:
        """Take memory for the logits (B, k, C) of every member, and bind the calls that make them."""
        count, width = self._candidates.tokens.shape
        self._outputs = []
        for layer, rows, columns in zip(
            self._layers, self._whole.members, self._candidates.columns, strict=True
        ):
            out = np.empty((count, self._beam_size, width), np.float32)
            if columns is None:
                call = _bind_whole(rows, self._candidates.tokens, out)
            else:
                read = rows.workspace.read
                call = layer.bind(read.reshape(count, self._beam_size, -1), columns, out)
            self._outputs.append((rows, call, out))

    def step(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Stepper`."""
        self._whole.step(tokens)

    def logits(self) -> np.ndarray:
        """See `decoding.stepper.Stepper`; -inf for what is no candidate."""
        values, shifts = self._log_probabilities()
        tokens = self._candidates.tokens.repeat(self._beam_size, axis=0)  # (N, C)
        size = self._whole.members[0].decoder.vocabulary_size
        logits = np.full((len(values), size), -np.inf, np.float32)
        rows, columns = np.nonzero(np.isfinite(values))
        logits[rows, tokens[rows, columns]] = (values - shifts)[rows, columns]
        return logits

    def best(self, width: int, allowed: Allowed) -> Continuations:
        """See `decoding.stepper.Stepper`."""
        values, shifts = self._log_probabilities()  # (N, C), (N, 1)
        self._candidates.restrict(values, allowed)
        chosen = best_columns(values, min(width, values.shape[1]))  # (N, W)
        scores = np.take_along_axis(values, chosen, axis=1) - shifts
        sentences = np.arange(len(values)) // self._beam_size  # (N,)
        tokens = self._candidates.tokens[sentences[:, None], chosen]
        return Continuations(tokens, scores, self._whole.attention())

    def _log_probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        """The candidates' log-probabilities, (N, C) less (N, 1)."""
        found = []
        for rows, make_logits, out in self._outputs:
            rows.read_out()
            make_logits()
            np.add(out, self._candidates.missing, out)
            logits = out.reshape(-1, out.shape[2])  # (N, C)
            found.append((logits, exact_log_normalizers(logits)))
        return mean_log_probabilities(found)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        """See `decoding.stepper.Stepper`."""
        self._whole.select(rows, sentences)
        if sentences is not None and len(sentences):  # else the same rows' memory, or a search that is over
            self._candidates = self._candidates.select(sentences)
            self._bind()
