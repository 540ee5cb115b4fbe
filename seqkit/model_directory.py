"""A model directory: a closed list of checked files that hold no code.

    manifest.json         versions, size and SHA-256 of every file, tensor hash, tokenizer self-test
    config.json           every setting of the run
    weights.safetensors   the best checkpoint
    shortlist.safetensors which words a word's translation may have, where that was learnt
    tokenizer.spm, …      what the corpus was tokenised with
    metrics.jsonl         a line per validation
    training/             what is needed to continue; may be deleted

Files outside this list are ignored, links are refused, and nothing is parsed before its hash is checked.
"""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqkit import arrays
from seqkit.config import Config, config_from_dict
from seqkit.data.corpus import load_tokenizers
from seqkit.data.manifest import DOCUMENTS
from seqkit.data.tokenizers import Tokenizer
from seqkit.errors import ConfigError, DataError, InputMissing, ModelError, SeqkitError, nearby
from seqkit.files import (
    JSON_LIMIT,
    make_directory,
    parse_json,
    parse_sealed_json,
    read_regular,
    remove_file,
    sha256,
    to_sealed_json,
    write_atomic,
)
from seqkit.kinds import KINDS, Kind
from seqkit.network.blueprint import Blueprint, check_vocabularies
from seqkit.shortlist import Shortlist
from seqkit.version import __version__

if TYPE_CHECKING:
    from seqkit.models import SequenceModel

FORMAT = 1
MANIFEST = "manifest.json"
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
METRICS = "metrics.jsonl"
SHORTLIST = "shortlist.safetensors"
TRAINING = "training"
_TOKENIZERS = (
    "tokenizer.spm",
    "source.spm",
    "target.spm",
    "characters.json",
    "source.characters.json",
    "target.characters.json",
)
_FILES = (CONFIG, WEIGHTS, METRICS, SHORTLIST, *_TOKENIZERS)
LIMITS = {CONFIG: JSON_LIMIT, WEIGHTS: 1 << 34, METRICS: 1 << 28, SHORTLIST: 1 << 30}  # bytes
_TOKENIZER_LIMIT = 1 << 26
_SELF_TEST = ("A man rides a bicycle.", "Zwei Hunde, 3 Bälle: schön!", "naïve ☃ 東京 <s>")


@dataclass(frozen=True)
class Facts:
    """What a manifest says besides checksums."""

    kind: str
    corpus: str  # fingerprint
    size: int = 0  # of the training text, in pairs or characters; 0: versions before 0.7 did not say
    longest_source: int = 0  # tokens, of translation
    documents: str = ""  # of generation: what ends a document of the corpus
    boundary: int = 0  # of generation: the id before a text's first token
    step: int = 0
    epoch: float = 0.0
    scores: tuple[dict[str, Any], ...] = ()  # of the validation text, with signatures


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

        from seqkit.models import build_model
        from seqkit.weights import set_parameters

        smoothing = self.config.training.label_smoothing
        with torch.inference_mode(False):  # weights made within it could not be trained, and add up otherwise
            model = build_model(self.blueprint, self.config.model, label_smoothing=smoothing)
            set_parameters(model, self.weights)
        return model.eval()


class ModelWriter:
    """Publishes files into a model directory so that a reader always finds a whole model.

    Several files cannot be renamed at once. So the manifest first names the coming versions beside the
    present ones ("pending"), then the files change one by one, then a manifest with the new ones alone
    follows: between any two of these steps every file matches one of its two entries.
    """

    def __init__(self, directory: Path, *, fresh: bool) -> None:
        """Go on with what is there, or with `fresh` forget it: a new run begins without weights."""
        self.directory = directory
        self._files: dict[str, dict[str, Any]] = {}
        if not fresh and (directory / MANIFEST).exists():
            manifest = _read_manifest(directory)
            # A writer that was killed may have put some of the coming versions in place.
            arrived = {n: entry for n, entry in manifest["pending"].items() if _is(directory / n, entry)}
            self._files = {**manifest["files"], **arrived}

    def publish(
        self, files: Mapping[str, bytes], facts: Facts, *, tensors_sha256: str, self_test: list[Any]
    ) -> None:
        """Replace `files` by name and describe the directory again."""
        entries = {name: _entry(content) for name, content in files.items()}
        manifest = {
            "format": FORMAT,
            "versions": versions(),
            "facts": {**facts.__dict__, "scores": list(facts.scores)},
            "tensors_sha256": tensors_sha256,
            "tokenizer_self_test": self_test,
        }
        self._write({**manifest, "files": self._files, "pending": entries})
        for name in _FILES:
            if name not in self._files and name not in entries:  # an earlier run's
                remove_file(self.directory / name)
        for name, content in files.items():
            write_atomic(self.directory / name, content)
        self._files = {**self._files, **entries}
        self._write({**manifest, "files": self._files, "pending": {}})

    def _write(self, manifest: dict[str, Any]) -> None:
        write_atomic(self.directory / MANIFEST, to_sealed_json(manifest))


