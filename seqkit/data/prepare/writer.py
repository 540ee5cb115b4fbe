"""One writer for all corpora: rows of named fields to the arrays of each split, and then the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from seqkit.data.field import Field
from seqkit.data.forms import field_files
from seqkit.data.manifest import (
    FORMAT,
    MANIFEST_NAME,
    SPLITS,
    TEXT_VERSION,
    VERSION,
    ArrayRecord,
    FieldRecord,
    FileRecord,
    FilterRecord,
    Manifest,
    TextRecord,
    TokenizerRecord,
    valid_text_name,
)
from seqkit.data.ragged import Array, HashedFile, RaggedWriter, WrittenArray, WrittenFile
from seqkit.data.tokenizers import Tokenizer
from seqkit.kinds import Kind
from seqkit.version import __version__


@dataclass(frozen=True)
class Counts:
    """The examples, or documents, that were read for training; those kept; those dropped, by reason."""

    lines: int
    kept: int
    dropped: dict[str, int]


class CorpusWriter:
    """Writes the arrays of a corpus in a folder, in bounded memory. A context manager.

    `arrays` are the open arrays by split and field. The validation text of the kind's searched fields is kept
    as it is given.
    """

    def __init__(self, folder: Path, kind: Kind, fields: Mapping[str, Field]) -> None:
        self._folder, self._kind, self._fields = folder, kind, fields
        self._files = ExitStack()
        self.arrays = {
            (split, role): self._files.enter_context(
                RaggedWriter(folder, f"{split}.{role}", field.dtype, field.shape)
            )
            for split in SPLITS
            for role, field in fields.items()
        }
        self._texts = {
            role: self._files.enter_context(HashedFile(folder / valid_text_name(role)))
            for role in kind.keeps_text
        }
        self._written: list[WrittenFile] = []
        self._finished: dict[str, WrittenArray] = {}

    def __enter__(self) -> CorpusWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def append(
        self,
        split: str,
        rows: Mapping[str, Sequence[Array]],
        lines: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Write examples, each field's values (T, *) of every one, and their text where that is kept."""
        for role, sequences in rows.items():
            self.arrays[split, role].append(sequences)
        if split == "valid":
            for role, file in self._texts.items():
                file.write("".join(f"{line}\n" for line in (lines or {})[role]).encode())

    def finish(self) -> dict[str, WrittenArray]:
        """Make the arrays and texts durable, and describe the arrays by stem."""
        self._finished = {array.stem: array.finish() for array in self.arrays.values()}
        self._written = [file.finish() for file in self._texts.values()]
        return self._finished

    def describe(
        self,
        counts: Counts,
        *,
        seed: int,
        filters: FilterRecord | None = None,
        text: TextRecord | None = None,
        columns: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Manifest:
        """Write the files of the fields and then `corpus.json`, which describes what was finished.

        `columns` are those that each field was read from, of a corpus that is no text alone.
        """
        files = [file for array in self._finished.values() for file in array.files] + self._written
        files += [_write(self._folder / name, content) for name, content in field_files(self._fields).items()]
        records = None
        if columns is not None:
            records = {role: FieldRecord(field.form, columns[role]) for role, field in self._fields.items()}
        manifest = Manifest(
            format=FORMAT,
            version=TEXT_VERSION if records is None else VERSION,
            seqkit=__version__,
            kind=self._kind.name,
            seed=seed,
            lines=counts.lines,
            kept=counts.kept,
            dropped=counts.dropped,
            arrays={
                stem: ArrayRecord(array.dtype, array.shape, array.count, array.total)
                for stem, array in self._finished.items()
            },
            files={file.name: FileRecord(file.size, file.sha256) for file in files},
            tokenizer=_tokenizer_record(self._fields) if records is None else None,
            filters=filters,
            text=text,
            fields=records,
        )
        _write(self._folder / MANIFEST_NAME, manifest.to_bytes())
        return manifest


def _tokenizer_record(fields: Mapping[str, Field]) -> TokenizerRecord:
    tokenizers: list[Tokenizer] = list(fields.values())  # type: ignore[arg-type]
    return TokenizerRecord.of(tokenizers[0], tokenizers[-1])


def _write(path: Path, content: bytes) -> WrittenFile:
    with HashedFile(path) as file:
        file.write(content)
        return file.finish()
