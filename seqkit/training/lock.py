"""The lock of a model directory's `training/`: one run at a time."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqkit.errors import LockedError, output_error
from seqkit.files import link_refused, make_directory

_LOG = logging.getLogger(__name__)
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}  # some network file systems


@contextmanager
def locked(training: Path) -> Iterator[None]:
    """Hold a training directory; the kernel lets go of it when the process dies, however it dies."""
    make_directory(training)
    path = training / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if path.is_symlink():  # it would be written to, wherever it points
            raise link_refused(path, training.parent) from error
        raise output_error(path, error) from error
    with open(descriptor, "r+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = stream.read(1000).strip() or "unknown"
            raise LockedError(
                f"another run is training {training.parent}",
                where=owner,
                hint="wait for it or stop it; for a second run name another model directory",
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise output_error(path, error) from error
            _LOG.warning(
                "the file system of %s does not support locks: make sure that only one run trains it",
                training.parent,
            )
        try:
            stream.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            stream.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
            stream.flush()
        except OSError as error:
            raise output_error(path, error) from error
        yield