def _entry(content: bytes) -> dict[str, Any]:
    """What a manifest says of a file."""
    return {"sha256": sha256(content), "size": len(content)}


def _is(path: Path, entry: object) -> bool:
    """Whether a file is the one that a manifest's entry describes."""
    try:
        return _entry(read_regular(path, limit=LIMITS.get(path.name, _TOKENIZER_LIMIT))) == entry
    except SeqkitError:
        return False


def versions() -> dict[str, str]:
    """The versions that made a directory."""
    import sentencepiece
    import torch

    return {
        "seqkit": __version__,
        "torch": str(torch.__version__),
        "sentencepiece": sentencepiece.__version__,
        "python": platform.python_version(),
    }


def self_test(*tokenizers: Tokenizer) -> list[Any]:
    """How each tokenizer segments a few fixed strings."""
    return [[[int(i) for i in ids] for ids in tokenizer.encode(list(_SELF_TEST))] for tokenizer in tokenizers]


def create(directory: Path) -> None:
    """Make the directory, or refuse one that holds something else."""
    if directory.is_dir() and not (directory / MANIFEST).exists() and not (directory / TRAINING).is_dir():
        others = [entry.name for entry in directory.iterdir()]
        if others:
            raise ConfigError(
                f"{directory} is not empty and not a model directory (it contains {min(others)!r})",
                where=str(directory),
                hint="name a new directory for the model",
            )
    make_directory(directory / TRAINING)


