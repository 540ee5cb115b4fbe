"""What computes in a run: model, learner, batches and validator. It reads no directory and writes none."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.data.field import Field
from seqkit.device import resolve_precision, return_memory
from seqkit.model_directory import Facts
from seqkit.network.blueprint import Blueprint
from seqkit.nn.model import build_model
from seqkit.training import optim
from seqkit.training.crew import ALONE, Crew
from seqkit.training.jobs import build_task
from seqkit.training.jobs.job import Network
from seqkit.training.learner import Learner
from seqkit.training.loop import StepBatches, StepReport, derived_seed, train_steps
from seqkit.training.state import Position, Ranking, RunState, Validation
from seqkit.training.validation import Measured, Stopped, affordable_size

_LOG = logging.getLogger(__name__)


class Session:
    """A network that learns from a corpus, and what it takes to train and to measure it.

    The weights are initialised from the run's seed; `fields` are the corpus's, or others in which its ids
    mean the same.
    """

    def __init__(
        self,
        config: Config,
        corpus: Corpus,
        fields: Mapping[str, Field],
        device: torch.device,
        threads: int,
    ) -> None:
        self.config, self.corpus, self.threads, self.device = config, corpus, threads, device
        self.precision = resolve_precision(config.training.precision, device)
        self.fields = fields
        torch.manual_seed(derived_seed(config.training.seed, 0))
        blueprint = Blueprint.of(corpus.kind, config.model, fields)
        smoothing = config.training.label_smoothing
        self.model = build_model(blueprint, config.model, label_smoothing=smoothing)
        self.model.to(device)
        self.learner = Learner(self.model, config.training, device, self.precision)
        self.network = Network(self.model, fields, device, self.precision)
        self.task = build_task(corpus, config, self.network)
        self._plan, self._plan_epoch = self.task.batches.plan(0), 0
        self.batches_per_epoch = len(self._plan)

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in a pass over the corpus, at least one."""
        return max(1, self.batches_per_epoch // self.config.training.accumulate)

    def facts(self, state: RunState) -> Facts:
        """What the manifest of a model says that is published now."""
        ranking = state.ranking
        return dataclasses.replace(
            self.task.facts,
            step=int(ranking.best[0][1]) if ranking.best else 0,
            epoch=round(self.epoch(state.position), 4),
            scores=tuple(ranking.best_scores),
        )

    # Steps ----------------------------------------------------------------------------------------------

    def plan(self, epoch: int) -> Sequence[Any]:
        """The pieces of an epoch, in order."""
        if self._plan_epoch != epoch:
            self._plan, self._plan_epoch = self.task.batches.plan(epoch), epoch
        return self._plan

    def epoch(self, position: Position) -> float:
        """How many epochs are done at a position."""
        return position.epoch + position.batch / self.batches_per_epoch

    def steps(
        self,
        position: Position,
        rate_at: Callable[[int], float],
        ended: Callable[[], bool],
        crew: Crew = ALONE,
    ) -> Iterator[StepReport]:
        """Train from `position` on, and move it over the data, until `ended` says so.

        `rate_at` gives the learning rate of a step. Raises what `train_steps` raises.
        """
        training = self.config.training
        work = self._work(position, ended)
        return train_steps(
            self.learner, work, rate_at, training.seed, training.clip_norm, position.failures, crew
        )

    def _work(self, position: Position, ended: Callable[[], bool]) -> Iterator[StepBatches]:
        """The batches of each step."""
        training = self.config.training
        while not ended():
            step, loaded = position.step + 1, []
            for part in range(training.accumulate):
                if position.batch >= len(self.plan(position.epoch)):
                    position.epoch, position.batch = position.epoch + 1, 0
                plan = self.plan(position.epoch)
                seed = derived_seed(training.seed, step, part)
                loaded.append(self.task.batches.load(plan[position.batch], seed=seed))
                position.batch += 1
            yield StepBatches(step, position.epoch + position.batch / len(plan), loaded)

    def average(self, report: StepReport, ranking: Ranking) -> None:
        """Take the weights after a step into their average, where one is kept."""
        if self.learner.average is not None and report.finite:
            decay = optim.average_decay(report.step, self.config.training, ranking.averaging_from)
            self.learner.average.update(decay)

    # Validation -----------------------------------------------------------------------------------------

    def validation_size(self, last: Validation, limit: float, should_stop: Callable[[], bool]) -> int | None:
        """How much of the validation split is measured, 0 for all; None when `should_stop` came first.

        It is settled before the first validation, by a pilot, so that one takes at most `limit` seconds: all
        have to be comparable.
        """
        if last.validation_size or math.isinf(limit):
            return last.validation_size
        validator = self.task.validator
        try:
            size = affordable_size(validator, self.model, should_stop, limit)
        except Stopped:
            return None
        if size < validator.whole:
            _LOG.info(
                "validation measures the first %s of %s %s, to stay within its share of the time",
                f"{size:,}",
                f"{validator.whole:,}",
                validator.unit,
            )
        return size

    def validate(
        self, size: int, should_stop: Callable[[], bool], parameters: Mapping[str, Tensor] | None = None
    ) -> Measured | None:
        """Measure what a reader would get now, or other `parameters`; None when `should_stop` came first.

        `size` is how much of the validation split is measured, 0 for all.
        """
        return_memory()
        learner, validator = self.learner, self.task.validator
        try:
            with learner.averaged() if parameters is None else learner.holding(parameters):
                return validator.measure(self.model, should_stop, size or validator.whole)
        except Stopped:
            return None
