"""What a finished run still gets: the shortlist that is asked for, and the model's card."""

from __future__ import annotations

import dataclasses
import logging

from seqkit import model_directory
from seqkit.errors import Interrupted
from seqkit.files import to_json
from seqkit.model_directory import CONFIG, SHORTLIST
from seqkit.model_directory.card import write_card
from seqkit.training.options import TrainOptions
from seqkit.training.session import Session
from seqkit.training.shortlist import PAIRS, learn_shortlist

_LOG = logging.getLogger(__name__)


def finish(options: TrainOptions, session: Session) -> None:
    """Give a model whose training is over what it lacks, now or when the same command is given again.

    Raises `Interrupted` after a signal; the model is whole then, and the same command learns the shortlist.
    """
    _name_anew(options)
    if options.config.training.shortlist:
        _add_shortlist(options, session)
    write_card(options.model)


def _name_anew(options: TrainOptions) -> None:
    """Take over what the model card says of languages and license, which a later command may give."""
    loaded, wanted = model_directory.load(options.model), options.config.data
    given = {name: value for name in ("languages", "license") if (value := getattr(wanted, name))}
    data = dataclasses.replace(loaded.config.data, **given)
    if data != loaded.config.data:
        config = dataclasses.replace(loaded.config, data=data)
        model_directory.add_files(options.model, {CONFIG: to_json(config.to_dict())})


def _add_shortlist(options: TrainOptions, session: Session) -> None:
    loaded, corpus = model_directory.load(options.model), session.corpus
    training = options.config.training
    size = min(training.shortlist, loaded.fields["target"].size)
    if loaded.shortlist is not None and loaded.shortlist.size == size:
        return

    def stop() -> None:
        if number := options.signalled():
            raise Interrupted(
                number,
                "stopped before the model had its shortlist; all else is saved",
                hint="run the same command again to learn it",
            )

    _LOG.info("learning a shortlist from %s pairs", f"{min(PAIRS, len(corpus.train)):,}")
    learnt = learn_shortlist(
        loaded,
        corpus,
        size,
        seed=training.seed,
        device=session.device,
        precision=session.precision,
        tick=stop,
    )
    settings = dataclasses.replace(loaded.config.training, shortlist=training.shortlist)
    config = dataclasses.replace(loaded.config, training=settings)
    files = {CONFIG: to_json(config.to_dict()), SHORTLIST: learnt.to_bytes()}
    model_directory.add_files(options.model, files)
