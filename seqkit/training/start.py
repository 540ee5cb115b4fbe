"""What a run begins with: its session, and another model's weights or an interrupted run's checkpoint."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from seqkit import model_directory
from seqkit.config import Config, config_from_dict, flatten
from seqkit.data.corpus import Corpus
from seqkit.data.field import Field
from seqkit.data.forms import FIELD_LIMIT, field_files, load_fields
from seqkit.data.tokenizers import unions
from seqkit.device import resolve_device, set_threads
from seqkit.errors import ConfigError, DataError, ModelError
from seqkit.files import JSON_LIMIT, parse_json, read_regular
from seqkit.kinds import Kind
from seqkit.model_directory import CONFIG, TRAINING, LoadedModel
from seqkit.network.blueprint import check_vocabularies
from seqkit.nn import weights
from seqkit.training.checkpoints import Checkpoint
from seqkit.training.jobs.job import Network
from seqkit.training.options import TrainOptions
from seqkit.training.session import Session
from seqkit.training.state import Origin, RunState

_LOG = logging.getLogger(__name__)
# Settings that may change when a run continues: they do not touch the weights of what was done.
MAY_DIFFER = (
    "training.checkpoint_every",
    "training.on_nonfinite",
    "training.samples",
    "training.shortlist",
    "data.languages",
    "data.license",
    "decoding.",
)


def session_of(options: TrainOptions, corpus: Corpus) -> Session:
    """The session that a command asks for. It sets the threads of this process."""
    threads = set_threads(options.threads)
    device = resolve_device(options.device)
    return Session(options.config, corpus, fields_of_run(options, corpus), device, threads)


def begin_run(options: TrainOptions, session: Session) -> RunState:
    """The state of a run that begins, with the weights of another model where the command names one."""
    origin = Origin(session.corpus.fingerprint, "", options.choice, session.threads, session.precision)
    if options.init_from is not None:
        initialize_from(session.network, options.init_from, session.corpus.kind)
        session.learner.begin_average()
        origin.init_from = str(options.init_from.resolve())
    return RunState(origin=origin)


def resume_run(options: TrainOptions, session: Session, checkpoint: Checkpoint) -> RunState:
    """The state of an interrupted or finished run, which the session takes up.

    Raises `ConfigError` or `DataError` when the command asks for another run than the checkpoint's.
    """
    refuse_other_settings(options.model, session.config, session.corpus.kind)
    state = RunState.from_dict(checkpoint.state, str(options.model / TRAINING))
    if state.origin.corpus != session.corpus.fingerprint:
        raise DataError(
            f"{options.model} was trained on another corpus than {options.corpus}",
            where=str(options.corpus),
            hint="name a new model directory, or start over with --restart",
        )
    refuse_other_beginning(options.model, options.init_from, state.origin.init_from)
    if state.finished and not state.ranking.best:
        raise ModelError(
            f"{options.model / TRAINING} has no best checkpoint", hint="start over with --restart"
        )
    restore_session(session, state, checkpoint)
    return state


def restore_session(session: Session, state: RunState, checkpoint: Checkpoint) -> None:
    """Let a session stand where a checkpoint was written, whose state is `state`."""
    origin = state.origin
    warn_of_other_arithmetic((origin.threads, origin.precision), (session.threads, session.precision))
    origin.threads, origin.precision = session.threads, session.precision
    session.learner.restore(checkpoint, state.scaler)


def refuse_other_settings(directory: Path, config: Config, kind: Kind) -> None:
    """Raise `ConfigError`, naming the first setting in which a run to be continued differs from `config`."""
    path = directory / CONFIG
    content = parse_json(read_regular(path, limit=JSON_LIMIT), str(path))
    saved, wanted = flatten(config_from_dict(content, str(path), kind)), flatten(config)
    differing = [key for key in wanted if wanted[key] != saved[key] and not key.startswith(MAY_DIFFER)]
    if differing:
        key = differing[0]
        others = f", and {len(differing) - 1} more" if len(differing) > 1 else ""
        raise ConfigError(
            f"the run in {directory} has {key} = {saved[key]!r}, "
            f"but this command asks for {wanted[key]!r}{others}",
            where=str(path),
            hint="repeat the first command to continue, or start over with --restart",
        )


def refuse_other_beginning(directory: Path, given: Path | None, recorded: str) -> None:
    """Raise `ConfigError` when a run to be continued did not start with the model that is `given` now."""
    if given is not None and str(given.resolve()) != recorded:
        raise ConfigError(
            f"the run in {directory} did not start with --init-from {given}",
            hint="leave --init-from out to continue, or start over with --restart",
        )


def warn_of_other_arithmetic(began: tuple[int, str], goes_on: tuple[int, str]) -> None:
    """Warn when a run continues with other threads or another precision, which round sums differently."""
    if began != goes_on:
        _LOG.warning(
            "the run started with %d threads in %s and continues with %d in %s: "
            "the result will not be bit-identical",
            *began,
            *goes_on,
        )


def fields_of_run(options: TrainOptions, corpus: Corpus) -> Mapping[str, Field]:
    """The corpus's fields; for a run that begins with another model, the unions of their vocabularies.

    Only characters and symbols can be joined. A continued run finds the unions in its own model directory.
    The corpus's ids mean the same in them. Raises ConfigError where the model needs one vocabulary and the
    corpus has two.
    """
    own = corpus.fields
    check_vocabularies(options.config.model, own)
    published = None if options.restart else _published(options.model, corpus)
    if published is not None:
        return published
    if options.init_from is None:
        return own
    other = model_directory.load(options.init_from)
    if other.kind is not corpus.kind or len(set(other.fields.values())) != len(set(own.values())):
        return own
    joined = {id(field): unions.union(field, other.fields[role]) for role, field in own.items()}
    return {role: joined[id(field)] for role, field in own.items()}


def _published(directory: Path, corpus: Corpus) -> Mapping[str, Field] | None:
    """The fields of an earlier run in a directory, where they are the corpus's or unions with these."""
    names = list(field_files(corpus.fields))
    if not all((directory / name).exists() for name in names):
        return None
    files = {name: read_regular(directory / name, limit=FIELD_LIMIT) for name in names}
    published = load_fields(files, corpus.kind)
    same = all(unions.begins_with(published[role], field) for role, field in corpus.fields.items())
    return published if same else None


