#!/usr/bin/env python3
"""Fetch tiny-shakespeare, verified: python3 fetch.py OUTPUT

The file that the environment variable SHAKESPEARE names is taken instead of the download. One that is there
already is verified and kept.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from seqkit.cli.terminal import console

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SIZE = 1_115_394  # bytes
ATTEMPTS = 3
REMEDY = "download it by hand from the address above and name it: SHAKESPEARE=FILE"


def main(arguments: list[str]) -> int:
    """Put the text where the command line says; 0 when it lies there and is whole."""
    if len(arguments) != 1:
        return fail("one path is needed: where to put the text", "python3 fetch.py input.txt", 2)
    output = Path(arguments[0])
    if output.exists() and is_right(output.read_bytes()):
        return 0
    given = os.environ.get("SHAKESPEARE")
    try:
        content = Path(given).read_bytes() if given else download()
    except OSError as error:
        return fail(f"{given or URL}: {error}", REMEDY, 66)
    if not is_right(content):
        return fail(
            f"{given or URL} is not the text that is expected: {len(content):,} bytes, expected {SIZE:,}, "
            f"SHA-256 {SHA256}",
            "check the file; a proxy may have answered in its place",
            65,
        )
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        return fail(f"cannot write {output}: {error}", "free some space, or name another place", 73)
    return 0


def is_right(content: bytes) -> bool:
    """Whether these are the bytes that everybody trains on."""
    return hashlib.sha256(content).hexdigest() == SHA256


def download() -> bytes:
    """The bytes at the address, at most twice as many as expected; OSError after the last attempt."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with (
                urllib.request.urlopen(URL, timeout=30) as response,
                console.progress("kB", quiet=False) as on_progress,
            ):
                content = b""
                while len(content) < 2 * SIZE and (block := response.read(1 << 16)):
                    content += block
                    on_progress("input.txt", len(content) // 1000, SIZE // 1000)
                return content
        except (OSError, urllib.error.URLError) as error:
            if attempt == ATTEMPTS:
                raise OSError(str(error)) from error
            time.sleep(2**attempt)
    raise AssertionError("unreachable")


def fail(message: str, remedy: str, code: int) -> int:
    """One block on standard error, as seqkit's own."""
    print(f"fetch.py: error: {message}\n  try:   {remedy}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
