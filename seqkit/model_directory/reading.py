"""Opening a model directory: files by hash, configuration, tokenizers, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqkit.config import Config, config_from_dict
from seqkit.data.field import Field
from seqkit.data.forms import FIELD_FILES, FIELD_LIMIT, load_fields, self_test, tokenizer_of
from seqkit.data.tokenizers import Tokenizer
from seqkit.errors import ConfigError, DataError, InputMissing, ModelError, of_model
from seqkit.files import parse_json, read_regular
from seqkit.kinds import KINDS, Kind
from seqkit.model_directory.manifest import Facts, damaged_facts, entry_of, facts_in, read_manifest
from seqkit.model_directory.names import (
    CONFIG,
    FILES,
    LIMITS,
    MANIFEST,
    SHORTLIST,
    WEIGHTS,
)
from seqkit.network import arrays
from seqkit.network.blueprint import Blueprint, check_vocabularies
from seqkit.network.shortlist import Shortlist

if TYPE_CHECKING:
    from seqkit.nn.model import SequenceModel


@dataclass(frozen=True)
class LoadedModel:
    """Everything that is needed to run a model; `fields` are those of its corpus, by name.

    `weights` are the parameters by name, or a network in training, whose present ones they are then.
    """

    weights: Mapping[str, np.ndarray] | SequenceModel
    config: Config
    facts: Facts
    fields: Mapping[str, Field]
    shortlist: Shortlist | None = None

    @property
    def kind(self) -> Kind:
        """The kind's declaration."""
        return KINDS[self.facts.kind]

    @property
    def source_tokenizer(self) -> Tokenizer:
        """Of a source of text."""
        return tokenizer_of(self.fields, "source")

    @property
    def target_tokenizer(self) -> Tokenizer:
        """Of a target of text."""
        return tokenizer_of(self.fields, "target")

    @property
    def parameters(self) -> Mapping[str, np.ndarray]:
        """The present parameters by name, in fp32; what is tied occurs once."""
        if isinstance(self.weights, Mapping):
            return self.weights
        named = self.weights.named_parameters()
        return {name: parameter.detach().float().cpu().numpy() for name, parameter in named}

    @cached_property
    def blueprint(self) -> Blueprint:
        """The network as data; the parameters have its names and shapes."""
        return Blueprint.of(self.kind, self.config.model, self.fields)

    @cached_property
    def model(self) -> SequenceModel:
        """The network, on the CPU and in evaluation mode unless it is in training.

        It is built when it is first asked for: importing torch takes seconds.
        """
        if not isinstance(self.weights, Mapping):
            return self.weights
        import torch

        from seqkit.nn.model import build_model
        from seqkit.nn.weights import set_parameters

        smoothing = self.config.training.label_smoothing
        with torch.inference_mode(False):  # weights made within it could not be trained, and add up otherwise
            model = build_model(self.blueprint, self.config.model, label_smoothing=smoothing)
            set_parameters(model, self.weights)
        return model.eval()


def is_complete(directory: Path) -> bool:
    """Whether a model was published here."""
    return (directory / MANIFEST).exists() and WEIGHTS in read_manifest(directory)["files"]


def load(directory: Path) -> LoadedModel:
    """Open and check a model directory; its network is built when it is asked for."""
    manifest = read_manifest(directory)
    while True:
        try:
            return _load(directory, manifest)
        except ModelError:
            # A run may have published the next version after the manifest was read.
            now = read_manifest(directory)
            if now == manifest:
                raise
            manifest = now


def _load(directory: Path, manifest: dict[str, Any]) -> LoadedModel:
    arriving = WEIGHTS in manifest["pending"] and (directory / WEIGHTS).exists()
    if WEIGHTS not in manifest["files"] and not arriving:
        raise ModelError(
            f"{directory} holds no trained model yet: the first validation is still pending",
            where=str(directory),
            hint="wait for it, or run the same seqkit train command again",
        )
    files = {name: _checked_file(directory, name, manifest) for name in _named(directory, manifest)}
    for name in (CONFIG, WEIGHTS):
        if name not in files:
            raise ModelError(f"the manifest does not name {name}", where=str(directory / MANIFEST))
    facts = facts_in(manifest, directory)
    kind = KINDS[facts.kind]
    try:
        config = config_from_dict(
            parse_json(files[CONFIG], str(directory / CONFIG), ModelError),
            str(directory / CONFIG),
            kind,
        )
        fields = _fields(directory, files, manifest, kind)
        check_vocabularies(config.model, fields)
    except ConfigError as error:
        raise ModelError(error.message, where=str(directory / CONFIG)) from error
    if facts.boundary >= fields["target"].size:
        raise damaged_facts(directory)
    shapes = Blueprint.of(kind, config.model, fields).shapes()
    parameters = arrays.float_arrays(files[WEIGHTS], shapes, str(directory / WEIGHTS))
    shortlist = None
    if SHORTLIST in files and "search" in kind.parts:
        where = str(directory / SHORTLIST)
        sizes = fields["source"].size, fields["target"].size
        shortlist = Shortlist.from_bytes(files[SHORTLIST], *sizes, where)
    return LoadedModel(parameters, config, facts, fields, shortlist)


def _fields(
    directory: Path, files: Mapping[str, bytes], manifest: dict[str, Any], kind: Kind
) -> dict[str, Field]:
    try:
        fields = load_fields({name: files[name] for name in FIELD_FILES if name in files}, kind)
        agrees = self_test(fields) == manifest["tokenizer_self_test"]
    except (DataError, ModelError) as error:
        raise ModelError(error.message, where=str(directory / (error.where or MANIFEST))) from error
    if not agrees:
        raise ModelError(
            "the tokenizer does not segment the manifest's test sentences as it did in training",
            where=str(directory),
            hint=f"install sentencepiece {manifest['versions'].get('sentencepiece')}, as in training",
        )
    return fields


def _named(directory: Path, manifest: dict[str, Any]) -> list[str]:
    """The files of the closed list that the manifest names, without what is still to arrive."""
    arrived = {name for name in manifest["pending"] if name in FILES and (directory / name).exists()}
    return [name for name in FILES if name in manifest["files"] or name in arrived]


def _checked_file(directory: Path, name: str, manifest: dict[str, Any]) -> bytes:
    """A file's bytes, when they are what the manifest says."""
    path = directory / name
    try:
        content = read_regular(path, limit=LIMITS.get(name, FIELD_LIMIT))
    except InputMissing as error:
        raise ModelError(f"{name} is missing from the model directory", where=str(path)) from error
    except DataError as error:
        raise of_model(error, str(path)) from error
    entry = entry_of(content)
    known = [manifest[part][name] for part in ("files", "pending") if name in manifest[part]]
    if entry not in known:
        raise ModelError(
            f"{name} is damaged: it has {len(content):,} bytes and its checksum differs from the manifest's",
            where=str(path),
            hint="copy the model again, or train it again with --restart",
        )
    return content
