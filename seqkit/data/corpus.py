"""A corpus directory: token arrays, tokenizers and validation text, described by `corpus.json`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seqkit.data.manifest import (
    FORMAT,
    MANIFEST_NAME,
    TOKENIZER_FILES,
    TOKENIZER_NAMES,
    VALID_SOURCE_TEXT,
    VALID_TARGET_TEXT,
    VERSION,
    ArrayRecord,
    FileRecord,
    FilterRecord,
    Manifest,
    TextRecord,
    TokenizerRecord,
    damaged,
    fingerprint,
    is_corpus,
    read_manifest,
)
from seqkit.data.ragged import VALUES_SUFFIX, HashedFile, RaggedArray, WrittenArray, WrittenFile
from seqkit.data.tokenizers import TOKENIZER_LIMIT, Tokenizer, load_tokenizer
from seqkit.errors import ModelError, OutputError, output_error
from seqkit.files import (
    TEMPORARY_PREFIX,
    current_umask,
    make_directory,
    read_regular,
    sha256,
    sha256_of_file,
    sync_directory,
)
from seqkit.kinds import KINDS, Kind
from seqkit.version import __version__

__all__ = [
    "Corpus",
    "Manifest",
    "Split",
    "create_corpus",
    "load_tokenizers",
    "tokenizer_files",
    "write_manifest",
]

_TEXT_LIMIT = 1 << 30  # bytes of a validation text


@dataclass(frozen=True)
class Split:
    """Training or validation sequences; a generator has no source."""

    source: RaggedArray | None
    target: RaggedArray

    def __len__(self) -> int:
        return len(self.target)

    def first(self, count: int) -> Split:
        """The first `count` sequences, without a copy."""
        return Split(self.source and self.source.first(count), self.target.first(count))


@dataclass(frozen=True)
class Corpus:
    """An opened corpus directory.

    Sentences are stored without START and END. Of a generator the values of a split are one stream of ids,
    in which END ends every document if documents are marked.
    """

    directory: Path
    manifest: Manifest
    tokenizer_files: dict[str, bytes]
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer  # the same object when the vocabulary is joint
    train: Split
    valid: Split

    @classmethod
    def open(cls, directory: str | Path, *, verify: bool = False) -> Corpus:
        """Open a corpus: sizes are always checked; every hash, offset and id too with `verify`.

        Raises InputMissing when there is no such folder, DataError, which names the file, for damage.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        for name, record in manifest.files.items():
            _check_file(directory / name, record, verify=verify)
        files = _read_tokenizers(directory, manifest)
        source_tokenizer, target_tokenizer = load_tokenizers(files)
        train, valid = (_open_split(directory, manifest, name) for name in ("train", "valid"))
        if verify:
            for name, split in (("train", train), ("valid", valid)):
                _check_ids(directory / f"{name}.source{VALUES_SUFFIX}", split.source, source_tokenizer.size)
                _check_ids(directory / f"{name}.target{VALUES_SUFFIX}", split.target, target_tokenizer.size)
        return cls(directory, manifest, files, source_tokenizer, target_tokenizer, train, valid)

    @property
    def kind(self) -> Kind:
        """What the corpus is for."""
        return KINDS[self.manifest.kind]

    @cached_property
    def fingerprint(self) -> str:
        """A hash over the content of all files: the identity of the data."""
        return fingerprint(self.manifest.files)

    def valid_text(self) -> tuple[list[str], list[str]]:
        """The validation lines as they were given, sources and targets; none of a generator."""
        return self._valid_lines(VALID_SOURCE_TEXT), self._valid_lines(VALID_TARGET_TEXT)

    def _valid_lines(self, name: str) -> list[str]:
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


def load_tokenizers(files: Mapping[str, bytes]) -> tuple[Tokenizer, Tokenizer]:
    """The source and target tokenizers of a corpus or model directory, from its files by name.

    A joint vocabulary gives the same object twice. ModelError when the files do not belong together.
    """
    for joint, source, target in TOKENIZER_NAMES.values():
        if set(files) == {joint}:
            tokenizer = load_tokenizer(files[joint], joint)
            return tokenizer, tokenizer
        if set(files) == {source, target}:
            return load_tokenizer(files[source], source), load_tokenizer(files[target], target)
    raise ModelError(
        f"these files are not the tokenizer of a corpus: {', '.join(sorted(files)) or 'none'}",
        hint="there is one joint file, or one for the source and one for the target",
    )


def tokenizer_files(source: Tokenizer, target: Tokenizer) -> dict[str, bytes]:
    """The files that `load_tokenizers` reads back."""
    joint, source_name, target_name = TOKENIZER_NAMES[source.file_name]
    if source is target:
        return {joint: source.to_bytes()}
    return {source_name: source.to_bytes(), target_name: target.to_bytes()}


