#!/usr/bin/env python3
"""Gather the Python sources of the standard library that runs this: python3 collect.py FOLDER [--megabytes N]

Writes FOLDER/train.txt and FOLDER/valid.txt: whole files in the order of a hash of their names, so that every
Python version gives a similar mixture, the last twentieth of them for validation. Tests, generated tables and
sources that are not UTF-8 are left out. Works offline, always.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import sysconfig
from pathlib import Path

SKIPPED = {
    "test",
    "tests",
    "idle_test",
    "site-packages",
    "dist-packages",
    "lib2to3",
    "__pycache__",
    "encodings",
}
LONGEST = 200_000  # bytes of one file: what is longer is a table
VALIDATION_SHARE = 0.05
SEPARATOR = "\n\n\n"  # between two files; --documents file would need a file each


def main(arguments: list[str]) -> int:
    """Write the two texts and say what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=4.0, help="how much to take (default: 4)")
    options = parser.parse_args(arguments)
    sources = gather(Path(sysconfig.get_paths()["stdlib"]), int(options.megabytes * 1e6))
    if len(sources) < 2:
        print(
            "collect.py: error: this Python has no sources of its standard library\n"
            "  try:   run it with another Python, such as one from python.org or a distribution's",
            file=sys.stderr,
        )
        return 66
    cut = max(1, round(len(sources) * VALIDATION_SHARE))
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train.txt", sources[:-cut]), ("valid.txt", sources[-cut:])):
        text = SEPARATOR.join(source.strip("\n") for source in part) + "\n"
        (options.folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {len(part)} files, {len(text):,} characters", file=sys.stderr)
    return 0


def gather(root: Path, limit: int) -> list[str]:
    """The texts of the library's files, in hash order, until `limit` bytes are full."""
    found = [path for path in root.rglob("*.py") if not SKIPPED & set(path.relative_to(root).parts)]
    found.sort(key=lambda path: hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    texts, size = [], 0
    for path in found:
        content = path.read_bytes()
        if not content.strip() or len(content) > LONGEST:
            continue
        try:
            texts.append(content.decode("utf-8").replace("\r\n", "\n"))
        except UnicodeDecodeError:
            continue
        size += len(content)
        if size >= limit:
            break
    return texts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
