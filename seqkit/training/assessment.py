"""What a run tells at its start, of each validation, and at its end; and what a validation changes."""

from __future__ import annotations

from typing import Any

from seqkit.training import fit, health, ranking
from seqkit.training.clock import Clock
from seqkit.training.events import Finished, Started, Validated
from seqkit.training.record import Row, metrics_row
from seqkit.training.session import Session
from seqkit.training.state import RunState, Window
from seqkit.training.validation import Measured


def started(session: Session, state: RunState, clock: Clock, rows: tuple[Row, ...]) -> Started:
    """What is told of a run before its first step, or before it continues."""
    return Started(
        step=state.position.step,
        total_steps=clock.total_steps,
        parameters=session.parameters,
        kind=session.corpus.kind,
        size=session.task.facts.size,
        precision=session.precision,
        device=str(session.device),
        threads=session.threads,
        rows=rows,
    )


def assess(session: Session, state: RunState, clock: Clock, measured: Measured, began: float) -> Validated:
    """Enter a validation that began after `began` seconds of the run, and begin a new window."""
    step, last, training = state.position.step, state.validation, session.config.training
    improved = _rank(state, session, measured)
    state.rate.validated(improved, training)
    now = clock.elapsed
    last.validated_step, last.validation_seconds = step, now - began
    clock.validating += now - began
    row = _row(session, state, clock, measured, improved, now)
    last.validated_at, last.train_nats = now, row["train_nats"]
    state.window = Window()
    warnings = health.warnings(row["gradient"], measured.gates, training.clip_norm)
    fitting = [_too_few_steps(state, clock, now), fit.overfitting(last.train_nats, state.ranking.losses)]
    undecided = ranking.undecided(state.ranking, measured, training.best_metric)
    warnings += [warning for warning in (*fitting, undecided) if warning]
    return Validated(measured, row, improved, warnings, _fallback(session, state) if improved else "")


def assess_mean(
    session: Session, state: RunState, clock: Clock, measured: Measured, steps: list[int]
) -> Validated:
    """Enter the validation of the mean of the weights after several steps."""
    improved = _rank(state, session, measured)
    row = _row(session, state, clock, measured, improved, clock.elapsed)
    return Validated(measured, {**row, "averaged_steps": steps}, improved, [], _fallback(session, state))


def _fallback(session: Session, state: RunState) -> str:
    """The metric that decided for the best, where the one that ranks could not; else empty."""
    by = state.ranking.decided_by
    return "" if by == session.config.training.best_metric else by


def _rank(state: RunState, session: Session, measured: Measured) -> bool:
    """Whether it is the best."""
    improved = ranking.enter(state.ranking, state.position.step, measured, session.config.training)
    if improved:
        state.ranking.best_scores = list(measured.scores)
    return improved


def _row(
    session: Session, state: RunState, clock: Clock, measured: Measured, best: bool, elapsed: float
) -> dict[str, Any]:
    return metrics_row(
        session.corpus.kind,
        state,
        measured,
        best=best,
        epoch=session.epoch(state.position),
        gradient=state.window.health.summary(session.model),
        elapsed=elapsed,
        learning_rate=clock.learning_rate(state, state.position.step, elapsed),
    )


def _too_few_steps(state: RunState, clock: Clock, elapsed: float) -> str | None:
    """What to say of a budget in minutes in which the machine takes too few steps."""
    if clock.total_steps:
        return None
    return fit.too_few_steps(state.position.step, elapsed, clock.training.minutes)


def finished(session: Session, state: RunState, clock: Clock, *, already: bool) -> Finished:
    """What is told of a run that is over, now or when the command began."""
    score, step = state.ranking.best[0]
    advice = fit.advice(state.validation.train_nats, state.ranking.losses)
    elapsed = clock.elapsed
    if few := _too_few_steps(state, clock, elapsed):
        advice = few if already else None  # said at the last validation
    return Finished(
        step=state.position.step,
        epoch=session.epoch(state.position),
        best_step=int(step),
        metric=session.config.training.best_metric,
        score=score,
        scores=tuple(state.ranking.best_scores),
        seconds=state.elapsed if already else elapsed,
        reason=state.finished,
        kind=session.corpus.kind,
        advice=advice,
        already=already,
        decided_by=state.ranking.decided_by or session.config.training.best_metric,
    )
