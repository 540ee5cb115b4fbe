"""How model, budget and data fit, in words: what char-rnn's users most often asked how to read.

Losses are nats a target token; that of training is measured with dropout and while the weights change, so it
stands a little higher than it should.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

RISEN = 0.01  # nats above the best validation that are no accident
STALE_VALIDATIONS = 2  # since the best, before a rise is called over-fitting
FEWEST_STEPS = 100  # of a run; fewer have hardly left the warm-up
TELLING_SHARE = 0.25  # of a budget in minutes, after which its pace is known
STILL_FALLING = 0.005  # share by which the last validation improved on the one before


def overfitting(train_nats: float | None, losses: Sequence[float]) -> str | None:
    """Said at a validation: the validation loss rises while training's is far below it."""
    if train_nats is None or len(losses) <= STALE_VALIDATIONS:
        return None
    best = min(losses)
    since = len(losses) - 1 - losses.index(best)
    if since < STALE_VALIDATIONS or losses[-1] < best + RISEN or train_nats > best - RISEN:
        return None
    return (
        f"over-fitting: validation loss rose from {best:.3f} to {losses[-1]:.3f} in {since} validations, "
        f"training loss is {train_nats:.3f}; more model.dropout, a smaller model or a shorter budget helps "
        "(the best checkpoint is kept)"
    )


def too_few_steps(steps: int, seconds: float, minutes: float) -> str | None:
    """Said at a validation, and at the end: a budget in minutes in which nothing can be learnt.

    `steps` were taken in `seconds`, start-up and validations included; early on these are most of the time,
    and nothing is said.
    """
    if seconds < TELLING_SHARE * 60 * minutes:
        return None
    pace = max(steps, 1) / seconds
    coming = max(steps, round(pace * 60 * minutes))
    if coming >= FEWEST_STEPS:
        return None
    enough = math.ceil(FEWEST_STEPS / pace / 60)
    return (
        f"too few steps: {coming:,} in {minutes:g} minutes, {pace:.2g} per second, teach a model nothing; "
        f"--minutes {enough} or more, a budget in --epochs, or a smaller --preset helps "
        "(beside other work on the machine --threads 1 may be the fastest)"
    )


def advice(train_nats: float | None, losses: Sequence[float]) -> str | None:
    """Said at the end of a run; None when neither more training nor less is called for."""
    if train_nats is None or len(losses) < 2:
        return None
    if over := overfitting(train_nats, losses):
        return over
    if losses[-1] < (1 - STILL_FALLING) * losses[-2]:
        return f"under-fitting: validation loss was still falling ({losses[-1]:.3f}); a longer budget helps"
    if train_nats > losses[-1]:
        return (
            f"no over-fitting: training loss ({train_nats:.3f}) is no lower than validation loss "
            f"({losses[-1]:.3f}); a larger model, less model.dropout or a longer budget may do better"
        )
    return None
