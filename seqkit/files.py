"""Reading and writing files so that a crash, a full disk or a hostile directory can do no harm.

Every file of ours goes through `write_atomic` or `atomic_writer`: a temporary name beside the final one,
`sync_file`, rename, `sync_directory`. A reader sees the old file or the new one, never a part. For files that
users name there is `output_writer`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from seqkit.errors import DataError, SeqkitError, input_error, output_error

TEMPORARY_PREFIX = ".tmp-"
_CHECKSUM = "checksum"
JSON_LIMIT = 1 << 20  # bytes; a larger JSON or TOML file of ours is damaged or hostile


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes its final name only when the block ends without an error.

    It has the mode of the file that it replaces, and its owner and group where the system lets it.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            sync_file(stream)
        _take_over(path, temporary)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def output_writer(path: Path) -> Iterator[BinaryIO]:
    """`atomic_writer` for a file that a user names, which may be writable where its folder is not.

    Such a file is overwritten when the block has ended without an error; until then the content is in a
    temporary file elsewhere.
    """
    if _can_be_replaced(path):
        with atomic_writer(path) as stream:
            yield stream
        return
    try:
        with tempfile.TemporaryFile() as stream:
            yield stream
            stream.seek(0)
            with open(path, "wb") as target:
                shutil.copyfileobj(stream, target)
                sync_file(target)
    except OSError as error:
        raise output_error(path, error) from error


def _can_be_replaced(path: Path) -> bool:
    """Whether another file may take a file's place: not in a folder that is not ours, nor over a mount."""
    effective = os.access in os.supports_effective_ids
    if not path.exists() or not os.access(path, os.W_OK, effective_ids=effective):
        return True  # or an error that says why not
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=effective) or path.is_mount():
        return False
    folder = path.parent.stat()
    sticky = folder.st_mode & stat.S_ISVTX  # as in /tmp
    return not sticky or os.geteuid() in {0, folder.st_uid, path.stat().st_uid}


def _take_over(path: Path, temporary: Path) -> None:
    """Give a new file the mode and the owner of the one that it replaces, or those of any new file."""
    try:
        before = path.lstat()
    except FileNotFoundError:
        temporary.chmod(0o666 & ~current_umask())
        return
    if not stat.S_ISREG(before.st_mode):  # a link, whose own mode says nothing
        temporary.chmod(0o666 & ~current_umask())
        return
    now = temporary.stat()
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        for owner in (before.st_uid, -1):  # whoever may not give it away may still give it to a group of his
            with suppress(OSError):
                os.chown(temporary, owner, before.st_gid)
                break
    temporary.chmod(stat.S_IMODE(before.st_mode) & 0o777)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file durably under its final name."""
    with atomic_writer(path) as stream:
        stream.write(content)


def sync_file(stream: BinaryIO) -> None:
    """Put what was written to a file on the disk. Raises `OSError` when the disk cannot take it."""
    stream.flush()
    _sync(stream.fileno())


def sync_directory(path: Path) -> None:
    """Make renames inside a directory durable, where its file system knows how.

    Some network and FUSE file systems refuse the call for every directory: there is no more to be had there.
    Raises `OSError` for any other trouble.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


# What a file system says that does not have a call.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.ENOTTY, errno.EOPNOTSUPP}


def _sync(descriptor: int) -> None:
    """fsync, or what is as good.

    On macOS fsync hands the bytes to the drive, which may keep them in its cache and write them in any order;
    F_FULLFSYNC waits until they are on the disk (fsync(2) and fcntl(2) there). Not every file system has it.
    """
    full_sync: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        try:
            fcntl.fcntl(descriptor, full_sync)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    os.fsync(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory and its parents, or say why it cannot be created."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def remove_file(path: Path) -> None:
    """Delete a file that may be there, or say why it cannot be deleted."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def remove_temporaries(directory: Path) -> None:
    """Delete what a killed writer left behind. The caller holds the directory's lock."""
    for leftover in directory.glob(TEMPORARY_PREFIX + "*"):
        with suppress(OSError):
            leftover.unlink()


def read_regular(path: Path, *, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; links, pipes and devices are refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise link_refused(path, path.parent) from error
        raise input_error(path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path.name} is not a regular file", where=str(path))
        if status.st_size > limit:
            raise DataError(
                f"{path.name} has {status.st_size:,} bytes, more than the {limit:,} that it may have",
                where=str(path),
            )
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(status.st_size)
    except OSError as error:
        raise input_error(path, error) from error
    finally:
        os.close(descriptor)


def link_refused(path: Path, directory: Path) -> DataError:
    """The error for a link in a corpus or a model directory, such as a cache of downloads is made of."""
    copying = f"cp -rL {shlex.quote(str(directory))} COPY"
    hint = f"copy the files that the links stand for, then use the copy: {copying}"
    if not path.exists():
        hint = f"it leads nowhere: fetch what it stands for (dvc pull, git annex get), then {copying}"
    return DataError(f"{path.name} is a link, which is refused here", where=str(path), hint=hint)


def sha256(content: bytes | memoryview) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read in bounded memory."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise input_error(path, error) from error


def to_json(value: Any) -> bytes:
    """Canonical JSON for our own files: sorted keys, two spaces, no NaN, one final newline."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def parse_json(content: bytes, name: str, error_class: type[SeqkitError] = DataError) -> Any:
    """Parse JSON strictly: no NaN, no duplicate keys, no runaway nesting or numbers."""
    try:
        return json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_refuse_duplicates,
        )
    except (ValueError, RecursionError) as error:
        raise error_class(f"{name} is not valid JSON: {str(error)[:200]}", where=name) from error


def to_sealed_json(value: Mapping[str, Any]) -> bytes:
    """`to_json` of an object and of a checksum of it, so that a single flipped bit is found."""
    return to_json({**value, _CHECKSUM: sha256(to_json(value))})


def parse_sealed_json(content: bytes, name: str, error_class: type[SeqkitError] = DataError) -> Any:
    """`parse_json`, with the checksum checked and taken out where there is one.

    Versions before 0.5 wrote none; whoever reads must refuse keys that he does not know, so that a flipped
    bit cannot make the checksum another key.
    """
    value = parse_json(content, name, error_class)
    if isinstance(value, dict) and _CHECKSUM in value:
        rest = {key: item for key, item in value.items() if key != _CHECKSUM}
        if to_sealed_json(rest) != content:
            raise error_class(f"{name} is damaged: it does not match its own checksum", where=name)
        return rest
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large for a number")
    return value


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def current_umask() -> int:
    """The permissions that new files and directories do not get."""
    # The mask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
