"""What a kind of model declares: names, settings, presets, metrics. The work is done elsewhere.

What has a kind before it asks the declaration; a new kind is a file beside this one and a line in the table
of `seqkit.kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seqkit.kinds.scaling import Scaling
from seqkit.scores import LOSS, METRICS, Metric

# What a kind of model has, and so which settings mean something to it. "pairs": examples with a source and a
# target, in batches by length; "streams": a text that is read on and on, with carried state; "search": a
# search for the best output; "pooling": one answer per sequence; "frames": sources of numbers.
Part = Literal["encoder", "decoder", "attention", "pairs", "streams", "search", "pooling", "frames"]

# What the values of a field are: tokens of a text, the number of a label, frames of numbers.
Form = Literal["text", "class", "number", "array"]

DEFAULT_PRESET = "small"


@dataclass(frozen=True)
class Noun:
    """A thing in words: one of it, with its article, and many."""

    one: str
    many: str
    article: Literal["a", "an"] = "a"

    def __str__(self) -> str:
        return f"{self.article} {self.one}"


@dataclass(frozen=True)
class Preset:
    """A size of models by name: its settings, and the sizes of the corpora that it suits, from and to.

    With `short` it is for pairs of short sequences of characters, words or symbols, and for no others.
    """

    settings: Mapping[str, Any]
    suits: tuple[float, float]
    short: bool = False


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of model. There is one object of each.

    `name` stands in corpus.json and in a model's manifest. Corpora are measured in `counted`. Of the
    `metrics` of a validation the first is charted, and those `shown` have a column in the table. `others` are
    measured where `training.best_metric` names them, each with the metrics that are told beside it. `samples`
    are what else is shown of one, with the sign before each. `summary` describes the network, with places
    for the family of its cells. `uses` is Markdown.
    """

    name: str
    model: Noun
    corpus: str  # what a corpus of it holds
    counted: Noun
    prepared_by: str  # the options of `seqkit prepare`
    evaluated_by: str  # and of `seqkit evaluate --model MODEL`
    fields: Mapping[str, tuple[Form, ...]]  # what a corpus has per example, and in which forms
    parts: frozenset[Part]
    presets: Mapping[str, Preset]
    metrics: tuple[Metric, ...]
    shown: tuple[Metric, ...]
    samples: Mapping[str, str]
    scaling: Scaling
    summary: str
    uses: str
    next_command: str  # with a place for the model directory
    others: Mapping[Metric, tuple[Metric, ...]] = field(default_factory=dict)
    hub_task: str = ""  # the Hugging Face Hub's name of what it does (pipeline_tag); empty where it has none

    def preset_for(self, *, short: bool) -> str:
        """The preset of a command that names none, for a corpus of `short` sequences or another."""
        fitting = [name for name, preset in self.presets.items() if preset.short] if short else []
        return fitting[0] if fitting else DEFAULT_PRESET

    @property
    def has_source(self) -> bool:
        """Whether an example has an input of its own."""
        return "source" in self.fields

    @property
    def predicted(self) -> str:
        """What is predicted, and so what speeds count: a head with pooling answers once per example."""
        return self.counted.many if "pooling" in self.parts else "target tokens"

    @property
    def keeps_text(self) -> tuple[str, ...]:
        """The fields whose validation text is kept as it was given, to score what a search finds."""
        return tuple(role for role in self.fields if "search" in self.parts and "text" in self.fields[role])

    def metric(self, name: str) -> Metric:
        """A metric by name: one of its validations, or one that is known whatever the kind."""
        own = {metric.name: metric for metric in (*self.metrics, *self.others, LOSS)}
        return own[name] if name in own else METRICS[name]

    @property
    def ranking_metrics(self) -> tuple[str, ...]:
        """What `training.best_metric` can be."""
        return (*(metric.name for metric in (*self.metrics, *self.others)), LOSS.name)

    def measured(self, best_metric: str) -> tuple[Metric, ...]:
        """What a validation measures beside the loss, when checkpoints are ranked by `best_metric`."""
        for metric, beside in self.others.items():
            if metric.name == best_metric:
                return (metric, *beside)
        return self.metrics
