#!/usr/bin/env python3
"""Fetch the Multi30k files of one language pair, verified, as plain text.

    python3 download.py en de --output FOLDER

takes train, val and every test set that exists in both languages from the public repository, or, when the
environment variable MULTI30K (or --folder) names a folder, from the .gz or plain files there. A download that
was cut is continued, a file that is there already is verified and kept.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from seqkit.cli.terminal import console
from seqkit.files import sync_file

BASE_URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
LANGUAGES = ("en", "de", "fr", "cs")
NEEDED = ("train", "val")

# Lines of a split, and the languages that the repository holds it in.
SPLITS = {
    "train": (29000, LANGUAGES),
    "val": (1014, LANGUAGES),
    "test_2016_flickr": (1000, LANGUAGES),
    "test_2017_flickr": (1000, ("en", "de", "fr")),
    "test_2017_mscoco": (461, ("en", "de", "fr")),
    "test_2018_flickr": (1071, LANGUAGES),
}

# SHA-256 of the text, decompressed: compressing it again changes the .gz and not the text. They were taken
# from copies whose .gz files have the MD5 that torchtext 0.9 published for the repository's.
SHA256 = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "train.fr": "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "val.fr": "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    "test_2016_flickr.fr": "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6",
}

# Of these no copy was at hand. What is known is the MD5 of the .gz, published by torchtext 0.9 (it finds
# accidents, not forgeries). test_2018_flickr in de, fr and cs came later: lines and the gzip CRC must do.
MD5_OF_GZIP = {
    "train.cs": "d9a5fc268917725a2b0efce3a0cc8607",
    "val.cs": "83cdc082f646b769095615384cf5c0ca",
    "test_2016_flickr.cs": "3104872229daa1bef3b401d44dd2220b",
    "test_2017_flickr.en": "005396bac545d880abe6f00bbb7dbbb4",
    "test_2017_flickr.de": "6a8d5c87f6ae19e3d35681aa6fd16571",
    "test_2017_flickr.fr": "cb09af7d2b501f9112f2d6a59fa1360d",
    "test_2017_mscoco.en": "a7b684e0edbef1d4a23660c8e8e743fd",
    "test_2017_mscoco.de": "e8cd6ec2bc8a11fc846fa48a46e3d0bb",
    "test_2017_mscoco.fr": "4995d10954a804d3cdfd907b9fd093e8",
    "test_2018_flickr.en": "a152878809942757a55ce087073486b8",
}

SIZE_LIMIT = 64 << 20  # bytes, compressed or not; the largest file has 2 MB of text
BLOCK = 1 << 16
BACKOFF = 1.0  # seconds before the first retry; doubles with each

USAGE, BAD_DATA, INPUT_MISSING, CANNOT_CREATE, INTERRUPTED = 2, 65, 66, 73, 130

OFFLINE_HINT = (
    "set MULTI30K=FOLDER to a folder that holds the files (train.en or train.en.gz, …), or MULTI30K_URL to a "
    "mirror; a second run continues where this one stopped"
)


class DownloadError(Exception):
    """Expected trouble, printed as one block: what happened, where, what to try."""

    def __init__(self, message: str, *, where: str, hint: str, code: int) -> None:
        super().__init__(message)
        self.where = where
        self.hint = hint
        self.code = code


class Transient(Exception):
    """A failure that may pass: the request is tried again."""


class Mismatch(Exception):
    """The bytes are not the file that was asked for."""


@dataclass(frozen=True)
class Settings:
    """Where files come from and go to. Times in seconds."""

    output: Path
    folder: Path | None
    url: str
    timeout: float
    attempts: int


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        source, target, settings = parse(arguments)
        with locked(settings.output):
            obtain_pair(source, target, settings)
    except DownloadError as error:
        say(f"download.py: error: {error}\n  where: {error.where}\n  try:   {error.hint}")
        return error.code
    except KeyboardInterrupt:
        say("download.py: interrupted; run it again to continue")
        return INTERRUPTED
    return 0


class Parser(argparse.ArgumentParser):
    """Usage errors in the shape of all others."""

    def error(self, message: str) -> NoReturn:
        raise DownloadError(message, where="command line", hint="download.py --help", code=USAGE)


def parse(arguments: Sequence[str]) -> tuple[str, str, Settings]:
    """Source language, target language, settings."""
    parser = Parser(prog="download.py", description="Fetch and verify the Multi30k files of a language pair.")
    parser.add_argument("source", choices=LANGUAGES, metavar="SOURCE", help="one of " + ", ".join(LANGUAGES))
    parser.add_argument("target", choices=LANGUAGES, metavar="TARGET", help="another of them")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="where to write train.en, …"
    )
    parser.add_argument(
        "--folder", default=os.environ.get("MULTI30K"), help="take the files from here [env MULTI30K]"
    )
    parser.add_argument(
        "--url", default=os.environ.get("MULTI30K_URL") or BASE_URL, help="or from here [env MULTI30K_URL]"
    )
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds without an answer (default 30)")
    parser.add_argument("--attempts", type=int, default=4, help="tries without progress (default 4)")
    found = parser.parse_args(arguments)
    if found.source == found.target:
        parser.error(f"source and target are both {found.source}")
    if not found.url.startswith(("http://", "https://")):
        parser.error(f"{found.url} is not an http:// or https:// address")
    if found.timeout <= 0 or found.attempts < 1:
        parser.error("--timeout and --attempts must be positive")
    folder = Path(found.folder) if found.folder else None
    settings = Settings(found.output, folder, found.url.rstrip("/"), found.timeout, found.attempts)
    return found.source, found.target, settings


def obtain_pair(source: str, target: str, settings: Settings) -> None:
    """Bring every split that exists in both languages into the output folder."""
    for split, (_, languages) in SPLITS.items():
        if source not in languages or target not in languages:
            continue
        names = (f"{split}.{source}", f"{split}.{target}")
        if settings.folder is None or is_complete(names, settings):
            for name in names:
                obtain(name, settings)


def is_complete(names: Sequence[str], settings: Settings) -> bool:
    """Whether a split can be had without the network. Test sets may be missing, training data may not."""
    folder = settings.folder
    assert folder is not None
    if not folder.is_dir():
        raise DownloadError(
            f"MULTI30K names no folder: {folder}", where=str(folder), hint="name a folder", code=INPUT_MISSING
        )
    missing = [
        name for name in names if find_in(folder, name) is None and not (settings.output / name).exists()
    ]
    if not missing:
        return True
    split = names[0].partition(".")[0]
    if split in NEEDED:
        raise not_found(missing, folder)
    say(f"{split}: left out, {' and '.join(missing)} not in {folder}")
    return False


def not_found(names: Sequence[str], folder: Path) -> DownloadError:
    """The error for files that a folder lacks."""
    return DownloadError(
        f"{' and '.join(names)} not found, plain or as .gz",
        where=str(folder),
        hint="complete the folder, or unset MULTI30K to download",
        code=INPUT_MISSING,
    )


def find_in(folder: Path, name: str) -> Path | None:
    """A file in a folder, compressed or plain."""
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def obtain(name: str, settings: Settings) -> None:
    """Make `name` in the output folder a verified copy, unless it is one."""
    final = settings.output / name
    if final.exists():
        try:
            say(f"{name}: there already, {verify(name, read_limited(final))}")
            return
        except Mismatch as error:
            say(f"{name}: there already, but {error}; replaced")
    if settings.folder is not None:
        text, how = copy_from_folder(name, settings.folder)
        write_atomic(final, text)
    else:
        text, how = download(name, settings)
        write_atomic(final, text)
        with suppress(FileNotFoundError):
            partial_path(name, settings).unlink()
    say(f"{name}: {how}")


def copy_from_folder(name: str, folder: Path) -> tuple[bytes, str]:
    """The verified text of a file in a folder."""
    path = find_in(folder, name)
    if path is None:
        raise not_found([name], folder)
    try:
        return unpack(name, path)
    except Mismatch as error:
        raise DownloadError(
            f"{path.name} is not Multi30k's: {error}",
            where=str(path),
            hint="replace the file, or unset MULTI30K to download",
            code=BAD_DATA,
        ) from error


def download(name: str, settings: Settings) -> tuple[bytes, str]:
    """The verified text of a file of the repository."""
    url = f"{settings.url}/{name}.gz"
    partial = partial_path(name, settings)
    while True:
        resumed = partial.exists()
        fetch(url, partial, settings)
        try:
            return unpack(name, partial)
        except Mismatch as error:
            partial.unlink()
            if resumed:  # its first part may have been of another file
                say(f"{name}: {error}; fetching all of it again")
                continue
            raise DownloadError(
                f"{name}.gz is not Multi30k's: {error}",
                where=url,
                hint="is a proxy's page at that address? MULTI30K=FOLDER takes local files instead",
                code=BAD_DATA,
            ) from error


def partial_path(name: str, settings: Settings) -> Path:
    """Where a download grows."""
    return settings.output / f"{name}.gz.part"


def fetch(url: str, partial: Path, settings: Settings) -> None:
    """Download into `partial`, continuing what is there, with retries. Progress resets their count."""
    failures = 0
    while True:
        before = size_of(partial)
        try:
            request_once(url, partial, settings)
            return
        except Transient as error:
            failures = 1 if size_of(partial) > before else failures + 1
            if failures >= settings.attempts:
                raise DownloadError(
                    f"cannot download {url.rsplit('/', 1)[1]}: {error}",
                    where=url,
                    hint=OFFLINE_HINT,
                    code=INPUT_MISSING,
                ) from error
            wait = BACKOFF * 2 ** (failures - 1)
            say(f"{url.rsplit('/', 1)[1]}: {error}; again in {wait:g} s")
            time.sleep(wait)


def request_once(url: str, partial: Path, settings: Settings) -> None:
    """One request for what is missing of a file."""
    offset = size_of(partial)
    request = urllib.request.Request(url, headers={"User-Agent": "seqkit-multi30k"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response = urllib.request.urlopen(request, timeout=settings.timeout)
    except urllib.error.HTTPError as error:
        handle_status(error, url, partial, offset)
        return
    except (OSError, http.client.HTTPException) as error:
        raise Transient(reason_of(error)) from error
    with response:
        # A server that knows no ranges answers 200 with the whole file.
        resumed = response.status == 206
        if resumed and not (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-"):
            partial.unlink()
            raise Transient("the server continued at another place")
        copy_body(response, partial, append=resumed)


def handle_status(error: urllib.error.HTTPError, url: str, partial: Path, offset: int) -> None:
    """Return when the file turns out to be complete, else raise."""
    with error:
        if error.code == 416:
            total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range") or "")
            if total and int(total[1]) == offset:
                return
            partial.unlink()
            raise Transient("the part that is here does not fit the server's file") from error
        if error.code in (408, 429) or error.code >= 500:
            raise Transient(f"the server says {error.code} {error.reason}") from error
        raise DownloadError(
            f"cannot download {url.rsplit('/', 1)[1]}: the server says {error.code} {error.reason}",
            where=url,
            hint="check MULTI30K_URL, or set MULTI30K=FOLDER to take local files",
            code=INPUT_MISSING,
        ) from error


def copy_body(response: http.client.HTTPResponse, partial: Path, *, append: bool) -> None:
    """Write a response's body as it comes; Transient when it ends early."""
    expected = response.length
    whole = None if expected is None else expected // 1000
    received = 0
    with (
        partial.open("ab" if append else "wb") as stream,
        console.progress("kB", quiet=False) as on_progress,
    ):
        for block in blocks_of(response):
            stream.write(block)
            received += len(block)
            on_progress(partial.name.removesuffix(".part"), received // 1000, whole)
            if stream.tell() > SIZE_LIMIT:
                raise DownloadError(
                    f"{partial.name} grows past {SIZE_LIMIT >> 20} MiB, which no file of Multi30k has",
                    where=response.url,
                    hint="check MULTI30K_URL",
                    code=BAD_DATA,
                )
    if expected is not None and received < expected:
        raise Transient(f"the connection was cut after {received:,} of {expected:,} bytes")


def blocks_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body in blocks. Only reading is guarded: a full disk is no reason to try again."""
    while True:
        try:
            block = response.read1(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise Transient(reason_of(error)) from error
        if not block:
            return
        yield block


def reason_of(error: Exception) -> str:
    """What went wrong on the network, in words."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)


def unpack(name: str, path: Path) -> tuple[bytes, str]:
    """The text in a .gz or plain file and how it was verified; Mismatch when it is not `name`."""
    content = read_limited(path)
    if path.suffix not in (".gz", ".part"):
        return content, verify(name, content)
    try:
        with gzip.open(path) as stream:
            text = stream.read(SIZE_LIMIT + 1)
    except gzip.BadGzipFile as error:
        raise Mismatch(f"it is not a sound gzip file ({error})") from error
    except (EOFError, zlib.error) as error:
        raise Mismatch(f"it is a damaged gzip file ({error})") from error
    return text, verify(name, text, compressed=content)


def verify(name: str, text: bytes, *, compressed: bytes | None = None) -> str:
    """How the text of `name` was verified; Mismatch when it fails."""
    lines = text.count(b"\n") + (not text.endswith(b"\n") and bool(text))
    expected_lines = SPLITS[name.partition(".")[0]][0]
    if lines != expected_lines:
        raise Mismatch(f"it has {lines:,} lines and should have {expected_lines:,}")
    if name in SHA256:
        if hashlib.sha256(text).hexdigest() != SHA256[name]:
            raise Mismatch("its text has another SHA-256 than it should have")
        return f"{lines:,} lines, SHA-256 verified"
    if name in MD5_OF_GZIP and compressed is not None:
        if hashlib.md5(compressed, usedforsecurity=False).hexdigest() != MD5_OF_GZIP[name]:
            raise Mismatch("its .gz has another MD5 than it should have")
        return f"{lines:,} lines, MD5 verified"
    return f"{lines:,} lines, number of lines verified"


def read_limited(path: Path) -> bytes:
    """A file's bytes; Mismatch when there are too many."""
    with path.open("rb") as stream:
        content = stream.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise Mismatch(f"it has more than {SIZE_LIMIT >> 20} MiB")
    return content


def size_of(path: Path) -> int:
    """A file's size in bytes, 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def write_atomic(path: Path, content: bytes) -> None:
    """Give a whole file its final name, or none."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        sync_file(stream)
    temporary.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the output folder and hold it: two runs must not write into one partial file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise cannot_write(folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another download into {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        except OSError as error:
            raise cannot_write(folder, error) from error


def cannot_write(folder: Path, error: OSError) -> DownloadError:
    """The error for trouble with files here."""
    return DownloadError(
        f"{error.filename or folder}: {error.strerror or error}",
        where=str(folder),
        hint="check permissions and free space, or choose another --output",
        code=CANNOT_CREATE,
    )


def say(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
