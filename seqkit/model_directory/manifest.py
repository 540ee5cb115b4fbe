"""The manifest of a model directory: what it says of the model and of every file, read and checked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqkit.data.manifest import DOCUMENTS
from seqkit.errors import DataError, InputMissing, ModelError, nearby, of_model
from seqkit.files import JSON_LIMIT, parse_sealed_json, read_regular, sha256
from seqkit.kinds import KINDS, Kind
from seqkit.model_directory.names import MANIFEST

FORMAT = 1


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


def entry_of(content: bytes) -> dict[str, Any]:
    """What a manifest says of a file."""
    return {"sha256": sha256(content), "size": len(content)}


def read_manifest(directory: Path) -> dict[str, Any]:
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
        raise of_model(error, str(path)) from error
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
    return facts_in(read_manifest(directory), directory)


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
    return {str(name): str(version) for name, version in read_manifest(directory)["versions"].items()}


def facts_in(manifest: dict[str, Any], directory: Path) -> Facts:
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
        facts.documents in DOCUMENTS and facts.boundary > 0
        if "streams" in KINDS[facts.kind].parts
        else facts.longest_source > 0
    )
    if not good:
        raise damaged_facts(directory)
    return facts


def damaged_facts(directory: Path) -> ModelError:
    return ModelError("the manifest's facts are damaged", where=str(directory / MANIFEST))
