"""Makes the texts and corpora that all systems train on.

    python recipes/benchmark/texts.py FOLDER [--quick]

In FOLDER: train, val and test_2016_flickr in en and de; `equal`, a corpus with 8,000 joint pieces; the same
text in those pieces, one space between two, as `pieces.SPLIT.LANGUAGE` with `vocabulary.txt` beside it, for
the peers; `default`, a corpus of 4,000 pieces, as recipes/multi30k has it; `input.txt` and `text`, a
generator's; `brief` and `brief-text`, of the same with so little for validation that one takes no time. With
--quick the text is a little of data/captions and vocabularies are small.

What is there already stays. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seqkit.data.corpus import Corpus
from seqkit.data.tokenizers import Tokenizer
from seqkit.files import write_atomic

ROOT = Path(__file__).resolve().parents[2]
TEST = "test_2016_flickr"
LANGUAGES = ("en", "de")
VOCABULARIES = {"equal": 8000, "default": 4000}
QUICK_VOCABULARIES = {"equal": 400, "default": 400}
BRIEF = 8  # lines for validation in the corpora whose validations only mark the time
QUICK_SIZES = ("--train", "600", "--valid", "20", "--test", "20")


def obtain_pairs(folder: Path, quick: bool) -> None:
    """train, val and the test set, in both languages."""
    if not quick:
        _run(ROOT / "recipes/multi30k/download.py", *LANGUAGES, "--output", folder)
        return
    names = {"train": "train", "val": "valid", TEST: "test"}
    if all((folder / f"{name}.{language}").exists() for name in names for language in LANGUAGES):
        return
    made = folder / "captions"
    _run(ROOT / "data/captions/make.py", made, *QUICK_SIZES)
    for name, given in names.items():
        for language in LANGUAGES:
            write_atomic(folder / f"{name}.{language}", (made / f"{given}.{language}").read_bytes())


def obtain_text(folder: Path, quick: bool) -> None:
    """The generator's text."""
    path = folder / "input.txt"
    if not quick:
        _run(ROOT / "recipes/shakespeare/fetch.py", path)
    elif not path.exists():
        write_atomic(path, (folder / "train.en").read_bytes())


def prepare_pairs(folder: Path, name: str, size: int) -> None:
    """A translation corpus of the given vocabulary."""
    if (folder / name / "corpus.json").exists():
        return
    sides = {"--source": "train.en", "--target": "train.de"}
    sides |= {"--valid-source": "val.en", "--valid-target": "val.de"}
    files = [part for option, file in sides.items() for part in (option, folder / file)]
    _run("-m", "seqkit", "prepare", folder / name, *files, "--vocab-size", size)


def prepare_brief_pairs(folder: Path, size: int) -> None:
    """A translation corpus with next to nothing for validation."""
    if (folder / "brief/corpus.json").exists():
        return
    files = ("--source", folder / "train.en", "--target", folder / "train.de")
    _run("-m", "seqkit", "prepare", folder / "brief", *files, "--vocab-size", size, "--valid-size", BRIEF)


def prepare_texts(folder: Path) -> None:
    """The generator's corpora."""
    text = folder / "input.txt"
    if not (folder / "text/corpus.json").exists():
        _run("-m", "seqkit", "prepare", folder / "text", "--text", text)
    if not (folder / "brief-text/corpus.json").exists():
        _write_lines(folder / "brief.txt", ([line] for line in lines_of(text)[-4 * BRIEF :]))
        valid = ("--valid-text", folder / "brief.txt")
        _run("-m", "seqkit", "prepare", folder / "brief-text", "--text", text, *valid)


def write_pieces(folder: Path) -> None:
    """The text as the corpus `equal` has it: the pairs that were kept, in their order, in pieces."""
    corpus = Corpus.open(folder / "equal")
    assert corpus.train.source is not None
    tokenizers = {"en": corpus.source_tokenizer, "de": corpus.target_tokenizer}
    for language, side in (("en", corpus.train.source), ("de", corpus.train.target)):
        train = (tokenizers[language].pieces(side[row]) for row in range(len(side)))
        _write_lines(folder / f"pieces.train.{language}", train)
        for split in ("val", TEST):
            encoded = tokenizers[language].encode(lines_of(folder / f"{split}.{language}"))
            pieces = (tokenizers[language].pieces(ids) for ids in encoded)
            _write_lines(folder / f"pieces.{split}.{language}", pieces)
    _write_lines(folder / "vocabulary.txt", ([piece] for piece in vocabulary(corpus.target_tokenizer)))


def vocabulary(tokenizer: Tokenizer) -> list[str]:
    """All pieces in the order of their ids."""
    return tokenizer.pieces(range(tokenizer.size))


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, cut at newlines alone."""
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def _write_lines(path: Path, lines: Iterable[Sequence[str]]) -> None:
    write_atomic(path, "".join(" ".join(line) + "\n" for line in lines).encode())


def _run(*arguments: Any) -> None:
    """A Python program whose output, if any, is of no interest; its errors are shown."""
    subprocess.run([sys.executable, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Make what is missing and print what there is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("part", choices=("pairs", "text"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    folder, quick = options.folder, options.quick
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if options.part == "pairs":
            obtain_pairs(folder, quick)
            sizes = QUICK_VOCABULARIES if quick else VOCABULARIES
            for name, size in sizes.items():
                prepare_pairs(folder, name, size)
            prepare_brief_pairs(folder, sizes["default"])
            if not (folder / "vocabulary.txt").exists():  # it is written last
                write_pieces(folder)
            made = len(lines_of(folder / "pieces.train.en"))
        else:
            if quick:
                obtain_pairs(folder, quick)
            obtain_text(folder, quick)
            prepare_texts(folder)
            made = (folder / "input.txt").stat().st_size
    except subprocess.CalledProcessError as error:
        return error.returncode if error.returncode > 0 else 1  # it has said why
    unit = "pairs" if options.part == "pairs" else "bytes"
    print(json.dumps({"value": made, "unit": unit, "seconds": time.monotonic() - began, "details": {}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
