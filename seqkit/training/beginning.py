"""What a run may begin with: another model's weights, or an interrupted run with the same settings."""

from __future__ import annotations

from pathlib import Path

from seqkit import model_directory, weights
from seqkit.config import Config, config_from_dict, flatten
from seqkit.data.corpus import Corpus
from seqkit.errors import ConfigError
from seqkit.files import JSON_LIMIT, parse_json, read_regular
from seqkit.model_directory import CONFIG
from seqkit.models import SequenceModel

# Settings that may change when a run continues: they do not touch what is computed.
MAY_DIFFER = ("training.checkpoint_every", "training.samples", "decoding.")


def refuse_other_settings(directory: Path, config: Config) -> None:
    """Raise `ConfigError`, naming the first setting in which a run that is to go on differs from `config`."""
    path = directory / CONFIG
    content = parse_json(read_regular(path, limit=JSON_LIMIT), str(path))
    saved, wanted = flatten(config_from_dict(content, str(path))), flatten(config)
    differing = [key for key in wanted if wanted[key] != saved[key] and not key.startswith(MAY_DIFFER)]
    if differing:
        key = differing[0]
        others = f", and {len(differing) - 1} more" if len(differing) > 1 else ""
        raise ConfigError(
            f"the run in {directory} has {key} = {saved[key]!r}, "
            f"but this command asks for {wanted[key]!r}{others}",
            where=str(path),
            hint="repeat the first command to continue, or begin again with --restart",
        )


def refuse_other_beginning(directory: Path, given: Path | None, recorded: str) -> None:
    """Raise `ConfigError` when a run that is to go on did not begin with the model that is `given` now."""
    if given is not None and str(given.resolve()) != recorded:
        raise ConfigError(
            f"the run in {directory} did not begin with --init-from {given}",
            hint="leave --init-from out to continue, or begin again with --restart",
        )


def initialize_from(model: SequenceModel, directory: Path, corpus: Corpus) -> None:
    """Give `model` the weights of another one, whose vocabulary and network must be the same."""
    other = model_directory.load(directory)
    ours = (corpus.source_tokenizer.fingerprint, corpus.target_tokenizer.fingerprint)
    if (other.source_tokenizer.fingerprint, other.target_tokenizer.fingerprint) != ours:
        raise ConfigError(f"--init-from {directory}: that model has another vocabulary than this corpus")
    theirs, mine = weights.parameter_tensors(other.model), weights.parameter_tensors(model)
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in mine or name not in theirs or mine[name].shape != theirs[name].shape:
            raise ConfigError(
                f"--init-from {directory}: its network differs at {name!r}",
                hint="give the same model settings as that model has (its config.json)",
            )
    weights.set_parameters(model, theirs)
