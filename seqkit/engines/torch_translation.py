"""The seam between models and decoding: a torch model, or several, as a step function over plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqkit.data.batching import pad
from seqkit.data.tokenizers import END
from seqkit.decoding.beam import Continuations
from seqkit.engines.fixed.selection import NEVER
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import DecoderState

States = tuple[DecoderState, ...]


@dataclass(frozen=True)
class ModelStepper:
    """One model, or an ensemble whose probabilities are averaged, behind `decoding.beam.Stepper`.

    What is not allowed is masked after the softmax: a hypothesis keeps the log-probability that the model
    gives it, whatever the search forbade.
    """

    models: Sequence[SequenceModel]
    device: torch.device
    with_attention: bool = False

    @torch.inference_mode()
    def start(self, sources: Sequence[np.ndarray], beam_size: int) -> States:
        """The state before the first step for sentences of ids that end with END, `beam_size` rows each."""
        source = pad(sources).to(self.device)
        rows = torch.arange(len(source.lengths), device=self.device).repeat_interleave(beam_size)  # (N,)
        return tuple(model.start(source, len(rows)).select(rows) for model in self.models)

    @torch.inference_mode()
    def step(
        self, tokens: np.ndarray, state: States, *, width: int, forced: np.ndarray, may_end: bool
    ) -> Continuations[States]:
        """The `width` best continuations of each row; see `decoding.beam.Stepper`."""
        last = torch.from_numpy(tokens).to(self.device)
        results = [model.step(last, one) for model, one in zip(self.models, state, strict=True)]
        scores = _mean_log_probabilities([logits for logits, _, _ in results])  # (N, V)
        _restrict(scores, torch.from_numpy(forced).to(self.device), may_end)
        best, chosen = scores.topk(min(width, scores.shape[1]), dim=1)  # (N, W)
        weights = [w for _, w, _ in results if w is not None] if self.with_attention else []
        attention = torch.stack(weights).mean(dim=0).cpu().numpy() if weights else None  # (N, S)
        after = tuple(one for _, _, one in results)
        return Continuations(chosen.cpu().numpy(), best.double().cpu().numpy(), attention, after)

    @torch.inference_mode()
    def select(self, state: States, rows: np.ndarray, sentences: np.ndarray | None) -> States:
        """The state of the given rows; of the given sentences where some are done."""
        row_index = torch.from_numpy(rows).to(self.device)
        sentence_index = None if sentences is None else torch.from_numpy(sentences).to(self.device)
        return tuple(one.select(row_index, sentence_index) for one in state)


def _mean_log_probabilities(logits: Sequence[Tensor]) -> Tensor:
    """The logarithm of the models' mean probability. (N, V) each -> (N, V)"""
    scores = [torch.log_softmax(one.float(), dim=1) for one in logits]
    if len(scores) == 1:
        return scores[0]
    return torch.logsumexp(torch.stack(scores), dim=0) - float(np.log(len(scores)))


def _restrict(scores: Tensor, forced: Tensor, may_end: bool) -> None:
    """Leave what a search allows, in place: nothing but its token in a row (N,) that is forced. (N, V)"""
    must = torch.nonzero(forced >= 0).squeeze(1)
    kept = scores[must, forced[must]]
    scores[:, NEVER] = -torch.inf
    if not may_end:
        scores[:, END] = -torch.inf
    scores[must] = -torch.inf
    scores[must, forced[must]] = kept
