"""Columns of a table to files of sources and targets, for the recipes of words and symbols.

    python recipes/words.py FOLDER/german OUTPUT --source 1,3 --target 2

reads FOLDER/german.train.tsv.gz (or .tsv), .dev and .test, and writes OUTPUT/train.source, train.target,
valid.source … . Several columns of a side are joined by a TAB.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

SPLITS = {"train": "train", "dev": "valid", "test": "test"}


def read(path: Path) -> list[list[str]]:
    """The rows of a table, packed or not; empty lines are left out. SystemExit when it is not there."""
    packed = path.with_name(f"{path.name}.gz")
    if path.exists():
        content = path.read_bytes()
    elif packed.exists():
        content = gzip.decompress(packed.read_bytes())
    else:
        sys.exit(f"words.py: error: there is neither {path} nor {packed}")
    lines = content.decode("utf-8").split("\n")
    return [line.rstrip("\r").split("\t") for line in lines if line.strip()]


def side(rows: Sequence[Sequence[str]], columns: Sequence[int], name: str) -> list[str]:
    """Some columns of every row, numbered from 1, joined by a TAB. SystemExit where a row has too few."""
    for number, row in enumerate(rows, 1):
        if len(row) < max(columns):
            sys.exit(f"words.py: error: {name} has {len(row)} columns in row {number}, not {max(columns)}")
    return ["\t".join(row[column - 1] for column in columns) for row in rows]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("table", type=Path, help="the beginning of the files' names")
    parser.add_argument("output", type=Path, help="a folder")
    parser.add_argument("--source", required=True, help="columns, as 1,3")
    parser.add_argument("--target", required=True)
    parser.add_argument(
        "--unseen", action="store_true", help="leave validation pairs out whose source is in training"
    )
    parser.add_argument(
        "--references",
        action="store_true",
        help="one line per test source, its targets joined by a TAB: any of them is right",
    )
    options = parser.parse_args(arguments)
    columns = [[int(column) for column in text.split(",")] for text in (options.source, options.target)]
    options.output.mkdir(parents=True, exist_ok=True)
    trained: set[str] = set()
    for split, name in SPLITS.items():
        path = options.table.with_name(f"{options.table.name}.{split}.tsv")
        rows = read(path)
        pairs = list(zip(*(side(rows, numbers, path.name) for numbers in columns), strict=True))
        if split == "train":
            trained = {source for source, _ in pairs}
        elif split == "dev" and options.unseen:
            pairs = [pair for pair in pairs if pair[0] not in trained]
        elif split == "test" and options.references:
            answers: dict[str, list[str]] = {}
            for source, target in pairs:
                answers.setdefault(source, []).append(target)
            pairs = [(source, "\t".join(targets)) for source, targets in answers.items()]
        for place, text in enumerate(("source", "target")):
            lines = "".join(f"{pair[place]}\n" for pair in pairs)
            (options.output / f"{name}.{text}").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