def initialize_from(network: Network, directory: Path, kind: Kind) -> None:
    """Give a model the weights of another one, whose network must be the same.

    Its vocabularies must be the same, too, or of characters or symbols: there everything that the other model
    knows keeps its row, and what is new keeps its random one.
    """
    other = model_directory.load(directory)
    if other.kind is not kind:
        raise ConfigError(
            f"--init-from {directory}: that model is for {other.kind.name}, this corpus for {kind.name}"
        )
    rows = _rows_of(other, network, directory)
    theirs, mine = weights.parameter_tensors(other.model), weights.parameter_tensors(network.model)
    with torch.no_grad():
        for name in sorted(mine.keys() | theirs.keys()):
            if name not in mine or name not in theirs or mine[name].shape[1:] != theirs[name].shape[1:]:
                raise _other_network(directory, name)
            if name in rows:
                known = rows[name] >= 0
                mine[name][known] = theirs[name][rows[name][known]].to(mine[name].device)
            elif mine[name].shape == theirs[name].shape:
                mine[name].copy_(theirs[name])
            else:
                raise _other_network(directory, name)


def _rows_of(other: LoadedModel, network: Network, directory: Path) -> dict[str, Tensor]:
    """The other model's row for every id of the run, -1 for none, of each parameter with a row per token.

    ConfigError where the vocabularies are different and cannot be compared.
    """
    sides = {role: unions.rows(field, other.fields[role]) for role, field in network.fields.items()}
    blueprint = network.model.blueprint
    of_source = () if blueprint.source is None else {each.name for each in blueprint.source.parameters()}
    found = {}
    for name in blueprint.per_token():
        rows = sides["source" if name in of_source else "target"]
        if rows is None:
            raise ConfigError(
                f"--init-from {directory}: that model has another vocabulary than this corpus",
                hint=f"prepare the corpus with --tokenizer-from {shlex.quote(str(directory))}, or omit "
                "--init-from; only vocabularies of characters and symbols are joined",
            )
        found[name] = torch.tensor(rows)
    return found


def _other_network(directory: Path, name: str) -> ConfigError:
    return ConfigError(
        f"--init-from {directory}: its network differs at {name!r}",
        hint="give the same model settings as that model has (its config.json)",
    )
