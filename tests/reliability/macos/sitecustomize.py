"""Makes a Python on Linux lack what macOS lacks. Python imports this file by itself when it is on the path.

Names are gone, files are not there, and what macOS has but must not be used there is an error. File MACOS_LOG
gets a line for every process that is started and for every file that is written through to the disk.
"""

import errno
import fcntl
import os
import select
import signal
import sys
import sysconfig
from types import ModuleType
from typing import Any

# What os, select and signal have on Linux alone (docs.python.org, "Availability").
LINUX_ONLY: dict[Any, tuple[str, ...]] = {
    os: (
        *(
            "sched_getaffinity",
            "sched_setaffinity",
            "sched_getscheduler",
            "sched_setscheduler",
            "sched_getparam",
        ),
        *(
            "posix_fadvise",
            "posix_fallocate",
            "memfd_create",
            "pipe2",
            "copy_file_range",
            "splice",
            "eventfd",
        ),
        *("fdatasync", "getrandom", "pidfd_open", "setns", "unshare", "getresuid", "getresgid"),
        *("getxattr", "setxattr", "listxattr", "removexattr"),
        *("O_TMPFILE", "O_DIRECT", "O_PATH", "O_NOATIME", "O_LARGEFILE", "O_RSYNC"),
    ),
    select: ("epoll", *(name for name in dir(select) if name.startswith("EPOLL"))),
    signal: (
        *("sigtimedwait", "sigwaitinfo", "SIGPWR", "SIGSTKFLT", "SIGPOLL", "SIGCLD", "SIGRTMIN", "SIGRTMAX"),
        "pidfd_send_signal",
    ),
    fcntl: tuple(name for name in dir(fcntl) if name.startswith(("F_SEAL", "F_ADD_SEALS", "F_SETPIPE"))),
}
for module, names in LINUX_ONLY.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

_FULL_SYNC = 51
_real_fcntl, _real_spawn, _real_fsync = fcntl.fcntl, os.posix_spawn, os.fsync


def _note(line: str) -> None:
    with open(os.environ["MACOS_LOG"], "a", encoding="utf-8") as log:
        log.write(line + "\n")


def _fork() -> int:
    raise AssertionError("fork after native libraries have started is not safe on macOS")


def _spawn(program: Any, words: Any, *rest: Any, **named: Any) -> int:
    _note("started " + " ".join(map(str, words[1:])))
    return _real_spawn(program, words, *rest, **named)


def _fcntl(descriptor: Any, command: int, argument: Any = 0) -> Any:
    if command == _FULL_SYNC:
        _real_fsync(descriptor)
        _note("full sync")
        return 0
    return _real_fcntl(descriptor, command, argument)


def _fsync(descriptor: Any) -> None:
    _note("fsync alone")
    _real_fsync(descriptor)


def _no_linux_files(event: str, arguments: tuple[Any, ...]) -> None:
    """There is no /proc and no /sys."""
    if event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], str | bytes):
        path = os.fsdecode(arguments[0])
        if path in {"/proc", "/sys"} or path.startswith(("/proc/", "/sys/")):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


os.fork = os.forkpty = _fork  # type: ignore[assignment]
os.posix_spawn = _spawn
os.fsync = _fsync
fcntl.F_FULLFSYNC = _FULL_SYNC  # type: ignore[misc]
fcntl.fcntl = _fcntl
sys.addaudithook(_no_linux_files)
# Python's own library asks the system's on macOS: for its facts, and for proxies.
sysconfig.get_config_vars()
sys.modules["_scproxy"] = ModuleType("_scproxy")
vars(sys.modules["_scproxy"]).update(_get_proxies=dict, _get_proxy_settings=dict)
sys.platform = "darwin"
