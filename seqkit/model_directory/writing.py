"""Publishing a model directory so that a reader beside the writer finds a whole model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqkit.data.forms import FIELD_LIMIT
from seqkit.errors import ConfigError, SeqkitError
from seqkit.files import make_directory, read_regular, remove_file, to_sealed_json, write_atomic
from seqkit.model_directory.manifest import FORMAT, Facts, entry_of, facts_in, read_manifest
from seqkit.model_directory.names import FILES, LIMITS, MANIFEST, TRAINING
from seqkit.version import __version__


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
            manifest = read_manifest(directory)
            # A writer that was killed may have put some of the coming versions in place.
            arrived = {n: entry for n, entry in manifest["pending"].items() if _is(directory / n, entry)}
            self._files = {**manifest["files"], **arrived}

    def publish(
        self, files: Mapping[str, bytes], facts: Facts, *, tensors_sha256: str, self_test: list[Any]
    ) -> None:
        """Replace `files` by name and describe the directory again."""
        entries = {name: entry_of(content) for name, content in files.items()}
        manifest = {
            "format": FORMAT,
            "versions": versions(),
            "facts": {**facts.__dict__, "scores": list(facts.scores)},
            "tensors_sha256": tensors_sha256,
            "tokenizer_self_test": self_test,
        }
        self._write({**manifest, "files": self._files, "pending": entries})
        for name in FILES:
            if name not in self._files and name not in entries:  # an earlier run's
                remove_file(self.directory / name)
        for name, content in files.items():
            write_atomic(self.directory / name, content)
        self._files = {**self._files, **entries}
        self._write({**manifest, "files": self._files, "pending": {}})

    def _write(self, manifest: dict[str, Any]) -> None:
        write_atomic(self.directory / MANIFEST, to_sealed_json(manifest))


def _is(path: Path, entry: object) -> bool:
    """Whether a file is the one that a manifest's entry describes."""
    try:
        return entry_of(read_regular(path, limit=LIMITS.get(path.name, FIELD_LIMIT))) == entry
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
    manifest = read_manifest(directory)
    ModelWriter(directory, fresh=False).publish(
        files,
        facts_in(manifest, directory),
        tensors_sha256=str(manifest.get("tensors_sha256")),
        self_test=manifest["tokenizer_self_test"],
    )
