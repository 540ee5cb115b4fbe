"""A generator's own step in torch: for GPUs, for bf16, and to compare with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

from seqkit.data.batch import Batch, Padded
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import DecoderState

READ_TOKENS = 1024  # of a text that is read in one pass: memory grows with it


class TorchStepper:
    """See `decoding.sampling.LanguageStepper`."""

    def __init__(
        self, model: SequenceModel, precision: Literal["fp32", "bf16"], device: torch.device
    ) -> None:
        """The model's weights are copied."""
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._model = copy.deepcopy(model).to(device, dtype).eval()
        self._device = device

    @torch.inference_mode()
    def read(self, tokens: np.ndarray) -> DecoderState:
        """The state, of one row, after a text of tokens (T,), which is read in slices."""
        state = self._model.start(None, 1)
        for start in range(0, len(tokens), READ_TOKENS):
            values = torch.from_numpy(tokens[start : start + READ_TOKENS].astype(np.int64)).to(self._device)
            lengths = torch.tensor([len(values)], device=self._device)
            part = Padded(values[None], lengths)  # (1, T)
            after = self._model.run(Batch(part, part), state).state
            assert after is not None  # of a model with a decoder
            state = after
        return state

    @torch.inference_mode()
    def step(self, tokens: np.ndarray, state: DecoderState) -> tuple[np.ndarray, DecoderState]:
        """See `decoding.sampling.LanguageStepper`."""
        with _one_thread():
            logits, _, state = self._model.step(torch.from_numpy(tokens).to(self._device), state)
        return logits.float().cpu().numpy(), state

    def begin(self, state: DecoderState, rows: int) -> DecoderState:
        """`rows` copies of a state of one row."""
        return self.select(state, np.zeros(rows, np.int64))

    def select(self, state: DecoderState, rows: np.ndarray) -> DecoderState:
        """See `decoding.sampling.LanguageStepper`."""
        return state.select(torch.from_numpy(rows).to(self._device))


@contextmanager
def _one_thread() -> Iterator[None]:
    """A step is too short to be shared: threads would wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
