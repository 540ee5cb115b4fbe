"""The lines of metrics.jsonl, the one record that displays and reports read."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from seqkit.training.events import RunState
from seqkit.training.validation import Measured


def metrics_row(
    state: RunState,
    measured: Measured,
    *,
    best: bool,
    epoch: float,
    gradient: dict[str, object],
    elapsed: float,
    learning_rate: float,
) -> dict[str, Any]:
    """What a validation found, and training since the one before; losses are nats a target token."""
    positions = state.positions or math.nan
    seconds = max(elapsed - state.validated_at - state.validation_seconds, 1e-3)
    return {
        "schema": 1,
        "step": state.step,
        "epoch": round(epoch, 4),
        "train_loss": _finite(state.objective / positions),
        "train_nats": _finite(state.nats / positions),
        "valid_nats": _finite(measured.loss),
        "valid_perplexity": _finite(math.exp(min(measured.loss, 700.0))),
        "scores": list(measured.scores),
        "best": best,
        "gradient": gradient,
        "saturated_gates": measured.gates,
        "samples": [dataclasses.asdict(sample) for sample in measured.samples],
        # The only values that two runs of the same command do not share.
        "timing": {
            "elapsed_seconds": round(elapsed, 3),
            "validation_seconds": round(state.validation_seconds, 3),
            "target_tokens_per_second": round(state.positions / seconds, 1),
            "learning_rate": learning_rate,
        },
    }


def _finite(value: float) -> float | None:
    """What JSON can hold: a number, or null."""
    return value if math.isfinite(value) else None
