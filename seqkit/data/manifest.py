"""`corpus.json`: what a corpus directory holds, and the closed list of names that it may hold.

The manifest is written last and names every file with its size and SHA-256. It holds no path and no time, so
the same text gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from seqkit.data.ragged import OFFSETS_SUFFIX, VALUES_SUFFIX
from seqkit.data.tokenizers import CHARACTERS_NAME, SENTENCEPIECE_SUFFIX, Normalization, TokenizerKind
from seqkit.errors import DataError, InputMissing, nearby
from seqkit.files import (
    JSON_LIMIT,
    parse_json,
    parse_sealed_json,
    read_regular,
    sha256,
    to_sealed_json,
)
from seqkit.kinds import KINDS

FORMAT = "seqkit corpus"
VERSION = 1
MANIFEST_NAME = "corpus.json"
Documents = Literal["none", "line", "blank-line", "file"]  # what ends one
DOCUMENTS: tuple[Documents, ...] = typing.get_args(Documents)

VALID_SOURCE_TEXT = "valid.source.txt"
VALID_TARGET_TEXT = "valid.target.txt"
STEMS = ("train.source", "train.target", "valid.source", "valid.target")
# For each kind of tokenizer the names of a joint, a source and a target file.
TOKENIZER_NAMES = {
    SENTENCEPIECE_SUFFIX: ("tokenizer.spm", "source.spm", "target.spm"),
    CHARACTERS_NAME: ("characters.json", "source.characters.json", "target.characters.json"),
}
TOKENIZER_FILES = frozenset(name for names in TOKENIZER_NAMES.values() for name in names)
ARRAY_FILES = frozenset(stem + suffix for stem in STEMS for suffix in (VALUES_SUFFIX, OFFSETS_SUFFIX))
# Whatever else lies in a corpus directory is not ours.
FILE_NAMES = frozenset({MANIFEST_NAME, VALID_SOURCE_TEXT, VALID_TARGET_TEXT}) | TOKENIZER_FILES | ARRAY_FILES

_REMEDY = "prepare the corpus again with --overwrite"


@dataclass(frozen=True)
class FileRecord:
    """The size in bytes and the SHA-256 of one file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class ArrayRecord:
    """A ragged array on disk: `count` sequences, `total` values of the type and shape."""

    dtype: str
    shape: tuple[int, ...]
    count: int
    total: int


@dataclass(frozen=True)
class TokenizerRecord:
    """How the text was cut; `sizes` are of the joint vocabulary, or of the source and the target one."""

    kind: TokenizerKind
    normalization: Normalization
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class FilterRecord:
    """Which training pairs were dropped; a number of 0 is a filter that is off."""

    max_tokens: int
    max_ratio: float
    keep_duplicates: bool
    keep_identical: bool


@dataclass(frozen=True)
class TextRecord:
    """The text of a generation corpus. Characters are those of the normalised text, ends not counted.

    When `documents` is "none" each split is one document, which does not end with END.
    """

    documents: Documents
    train_characters: int
    valid_characters: int
    train_documents: int
    valid_documents: int
    min_count: int  # that a character of the training text needs to be in the vocabulary; 0: it has no say


@dataclass(frozen=True)
class Manifest:
    """The content of `corpus.json`. A translation corpus has `filters`, a generation corpus has `text`."""

    format: str
    version: int
    seqkit: str  # the version that wrote it
    kind: str
    seed: int
    tokenizer: TokenizerRecord
    lines: int  # pairs, or documents, read for training
    kept: int  # of them
    dropped: dict[str, int]  # of them, by reason
    arrays: dict[str, ArrayRecord]  # by stem
    files: dict[str, FileRecord]  # by name
    filters: FilterRecord | None = None
    text: TextRecord | None = None

    def to_bytes(self) -> bytes:
        """The content of the file: what is None is left out."""
        values = dataclasses.asdict(self)
        return to_sealed_json({key: value for key, value in values.items() if value is not None})


def damaged(path: Path, reason: str) -> DataError:
    """The error for a file of a corpus that is not what it should be."""
    return DataError(f"{path.name} is damaged: {reason}", where=str(path), hint=_REMEDY)


def fingerprint(files: Mapping[str, FileRecord]) -> str:
    """A hash over the hashes of all files: the identity of the data."""
    return sha256("".join(f"{name} {files[name].sha256}\n" for name in sorted(files)).encode())