@contextmanager
def create_corpus(directory: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new folder that becomes the corpus directory when the block ends without an error.

    Until then it lies beside it under a temporary name, and a corpus that is there stays as it is. Raises
    OutputError when the directory exists, unless it is empty, or a corpus that `overwrite` allows to replace;
    whatever else lies there is never deleted.
    """
    final = Path(os.path.realpath(directory))
    _check_free(directory, final, overwrite=overwrite)
    make_directory(final.parent)
    try:
        work = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=final.parent))
    except OSError as error:
        raise output_error(directory, error) from error
    try:
        yield work
        _check_free(directory, final, overwrite=overwrite)
        _install(work, final)
    except OSError as error:
        raise output_error(directory, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_manifest(
    folder: Path,
    kind: Kind,
    tokenizers: tuple[Tokenizer, Tokenizer],
    arrays: Iterable[WrittenArray],
    texts: Iterable[WrittenFile] = (),
    *,
    seed: int,
    lines: int,
    kept: int,
    dropped: dict[str, int],
    filters: FilterRecord | None = None,
    text: TextRecord | None = None,
) -> Manifest:
    """Write the tokenizers, source and target, and then `corpus.json`; both describe what is in `folder`."""
    arrays = list(arrays)
    files = [file for array in arrays for file in array.files] + list(texts)
    files += [_write(folder / name, content) for name, content in tokenizer_files(*tokenizers).items()]
    source, target = tokenizers
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        seqkit=__version__,
        kind=kind.name,
        seed=seed,
        tokenizer=TokenizerRecord(
            source.kind,
            source.normalization,
            (source.size,) if source is target else (source.size, target.size),
        ),
        lines=lines,
        kept=kept,
        dropped=dropped,
        arrays={
            array.stem: ArrayRecord(array.dtype, array.shape, array.count, array.total) for array in arrays
        },
        files={file.name: FileRecord(file.size, file.sha256) for file in files},
        filters=filters,
        text=text,
    )
    _write(folder / MANIFEST_NAME, manifest.to_bytes())
    return manifest


def _write(path: Path, content: bytes) -> WrittenFile:
    with HashedFile(path) as file:
        file.write(content)
        return file.finish()


def _check_free(directory: Path, final: Path, *, overwrite: bool) -> None:
    try:
        if not final.exists() or (final.is_dir() and not any(final.iterdir())):
            return
    except OSError as error:
        raise output_error(directory, error) from error
    if not final.is_dir():
        raise OutputError(
            f"cannot create {directory}: a file is in the way",
            where=str(directory),
            hint="name another directory",
        )
    if not is_corpus(final):
        raise OutputError(
            f"{directory} exists and contains other files; it was not changed",
            where=str(directory),
            hint="name another directory",
        )
    if not overwrite:
        raise OutputError(
            f"the corpus {directory} exists already",
            where=str(directory),
            hint="--overwrite replaces it; or name another directory",
        )


def _install(work: Path, final: Path) -> None:
    """Put the finished folder in its place. Between two renames there is no corpus, never half a one."""
    work.chmod(0o777 & ~current_umask())
    sync_directory(work)
    replaced = None
    if final.exists() and any(final.iterdir()):
        replaced = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=final.parent))
        final.rename(replaced)
    work.rename(final)
    sync_directory(final.parent)
    if replaced is not None:
        shutil.rmtree(replaced, ignore_errors=True)


def _check_file(path: Path, record: FileRecord, *, verify: bool) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise damaged(path, "it is not a regular file")
    if not path.exists():
        raise damaged(path, "it is missing")
    if path.stat().st_size != record.size:
        raise damaged(path, f"it has {path.stat().st_size:,} bytes, expected {record.size:,}")
    if verify and sha256_of_file(path) != record.sha256:
        raise damaged(path, "its content has changed")


def _read_tokenizers(directory: Path, manifest: Manifest) -> dict[str, bytes]:
    files = {}
    for name in sorted(TOKENIZER_FILES & set(manifest.files)):
        files[name] = read_regular(directory / name, limit=TOKENIZER_LIMIT)
        if sha256(files[name]) != manifest.files[name].sha256:  # before a parser sees the bytes
            raise damaged(directory / name, "its content has changed")
    return files


def _open_split(directory: Path, manifest: Manifest, name: str) -> Split:
    sides = []
    for stem in (f"{name}.source", f"{name}.target"):
        if stem in manifest.arrays:
            record = manifest.arrays[stem]
            sides.append(
                RaggedArray.open(directory, stem, dtype=record.dtype, count=record.count, total=record.total)
            )
    if len({len(side) for side in sides}) > 1:
        raise damaged(directory / MANIFEST_NAME, f"the two sides of {name} differ in length")
    return Split(sides[0] if len(sides) > 1 else None, sides[-1])


def _check_ids(path: Path, array: RaggedArray | None, vocabulary_size: int) -> None:
    if array is not None and (reason := array.check(vocabulary_size)):
        raise damaged(path, f"it has {reason}")
