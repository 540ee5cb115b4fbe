"""What a validation of a generator measures: the loss of the whole validation text, and a text of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqkit.batch import Batch, Padded
from seqkit.data.tokenizers import Tokenizer
from seqkit.evaluation.language import stream_nats
from seqkit.evaluation.text import EncodedText, first_tokens, language_scores
from seqkit.models import SequenceModel
from seqkit.training.health import saturation
from seqkit.training.validation import Measured, Stopped

_GATE_POSITIONS = 256  # gates are computed step by step
_PILOT_TOKENS = 4096


@dataclass(frozen=True)
class TextValidator:
    """Reads the validation text once, as one stream with carried state, whatever the training's slices."""

    text: EncodedText
    tokenizer: Tokenizer
    write: Callable[[], list[str]]  # a few texts by the present weights
    device: torch.device
    precision: str

    @property
    def unit(self) -> str:
        """What `whole` and `pilot` count."""
        return "tokens"

    @property
    def whole(self) -> int:
        """Tokens of the validation text."""
        return len(self.text.ids)

    @property
    def pilot(self) -> int:
        """Tokens that are enough to tell how long all of them take."""
        return max(_PILOT_TOKENS, self.whole // 10)

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        """See `Validator`; the writer shares `model`."""
        text = first_tokens(self.text, size, self.tokenizer)
        # On a CPU single rows in bf16 are slower than in fp32, and rounded.
        precision = self.precision if self.device.type == "cuda" else "fp32"
        ids, boundary = text.ids, text.boundary
        nats, positions = stream_nats(
            model, ids, boundary, device=self.device, precision=precision, should_stop=should_stop
        )
        if positions < len(ids):
            raise Stopped
        loss = nats / max(positions, 1)
        # A model whose loss is not a number cannot write.
        texts = self.write() if math.isfinite(loss) else []
        return Measured(
            loss=loss,
            scores=tuple(_scores(text, nats)) if math.isfinite(loss) else (),
            samples=tuple({"text": text} for text in texts),
            gates=self._gates(model),
            size=len(ids),
        )

    def _gates(self, model: SequenceModel) -> dict[str, float]:
        ids = torch.from_numpy(np.asarray(self.text.ids[:_GATE_POSITIONS], np.int64))[None]  # (1, T)
        text = Padded(ids, torch.tensor([ids.shape[1]]))
        training = model.training
        model.eval()
        try:
            return saturation(model.gate_activations(Batch(text, text).to(self.device)))
        finally:
            model.train(training)


def _scores(text: EncodedText, nats: float) -> list[dict[str, Any]]:
    scores = language_scores(text, nats, protocol="stream", state="carried")
    return [
        {"metric": score.metric, "score": round(score.score, 6), "signature": score.signature}
        for score in scores
    ]
