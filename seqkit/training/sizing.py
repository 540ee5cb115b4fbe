"""The size of a model for a budget in minutes, by a rule that was fitted to measured curves.

What a run reaches depends on the tokens that it sees, not on the machine; minutes are tokens times speed.
So the rule has two halves: the kind's `Curve`, the loss of a size after so many tokens, and `Speed`, the time
that a size needs for a token on the machine at hand. It takes the size with the lowest loss in that time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqkit.config import Config
from seqkit.kinds import Kind
from seqkit.kinds.scaling import Size
from seqkit.network.blueprint import Blueprint, FieldSize

# Settings that are a size: where one of them is set by hand there is nothing to choose.
SIZE_SETTINGS = (
    "model.embedding_size",
    "model.hidden_size",
    "model.encoder_layers",
    "model.decoder_layers",
)
FOR_STEPS = 0.85  # of a budget; the start, validations and the end take the rest
AS_GOOD = 0.005  # nats by which a larger size must be better to be taken


MEASURED = ("tiny", "small")  # sizes whose speed is measured; that of the others follows
# A run of few epochs does not learn its text by heart: after 1.4 epochs much dropout cost `small` 5 BLEU.
LITTLE_DROPOUT_BELOW = 6.0  # epochs
LITTLE_DROPOUT = {"model.dropout": 0.1, "model.word_dropout": 0.0}


def settings_of(size: Size, kind: Kind, tokens: float = math.inf, epochs: float = math.inf) -> dict[str, Any]:
    """The settings of a size in a run over so many tokens, which are so many epochs."""
    values = {**kind.presets[size.preset].settings, **size.layers}
    for below, smaller in reversed(kind.scaling.smaller_steps):
        values |= smaller if tokens < below else {}
    return values | (LITTLE_DROPOUT if epochs < LITTLE_DROPOUT_BELOW else {})


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
    fields: Mapping[str, FieldSize]
    config: Callable[[Mapping[str, Any]], Config]

    def parameters(self, size: Size) -> tuple[int, int]:
        """Of a model: all, and those of the layers alone."""
        model = self.config(settings_of(size, self.kind)).model
        blueprint = Blueprint.of(self.kind, model, self.fields)
        parameters = blueprint.parameters()
        layers = sum(parameter.size for parameter in parameters if not parameter.per_token)
        return sum(parameter.size for parameter in parameters), layers

    @property
    def candidates(self) -> list[Size]:
        """The sizes that so much text can fill, from small to large."""
        presets = self.kind.presets
        return [size for size in self.kind.scaling.sizes if presets[size.preset].suits[0] <= self.size]


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
    curve, seconds = task.kind.scaling.curve, max(FOR_STEPS * left, 1.0)
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
    time = f"{minutes:g} minute{'' if minutes == 1 else 's'}"
    epochs = tokens / task.tokens
    passes = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}"
    reason = f"{task.size:,} {task.kind.counted.many}, {time} at {rate:,.0f} tokens/s are {passes} epochs"
    return Choice(size.name, reason, settings_of(size, task.kind, tokens, epochs))


def better_preset(kind: Kind, preset: str, size: int) -> str | None:
    """The next preset that suits a corpus when the one named does not; else None."""
    sizes = {name: each.suits for name, each in kind.presets.items() if not each.short}
    fitting = [name for name, suits in sizes.items() if suits[0] <= size <= suits[1]]
    if preset in fitting or kind.presets[preset].short:
        return None
    return fitting[-1] if size < kind.presets[preset].suits[0] else fitting[0]