def is_corpus(directory: Path) -> bool:
    """Whether a directory is a seqkit corpus, of any version, and holds nothing else."""
    try:
        value = parse_json(read_regular(directory / MANIFEST_NAME, limit=JSON_LIMIT), MANIFEST_NAME)
    except (DataError, InputMissing):
        return False
    return (
        isinstance(value, dict)
        and value.get("format") == FORMAT
        and all(entry.name in FILE_NAMES and entry.is_file() for entry in directory.iterdir())
    )


def read_manifest(directory: Path) -> Manifest:
    """Read and check `corpus.json`: InputMissing when there is none, DataError when it is no good."""
    path = directory / MANIFEST_NAME
    if not directory.is_dir():
        raise InputMissing(
            f"there is no corpus {directory}",
            where=str(directory),
            hint=nearby(directory, MANIFEST_NAME) or "seqkit prepare makes one",
        )
    if not path.exists() and not path.is_symlink():
        raise DataError(
            f"{directory} is not a corpus: it has no {MANIFEST_NAME}",
            where=str(directory),
            hint="seqkit prepare makes one",
        )
    value = parse_sealed_json(read_regular(path, limit=JSON_LIMIT), str(path))
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise damaged(path, "it does not describe a seqkit corpus")
    if value.get("version") != VERSION:
        raise DataError(
            f"{directory} has corpus format {value.get('version')}; this version of seqkit reads {VERSION}",
            where=str(path),
            hint=_REMEDY,
        )
    try:
        manifest = cast(Manifest, _parse(Manifest, value, "it"))
        if manifest.kind not in KINDS:
            raise ValueError(f"kind is {manifest.kind[:40]!r}")
        _check_names(manifest)
        _check_kind(manifest)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    return manifest


def _check_names(manifest: Manifest) -> None:
    """A manifest may name files and arrays of the closed list only, so none of them lies elsewhere."""
    has_source = KINDS[manifest.kind].has_source
    stems = {stem for stem in STEMS if has_source or stem.endswith("target")}
    needed = {stem + suffix for stem in stems for suffix in (VALUES_SUFFIX, OFFSETS_SUFFIX)}
    needed |= {VALID_SOURCE_TEXT, VALID_TARGET_TEXT} if has_source else set()
    possible = TOKENIZER_FILES if has_source else {joint for joint, _, _ in TOKENIZER_NAMES.values()}
    named = set(manifest.files)
    if set(manifest.arrays) != stems:
        raise ValueError("its arrays are not those of a corpus")
    if unknown := named - needed - possible:
        raise ValueError(f"it names a file that a corpus does not have: {min(unknown)}")
    if missing := needed - named:
        raise ValueError(f"it does not name {min(missing)}")
    for stem, array in manifest.arrays.items():
        if array.dtype not in {"<u2", "<u4"} or array.shape or array.count < 0 or array.total < 0:
            raise ValueError(f"{stem} is not an array of ids")


def _check_kind(manifest: Manifest) -> None:
    """A corpus has the record of its kind, and that agrees with the arrays."""
    text = manifest.text
    has_source = KINDS[manifest.kind].has_source
    if (manifest.filters is not None) != has_source or (text is None) != has_source:
        raise ValueError(f"it is not that of a {manifest.kind} corpus")
    if text is None:
        return
    counts = {"train": text.train_documents, "valid": text.valid_documents}
    if any(manifest.arrays[f"{name}.target"].count != count for name, count in counts.items()):
        raise ValueError("its numbers of documents differ")
    if len(manifest.tokenizer.sizes) != 1:
        raise ValueError("it has two vocabularies")
    if min(text.train_characters, text.valid_characters) < 1 or text.min_count < 0:
        raise ValueError("it counts no text")


def _parse(kind: Any, value: Any, name: str) -> Any:
    """JSON to the type that an annotation names; ValueError says what does not fit."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _parse_record(cast(type[Any], kind), value, name)
    if origin is types.UnionType:  # X | None: None is written by leaving the key out
        return _parse(arguments[0], value, name)
    if origin is Literal:
        if value in arguments and isinstance(value, str):
            return value
    elif origin is tuple:
        if isinstance(value, list):
            return tuple(_parse(arguments[0], item, name) for item in value)
    elif origin is dict:
        if isinstance(value, dict):
            return {key: _parse(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
    elif kind is float and type(value) is int:
        return float(value)
    elif type(value) is kind:
        return value
    raise ValueError(f"{name} is {str(value)[:40]!r}")


def _parse_record(kind: type[Any], value: Any, name: str) -> Any:
    hints = typing.get_type_hints(kind)
    needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    if not isinstance(value, dict) or not needed <= set(value) <= set(hints):
        raise ValueError(f"{name} has unexpected keys")
    return kind(**{key: _parse(hints[key], item, key) for key, item in value.items()})
