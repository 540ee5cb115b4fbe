"""What a validation measures: loss, scores, a few samples and the state of the gates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from seqkit.nn.model import SequenceModel
from seqkit.scores import LOSS, Metric

_CHUNK = 500  # sentences translated between two looks at whether to stop
_PILOT_SENTENCES = 100


class Stopped(Exception):
    """A signal arrived during a validation, whose result is not wanted any more."""


@dataclass(frozen=True)
class Measured:
    """`loss` is in nats per target token; `scores` have a signature each; `gates` are saturated shares.

    Each of the `samples` maps what it consists of (`source`, `reference`, `translation`; `text`) to text.
    `size` is how many sentences, or tokens of a text, it was measured on.
    """

    loss: float
    scores: tuple[dict[str, Any], ...]
    samples: tuple[Mapping[str, str], ...]
    gates: dict[str, float]
    size: int

    def metric(self, name: str) -> float:
        """`loss`, or a score by its name."""
        if name == LOSS.name:
            return self.loss
        return next((score["score"] for score in self.scores if score["metric"] == name), math.nan)

    def text(self, metric: Metric) -> str:
        """A score as people read it."""
        if any(score["metric"] == metric.name and "undefined" in score for score in self.scores):
            return "undefined"
        return metric.text(self.metric(metric.name))


class Validator(Protocol):
    """Measures a model on a corpus's validation split.

    `whole` is the split's size in `unit`, as "pairs"; `pilot` is enough of it to tell how long it takes.
    """

    @property
    def unit(self) -> str: ...

    @property
    def whole(self) -> int: ...

    @property
    def pilot(self) -> int: ...

    def measure(self, model: SequenceModel, should_stop: Callable[[], bool], size: int) -> Measured:
        """Measure `model` on the first `size` of the split and leave its mode as it was.

        Raises `Stopped` when `should_stop` says so.
        """
        ...


def affordable_size(
    validator: Validator, model: SequenceModel, should_stop: Callable[[], bool], seconds: float
) -> int:
    """How much of the validation split can be measured in the given seconds, estimated from a pilot."""
    if validator.pilot >= validator.whole:
        return validator.whole
    began = time.monotonic()
    validator.measure(model, should_stop, validator.pilot)
    fitting = int(validator.pilot * seconds / max(time.monotonic() - began, 1e-6))
    return min(validator.whole, max(validator.pilot, fitting))
