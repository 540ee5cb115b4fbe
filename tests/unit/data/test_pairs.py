"""Parallel text is matched line by line, and a place where it comes apart is found."""

from __future__ import annotations

import gzip
import io
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.text import pairs, reading
from seqkit.data.text.pairs import batches, first_misaligned, open_text
from seqkit.errors import DataError, InputMissing


def write(folder: Path, name: str, lines: list[str]) -> str:
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return str(folder / name)


def read(
    folder: Path,
    source: Sequence[str] = (),
    target: Sequence[str] = (),
    tsv: Sequence[str] = (),
) -> list[tuple[str, str]]:
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    opened = open_text(source, target, tsv, spool)
    first, second = (
        [pair for block in opened.blocks(warn=warn) for pair in zip(*block, strict=True)]
        for warn in (True, False)
    )
    assert first == second  # it can be read twice
    return first


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    source = [write(tmp_path, "a", ["1", "2"]), write(tmp_path, "b", ["3"])]
    target = [write(tmp_path, "c", ["x", "y"]), write(tmp_path, "d", ["z"])]
    assert read(tmp_path, source, target) == [("1", "x"), ("2", "y"), ("3", "z")]


def test_one_side_may_be_in_more_files(tmp_path: Path) -> None:
    source = [write(tmp_path, "a", ["1", "2", "3"])]
    target = [write(tmp_path, "c", ["x", "y"]), write(tmp_path, "d", ["z"])]
    assert read(tmp_path, source, target) == [("1", "x"), ("2", "y"), ("3", "z")]


def test_files_that_differ_are_found_even_if_the_sums_fit(tmp_path: Path) -> None:
    source = [write(tmp_path, "a", ["1", "2"]), write(tmp_path, "b", ["3"])]
    target = [write(tmp_path, "c", ["x"]), write(tmp_path, "d", ["y", "z"])]
    with pytest.raises(DataError, match="a has 2 lines, c has 1"):
        read(tmp_path, source, target)


def test_tab_separated_files(tmp_path: Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"1\tx\n\t\n"))
    assert read(tmp_path, tsv=[str(tmp_path / "a.tsv.gz")]) == [("1", "x"), ("", "")]


@pytest.mark.parametrize(
    ("line", "columns"), [("1", "one column"), ("1\tx\ty", "3 columns"), ("", "one column")]
)
def test_a_wrong_number_of_columns_names_the_line(line: str, columns: str, tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", ["1\tx"] * 4 + [line, "2\ty"])
    with pytest.raises(DataError, match=f"{columns} in line 5") as caught:
        read(tmp_path, tsv=[path])
    assert caught.value.where == f"{path}:5"


def test_standard_input_can_be_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"1\tx\n"))))
    assert read(tmp_path, tsv=["-"]) == [("1", "x")]


def test_a_named_pipe_can_be_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"x\ny\n",))
    writer.start()
    assert read(tmp_path, [write(tmp_path, "a", ["1", "2"])], [str(tmp_path / "pipe")]) == [
        ("1", "x"),
        ("2", "y"),
    ]
    writer.join()


def test_a_missing_file_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="there is no such file"):
        open_text([write(tmp_path, "a", ["1"])], [str(tmp_path / "b")], [], tmp_path)


def test_batches_hold_all_pairs_in_order_and_few_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "_BATCH_PAIRS", 4)
    monkeypatch.setattr(pairs, "_BATCH_CHARACTERS", 50)
    monkeypatch.setattr(reading, "_BLOCK", 10)
    lines = ["a" * (number % 40) for number in range(50)]
    both = open_text([write(tmp_path, "a", lines)], [write(tmp_path, "b", lines)], [], tmp_path)
    parts = list(batches(both, warn=True))
    assert [line for part in parts for line in part[0]] == lines
    assert [line for part in parts for line in part[1]] == lines
    assert max(len(part[0]) for part in parts) == 4
    assert max(sum(map(len, part[0])) for part in parts) <= 50 + 40


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.text("ab", max_size=30), st.text("cd", max_size=30)), max_size=40),
    block=st.integers(1, 40),
    size=st.integers(1, 9),
    more=st.integers(-3, 3),
)
def test_lines_find_their_partners_however_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], block: int, size: int, more: int
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    sides = [source for source, _ in rows], [target for _, target in rows]
    sides[more > 0].extend(["left over"] * abs(more))
    both = open_text([write(folder, "a", sides[0])], [write(folder, "b", sides[1])], [], folder)
    found: list[tuple[str, str]] = []
    refused = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK", block)
        patch.setattr(pairs, "_BATCH_PAIRS", size)
        try:
            for batch in batches(both, warn=False):
                assert 0 < len(batch[0]) <= size
                found += zip(*batch, strict=True)
        except DataError as error:
            refused = error.message
    if more:
        assert f"a has {len(sides[0])} lines, b has {len(sides[1])}" in refused
        assert found == rows[: len(found)]
    else:
        assert (refused, found) == ("", rows)


def sentences(seed: int, count: int) -> tuple[list[str], list[str]]:
    """Two sides whose lengths go together, as those of translations do."""
    draw = random.Random(seed)
    source, target = [], []
    for _ in range(count):
        words = draw.randint(2, 40)
        source.append(" ".join(["word"] * words))
        target.append(" ".join(["Wörter"] * max(1, round(words * draw.uniform(0.85, 1.15)))))
    return source, target


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), place=st.integers(0, 399), gap=st.integers(1, 5), side=st.booleans())
def test_the_place_of_missing_lines_is_found(seed: int, place: int, gap: int, side: bool) -> None:
    sides = sentences(seed, 400)
    del sides[side][place : place + gap]
    found = first_misaligned(*(np.array([len(line) for line in lines], np.float32) for lines in sides))
    if place + gap >= 390:  # hardly anything follows that could tell
        assert found is None or found >= place - 3
    else:
        assert found is not None
        assert place - 3 <= found <= place + 20


def test_a_side_that_ends_early_has_no_suspicious_pair(tmp_path: Path) -> None:
    source, target = sentences(1, 300)
    with pytest.raises(DataError) as caught:
        read(tmp_path, [write(tmp_path, "a", source)], [write(tmp_path, "b", target[:-50])])
    assert "a has 300 lines, b has 250" in caught.value.message
    assert caught.value.where == "no suspicious pair before the end of b: its last lines are missing"


def test_the_suspicious_pair_is_shown_with_its_words(tmp_path: Path) -> None:
    source, target = sentences(2, 300)
    source[120], target[121] = "one two three four", " ".join(["Wort"] * 61)
    del target[120]
    with pytest.raises(DataError) as caught:
        read(tmp_path, [write(tmp_path, "train.en", source)], [write(tmp_path, "train.de", target)])
    assert caught.value.message == (
        "source and target differ in length: train.en has 300 lines, train.de has 299"
    )
    assert caught.value.where == "first suspicious pair at line 121 (source 4 words, target 61 words)"


def test_an_empty_side_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a has 2 lines, b has 0"):
        read(tmp_path, [write(tmp_path, "a", ["1", "2"])], [write(tmp_path, "b", [])])
