"""Choose the size of a run by its budget in minutes: measure some steps here, or remember what was chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from seqkit import model_directory
from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.device import keep_memory
from seqkit.errors import Interrupted
from seqkit.model_directory import TRAINING
from seqkit.training.checkpoints import newest_state
from seqkit.training.options import TrainOptions
from seqkit.training.rehearsal import pace_of
from seqkit.training.sizing import MEASURED, Choice, Speed, Task, choose, settings_of
from seqkit.training.start import session_of

SHARE = 0.03  # of the budget that the measurement may take, but for a step of the smallest size


def size_for(options: TrainOptions, config: Callable[[Mapping[str, Any]], Config]) -> Choice | None:
    """The size for a run whose command leaves it open; `config` puts a size's settings under the command's.

    None where the model directory has a run that was begun with a size of its own. Raises what `train_model`
    would raise for the corpus, and `Interrupted` after a signal.
    """
    if not options.restart:
        state = newest_state(options.model / TRAINING)
        if state is not None:
            return _remembered(state)
        if model_directory.is_complete(options.model):
            return None
    return _measured(options, config)


def _remembered(state: Mapping[str, Any]) -> Choice | None:
    try:
        return Choice.from_dict(state.get("choice"))
    except TypeError:
        return None  # the run says what is wrong with its checkpoint


def _measured(options: TrainOptions, config: Callable[[Mapping[str, Any]], Config]) -> Choice:
    """Measure the speed of one or two sizes, and choose."""
    keep_memory(options.config.model.hidden_size)
    corpus = Corpus.open(options.corpus, verify=True)
    task = task_of(corpus, config)
    minutes = options.config.training.minutes
    limit = SHARE * 60 * minutes
    points: list[tuple[int, float]] = []
    spent = 0.0
    for size in (size for size in task.candidates if size.name in MEASURED):
        if spent > limit / 2:
            break  # it is a slow machine, or a short budget: one size must do
        began = time.monotonic()
        session = session_of(replace(options, config=config(settings_of(size, task.kind))), corpus)
        pace = pace_of(session, (limit - spent) / 2, options.signalled)
        if options.signalled():
            raise Interrupted(
                options.signalled(),
                "stopped while the size was chosen; nothing is written yet",
                hint="run the same command again",
            )
        points.append((task.parameters(size)[0], pace.tokens_per_second))
        spent += time.monotonic() - began
    left = 60 * minutes - (time.monotonic() - options.started)
    return choose(task, Speed.through(points), minutes, left)


def task_of(corpus: Corpus, config: Callable[[Mapping[str, Any]], Config]) -> Task:
    """What a corpus has to learn from."""
    text, target = corpus.manifest.text, corpus.train.target
    ends = len(corpus.train) if text is None else 0  # the end of a sentence is predicted, too
    return Task(
        kind=corpus.kind,
        size=len(corpus.train) if text is None else text.train_characters,
        tokens=len(target.values) + ends,
        fields=corpus.fields,
        config=config,
    )
