"""Fields that are no text: labels and frames, fitted, stored and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit import limits
from seqkit.data.forms.frames import Frames, FrameSums
from seqkit.data.forms.labels import Labels
from seqkit.data.ragged import RaggedArray, RaggedWriter, WrittenArray
from seqkit.errors import DataError, ModelError

LABELS = Labels(["ant", "bee", "<pad>"])
FRAMES = Frames(np.array([1.0, -2.0]), np.array([0.5, 4.0]))


def stored(folder: Path, rows: list[np.ndarray], dtype: Any, shape: tuple[int, ...]) -> RaggedArray:
    with RaggedWriter(folder, "x", dtype, shape) as writer:
        writer.append(rows)
        written: WrittenArray = writer.finish()
    return RaggedArray.open(folder, "x", dtype=dtype, shape=shape, count=written.count, total=written.total)


def test_labels_are_sorted_and_read_back() -> None:
    labels = Labels.fitted(["wolf", "ape", "wolf", "Zoë", ""])
    assert labels.names == ("", "Zoë", "ape", "wolf")
    assert labels.encode(["wolf", ""]).tolist() == [3, 0]
    again = Labels.from_bytes(labels.to_bytes(), "labels.json")
    assert (again.names, again.fingerprint, again.self_test()) == (labels.names, labels.fingerprint, [0, 3])
    assert (labels.size, labels.dtype, labels.shape, labels.summary) == (4, np.dtype("<u2"), (), "4 classes")


def test_an_unknown_label_is_named_with_its_neighbour() -> None:
    with pytest.raises(DataError, match="there is no class 'bees' among the 3") as caught:
        LABELS.encode(["ant", "bees"])
    assert caught.value.hint == "did you mean bee?"


def test_too_many_labels_are_no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLASSES", 2)
    with pytest.raises(DataError, match="3 different labels, more than 2"):
        Labels.fitted("abc")


def test_ids_beyond_the_classes_are_found(tmp_path: Path) -> None:
    array = stored(tmp_path, [np.array([0, 2]), np.array([3])], LABELS.dtype, ())
    assert LABELS.check(array) == "an id beyond the classes of 3"
    assert LABELS.check(array.first(1)) is None or LABELS.size < 4


def test_sums_are_those_of_the_whole() -> None:
    random = np.random.default_rng(1)
    parts = [random.normal(loc=1e4, scale=(1, 1e-3), size=(count, 2)) for count in (0, 1, 7, 300)]
    sums = FrameSums(2)
    for part in parts:
        sums.add(part)
    whole, frames = np.concatenate(parts), sums.frames()
    assert sums.count == len(whole)
    assert frames.mean == pytest.approx(whole.mean(axis=0), rel=1e-6)
    assert frames.deviation == pytest.approx(whole.std(axis=0), rel=1e-3)


def test_a_number_that_never_changes_is_not_divided_by_nothing() -> None:
    sums = FrameSums(1)
    sums.add(np.full((5, 1), 3.0))
    assert sums.frames().standardised(np.array([[3.0], [4.0]])).tolist() == [[0.0], [1.0]]


def test_frames_are_read_back_and_described() -> None:
    again = Frames.from_bytes(FRAMES.to_bytes(), "frames.json")
    assert again.fingerprint == FRAMES.fingerprint
    assert again.self_test() == FRAMES.self_test() == [[-2.0, 0.5]]
    assert (again.size, again.shape, again.summary) == (2, (2,), "frames of 2 numbers")


def test_numbers_that_are_none_are_found(tmp_path: Path) -> None:
    array = stored(tmp_path, [np.zeros((2, 2)), np.array([[1.0, np.inf]])], FRAMES.dtype, (2,))
    assert FRAMES.check(array) == "a number that is NaN or infinite"
    assert FRAMES.check(stored(tmp_path / "..", [np.zeros((2, 2))], FRAMES.dtype, (2,))) is None


def changed(content: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(content), **values}).encode()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}"),
        changed(LABELS.to_bytes(), labels=[]),
        changed(LABELS.to_bytes(), labels=["a", "a"]),
        changed(LABELS.to_bytes(), labels=["a", 1]),
        changed(LABELS.to_bytes(), labels="ab"),
        changed(LABELS.to_bytes(), version=2),
        changed(LABELS.to_bytes(), more=1),
    ],
)
def test_a_damaged_list_of_labels_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"labels\.json"):
        Labels.from_bytes(content, "labels.json")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}"),
        changed(FRAMES.to_bytes(), mean=[]),
        changed(FRAMES.to_bytes(), mean=[1.0]),
        changed(FRAMES.to_bytes(), mean=[1.0, "2"]),
        changed(FRAMES.to_bytes(), mean=[1.0, True]),
        changed(FRAMES.to_bytes(), deviation=[1.0, 0]),
        changed(FRAMES.to_bytes(), deviation=[1.0, -1]),
        changed(FRAMES.to_bytes(), version=2),
        changed(FRAMES.to_bytes(), more=1),
    ],
)
def test_a_damaged_description_of_frames_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"frames\.json"):
        Frames.from_bytes(content, "frames.json")
