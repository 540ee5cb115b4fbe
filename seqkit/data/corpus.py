"""A corpus directory: an array per split and field, what each field needs, and `corpus.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seqkit.data.field import Field
from seqkit.data.forms import FIELD_FILES, FIELD_LIMIT, load_fields, tokenizer_of
from seqkit.data.manifest import (
    MANIFEST_NAME,
    SPLITS,
    FileRecord,
    Manifest,
    damaged,
    fingerprint,
    read_manifest,
    valid_text_name,
)
from seqkit.data.ragged import VALUES_SUFFIX, RaggedArray
from seqkit.data.tokenizers import Tokenizer
from seqkit.files import link_refused, read_regular, sha256, sha256_of_file
from seqkit.kinds import KINDS, Kind

__all__ = ["Corpus", "Manifest", "Split"]

_TEXT_LIMIT = 1 << 30  # bytes of a validation text


@dataclass(frozen=True)
class Split:
    """Training or validation examples: the sequences of each field, as many of each."""

    arrays: Mapping[str, RaggedArray]

    @property
    def source(self) -> RaggedArray | None:
        """What is read, where an example has such a thing."""
        return self.arrays.get("source")

    @property
    def target(self) -> RaggedArray:
        """What is to be predicted."""
        return self.arrays["target"]

    def __len__(self) -> int:
        return len(self.target)

    def first(self, count: int) -> Split:
        """The first `count` examples, without a copy."""
        return Split({role: array.first(count) for role, array in self.arrays.items()})


@dataclass(frozen=True)
class Corpus:
    """An opened corpus directory.

    Sentences are stored without START and END. Of a generator the values of a split are one stream of ids,
    in which END ends every document if documents are marked. A joint vocabulary is one object in `fields`.
    """

    directory: Path
    manifest: Manifest
    fields: Mapping[str, Field]
    train: Split
    valid: Split

    @classmethod
    def open(cls, directory: str | Path, *, verify: bool = False) -> Corpus:
        """Open a corpus: sizes are always checked; every hash, offset and value too with `verify`.

        Raises InputMissing when there is no such folder, DataError, which names the file, for damage.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        for name, record in manifest.files.items():
            _check_file(directory / name, record, verify=verify)
        fields = load_fields(_read_field_files(directory, manifest), KINDS[manifest.kind])
        train, valid = (_open_split(directory, manifest, fields, name) for name in SPLITS)
        if verify:
            for name, split in zip(SPLITS, (train, valid), strict=True):
                for role, array in split.arrays.items():
                    if reason := fields[role].check(array):
                        raise damaged(directory / f"{name}.{role}{VALUES_SUFFIX}", f"it has {reason}")
        return cls(directory, manifest, fields, train, valid)

    @property
    def kind(self) -> Kind:
        """What the corpus is for."""
        return KINDS[self.manifest.kind]

    @property
    def source_tokenizer(self) -> Tokenizer:
        """Of a source of text."""
        return tokenizer_of(self.fields, "source")

    @property
    def target_tokenizer(self) -> Tokenizer:
        """Of a target of text."""
        return tokenizer_of(self.fields, "target")

    @cached_property
    def fingerprint(self) -> str:
        """A hash over the content of all files: the identity of the data."""
        return fingerprint(self.manifest.files)

    def valid_text(self, role: str) -> list[str]:
        """The validation lines of a field as they were given; none where they are not kept."""
        name = valid_text_name(role)
        if name not in self.manifest.files:
            return []
        content = read_regular(self.directory / name, limit=_TEXT_LIMIT)
        try:
            lines = content.decode("utf-8").split("\n")[:-1]
        except UnicodeDecodeError as error:
            raise damaged(self.directory / name, "it is not UTF-8") from error
        if len(lines) != len(self.valid):
            raise damaged(self.directory / name, f"it has {len(lines):,} lines, expected {len(self.valid):,}")
        return lines


def _check_file(path: Path, record: FileRecord, *, verify: bool) -> None:
    if path.is_symlink():
        raise link_refused(path, path.parent)
    if path.exists() and not path.is_file():
        raise damaged(path, "it is not a regular file")
    if not path.exists():
        raise damaged(path, "it is missing")
    if path.stat().st_size != record.size:
        raise damaged(path, f"it has {path.stat().st_size:,} bytes, expected {record.size:,}")
    if verify and sha256_of_file(path) != record.sha256:
        raise damaged(path, "its content has changed")


def _read_field_files(directory: Path, manifest: Manifest) -> dict[str, bytes]:
    files = {}
    for name in sorted(set(FIELD_FILES) & set(manifest.files)):
        files[name] = read_regular(directory / name, limit=FIELD_LIMIT)
        if sha256(files[name]) != manifest.files[name].sha256:  # before a parser sees the bytes
            raise damaged(directory / name, "its content has changed")
    return files


def _open_split(directory: Path, manifest: Manifest, fields: Mapping[str, Field], name: str) -> Split:
    arrays = {}
    for role, field in fields.items():
        stem = f"{name}.{role}"
        record = manifest.arrays[stem]
        if (record.dtype, record.shape) != (field.dtype.str, field.shape):
            raise damaged(directory / MANIFEST_NAME, f"{stem} does not hold what its field describes")
        arrays[role] = RaggedArray.open(
            directory, stem, dtype=record.dtype, shape=record.shape, count=record.count, total=record.total
        )
    if len({len(array) for array in arrays.values()}) > 1:
        raise damaged(directory / MANIFEST_NAME, f"the two sides of {name} differ in length")
    return Split(arrays)
