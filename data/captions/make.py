"""Writes a corpus of English captions with their German translations, made by a grammar.

    python make.py OUTDIR [--train N] [--valid N] [--test N] [--seed N]

makes train.en, train.de, valid.en, valid.de, test.en and test.de: UTF-8, a sentence a line, line n of one
side the translation of line n of the other. The same sizes and seed give the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from corpus import LARGEST, Corpus, ExhaustedError, Pair, draw_corpus

USAGE_ERROR, CANNOT_CREATE = 2, 73


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line; the standard library would print the usage before it."""
        self.exit(USAGE_ERROR, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        # Made before the work, so that a folder that cannot be is known at once.
        options.outdir.mkdir(parents=True, exist_ok=True)
        corpus = draw_corpus(options.train, options.valid, options.test, options.seed)
        write_corpus(corpus, options.outdir)
    except ExhaustedError as error:
        parser.error(str(error))
    except OSError as error:
        path = error.filename or options.outdir
        parser.exit(CANNOT_CREATE, f"{parser.prog}: error: cannot write {path}: {error.strerror}\n")
    for name, pairs in vars(corpus).items():
        print(f"{name:5} {summary(pairs)}", file=sys.stderr)
    return 0


def _parser() -> _Parser:
    parser = _Parser(
        prog="make.py",
        description="Write English captions and their German translations.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("outdir", metavar="OUTDIR", type=Path, help="where to write; made if it is not there")
    parser.add_argument("--train", metavar="N", type=_size, default=20_000, help="training pairs")
    parser.add_argument("--valid", metavar="N", type=_size, default=500, help="validation pairs")
    parser.add_argument("--test", metavar="N", type=_size, default=1_000, help="test pairs")
    parser.add_argument("--seed", metavar="N", type=_seed, default=1, help="another seed, another corpus")
    return parser


def _size(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(LARGEST)) or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {LARGEST:,}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at most twenty digits")
    return int(text)


def write_corpus(corpus: Corpus, directory: Path) -> None:
    """Writes two files a split, as bytes: a text file would end its lines in the way of the platform."""
    for name, pairs in vars(corpus).items():
        for suffix, side in (("en", 0), ("de", 1)):
            lines = "".join(f"{pair[side]}\n" for pair in pairs)
            (directory / f"{name}.{suffix}").write_bytes(lines.encode())


def summary(pairs: Sequence[Pair]) -> str:
    """Counts of a split: pairs, and on either side words a sentence and different ones in all."""
    return f"{len(pairs):>6,} pairs of {_counts(pairs, 0)} English, {_counts(pairs, 1)} German words"


def _counts(pairs: Sequence[Pair], side: int) -> str:
    words = [word for pair in pairs for word in pair[side].rstrip(".").replace(",", "").split()]
    different = {word.lower() for word in words}
    return f"{len(words) / len(pairs):.1f} ({len(different):,} different)"


if __name__ == "__main__":
    sys.exit(main())
