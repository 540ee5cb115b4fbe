"""The options of dynamic evaluation, apart from it: what only reads them does without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqkit.errors import ConfigError


@dataclass(frozen=True)
class DynamicOptions:
    """How to learn from the stream. Raises ConfigError.

    After every `segment` of tokens each weight moves against its gradient, over the root mean square of its
    gradients so far, by `rate`, and then the share `decay` of the way back to where training left it.
    """

    # Between the best of English verse (5e-4) and of Python source (1.5e-3), both held out of training text.
    rate: float = 7e-4
    decay: float = 1e-3
    segment: int = 20

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"--dynamic-rate {self.rate} must be a number above 0")
        if not 0 <= self.decay < 1:
            raise ConfigError(f"--dynamic-decay {self.decay} must be from 0 to below 1")
        if self.segment < 1:
            raise ConfigError(f"--dynamic-segment {self.segment} must be at least 1")

    @property
    def signature(self) -> dict[str, object]:
        """What a score's signature says of it."""
        return {"update": "rms", "rate": self.rate, "decay": self.decay, "segment": self.segment}