def add_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Publish files beside those of a finished model, or in the place of some."""
    manifest = _read_manifest(directory)
    ModelWriter(directory, fresh=False).publish(
        files,
        _facts(manifest, directory),
        tensors_sha256=str(manifest.get("tensors_sha256")),
        self_test=manifest["tokenizer_self_test"],
    )


def is_complete(directory: Path) -> bool:
    """Whether a model was published here."""
    return (directory / MANIFEST).exists() and WEIGHTS in _read_manifest(directory)["files"]


def load(directory: Path) -> LoadedModel:
    """Open and check a model directory; its network is built when it is asked for."""
    manifest = _read_manifest(directory)
    while True:
        try:
            return _load(directory, manifest)
        except ModelError:
            # A run may have published the next version after the manifest was read.
            now = _read_manifest(directory)
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
    facts = _facts(manifest, directory)
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
        raise _damaged_facts(directory)
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
        source, target = load_tokenizers({name: files[name] for name in _TOKENIZERS if name in files})
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
    arrived = {name for name in manifest["pending"] if name in _FILES and (directory / name).exists()}
    return [name for name in _FILES if name in manifest["files"] or name in arrived]


def _checked_file(directory: Path, name: str, manifest: dict[str, Any]) -> bytes:
    """A file's bytes, when they are what the manifest says."""
    path = directory / name
    try:
        content = read_regular(path, limit=LIMITS.get(name, _TOKENIZER_LIMIT))
    except InputMissing as error:
        raise ModelError(f"{name} is missing from the model directory", where=str(path)) from error
    except DataError as error:
        raise ModelError(error.message, where=str(path)) from error
    entry = _entry(content)
    known = [manifest[part][name] for part in ("files", "pending") if name in manifest[part]]
    if entry not in known:
        raise ModelError(
            f"{name} is damaged: it has {len(content):,} bytes and its checksum differs from the manifest's",
            where=str(path),
            hint="copy the model again, or train it again with --restart",
        )
    return content


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    if directory.exists() and not directory.is_dir():
        raise ModelError(
            f"{directory} is not a model directory but a file",
            where=str(directory),
            hint="name a directory that seqkit train wrote",
        )
    if not directory.is_dir():
        raise InputMissing(
            f"there is no model directory {directory}",
            where=str(directory),
            hint=nearby(directory, MANIFEST),
        )
    if not path.exists() and not path.is_symlink():
        raise ModelError(
            f"{directory} is not a model directory: it has no {MANIFEST}",
            where=str(directory),
            hint="name a directory that seqkit train wrote",
        )
    try:
        manifest = parse_sealed_json(read_regular(path, limit=JSON_LIMIT), str(path), ModelError)
    except (DataError, InputMissing) as error:
        raise ModelError(error.message, where=str(path)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise ModelError(
            f"the model has format {found!r}; this seqkit reads format {FORMAT}",
            where=str(path),
            hint="install the seqkit version that made it, or train again",
        )
    shape: dict[str, type] = {
        "files": dict,
        "pending": dict,
        "facts": dict,
        "versions": dict,
        "tokenizer_self_test": list,
    }
    if unknown := manifest.keys() - shape.keys() - {"format", "tensors_sha256"}:
        raise ModelError(f"{MANIFEST} is damaged: it has an unknown key {min(unknown)!r}", where=str(path))
    for key, kind in shape.items():
        if not isinstance(manifest.get(key), kind):
            raise ModelError(f"the manifest's {key!r} is missing or of the wrong type", where=str(path))
    return manifest


def read_facts(directory: Path) -> Facts:
    """What the manifest says, without loading the model."""
    return _facts(_read_manifest(directory), directory)


def read_facts_of(directory: Path, kind: Kind) -> Facts:
    """The same of a model of the kind. Raises `ModelError`, with what to do instead, for one of another."""
    facts = read_facts(directory)
    refuse_other_kind(KINDS[facts.kind], kind, directory)
    return facts


def refuse_other_kind(
    found: Kind, wanted: Kind, directory: Path | None = None, hint: str | None = None
) -> None:
    """Raise `ModelError` when a model is of another kind than the one wanted; the hint is its own command."""
    if found is not wanted:
        where = None if directory is None else str(directory)
        raise ModelError(
            f"{'this is' if where is None else f'{where} holds'} {found.model}, not {wanted.model}",
            where=where,
            hint=hint or found.next_command.format(model=shlex.quote(where or "MODEL")),
        )


def read_versions(directory: Path) -> dict[str, str]:
    """The versions that made a model, by name."""
    return {str(name): str(version) for name, version in _read_manifest(directory)["versions"].items()}


def _damaged_facts(directory: Path) -> ModelError:
    return ModelError("the manifest's facts are damaged", where=str(directory / MANIFEST))


def _facts(manifest: dict[str, Any], directory: Path) -> Facts:
    try:
        facts = Facts(**manifest["facts"])
        facts = replace(facts, scores=tuple(facts.scores))
    except TypeError as error:
        raise ModelError(
            f"the manifest's facts are damaged: {error}", where=str(directory / MANIFEST)
        ) from error
    if isinstance(facts.kind, str) and facts.kind not in KINDS:
        raise ModelError(
            f"this is a model for {facts.kind!r}, which this version of seqkit does not know",
            where=str(directory / MANIFEST),
            hint="install the seqkit version that made it",
        )
    whole = all(
        type(number) is int for number in (facts.size, facts.longest_source, facts.boundary, facts.step)
    )
    known = isinstance(facts.kind, str) and all(isinstance(score, dict) for score in facts.scores)
    good = (whole and known) and (
        facts.longest_source > 0
        if KINDS[facts.kind].has_source
        else facts.documents in DOCUMENTS and facts.boundary > 0
    )
    if not good:
        raise _damaged_facts(directory)
    return facts
