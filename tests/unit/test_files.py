"""The file layer: whole files or none, nothing but regular files, and strict JSON."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit import files
from seqkit.errors import DataError, ExitCode, InputMissing, ModelError, OutputError, StorageError
from seqkit.files import (
    atomic_writer,
    output_writer,
    parse_json,
    read_regular,
    remove_temporaries,
    sha256,
    sha256_of_file,
    to_json,
    write_atomic,
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with atomic_writer(path) as stream:
        stream.write(b"new, but only ")
        stream.flush()
        assert path.read_bytes() == b"old"
        stream.write(b"when all is written")
    assert path.read_bytes() == b"new, but only when all is written"
    assert names(tmp_path) == {"file"}


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", b"")
        assert files.current_umask() == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_the_mode_of_what_is_replaced_stays(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    for writer in (atomic_writer, output_writer):
        with writer(path) as stream:
            stream.write(b"new")
        assert path.stat().st_mode & 0o777 == mode
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_what_is_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0o600)
    os.chown(path, 65534, 65533)
    write_atomic(path, b"new")
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65533, 0o600)


IN_A_FOLDER_OF_OTHERS = """
import os, sys
from pathlib import Path
from seqkit.files import output_writer
path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    with output_writer(path) as stream:
        stream.write(b"half")
        raise RuntimeError
except RuntimeError:
    print(path.read_bytes())
with output_writer(path) as stream:
    stream.write(b"new")
"""


@pytest.mark.parametrize("sticky", [False, True])
def test_a_writable_file_in_an_unwritable_folder(tmp_path: Path, sticky: bool) -> None:
    """It is overwritten, and only once all is there; others cannot be replaced in a sticky folder."""
    if sticky and os.geteuid() != 0:
        pytest.skip("only root may give files away")
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "file"
    path.write_bytes(b"the old content")
    path.chmod(0o666)
    folder.chmod(0o1777 if sticky else 0o555)
    each = tmp_path
    while os.geteuid() == 0 and each != each.parent:
        each.chmod(each.stat().st_mode | 0o111)  # of the test's own folders: others may pass
        each = each.parent
    try:
        done = subprocess.run(
            [sys.executable, "-c", IN_A_FOLDER_OF_OTHERS, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'the old content'\n", "")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o666
    assert names(folder) == {"file"}


@pytest.mark.parametrize("error", [ValueError("ours"), KeyboardInterrupt(), DataError("text")])
def test_an_error_in_the_middle_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def write() -> None:
        with atomic_writer(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"file"}


def test_the_order_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor: int) -> None:
        events.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name.split("-")[0])
        sync(descriptor)

    def noted_replace(source: Any, target: Any) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    folder = tmp_path / "folder"
    folder.mkdir()
    write_atomic(folder / "file", b"content")
    assert events == ["sync .tmp", "rename", "sync folder"]


UNSUPPORTED = [errno.EINVAL, errno.ENOTSUP, errno.ENOTTY, errno.ENOSYS]
FULL_SYNC = 51  # F_FULLFSYNC of macOS


class Syncs:
    """What is asked of the disk: `fsync` of this system, and `full`, which macOS alone has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusals: dict[tuple[str, str], int]) -> None:
        """`refusals` are the error numbers for (call, "file" or "directory")."""
        self.calls: list[tuple[str, str]] = []
        self._refusals = refusals
        monkeypatch.setattr(os, "fsync", lambda descriptor: self._answer("fsync", descriptor))
        monkeypatch.setattr(files.fcntl, "fcntl", self._fcntl)

    def _fcntl(self, descriptor: int, command: int) -> int:
        assert command == FULL_SYNC
        self._answer("full", descriptor)
        return 0

    def _answer(self, call: str, descriptor: int) -> None:
        what = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        self.calls.append((call, what))
        if (call, what) in self._refusals:
            raise OSError(self._refusals[call, what], "refused")


def test_where_fsync_is_not_enough_the_drive_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.fcntl, "F_FULLFSYNC", FULL_SYNC, raising=False)
    syncs = Syncs(monkeypatch, {})
    write_atomic(tmp_path / "file", b"content")
    assert syncs.calls == [("full", "file"), ("full", "directory")]


@pytest.mark.parametrize("number", UNSUPPORTED)
def test_a_file_system_without_the_full_call_gets_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(files.fcntl, "F_FULLFSYNC", FULL_SYNC, raising=False)
    syncs = Syncs(monkeypatch, {("full", "file"): number, ("full", "directory"): number})
    write_atomic(tmp_path / "file", b"content")
    assert syncs.calls == [(call, what) for what in ("file", "directory") for call in ("full", "fsync")]


