"""One training run: what computes, what is written and the clock, wired together.

`train_model` yields events and prints nothing. All that changes during a run lives in `RunState`, the
tensors of model, optimizer and average, and the text of metrics.jsonl: these make a checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from torch import Tensor

from seqkit.data.corpus import Corpus
from seqkit.device import keep_memory, return_memory
from seqkit.errors import Interrupted, RunFailed
from seqkit.model_directory import METRICS
from seqkit.nn import weights
from seqkit.training.assessment import assess, assess_mean, finished, started
from seqkit.training.clock import Clock, Decision
from seqkit.training.crew import ALONE, Crew, Votes
from seqkit.training.events import Event, Finished, Progress, Validated
from seqkit.training.finishing import finish
from seqkit.training.loop import BETTER_ARITHMETIC, NotFinite
from seqkit.training.options import TrainOptions
from seqkit.training.record import read_rows
from seqkit.training.session import Session
from seqkit.training.start import begin_run, restore_session, resume_run, session_of
from seqkit.training.state import RunState
from seqkit.training.store import Store
from seqkit.training.validation import Measured

MAX_ROLLBACKS = 5  # of a run; each halves the learning rate
_LOG = logging.getLogger(__name__)


def train_model(options: TrainOptions) -> Iterator[Event]:
    """Train, or continue, and yield what happens.

    A validation is told when it is saved: who leaves the iteration there pauses the run, and the same options
    continue it from there, to the bit.

    Raises `LockedError` when another run holds the directory, `ConfigError` when the settings differ from the
    interrupted run's, `RunFailed` when training diverges, `Interrupted` after a signal, once all is saved.
    """
    keep_memory(options.config.model.hidden_size)
    corpus = Corpus.open(options.corpus, verify=True)
    with Store.held(options.model) as store:
        session = session_of(options, corpus)
        if options.restart:
            store.forget()
        for event in Run(options, session, store).events():
            if isinstance(event, Finished):
                finish(options, session)
            yield event


class Run:
    """The course of a run: steps, validations and checkpoints in turn, as its clock decides."""

    decision: Decision  # the last one

    def __init__(self, options: TrainOptions, session: Session, store: Store, crew: Crew = ALONE) -> None:
        self.options, self.session, self.store, self.crew = options, session, store, crew
        self.training = options.config.training
        self.state = RunState()
        self.clock = Clock(self.training, session.steps_per_epoch, options.started)

    def events(self) -> Iterator[Event]:
        """The whole run."""
        checkpoint = None if self.options.restart else self.store.newest()
        if checkpoint is not None:
            self.state = resume_run(self.options, self.session, checkpoint)
            self.clock.earlier = self.state.elapsed
        else:
            if not self.options.restart:
                self.store.refuse_trained_model()
            self.state = begin_run(self.options, self.session)
        if self.state.finished:
            yield finished(self.session, self.state, self.clock, already=True)
            return
        yield started(self.session, self.state, self.clock, read_rows(self.store.metrics, METRICS))
        self.store.open(self.session, self.state, fresh=checkpoint is None)
        if checkpoint is None:
            self._save()  # from here on there is something to continue from
        while not self.state.finished:
            try:
                yield from self._to_the_end()
            except NotFinite as error:
                self._go_back(error)
        yield finished(self.session, self.state, self.clock, already=False)

    def _to_the_end(self) -> Iterator[Event]:
        """All steps that are left, with their validations and checkpoints, and what follows the last one."""
        state, session = self.state, self.session
        self.decision = self._decide()
        if self.decision.validate:
            yield from self._validate_and_save()
            self.decision = self._decide()
        for report in session.steps(state.position, self._rate, lambda: self.decision.stop, self.crew):
            session.average(report, state.ranking)
            state.count(report)
            votes = self._votes()
            now = self.decision = self._decide(votes.signal)
            yield Progress(report, now.progress, now.elapsed, now.remaining, now.validate)
            if now.signal:
                self._stop(now.signal)
            if votes.save:  # before a validation: whoever asks may have little time
                self._save()
                _LOG.info("saved a checkpoint of step %s", f"{state.position.step:,}")
            if now.validate:
                yield from self._validate_and_save()
            elif now.save and not votes.save:
                self._save()
            if now.validate or now.save or votes.save:
                self.decision = self._decide()  # it took its time, and may have used up the patience
        yield from self._end()

    def _end(self) -> Iterator[Validated]:
        """The last validation, and the average of the best; each is told when it is saved."""
        ranking, last = self.state.ranking, None
        if self.state.validation.validated_step != self.state.position.step:
            last = self._validate()
        if len(ranking.best) > 1:
            if last is not None:
                self._save()
                yield last
            last = self._average_best()
        if not ranking.best:
            if last is not None:
                yield last
            raise RunFailed("training ended: no validation produced a finite loss", hint=BETTER_ARITHMETIC)
        stale = f"no progress in {ranking.stale} validations"
        self._save(stale if self.clock.out_of_patience(self.state) else "the budget is used up")
        if last is not None:
            yield last

    def _go_back(self, error: NotFinite) -> None:
        """Take up the last checkpoint with half the learning rate, where the settings say so."""
        rollbacks = self.state.rate.rollbacks + 1
        if self.training.on_nonfinite == "stop" or rollbacks > MAX_ROLLBACKS:
            raise error
        checkpoint = self.store.newest()
        if checkpoint is None:
            raise error
        self.state = RunState.from_dict(checkpoint.state, str(self.store.training))
        restore_session(self.session, self.state, checkpoint)
        self.state.rate.rollbacks, self.state.position.failures = rollbacks, 0
        self.store.publish(self.session, self.state)
        now = f"{self.state.position.step:,} with {self.state.rate.share:g} of the learning rate"
        _LOG.warning("%s: back to step %s", error.message, now)

    # Decisions ------------------------------------------------------------------------------------------

    def _decide(self, signal: int = 0) -> Decision:
        """What all processes do next, by the clock of the first one."""
        return self.crew.word(lambda: self.clock.decide(self.state, self.store.saved_step, signal))

    def _signalled(self) -> bool:
        """Whether a signal has reached this process."""
        return self.options.signalled() != 0

    def _votes(self) -> Votes:
        """What signals have asked of any of the processes."""
        return self.crew.agree(Votes(signal=self.options.signalled(), save=self.options.save_asked()))

    def _rate(self, step: int) -> float:
        """The learning rate of a step: by the time of the decision, which is everywhere the same."""
        return self.clock.learning_rate(self.state, step, self.decision.elapsed)

    def _stop(self, signal: int) -> NoReturn:
        self._save()
        raise Interrupted(
            signal,
            f"stopped after step {self.state.position.step:,}; everything is saved",
            hint="run the same command again to continue",
        )

    # Validations ----------------------------------------------------------------------------------------

    def _validate_and_save(self) -> Iterator[Validated]:
        """A validation that is saved before it is told: whoever leaves the run there loses nothing.

        There is none where the pilot shows that the budget has no time for one beside the last.
        """
        last, before = self.state.validation, self.clock.elapsed
        self._settle_validation_size()
        pilot = self.clock.elapsed - before
        self.clock.validating += pilot
        if self.crew.word(lambda: self.clock.affords_validation(pilot)):
            validated = self._validate()
            self._save()
            yield validated
            return
        _LOG.info(
            "a validation takes %.0f seconds here: postponed, to stay within its share of the time", pilot
        )
        last.validation_seconds, last.validated_at = pilot, self.clock.elapsed
        self._save()

    def _validate(self) -> Validated:
        """Measure the average (or the weights), publish them when they are the best, write the row."""
        state = self.state
        self._settle_validation_size()
        began = self.clock.elapsed  # behind the pilot: what is kept free for the last validation has none
        measured = self._measure(self._signalled)
        if measured is None:
            self._stop(self._votes().signal)
        validated = assess(self.session, state, self.clock, measured, began)
        delivered = self.session.learner.delivered()
        if self.training.average_best > 1 and state.ranking.has(state.position.step):
            self.store.keep_candidate(state.position.step, delivered)
        self.store.publish_validation(self.session, self.state, validated, delivered)
        return_memory()
        return validated

    def _settle_validation_size(self) -> None:
        last, limit = self.state.validation, self.clock.validation_limit
        size = self.crew.word(lambda: self.session.validation_size(last, limit, self._signalled))
        if size is None:
            self._stop(self._votes().signal)
        last.validation_size = size

    def _average_best(self) -> Validated:
        """Validate the mean of the best checkpoints; it is published when it is better than each of them."""
        steps = [int(step) for _, step in self.state.ranking.best]
        mean = self.store.mean_of_candidates(steps, weights.parameter_tensors(self.session.model))
        measured = self._measure(lambda: False, mean)
        assert measured is not None  # nothing interrupts it
        validated = assess_mean(self.session, self.state, self.clock, measured, steps)
        self.store.publish_validation(self.session, self.state, validated, mean)
        return validated

    def _measure(
        self, should_stop: Callable[[], bool], parameters: Mapping[str, Tensor] | None = None
    ) -> Measured | None:
        """What the first process measures; None when a signal came first."""
        size = self.state.validation.validation_size
        return self.crew.word(lambda: self.session.validate(size, should_stop, parameters))

    def _save(self, finished: str = "") -> None:
        self.state.finished, self.state.elapsed = finished, self.clock.elapsed
        self.store.save(self.session.learner, self.state)
