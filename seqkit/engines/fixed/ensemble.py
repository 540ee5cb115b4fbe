"""The hand-written step of a translation model, or of an ensemble whose probabilities are averaged.

A vocabulary of subwords is long: its logits are made, and the best of them found, a block of rows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqkit.decoding.stepper import Allowed, Continuations, restrict
from seqkit.engines.fixed.decoder import FixedPointDecoder, Rows
from seqkit.engines.fixed.selection import best_columns, log_normalizers, mean_log_probabilities


class FixedPointEnsemble:
    """One model, or an ensemble, behind `decoding.stepper.Engine`."""

    def __init__(self, decoders: Sequence[FixedPointDecoder]) -> None:
        self._decoders = decoders

    def complete_tables(self) -> None:
        """See `decoding.stepper.Engine`."""
        for decoder in self._decoders:
            decoder.complete_tables()

    def start(
        self,
        sources: Sequence[np.ndarray],
        rows: int,
        *,
        prefixes: Sequence[np.ndarray] | None = None,  # noqa: ARG002 - every token can be written
        with_attention: bool = False,
    ) -> EnsembleRows:
        """See `decoding.stepper.Engine`."""
        members = [decoder.start(sources, rows) for decoder in self._decoders]
        return EnsembleRows(members, with_attention=with_attention)


class EnsembleRows:
    """The rows of all members, behind `decoding.stepper.Stepper`."""

    def __init__(self, members: Sequence[Rows], *, with_attention: bool) -> None:
        self.members = members
        self._with_attention = with_attention
        self._size = members[0].decoder.vocabulary_size

    def step(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Stepper`."""
        for member in self.members:
            member.step(tokens)

    def attention(self) -> np.ndarray | None:
        """The members' and their heads' mean attention (N, S) in the last step, where it is wanted."""
        if not self._with_attention:
            return None
        means = [one.attention.mean(axis=1) for one in self.members if one.attention is not None]  # (B, k, S)
        attention: np.ndarray = np.mean(means, axis=0).reshape(self.members[0].workspace.count, -1)
        return attention

    def logits(self) -> np.ndarray:
        """See `decoding.stepper.Stepper`; of several members the logarithms of their mean probabilities."""
        if len(self.members) == 1:
            return self.members[0].logits()
        found = np.empty((self.members[0].workspace.count, self._size), np.float32)
        self._read_out()
        for number, (block, *_) in enumerate(self.members[0].workspace.blocks):
            values, shifts = self._log_probabilities(number)
            np.subtract(values[:, : self._size], shifts, out=found[block])
        return found

    def best(self, width: int, allowed: Allowed) -> Continuations:
        """See `decoding.stepper.Stepper`."""
        self._read_out()
        width, count = min(width, self._size), len(allowed.forced)
        chosen = np.empty((count, width), np.int64)
        scores = np.empty((count, width))
        for number, (block, *_) in enumerate(self.members[0].workspace.blocks):
            values, shifts = self._log_probabilities(number)
            restrict(values, Allowed(allowed.first, allowed.end, allowed.forced[block], allowed.may_end))
            chosen[block] = best_columns(values, width)
            scores[block] = np.take_along_axis(values, chosen[block], axis=1) - shifts
        return Continuations(chosen, scores, self.attention())

    def _read_out(self) -> None:
        for member in self.members:
            member.read_out()

    def _log_probabilities(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """A block's log-probabilities, (N', V) less (N', 1): the second is subtracted where it is wanted."""
        found = []
        for member in self.members:
            _, map_output, logits, spare = member.workspace.blocks[number]
            map_output()
            found.append((logits, log_normalizers(logits, spare)))
        return mean_log_probabilities(found)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        """See `decoding.stepper.Stepper`."""
        for member in self.members:
            member.select(rows, sentences)
