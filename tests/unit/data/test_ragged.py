"""Ragged arrays come back as they were written, whatever their lengths, type and shape."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.ragged import RaggedArray, RaggedWriter, WrittenArray, id_type
from seqkit.errors import DataError, OutputError


def write(
    folder: Path, batches: list[list[Any]], dtype: Any = "<u2", shape: tuple[int, ...] = ()
) -> WrittenArray:
    with RaggedWriter(folder, "part", dtype, shape) as writer:
        for batch in batches:
            writer.append(batch)
        return writer.finish()


def read(folder: Path, written: WrittenArray) -> RaggedArray:
    return RaggedArray.open(
        folder,
        written.stem,
        dtype=written.dtype,
        shape=written.shape,
        count=written.count,
        total=written.total,
    )


@settings(max_examples=100)
@given(batches=st.lists(st.lists(st.lists(st.integers(0, 65535), max_size=6), max_size=5), max_size=4))
def test_sequences_come_back(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[list[int]]]
) -> None:
    folder = tmp_path_factory.mktemp("ragged")
    written = write(folder, [[np.array(ids, np.int32) for ids in batch] for batch in batches])
    array = read(folder, written)
    expected = [ids for batch in batches for ids in batch]
    assert [array[index].tolist() for index in range(len(array))] == expected
    assert array.lengths.tolist() == [len(ids) for ids in expected]
    assert array.lengths.dtype == np.int64
    assert written.total == sum(map(len, expected))
    for file in written.files:
        content = (folder / file.name).read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_files_are_raw_and_little_endian(tmp_path: Path) -> None:
    write(tmp_path, [[np.array([1, 2]), np.array([258])]])
    assert (tmp_path / "part.values.bin").read_bytes() == b"\x01\x00\x02\x00\x02\x01"
    assert np.fromfile(tmp_path / "part.offsets.bin", "<u8").tolist() == [0, 2, 3]


def test_frames_keep_their_shape(tmp_path: Path) -> None:
    frames = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((1, 3), np.float32)]
    array = read(tmp_path, write(tmp_path, [frames], np.float32, (3,)))
    assert array.values.shape == (3, 3)
    np.testing.assert_array_equal(array[0], frames[0])
    np.testing.assert_array_equal(array[1], frames[1])


def test_frames_of_another_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\), expected \(3,\)"):
        write(tmp_path, [[np.ones((1, 2), np.float32)]], np.float32, (3,))


def test_indexing_from_the_end_and_out_of_range(tmp_path: Path) -> None:
    array = read(tmp_path, write(tmp_path, [[np.array([1]), np.array([2, 3])]]))
    assert array[-1].tolist() == [2, 3]
    assert [ids.tolist() for ids in array.gather(np.array([1, 0, 1]))] == [[2, 3], [1], [2, 3]]
    with pytest.raises(IndexError):
        array[2]


def test_ids_take_two_bytes_up_to_65536(tmp_path: Path) -> None:
    assert id_type(65_536) == np.dtype("<u2")
    assert id_type(65_537) == np.dtype("<u4")
    with pytest.raises(OverflowError):
        write(tmp_path, [[np.array([65_536])]], id_type(65_536))


def test_negative_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        write(tmp_path, [[np.array([-1])]])


@pytest.mark.parametrize("name", ["part.values.bin", "part.offsets.bin"])
@pytest.mark.parametrize("change", [b"", b"longer than it was"])
def test_a_file_of_another_size_is_named(name: str, change: bytes, tmp_path: Path) -> None:
    written = write(tmp_path, [[np.array([1, 2, 3])]])
    (tmp_path / name).write_bytes(change)
    with pytest.raises(DataError, match=f"{name} is damaged: it has {len(change)} bytes"):
        read(tmp_path, written)


def test_offsets_that_do_not_span_the_values_are_refused(tmp_path: Path) -> None:
    written = write(tmp_path, [[np.array([1, 2, 3])]])
    np.array([0, 2], "<u8").tofile(tmp_path / "part.offsets.bin")
    with pytest.raises(DataError, match="do not span"):
        read(tmp_path, written)


def test_check_finds_falling_offsets_and_foreign_ids(tmp_path: Path) -> None:
    written = write(tmp_path, [[np.array([1, 2]), np.array([9])]])
    assert read(tmp_path, written).check(10) is None
    assert read(tmp_path, written).check(9) == "an id beyond the vocabulary of 9"
    np.array([0, 5, 3], "<u8").tofile(tmp_path / "part.offsets.bin")
    assert read(tmp_path, written).check(10) == "offsets that fall"


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"part\.values\.bin"):
        RaggedWriter(tmp_path / "nowhere", "part", "<u2")


@settings(max_examples=100)
@given(
    sequences=st.lists(st.lists(st.integers(0, 65535), max_size=6), max_size=6),
    cuts=st.lists(st.integers(0, 36), max_size=5),
)
def test_sequences_can_be_written_in_parts(
    tmp_path_factory: pytest.TempPathFactory, sequences: list[list[int]], cuts: list[int]
) -> None:
    flat = np.array([value for sequence in sequences for value in sequence], np.int32)
    ends = np.cumsum([len(sequence) for sequence in sequences], dtype=np.int64)
    places = [0, *sorted(min(cut, len(flat)) for cut in cuts), len(flat)]
    folder = tmp_path_factory.mktemp("ragged")
    with RaggedWriter(folder, "part", "<u2") as writer:
        for number, (start, end) in enumerate(pairwise(places)):
            last = number == len(places) - 2
            here = ends[(ends >= start) & ((ends < end) | last)] if start < end or last else ends[:0]
            writer.extend(flat[start:end], here - start)
        written = writer.finish()
    array = read(folder, written)
    assert [ids.tolist() for ids in array.gather(range(len(array)))] == sequences
