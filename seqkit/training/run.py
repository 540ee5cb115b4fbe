"""One training run: corpus, model, loop, validations and checkpoints wired together.

`train_model` yields events and prints nothing. All that changes during a run lives in `RunState`, the
tensors of model, optimizer and average, and the text of metrics.jsonl: these make a checkpoint.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from seqkit import model_directory, weights
from seqkit.data.corpus import Corpus, tokenizer_files
from seqkit.device import keep_memory, resolve_device, resolve_precision, return_memory, set_threads
from seqkit.errors import ConfigError, DataError, Interrupted, ModelError, RunFailed
from seqkit.files import remove_temporaries, to_json
from seqkit.model_directory import CONFIG, METRICS, TRAINING, WEIGHTS, Facts, ModelWriter
from seqkit.models import build_model
from seqkit.network.blueprint import Blueprint
from seqkit.training import checkpoints, fit, health, optim, ranking
from seqkit.training.beginning import (
    initialize_from,
    refuse_other_beginning,
    refuse_other_settings,
    tokenizers_of_run,
    warn_of_other_arithmetic,
)
from seqkit.training.budget import Budget
from seqkit.training.events import Event, Finished, Progress, RunState, Started, Validated
from seqkit.training.health import GradientHealth
from seqkit.training.learner import Learner, WeightAverage
from seqkit.training.loop import (
    BETTER_ARITHMETIC,
    NotFinite,
    StepBatches,
    StepReport,
    derived_seed,
    train_steps,
)
from seqkit.training.options import TrainOptions
from seqkit.training.rows import metrics_row, read_rows
from seqkit.training.shortlist import completed
from seqkit.training.tasks import Network, build_task
from seqkit.training.validation import Measured, Stopped, affordable_size

MAX_ROLLBACKS = 5  # of a run; each halves the learning rate
_LOG = logging.getLogger(__name__)


def train_model(options: TrainOptions) -> Iterator[Event]:
    """Train, or continue, and yield what happens.

    Raises `LockedError` when another run holds the directory, `ConfigError` when the settings differ from the
    interrupted run's, `RunFailed` when training diverges, `Interrupted` after a signal, once all is saved.
    """
    keep_memory(options.config.model.hidden_size)
    corpus = Corpus.open(options.corpus, verify=True)
    model_directory.create(options.model)
    with checkpoints.locked(options.model / TRAINING):
        remove_temporaries(options.model)
        checkpoints.remove_leftovers(options.model / TRAINING)
        run = Run(options, corpus)
        if options.restart:
            checkpoints.remove_all(options.model / TRAINING)
        yield from completed(run.events(), options, corpus, run.network)


class Run:
    """The parts of a run and how they move together."""

    def __init__(self, options: TrainOptions, corpus: Corpus) -> None:
        self.options, self.config, self.corpus = options, options.config, corpus
        training = self.config.training
        self.directory = options.model / TRAINING
        self.threads = set_threads(options.threads)
        self.device = resolve_device(options.device)
        self.precision = resolve_precision(training.precision, self.device)
        torch.manual_seed(derived_seed(training.seed, 0))
        source, target = tokenizers_of_run(options, corpus)
        self.tokenizer_files = tokenizer_files(source, target)
        self.self_test = model_directory.self_test(*([source] if source is target else [source, target]))
        blueprint = Blueprint.of(corpus.kind, self.config.model, source.size, target.size)
        self.model = build_model(blueprint, self.config.model, label_smoothing=training.label_smoothing)
        self.model.to(self.device)
        self.learner = Learner(self.model, training, self.device, self.precision)
        self.network = Network(self.model, source, target, self.device, self.precision)
        self.task = build_task(corpus, self.config, self.network)
        self.plan, self.plan_epoch = self.task.batches.plan(0), 0
        self.batches_per_epoch = batches_per_epoch = len(self.plan)
        self.state = RunState(choice=options.choice)
        self.budget = Budget(
            training, max(1, batches_per_epoch // training.accumulate), options.started, self.state
        )
        self.plateau = optim.Plateau()
        self.metrics, self.tensors_sha256 = b"", ""
        self.saved_step = 0
        self.candidates: set[int] = set()  # steps whose weights the newest checkpoint may need

    def events(self) -> Iterator[Event]:
        """The whole run."""
        continued = not self.options.restart and self._continue()
        if continued and self.state.finished:
            yield self._finished(already=True)
            return
        if not continued and not self.options.restart and model_directory.is_complete(self.options.model):
            raise ConfigError(
                f"{self.options.model} holds a trained model, but nothing to continue from",
                where=str(self.directory),
                hint="name a new model directory, or begin again with --restart",
            )
        if not continued and self.options.init_from is not None:
            self._initialize_from(self.options.init_from)
        self.writer = ModelWriter(self.options.model, fresh=not continued)
        yield Started(
            self.state.step,
            self.budget.total_steps,
            sum(parameter.numel() for parameter in self.model.parameters()),
            self.corpus.kind,
            self.task.facts.size,
            self.precision,
            str(self.device),
            self.threads,
            read_rows(self.metrics, METRICS),
        )
        self._publish({**self.tokenizer_files, CONFIG: to_json(self.config.to_dict()), METRICS: self.metrics})
        if not continued:
            self._save()  # from here on there is something to continue from
        while not self.state.finished:
            try:
                yield from self._to_the_end()
            except NotFinite as error:
                self._go_back(error)
        yield self._finished(already=False)

    def _to_the_end(self) -> Iterator[Event]:
        """All steps that are left, with their validations and checkpoints, and what follows the last one."""
        training = self.config.training
        if self.state.step and self.budget.validation_due:
            yield self._validate()
            self._save()
        steps = train_steps(
            self.learner, self._work(), self._rate, training.seed, training.clip_norm, self.state.failures
        )
        for report in steps:
            self._count(report)
            progress = self.budget.progress(report.step)
            due = self.budget.validation_due
            yield Progress(report, progress, self.budget.elapsed, self.budget.remaining, due)
            self._stop_if_signalled()
            if due:
                yield self._validate()
                self._save()
            elif 0 < training.checkpoint_every <= self.state.step - self.saved_step:
                self._save()
        if self.state.validated_step != self.state.step:
            yield self._validate()
        if averaged := self._average_best():
            yield averaged
        if not self.state.best:
            raise RunFailed(
                "training ended without a single validation whose result is finite", hint=BETTER_ARITHMETIC
            )
        stale = f"no progress in {self.state.stale} validations"
        self._save(stale if self.budget.out_of_patience else "the budget is used up")

    def _go_back(self, error: NotFinite) -> None:
        """Take up the last checkpoint with half the learning rate, where the settings say so."""
        rollbacks, elapsed = self.state.rollbacks + 1, self.state.elapsed
        if self.config.training.on_nonfinite == "stop" or rollbacks > MAX_ROLLBACKS:
            raise error
        checkpoint = checkpoints.load_newest(self.directory)
        if checkpoint is None:
            raise error
        self._take_up(checkpoint)
        self.state.rollbacks, self.state.elapsed, self.state.failures = rollbacks, elapsed, 0
        self._publish({METRICS: self.metrics})
        now = f"{self.state.step:,} with {self._share_of_rate:g} of the learning rate"
        _LOG.warning("%s: back to step %s", error.message, now)

    # Steps ----------------------------------------------------------------------------------------------

    def _work(self) -> Iterator[StepBatches]:
        """The batches of each step, from where the run stands to the end of its budget."""
        training, state = self.config.training, self.state
        batches = self.task.batches
        while not self.budget.exhausted:
            step, loaded = state.step + 1, []
            for part in range(training.accumulate):
                if state.batch >= len(self.plan):
                    state.epoch, state.batch = state.epoch + 1, 0
                if self.plan_epoch != state.epoch:
                    self.plan, self.plan_epoch = batches.plan(state.epoch), state.epoch
                seed = derived_seed(training.seed, step, part)
                loaded.append(batches.load(self.plan[state.batch], seed=seed))
                state.batch += 1
            yield StepBatches(step, state.epoch + state.batch / len(self.plan), loaded)

    @property
    def _epoch(self) -> float:
        return self.state.epoch + self.state.batch / self.batches_per_epoch

    def _rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self._share_of_rate * optim.learning_rate(self.budget.progress(step), self.config.training)

    @property
    def _share_of_rate(self) -> float:
        """What plateaus and steps back have left of the schedule's rate."""
        return math.ldexp(self.plateau.factor, -self.state.rollbacks)

    def _count(self, report: StepReport) -> None:
        state = self.state
        state.step = report.step
        average = self.learner.average
        if average is not None and report.finite:
            average.update(optim.average_decay(report.step, self.config.training, state.averaging_from))
        if report.finite:
            state.objective += report.objective
            state.nats += report.nats
            state.positions += report.positions
        state.failures = 0 if report.finite else state.failures + 1
        state.health.add(report)

    def _stop_if_signalled(self) -> None:
        number = self.options.signalled()
        if not number:
            return
        self._save()
        raise Interrupted(
            number,
            f"stopped after step {self.state.step:,}; everything is saved",
            hint="run the same command again to continue",
        )

    # Validation -----------------------------------------------------------------------------------------

    def _validate(self) -> Validated:
        """Measure the average (or the weights), publish them when they are the best, write the row."""
        return_memory()
        began, state, training = time.monotonic(), self.state, self.config.training
        try:
            with self.learner.averaged():
                measured = self._measure(lambda: self.options.signalled() != 0)
                parameters = self.learner.parameters()
        except Stopped:
            self._stop_if_signalled()
            raise
        improved = ranking.enter(state, measured, training)
        if training.average_best > 1 and any(step == state.step for _, step in state.best):
            checkpoints.save_candidate(self.directory, state.step, parameters)
        self.plateau.update(improved, training)
        state.validated_step = state.step
        state.validation_seconds = time.monotonic() - began
        row = self._row(measured, improved)
        found = health.warnings(row["gradient"], measured.gates, training.clip_norm)
        if few := self._too_few_steps():
            found.append(few)
        state.train_nats = row["train_nats"]
        if over := fit.overfitting(state.train_nats, state.losses):
            found.append(over)
        state.validated_at = self.budget.elapsed
        state.objective = state.nats = 0.0
        state.positions = 0
        state.health = GradientHealth()
        self.metrics += checkpoints.json_line(row)
        files: dict[str, bytes] = {METRICS: self.metrics}
        if improved:
            state.best_scores = list(measured.scores)
            files[WEIGHTS] = weights.to_bytes(parameters)
        self._publish(files, parameters if improved else None)
        return_memory()
        return Validated(measured, row, improved, found)

    def _measure(self, should_stop: Callable[[], bool]) -> Measured:
        """Measure the network on as much of the validation split as a budget in minutes affords.

        How much that is, the first validation finds out: all have to be comparable.
        """
        validator, state, limit = self.task.validator, self.state, self.budget.validation_limit
        if not state.validation_size and math.isfinite(limit):
            state.validation_size = affordable_size(validator, self.model, should_stop, limit)
            if state.validation_size < validator.whole:
                _LOG.info(
                    "validation measures the first %s of %s %s, to take no more than its share of the time",
                    f"{state.validation_size:,}",
                    f"{validator.whole:,}",
                    validator.unit,
                )
        return validator.measure(self.model, should_stop, state.validation_size or validator.whole)

    def _too_few_steps(self) -> str | None:
        """What to say of a budget in minutes in which the machine takes too few steps."""
        if self.budget.total_steps:
            return None
        return fit.too_few_steps(self.state.step, self.budget.elapsed, self.config.training.minutes)

    def _row(self, measured: Measured, best: bool) -> dict[str, Any]:
        return metrics_row(
            self.corpus.kind,
            self.state,
            measured,
            best=best,
            epoch=self._epoch,
            gradient=self.state.health.summary(self.model),
            elapsed=self.budget.elapsed,
            learning_rate=self._rate(self.state.step),
        )

    def _average_best(self) -> Validated | None:
        """Validate the mean of the best checkpoints; it is published when it is better than each of them."""
        state = self.state
        if len(state.best) < 2:
            return None
        steps = [int(step) for _, step in state.best]
        mean = checkpoints.mean_of_candidates(self.directory, steps, weights.parameter_tensors(self.model))
        with self.learner.holding(mean):
            measured = self._measure(lambda: False)
        improved = ranking.enter(state, measured, self.config.training)
        row = self._row(measured, improved)
        row["averaged_steps"] = steps
        self.metrics += checkpoints.json_line(row)
        files = {METRICS: self.metrics}
        if improved:
            state.best_scores = list(measured.scores)
            files[WEIGHTS] = weights.to_bytes(mean)
        self._publish(files, mean if improved else None)
        return Validated(measured, row, improved, [])

    # Disk -----------------------------------------------------------------------------------------------

    def _facts(self) -> Facts:
        return dataclasses.replace(
            self.task.facts,
            step=int(self.state.best[0][1]) if self.state.best else 0,
            epoch=round(self._epoch, 4),
            scores=tuple(self.state.best_scores),
        )

    def _publish(self, files: dict[str, bytes], tensors: dict[str, torch.Tensor] | None = None) -> None:
        if tensors is not None:
            self.tensors_sha256 = weights.tensor_hash(tensors)
        self.writer.publish(
            files, self._facts(), tensors_sha256=self.tensors_sha256, self_test=self.self_test
        )

    def _save(self, finished: str = "") -> None:
        """Write a checkpoint. Raises `NotFinite`, with the older ones left, when there is nothing to keep."""
        state = self.state
        if not self.learner.is_finite:
            raise NotFinite(
                f"the weights are not finite after step {state.step:,}; the checkpoint before is whole",
                hint=BETTER_ARITHMETIC,
            )
        state.finished = finished
        state.plateau_factor, state.plateau_stale = self.plateau.factor, self.plateau.stale
        saved = dataclasses.asdict(dataclasses.replace(state, elapsed=self.budget.elapsed))
        saved.update(tensors_sha256=self.tensors_sha256, corpus=self.corpus.fingerprint)
        saved.update(threads=self.threads, precision=self.precision)
        checkpoints.save(self.directory, self.learner.checkpoint(saved, self.metrics))
        self.saved_step = state.step
        # The checkpoint before this one is kept, too, with the candidates that it knows.
        wanted = {int(step) for _, step in state.best}
        checkpoints.remove_candidates(self.directory, wanted | self.candidates)
        self.candidates = wanted

    def _continue(self) -> bool:
        """Take up an interrupted run; False when there is none."""
        checkpoint = checkpoints.load_newest(self.directory)
        if checkpoint is None:
            return False
        refuse_other_settings(self.options.model, self.config, self.corpus.kind)
        if checkpoint.state["corpus"] != self.corpus.fingerprint:
            raise DataError(
                f"{self.options.model} was trained on another corpus than {self.options.corpus}",
                where=str(self.options.corpus),
                hint="name a new model directory, or begin again with --restart",
            )
        self._take_up(checkpoint)
        refuse_other_beginning(self.options.model, self.options.init_from, self.state.init_from)
        return True

    def _take_up(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Stand where a checkpoint was written."""
        state = dict(checkpoint.state)
        del state["corpus"]
        warn_of_other_arithmetic(
            (state.pop("threads"), state.pop("precision")), (self.threads, self.precision)
        )
        self.tensors_sha256 = state.pop("tensors_sha256")
        self.state = RunState.from_dict(state, str(self.directory))
        self.saved_step = self.state.step
        self.candidates = {int(step) for _, step in self.state.best}
        self.budget = dataclasses.replace(self.budget, state=self.state)
        self.plateau = optim.Plateau(self.state.plateau_factor, self.state.plateau_stale)
        self.metrics = checkpoint.metrics
        self.learner.restore(checkpoint)

    def _initialize_from(self, directory: Path) -> None:
        initialize_from(self.network, directory, self.corpus.kind)
        if self.learner.average is not None:
            self.learner.average = WeightAverage(self.model)
        self.state.init_from = str(directory.resolve())

    def _finished(self, *, already: bool) -> Finished:
        state = self.state
        if not state.best:
            raise ModelError(f"{self.directory} has no best checkpoint", hint="begin again with --restart")
        score, step = state.best[0]
        advice = fit.advice(state.train_nats, state.losses)
        if few := self._too_few_steps():
            advice = few if already else None  # said at the last validation
        return Finished(
            step=state.step,
            epoch=self._epoch,
            best_step=int(step),
            metric=self.config.training.best_metric,
            score=score,
            scores=tuple(state.best_scores),
            seconds=state.elapsed if already else self.budget.elapsed,
            reason=state.finished,
            kind=self.corpus.kind,
            advice=advice,
            already=already,
        )
