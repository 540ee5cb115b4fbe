"""Opening a model directory: files by hash, configuration, tokenizers, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqkit.config import Config, config_from_dict
from seqkit.data.corpus import load_tokenizers
from seqkit.data.tokenizers import Tokenizer
from seqkit.errors import ConfigError, DataError, InputMissing, ModelError
from seqkit.files import parse_json, read_regular
from seqkit.kinds import KINDS, Kind
from seqkit.model_directory.manifest import Facts, damaged_facts, entry_of, facts_in, read_manifest
from seqkit.model_directory.names import (
    CONFIG,
    FILES,
    LIMITS,
    MANIFEST,
    SHORTLIST,
    TOKENIZER_LIMIT,
    TOKENIZERS,
    WEIGHTS,
)
from seqkit.model_directory.selftest import self_test
from seqkit.network import arrays
from seqkit.network.blueprint import Blueprint, check_vocabularies
from seqkit.network.shortlist import Shortlist

if TYPE_CHECKING:
    from seqkit.nn.model import SequenceModel


@dataclass(frozen=True)
class LoadedModel:
    """Everything that is needed to run a model; a generator has one tokenizer, under both names.

    `weights` are the parameters by name, or a network in training, whose present ones they are then.
    """

    weights: Mapping[str, np.ndarray] | SequenceModel
    config: Config
    facts: Facts
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    shortlist: Shortlist | None = None

    @property
    def kind(self) -> Kind:
        """The kind's declaration."""
        return KINDS[self.facts.kind]

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
        source, target = self.source_tokenizer.size, self.target_tokenizer.size
        return Blueprint.of(self.kind, self.config.model, source, target)

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
    try:
        config = config_from_dict(
            parse_json(files[CONFIG], str(directory / CONFIG), ModelError),
            str(directory / CONFIG),
            KINDS[facts.kind],
        )
        source, target = _tokenizers(directory, files, manifest)
        check_vocabularies(config.model, joint=source is target)
    except ConfigError as error:
        raise ModelError(error.message, where=str(directory / CONFIG)) from error
    if facts.boundary >= target.size or not (KINDS[facts.kind].has_source or source is target):
        raise damaged_facts(directory)
    shapes = Blueprint.of(KINDS[facts.kind], config.model, source.size, target.size).shapes()
    parameters = arrays.float_arrays(files[WEIGHTS], shapes, str(directory / WEIGHTS))
    shortlist = None
    if SHORTLIST in files:
        where = str(directory / SHORTLIST)
        shortlist = Shortlist.from_bytes(files[SHORTLIST], source.size, target.size, where)
    return LoadedModel(parameters, config, facts, source, target, shortlist)


def _tokenizers(
    directory: Path, files: Mapping[str, bytes], manifest: dict[str, Any]
) -> tuple[Tokenizer, Tokenizer]:
    try:
        source, target = load_tokenizers({name: files[name] for name in TOKENIZERS if name in files})
        tokenizers = [source] if source is target else [source, target]
        agrees = self_test(*tokenizers) == manifest["tokenizer_self_test"]
    except (DataError, ModelError) as error:
        raise ModelError(error.message, where=str(directory / (error.where or MANIFEST))) from error
    if not agrees:
        raise ModelError(
            "the tokenizer does not segment the manifest's test sentences as it did in training",
            where=str(directory),
            hint=f"install sentencepiece {manifest['versions'].get('sentencepiece')}, as in training",
        )
    return source, target


def _named(directory: Path, manifest: dict[str, Any]) -> list[str]:
    """The files of the closed list that the manifest names, without what is still to arrive."""
    arrived = {name for name in manifest["pending"] if name in FILES and (directory / name).exists()}
    return [name for name in FILES if name in manifest["files"] or name in arrived]


def _checked_file(directory: Path, name: str, manifest: dict[str, Any]) -> bytes:
    """A file's bytes, when they are what the manifest says."""
    path = directory / name
    try:
        content = read_regular(path, limit=LIMITS.get(name, TOKENIZER_LIMIT))
    except InputMissing as error:
        raise ModelError(f"{name} is missing from the model directory", where=str(path)) from error
    except DataError as error:
        raise ModelError(error.message, where=str(path)) from error
    entry = entry_of(content)
    known = [manifest[part][name] for part in ("files", "pending") if name in manifest[part]]
    if entry not in known:
        raise ModelError(
            f"{name} is damaged: it has {len(content):,} bytes and its checksum differs from the manifest's",
            where=str(path),
            hint="copy the model again, or train it again with --restart",
        )
    return content