@pytest.mark.parametrize("refused", [("full", "file"), ("full", "directory"), ("fsync", "directory")])
def test_a_broken_disk_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, str]
) -> None:
    if refused[0] == "full":
        monkeypatch.setattr(files.fcntl, "F_FULLFSYNC", FULL_SYNC, raising=False)
    syncs = Syncs(monkeypatch, {refused: errno.EIO})
    with pytest.raises(StorageError, match="refused"):
        write_atomic(tmp_path / "file", b"content")
    assert syncs.calls[-1] == refused  # and nothing after it


@pytest.mark.parametrize("number", UNSUPPORTED)
def test_a_file_system_that_cannot_sync_directories_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    syncs = Syncs(monkeypatch, {("fsync", "directory"): number})
    write_atomic(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert syncs.calls == [("fsync", "file"), ("fsync", "directory")]
    syncs = Syncs(monkeypatch, {("fsync", "file"): number})
    with pytest.raises(StorageError):  # of a file it would mean that nothing is safe
        write_atomic(tmp_path / "file", b"other")


def test_a_full_disk_is_a_storage_error_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_atomic(path, b"new")
    assert caught.value.exit_code == ExitCode.IO_ERROR
    assert caught.value.where == str(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"file"}


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        write_atomic(tmp_path / "none" / "file", b"")
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        files.make_directory(tmp_path / "file" / "below")


def test_writing_over_a_link_replaces_the_link_not_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    write_atomic(link, b"new")
    assert target.read_bytes() == b"precious"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    for name in (".tmp-abc", ".tmp-", "kept", "kept.tmp-1"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".tmp-folder").mkdir()  # a folder of that name is not the file writer's
    remove_temporaries(tmp_path)
    assert names(tmp_path) == {"kept", "kept.tmp-1", ".tmp-folder"}


def test_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "empty").write_bytes(b"")
    assert read_regular(tmp_path / "file", limit=5) == b"12345"
    assert read_regular(tmp_path / "empty", limit=0) == b""


def odd_files(folder: Path) -> dict[str, Path]:
    """One of each kind that is not to be read."""
    (folder / "regular").write_bytes(b"123456")
    (folder / "link").symlink_to(folder / "regular")
    (folder / "dangling").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe")
    (folder / "directory").mkdir()
    found = {path.name: path for path in folder.iterdir()}
    return {**found, "device": Path("/dev/zero")}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("link", "link is a link, which is refused here"),
        ("dangling", "dangling is a link, which is refused here"),
        ("pipe", "pipe is not a regular file"),
        ("directory", "directory is not a regular file"),
        ("device", "zero is not a regular file"),
        ("regular", "regular has 6 bytes, more than the 5 that it may have"),
    ],
)
def test_everything_else_is_refused_at_once(tmp_path: Path, name: str, message: str) -> None:
    path = odd_files(tmp_path)[name]
    open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(DataError) as caught:
        read_regular(path, limit=5)
    assert caught.value.message == message
    assert caught.value.where == str(path)
    assert len(os.listdir("/proc/self/fd")) == open_files  # noqa: PTH208


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"")
    with pytest.raises(InputMissing) as caught:
        read_regular(tmp_path / "confg.json", limit=5)
    assert caught.value.hint == "did you mean config.json?"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b'{"a": 1, "a": 2}',
        b'{"x": [{"b": 1, "b": 1}]}',
        b"[" * 100_000,
        b"1" * 5000,
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{'a': 1}",
        b"[1,]",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_json_is_strict(content: bytes) -> None:
    with pytest.raises(DataError, match=r"facts\.json is not valid JSON") as caught:
        parse_json(content, "facts.json")
    assert len(caught.value.message) < 300
    with pytest.raises(ModelError):
        parse_json(content, "facts.json", ModelError)


def test_our_json_is_canonical() -> None:
    assert to_json({"b": 1, "a": "é"}) == '{\n  "a": "é",\n  "b": 1\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": math.nan})


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # a lone surrogate is no text
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_what_is_written_is_read_back_to_the_bit(value: dict[str, Any]) -> None:
    again = parse_json(to_json(value), "x")
    assert json.dumps(again, sort_keys=True) == json.dumps(value, sort_keys=True)


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_of_file(tmp_path / "file") == sha256(b"abc" * 100_000)
    with pytest.raises(InputMissing):
        sha256_of_file(tmp_path / "none")
