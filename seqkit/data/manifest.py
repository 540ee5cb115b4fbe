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

from seqkit.data.forms import FIELD_FILES, ROLES, possible_files
from seqkit.data.ragged import OFFSETS_SUFFIX, VALUES_SUFFIX
from seqkit.data.tokenizers import SUBWORDS, Normalization, Tokenizer, TokenizerKind, is_kind
from seqkit.errors import DataError, InputMissing, nearby
from seqkit.files import (
    JSON_LIMIT,
    parse_json,
    parse_sealed_json,
    read_regular,
    sha256,
    to_sealed_json,
)
from seqkit.kinds import KINDS, Form

FORMAT = "seqkit corpus"
VERSION = 2
TEXT_VERSION = 1  # of corpora that hold text alone, as version 0.1 wrote them
MANIFEST_NAME = "corpus.json"
Documents = Literal["none", "line", "blank-line", "file"]  # what ends one
DOCUMENTS: tuple[Documents, ...] = typing.get_args(Documents)

SHORT_SOURCE, SHORT_TARGET = 100, 32  # tokens on average: a sentence in characters has more

SPLITS = ("train", "valid")
ARRAY_FILES = frozenset(
    f"{split}.{role}{suffix}"
    for split in SPLITS
    for role in ROLES
    for suffix in (VALUES_SUFFIX, OFFSETS_SUFFIX)
)


def valid_text_name(role: str) -> str:
    """The file with the validation text of a field, as it was given."""
    return f"valid.{role}.txt"


# Whatever else lies in a corpus directory is not ours.
FILE_NAMES = frozenset({MANIFEST_NAME, *map(valid_text_name, ROLES), *FIELD_FILES}) | ARRAY_FILES

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
class SideRecord:
    """How the text of one side was cut."""

    kind: TokenizerKind
    normalization: Normalization


@dataclass(frozen=True)
class TokenizerRecord:
    """How the text was cut; `sizes` are of the joint vocabulary, or of the source and the target one.

    `target` is written only where the target was cut otherwise than the source.
    """

    kind: TokenizerKind
    normalization: Normalization
    sizes: tuple[int, ...]
    target: SideRecord | None = None

    @classmethod
    def of(cls, source: Tokenizer, target: Tokenizer) -> TokenizerRecord:
        """That of two tokenizers; a joint vocabulary is the same object twice."""
        sizes = (source.size,) if source is target else (source.size, target.size)
        side = SideRecord(target.kind, target.normalization)
        same = side == SideRecord(source.kind, source.normalization)
        return cls(source.kind, source.normalization, sizes, None if same else side)

    @property
    def sides(self) -> tuple[SideRecord, ...]:
        """How the text was cut: one record for both sides, or that of the source and that of the target."""
        source = SideRecord(self.kind, self.normalization)
        return (source,) if self.target is None else (source, self.target)


@dataclass(frozen=True)
class FieldRecord:
    """What a field was made of: its form, and the columns of the tables that were read."""

    form: Form
    columns: tuple[str, ...]


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
    """The content of `corpus.json`.

    A corpus of text alone has one `tokenizer` record, and `filters` for pairs or `text` for plain text; any
    other describes its `fields`.
    """

    format: str
    version: int
    seqkit: str  # the version that wrote it
    kind: str
    seed: int
    lines: int  # pairs, or documents, read for training
    kept: int  # of them
    dropped: dict[str, int]  # of them, by reason
    arrays: dict[str, ArrayRecord]  # by stem
    files: dict[str, FileRecord]  # by name
    tokenizer: TokenizerRecord | None = None
    filters: FilterRecord | None = None
    text: TextRecord | None = None
    fields: dict[str, FieldRecord] | None = None

    @property
    def is_short(self) -> bool:
        """Whether it holds pairs of short sequences: characters, words or symbols, but no sentences."""
        if self.tokenizer is None or not KINDS[self.kind].has_source:
            return False
        if any(side.kind in SUBWORDS for side in self.tokenizer.sides):
            return False
        source, target = (self.arrays[f"train.{side}"] for side in ("source", "target"))
        return source.total <= SHORT_SOURCE * source.count and target.total <= SHORT_TARGET * target.count

    def to_bytes(self) -> bytes:
        """The content of the file: what is None is left out."""
        return to_sealed_json(_written(dataclasses.asdict(self)))


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
    if value.get("version") not in (TEXT_VERSION, VERSION):
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
    kind = KINDS[manifest.kind]
    stems = {f"{split}.{role}" for split in SPLITS for role in kind.fields}
    needed = {stem + suffix for stem in stems for suffix in (VALUES_SUFFIX, OFFSETS_SUFFIX)}
    needed |= {valid_text_name(role) for role in kind.keeps_text}
    named = set(manifest.files)
    if set(manifest.arrays) != stems:
        raise ValueError("its arrays are not those of a corpus")
    if unknown := named - needed - possible_files(kind):
        raise ValueError(f"it names a file that a corpus does not have: {min(unknown)}")
    if missing := needed - named:
        raise ValueError(f"it does not name {min(missing)}")
    for stem, array in manifest.arrays.items():
        if min(array.count, array.total, *array.shape, 0) < 0:
            raise ValueError(f"{stem} has a negative size")


def _check_kind(manifest: Manifest) -> None:
    """A corpus has the records of its kind, and they agree with the arrays."""
    kind, text = KINDS[manifest.kind], manifest.text
    if manifest.version == VERSION:
        records = manifest.fields or {}
        good = records.keys() == kind.fields.keys() and all(
            record.form in kind.fields[role] for role, record in records.items()
        )
        if not good or manifest.tokenizer or manifest.filters or text:
            raise ValueError(f"it is not that of a {manifest.kind} corpus")
        return
    if manifest.tokenizer is None or any(forms != ("text",) for forms in kind.fields.values()):
        raise ValueError(f"it is not that of a {manifest.kind} corpus")
    for side in manifest.tokenizer.sides:
        if not is_kind(side.kind):
            raise ValueError(f"tokenizer is {side.kind[:40]!r}")
    pairs = "pairs" in kind.parts
    if manifest.fields or (manifest.filters is not None) != pairs or (text is None) != pairs:
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


def _written(values: dict[str, Any]) -> dict[str, Any]:
    """A record as it is written: what is None is left out."""
    return {
        key: _written(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


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
