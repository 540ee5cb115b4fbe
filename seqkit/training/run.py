"""One training run: corpus, model, loop, validations and checkpoints wired together.

`train_model` yields events and prints nothing. All that changes during a run lives in `RunState`, the
tensors of model, optimizer and average, and the text of metrics.jsonl: these make a checkpoint.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
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
from seqkit.training.loop import (
    Carried,
    LoopOptions,
    StepBatches,
    StepReport,
    WeightAverage,
    derived_seed,
    train_steps,
)
from seqkit.training.options import TrainOptions
from seqkit.training.rows import metrics_row
from seqkit.training.shortlist import add_shortlist
from seqkit.training.tasks import Network, build_task
from seqkit.training.validation import Measured, Stopped


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
        run = _Run(options, corpus)
        if options.restart:
            checkpoints.remove_all(options.model / TRAINING)
        yield from add_shortlist(run.events(), options, corpus, run.network)


class _Run:
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
        self.model = build_model(self.config, corpus.kind, source.size, target.size)
        self.model.to(self.device)
        self.optimizer = optim.build_optimizer(self.model.parameters(), training)
        averages = training.ema > 0 or training.optimizer == "nt-asgd"
        self.average = WeightAverage(self.model) if averages else None
        self.carried = Carried()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.network = Network(self.model, source, target, self.device, self.precision)
        self.task = build_task(corpus, self.config, self.network)
        self.batches_per_epoch = batches_per_epoch = len(self.task.batches.plan(0))
        self.state = RunState()
        self.budget = Budget(
            training, max(1, batches_per_epoch // training.accumulate), options.started, self.state
        )
        self.plateau = optim.Plateau()
        self.metrics = b""
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
        training = self.config.training
        count = sum(parameter.numel() for parameter in self.model.parameters())
        yield Started(
            self.state.step,
            self.budget.total_steps,
            count,
            self.corpus.kind,
            self.task.size,
            self.precision,
            str(self.device),
            self.threads,
        )
        config = to_json(self.config.to_dict())
        self._publish({**self.tokenizer_files, CONFIG: config, METRICS: self.metrics})
        if not continued:
            self._save()  # from here on there is something to continue from
        options = LoopOptions(training.seed, training.clip_norm, self.precision, self.device)
        last_saved = self.state.step
        if continued and self.state.step and self.budget.validation_due:
            yield self._validate()
            self._save()
        steps = train_steps(
            self.model, self._work(), self.optimizer, self.scaler, self._rate, options, self.carried
        )
        for report in steps:
            self._count(report)
            progress = self.budget.progress(report.step)
            yield Progress(report, progress, self.budget.elapsed, self.budget.remaining)
            self._stop_if_signalled()
            if self.budget.validation_due:
                yield self._validate()
                self._save()
                last_saved = self.state.step
            elif training.checkpoint_every and self.state.step - last_saved >= training.checkpoint_every:
                self._save()
                last_saved = self.state.step
        reason = "the budget is used up"
        if self.budget.out_of_patience:
            reason = f"no progress in {self.state.stale} validations"
        if self.state.validated_step != self.state.step:
            yield self._validate()
        averaged = self._average_best()
        if averaged is not None:
            yield averaged
        if not self.state.best:
            raise RunFailed(
                "training ended without a single validation whose result is finite",
                hint="lower training.learning_rate, or use training.precision = fp32",
            )
        self.state.finished = reason
        self._save()
        yield self._finished(already=False)

    # Steps ----------------------------------------------------------------------------------------------

    def _work(self) -> Iterator[StepBatches]:
        """The batches of each step, from where the run stands to the end of its budget."""
        training, state = self.config.training, self.state
        batches = self.task.batches
        plan, plan_epoch = batches.plan(state.epoch), state.epoch
        while not self.budget.exhausted:
            step, loaded = state.step + 1, []
            for part in range(training.accumulate):
                if state.batch >= len(plan):
                    state.epoch, state.batch = state.epoch + 1, 0
                if plan_epoch != state.epoch:
                    plan, plan_epoch = batches.plan(state.epoch), state.epoch
                seed = derived_seed(training.seed, step, part)
                loaded.append(batches.load(plan[state.batch], seed=seed))
                state.batch += 1
            yield StepBatches(step, state.epoch + state.batch / len(plan), loaded)

    @property
    def _epoch(self) -> float:
        return self.state.epoch + self.state.batch / self.batches_per_epoch

    def _rate(self, step: int) -> float:
        """The learning rate of a step."""
        rate = optim.learning_rate(self.budget.progress(step), self.config.training)
        return self.plateau.factor * rate

    def _count(self, report: StepReport) -> None:
        state = self.state
        state.step = report.step
        if self.average is not None and report.finite:
            decay = optim.average_decay(report.step, self.config.training, state.averaging_from)
            self.average.update(decay)
        if report.finite:
            state.objective += report.objective
            state.nats += report.nats
            state.positions += report.positions
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
        if self.average is not None:
            self.average.swap()
        try:
            measured = self.task.validator.measure(self.model, lambda: self.options.signalled() != 0)
            parameters = {name: t.clone() for name, t in weights.parameter_tensors(self.model).items()}
        except Stopped:
            if self.average is not None:
                self.average.swap()
            self._stop_if_signalled()
            raise
        if self.average is not None:
            self.average.swap()
        improved = ranking.enter(state, measured, training)
        if training.average_best > 1 and any(step == state.step for _, step in state.best):
            checkpoints.save_candidate(self.directory, state.step, parameters)
        self.plateau.update(improved, training)
        state.validated_step = state.step
        state.validation_seconds = time.monotonic() - began
        row = self._row(measured, improved)
        found = health.warnings(row["gradient"], measured.gates, training.clip_norm)
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

    def _row(self, measured: Measured, best: bool) -> dict[str, Any]:
        return metrics_row(
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
        expected = weights.parameter_tensors(self.model)
        members = [checkpoints.load_candidate(self.directory, step, expected) for step in steps]
        mean = {name: torch.stack([member[name] for member in members]).mean(dim=0) for name in expected}
        kept = {name: tensor.clone() for name, tensor in expected.items()}
        weights.set_parameters(self.model, mean)
        measured = self.task.validator.measure(self.model, lambda: False)
        weights.set_parameters(self.model, kept)
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

    tensors_sha256 = ""

    def _save(self) -> None:
        state = self.state
        state.plateau_factor, state.plateau_stale = self.plateau.factor, self.plateau.stale
        state.scaler = self.scaler.state_dict()
        saved = dataclasses.asdict(dataclasses.replace(state, elapsed=self.budget.elapsed))
        saved["tensors_sha256"] = self.tensors_sha256
        saved["corpus"] = self.corpus.fingerprint
        saved["threads"] = self.threads
        saved["precision"] = self.precision
        parameters = weights.parameter_tensors(self.model)
        averages = {}
        if self.average is not None:
            averages = dict(zip(parameters, self.average.average, strict=True))
        checkpoint = checkpoints.Checkpoint(
            saved,
            parameters,
            averages,
            checkpoints.optimizer_tensors(self.optimizer),
            checkpoints.carried_tensors(self.carried.state),
            self.metrics,
        )
        checkpoints.save(self.directory, checkpoint)
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
        state = dict(checkpoint.state)
        if state.pop("corpus") != self.corpus.fingerprint:
            raise DataError(
                f"{self.options.model} was trained on another corpus than {self.options.corpus}",
                where=str(self.options.corpus),
                hint="name a new model directory, or begin again with --restart",
            )
        warn_of_other_arithmetic(
            (state.pop("threads"), state.pop("precision")), (self.threads, self.precision)
        )
        self.tensors_sha256 = state.pop("tensors_sha256")
        self.state = RunState.from_dict(state)
        refuse_other_beginning(self.options.model, self.options.init_from, self.state.init_from)
        self.candidates = {int(step) for _, step in self.state.best}
        self.budget = dataclasses.replace(self.budget, state=self.state)
        self.plateau = optim.Plateau(self.state.plateau_factor, self.state.plateau_stale)
        self.metrics = checkpoint.metrics
        weights.set_parameters(self.model, checkpoint.parameters)
        checkpoints.restore_optimizer(self.optimizer, checkpoint.optimizer)
        self.carried.state = checkpoints.restore_carried(checkpoint.carried, self.device)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(self.state.scaler)
        if self.average is not None:
            names = weights.parameter_tensors(self.model)
            for name, average in zip(names, self.average.average, strict=True):
                average.copy_(checkpoint.averages[name])
        return True

    def _initialize_from(self, directory: Path) -> None:
        initialize_from(self.network, directory, self.corpus.kind)
        if self.average is not None:
            self.average = WeightAverage(self.model)
        self.state.init_from = str(directory.resolve())

    def _finished(self, *, already: bool) -> Finished:
        state = self.state
        if not state.best:
            raise ModelError("the finished run has no best checkpoint", where=str(self.options.model))
        score, step = state.best[0]
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
            advice=fit.advice(state.train_nats, state.losses),
            already=already,
        )
