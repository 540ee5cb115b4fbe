"""The size of a model for a budget in minutes, by a rule that was fitted to measured curves.

What a run reaches depends on the tokens that it sees, not on the machine; minutes are tokens times speed. So
the rule has two halves: `Curve`, the loss of a size after so many tokens, and `Speed`, the time that a size
needs for a token on the machine at hand. It takes the size that the time brings to the lowest loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqkit.config import PRESETS, Config, Kind
from seqkit.parameters import parameter_shapes

# Pairs, or characters, that a preset suits, from and to (the recipes, and the table in cli/README.md).
SUITS: dict[Kind, dict[str, tuple[float, float]]] = {
    "translation": {"tiny": (0, 20e3), "small": (5e3, 300e3), "base": (100e3, 3e6), "large": (1e6, 1e15)},
    "generation": {"tiny": (0, 1e6), "small": (200e3, 5e6), "base": (1e6, 50e6), "large": (20e6, 1e15)},
}
# Settings that are a size: where one of them is set by hand there is nothing to choose.
SIZE_SETTINGS = (
    "model.embedding_size",
    "model.hidden_size",
    "model.encoder_layers",
    "model.decoder_layers",
)
FOR_STEPS = 0.85  # of a budget; the start, validations and the end take the rest
AS_GOOD = 0.005  # nats by which a larger size must be better to be taken


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

    def values(self, kind: Kind, tokens: float = math.inf, epochs: float = math.inf) -> dict[str, Any]:
        """The settings of the size in a run over so many tokens, which are so many epochs."""
        values = {**PRESETS[kind][self.preset], **self.layers}
        for below, smaller in reversed(SMALLER_STEPS[kind]):
            values |= smaller if tokens < below else {}
        return values | (LITTLE_DROPOUT if epochs < LITTLE_DROPOUT_BELOW else {})


# From small to large. `large` is for GPUs and was not measured: it is taken by name alone.
SIZES: dict[Kind, tuple[Size, ...]] = {
    "translation": (Size("tiny"), Size("small"), Size("base")),
    "generation": (Size("tiny"), Size("tiny", {"model.hidden_size": 256}), Size("small"), Size("base")),
}
MEASURED = ("tiny", "small")  # sizes whose speed is measured; that of the others follows
# A run over fewer tokens than these takes smaller steps, so that there are enough of them.
SMALLER_STEPS: dict[Kind, tuple[tuple[float, dict[str, int]], ...]] = {
    "translation": ((6e6, {"training.batch_tokens": 1024}),),
    "generation": ((3.2e6, {"data.slice_length": 32}), (6e6, {"data.slice_length": 48})),
}
# A run of few epochs does not learn its text by heart: after 1.4 epochs much dropout cost `small` 5 BLEU.
LITTLE_DROPOUT_BELOW = 6.0  # epochs
LITTLE_DROPOUT = {"model.dropout": 0.1, "model.word_dropout": 0.0}


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


REPEATS = 15.0
# Fitted to 12 runs on tiny-shakespeare and 6 on Multi30k, within 0.02 nats (recipes/LOG.md, 2026-11-28).
CURVES: dict[Kind, Curve] = {"translation": Curve(0.319, 1.267), "generation": Curve(0.107, 0.422)}


@dataclass(frozen=True)
class Speed:
    """Seconds per token as a line over all parameters: `fixed` + `each` × parameters (recipes/LOG.md)."""

    fixed: float
    each: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, float]]) -> Speed:
        """The line through what was measured at one or two sizes: parameters, and tokens per second."""
        (small, first), *more = ((parameters, 1 / rate) for parameters, rate in points)
        if not more:
            return cls(FIXED_SHARE * first, (1 - FIXED_SHARE) * first / small)
        ((large, second),) = more
        each = (second - first) / (large - small)
        if each <= 0:  # steps so short that other things took longer
            return cls((first + second) / 2, 0.0)
        if first < each * small:
            return cls(0.0, (first + second) / (small + large))
        return cls(first - each * small, each)

    def tokens_per_second(self, parameters: int) -> float:
        """Of a size."""
        return 1 / (self.fixed + self.each * parameters)


FIXED_SHARE = 0.25  # of the smallest size's time, as a rule


@dataclass(frozen=True)
class Task:
    """What there is to learn from, and what the command settles of every size.

    `size` is pairs or characters, `tokens` those of a pass over the target side; `config` gives the whole
    configuration for the settings of a size.
    """

    kind: Kind
    size: int
    tokens: int
    source_vocabulary: int
    target_vocabulary: int
    config: Callable[[Mapping[str, Any]], Config]

    def parameters(self, size: Size) -> tuple[int, int]:
        """Of a model: all, and those of the layers alone."""
        model = self.config(size.values(self.kind)).model
        shapes = parameter_shapes(model, self.kind, self.source_vocabulary, self.target_vocabulary)
        counts = {name: math.prod(shape) for name, shape in shapes.items()}
        layers = sum(count for name, count in counts.items() if not name.startswith(_BY_VOCABULARY))
        return sum(counts.values()), layers

    @property
    def candidates(self) -> list[Size]:
        """The sizes that so much text can fill, from small to large."""
        return [size for size in SIZES[self.kind] if SUITS[self.kind][size.preset][0] <= self.size]


_BY_VOCABULARY = ("source_frontend.", "target_frontend.", "head.")


@dataclass(frozen=True)
class Choice:
    """The size that a run has because of its budget: its name, its settings, and why, in words."""

    size: str
    reason: str
    values: dict[str, Any]

    @classmethod
    def from_dict(cls, values: Any) -> Choice | None:
        """Read back what `dataclasses.asdict` gave, or None. Raises TypeError for anything else."""
        if values is None:
            return None
        choice = cls(**values)
        if not (isinstance(choice.values, dict) and isinstance(choice.size + choice.reason, str)):
            raise TypeError("no choice of a size")
        return choice


def choose(task: Task, speed: Speed, minutes: float, left: float) -> Choice:
    """The size that promises the lowest loss for a budget of `minutes`, of which `left` seconds are left."""
    curve, seconds = CURVES[task.kind], max(FOR_STEPS * left, 1.0)
    best: tuple[float, Size, float] | None = None  # loss, size, tokens per second
    for size in task.candidates:
        parameters, layers = task.parameters(size)
        rate = speed.tokens_per_second(parameters)
        loss = curve.loss(layers, seconds * rate, task.tokens)
        if best is None or loss < best[0] - AS_GOOD:
            best = loss, size, rate
    assert best is not None  # the smallest size suits any corpus
    _, size, rate = best
    tokens = seconds * rate
    unit = "pairs" if task.kind == "translation" else "characters"
    time = f"{minutes:g} minute{'' if minutes == 1 else 's'}"
    epochs = tokens / task.tokens
    passes = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}"
    reason = f"{task.size:,} {unit}, {time} at {rate:,.0f} tokens/s are {passes} epochs"
    return Choice(size.name, reason, size.values(task.kind, tokens, epochs))


def better_preset(kind: Kind, preset: str, size: int) -> str | None:
    """The next preset that suits a corpus when the one named does not; else None."""
    low, _ = SUITS[kind][preset]
    fitting = [name for name, (least, most) in SUITS[kind].items() if least <= size <= most]
    if preset in fitting:
        return None
    return fitting[-1] if size < low else fitting[0]
