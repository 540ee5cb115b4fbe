"""The lines of metrics.jsonl, the one record that displays and reports read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqkit.errors import DataError
from seqkit.files import parse_json
from seqkit.kinds import KINDS, Kind
from seqkit.scores import METRICS

if TYPE_CHECKING:
    from seqkit.training.state import RunState
    from seqkit.training.validation import Measured


@dataclass(frozen=True)
class Row:
    """A validation as metrics.jsonl has it. Losses are nats per token; what was no number is NaN."""

    kind: str  # of the model; "" where a version before 0.9 wrote it
    step: int
    epoch: float
    train_nats: float  # as validation's, without label smoothing; with dropout
    valid_nats: float
    scores: Mapping[str, float]
    signatures: Mapping[str, str]
    best: bool
    norm: float  # of the gradient, the mean since the row before
    clipped_share: float
    parts: Mapping[str, float]  # root mean square norms
    gates: Mapping[str, float]  # saturated shares
    samples: tuple[Mapping[str, str], ...]
    seconds: float  # of the run
    tokens_per_second: float
    learning_rate: float


def metric_title(name: str) -> str:
    """A metric's name for people; also of one that this version does not know."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def read_rows(content: bytes, where: str) -> tuple[Row, ...]:
    """The rows of a metrics.jsonl. Raises `DataError`, with the line, for what is none."""
    return tuple(
        _row(parse_json(line, f"{where}:{number}"), f"{where}:{number}")
        for number, line in enumerate(content.split(b"\n"), 1)
        if line.strip()
    )


def _row(value: Any, where: str) -> Row:
    try:
        gradient, timing, scores = value["gradient"], value["timing"], value["scores"]
        return Row(
            kind=_kind(value.get("kind", "")),
            step=int(_number(value["step"])),
            epoch=_number(value["epoch"]),
            train_nats=_number(value["train_nats"]),
            valid_nats=_number(value["valid_nats"]),
            scores={str(score["metric"]): _number(score["score"]) for score in scores},
            signatures={str(score["metric"]): str(score["signature"]) for score in scores},
            best=bool(value["best"]),
            norm=_number(gradient["norm"]),
            clipped_share=_number(gradient["clipped_share"]),
            parts={str(name): _number(norm) for name, norm in gradient["parts"].items()},
            gates={str(name): _number(share) for name, share in value["saturated_gates"].items()},
            samples=tuple(
                {str(key): str(text) for key, text in sample.items()} for sample in value["samples"]
            ),
            seconds=_number(timing["elapsed_seconds"]),
            tokens_per_second=_number(timing["target_tokens_per_second"]),
            learning_rate=_number(timing["learning_rate"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"this is not a line of a metrics.jsonl: {type(error).__name__}: {str(error)[:100]}",
            where=where,
            hint="give the metrics.jsonl of a model directory as seqkit train wrote it",
        ) from error


def _kind(name: Any) -> str:
    if name and name not in KINDS:
        raise ValueError(f"unknown kind {name!r}")
    return str(name)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def metrics_row(
    kind: Kind,
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
    window, took = state.window, state.validation.validation_seconds
    positions = window.positions or math.nan
    seconds = max(elapsed - state.validation.validated_at - took, 1e-3)
    return {
        "schema": 1,
        "kind": kind.name,
        "step": state.position.step,
        "epoch": round(epoch, 4),
        "train_loss": _finite(window.objective / positions),
        "train_nats": _finite(window.nats / positions),
        "valid_nats": _finite(measured.loss),
        "valid_perplexity": _finite(math.exp(min(measured.loss, 700.0))),
        "valid_size": measured.size,
        "scores": list(measured.scores),
        "best": best,
        "gradient": gradient,
        "saturated_gates": measured.gates,
        "samples": [dict(sample) for sample in measured.samples],
        # The only values that two runs of the same command do not share.
        "timing": {
            "elapsed_seconds": round(elapsed, 3),
            "validation_seconds": round(took, 3),
            "target_tokens_per_second": round(window.positions / seconds, 1),
            "learning_rate": learning_rate,
        },
    }


def _finite(value: float) -> float | None:
    """What JSON can hold: a number, or null."""
    return value if math.isfinite(value) else None


def json_line(row: Mapping[str, Any]) -> bytes:
    """A row as a line of metrics.jsonl."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
