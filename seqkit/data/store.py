"""A corpus directory that appears whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqkit.data.manifest import is_corpus
from seqkit.errors import OutputError, output_error
from seqkit.files import TEMPORARY_PREFIX, current_umask, make_directory, sync_directory


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
