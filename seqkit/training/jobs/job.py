"""What a run needs to know of its kind: its job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from seqkit.config import Config
from seqkit.data.batch import Batch
from seqkit.data.field import Field
from seqkit.model_directory import Facts, LoadedModel
from seqkit.nn.model import SequenceModel
from seqkit.training.validation import Validator


class Batches(Protocol):
    """The training batches of a corpus, an epoch's plan at a time."""

    def plan(self, epoch: int) -> Sequence[Any]:
        """The pieces of an epoch, in order; they follow from the seed and the epoch."""
        ...

    def load(self, piece: Any, *, seed: int) -> Batch:
        """The batch of a piece; what is random in it follows from `seed`."""
        ...


@dataclass(frozen=True)
class Task:
    """What a run needs to know of its kind."""

    batches: Batches
    validator: Validator
    facts: Facts


@dataclass(frozen=True)
class Network:
    """The model in training, with the fields that it reads and writes, and where and how it computes."""

    model: SequenceModel
    fields: Mapping[str, Field]
    device: torch.device
    precision: str

    def loaded(self, config: Config, facts: Facts) -> LoadedModel:
        """The model as inference takes it; it shares the weights."""
        return LoadedModel(self.model, config, facts, self.fields)
