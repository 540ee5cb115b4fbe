"""How the loss of a kind of model falls with its size and its data: curves fitted to measured runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

REPEATS = 15.0


@dataclass(frozen=True)
class Size:
    """A size that can be chosen: a preset, or one between two of them, `layers` over the smaller one."""

    preset: str
    layers: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people read."""
        if not self.layers:
            return self.preset
        return f"{self.preset} with {self.layers['model.hidden_size']} units"


@dataclass(frozen=True)
class Curve:
    """The validation loss of a run whose schedule ends where its tokens do, in nats, up to a constant.

    `width` × P^-0.5 + `length` × P^-0.1 × T^-1.1, for P million parameters of the layers alone and T million
    tokens. The form is that of Hoffmann et al. 2022, section 3.3, but a larger model also learns more from
    each token. Text that is read again teaches less (`worth`).
    """

    width: float
    length: float

    def loss(self, parameters: float, tokens: float, corpus_tokens: float) -> float:
        """After so many tokens of a corpus that has `corpus_tokens`."""
        size, seen = parameters / 1e6, worth(tokens, corpus_tokens) / 1e6
        return self.width / math.pow(size, 0.5) + self.length / (math.pow(size, 0.1) * math.pow(seen, 1.1))


def worth(tokens: float, corpus_tokens: float) -> float:
    """How many tokens of new text teach as much as so many of a corpus that is read again and again.

    After Muennighoff et al. 2023, equation 5: four passes are nearly as good as new text, and more than
    `REPEATS` add little.
    """
    again = tokens / corpus_tokens - 1
    if again <= 0:
        return tokens
    return corpus_tokens * (1 + REPEATS * (1 - math.exp(-again / REPEATS)))


@dataclass(frozen=True)
class Scaling:
    """From what a budget chooses a size: the sizes from small to large, and their curve.

    A run over fewer tokens than those of a pair in `smaller_steps` takes its settings, so that there are
    enough steps. `large` is for GPUs and was not measured: it is taken by name alone.
    """

    sizes: tuple[Size, ...]
    curve: Curve
    smaller_steps: tuple[tuple[float, Mapping[str, int]], ...]
