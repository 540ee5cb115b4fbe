"""The seam between networks and decoding: a torch model, or several, as steppers over plain arrays.

For GPUs, for bf16, for what the hand-written step lacks, and to compare that with.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import pad
from seqkit.decoding.stepper import Allowed, Continuations, best_of_logits, restrict
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import DecoderState

READ_TOKENS = 1024  # of a text that is read in one pass: memory grows with it


class NetworkEnsemble:
    """One network, or an ensemble, behind `decoding.stepper.Engine`."""

    def __init__(self, models: Sequence[SequenceModel], device: torch.device) -> None:
        """The models are used as they are when decoding starts: they may go on training in between."""
        self._models = [model.to(device) for model in models]
        self._device = device

    def complete_tables(self) -> None:
        """There are none."""

    @torch.inference_mode()
    def start(
        self,
        sources: Sequence[np.ndarray],
        rows: int,
        *,
        prefixes: Sequence[np.ndarray] | None = None,  # noqa: ARG002 - every token can be written
        with_attention: bool = False,
    ) -> NetworkRows:
        """See `decoding.stepper.Engine`."""
        models = [model.eval() for model in self._models]
        source = pad(sources).to(self._device)
        index = torch.arange(len(sources), device=self._device).repeat_interleave(rows)  # (N,)
        states = [model.start(source, len(index)).select(index) for model in models]
        return NetworkRows(models, states, self._device, with_attention=with_attention)


class NetworkRows:
    """The rows of all members, behind `decoding.stepper.Stepper`."""

    def __init__(
        self,
        models: Sequence[SequenceModel],
        states: Sequence[DecoderState],
        device: torch.device,
        *,
        with_attention: bool,
    ) -> None:
        self._models, self._states, self._device = models, list(states), device
        self._with_attention = with_attention
        self._scores: Tensor | None = None
        self._attention: list[Tensor] = []

    @torch.inference_mode()
    def step(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Stepper`."""
        last = torch.from_numpy(tokens).to(self._device)
        results = [model.step(last, one) for model, one in zip(self._models, self._states, strict=True)]
        self._states = [state for _, _, state in results]
        self._attention = [weights for _, weights, _ in results if weights is not None]
        self._scores = _mean_log_probabilities([logits for logits, _, _ in results])  # (N, V)

    def logits(self) -> np.ndarray:
        """See `decoding.stepper.Stepper`: the logarithms of the mean probabilities."""
        assert self._scores is not None
        return self._scores.cpu().numpy()

    @torch.inference_mode()
    def best(self, width: int, allowed: Allowed) -> Continuations:
        """See `decoding.stepper.Stepper`."""
        assert self._scores is not None
        restrict(self._scores, allowed)
        best, chosen = self._scores.topk(min(width, self._scores.shape[1]), dim=1)  # (N, W)
        attention = None
        if self._with_attention and self._attention:
            attention = torch.stack(self._attention).mean(dim=0).cpu().numpy()  # (N, S)
        return Continuations(chosen.cpu().numpy(), best.double().cpu().numpy(), attention)

    @torch.inference_mode()
    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:
        """See `decoding.stepper.Stepper`."""
        row_index = torch.from_numpy(rows).to(self._device)
        sentence_index = None if sentences is None else torch.from_numpy(sentences).to(self._device)
        self._states = [one.select(row_index, sentence_index) for one in self._states]


class TextNetwork:
    """A network without a source, behind `decoding.stepper.TextEngine`."""

    def __init__(self, model: SequenceModel, dtype: torch.dtype, device: torch.device) -> None:
        """The model's weights are copied: it may go on training."""
        self._model = copy.deepcopy(model).to(device, dtype).eval()
        self._device = device

    def complete_tables(self) -> None:
        """There are none."""

    @torch.inference_mode()
    def begin(self) -> TextRows:
        """See `decoding.stepper.TextEngine`."""
        return TextRows(self._model, self._model.start(None, 1), self._device)


class TextRows:
    """N texts that a network continues, behind `decoding.stepper.Reader`."""

    def __init__(self, model: SequenceModel, state: DecoderState, device: torch.device) -> None:
        self._model, self.state, self._device = model, state, device
        self._logits = np.zeros((0, 0), np.float32)

    @torch.inference_mode()
    def read(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Reader`; the text is read in slices."""
        for start in range(0, len(tokens), READ_TOKENS):
            values = torch.from_numpy(tokens[start : start + READ_TOKENS].astype(np.int64)).to(self._device)
            lengths = torch.tensor([len(values)], device=self._device)
            part = Padded(values[None], lengths)  # (1, T)
            after = self._model.run(Batch(part, part), self.state).state
            assert after is not None  # of a model with a decoder
            self.state = after

    @torch.inference_mode()
    def step(self, tokens: np.ndarray) -> None:
        """See `decoding.stepper.Stepper`."""
        with _one_thread():
            logits, _, self.state = self._model.step(torch.from_numpy(tokens).to(self._device), self.state)
        self._logits = logits.float().cpu().numpy()

    def logits(self) -> np.ndarray:
        """See `decoding.stepper.Stepper`."""
        return self._logits

    def best(self, width: int, allowed: Allowed) -> Continuations:
        """See `decoding.stepper.Stepper`."""
        return best_of_logits(self._logits, width, allowed)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:  # noqa: ARG002
        """See `decoding.stepper.Stepper`."""
        self.state = self._selected(rows)

    def copied(self, rows: np.ndarray) -> TextRows:
        """See `decoding.stepper.Reader`."""
        return TextRows(self._model, self._selected(rows), self._device)

    @torch.inference_mode()
    def _selected(self, rows: np.ndarray) -> DecoderState:
        return self.state.select(torch.from_numpy(rows).to(self._device))


def _mean_log_probabilities(logits: Sequence[Tensor]) -> Tensor:
    """The logarithm of the models' mean probability, on their device. (N, V) each -> (N, V)"""
    scores = [torch.log_softmax(one.float(), dim=1) for one in logits]
    if len(scores) == 1:
        return scores[0]
    return torch.logsumexp(torch.stack(scores), dim=0) - float(np.log(len(scores)))


@contextmanager
def _one_thread() -> Iterator[None]:
    """A step is too short to be shared: threads would wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
