"""A shortlist's file under damage, and what a shortlist offers for a sentence."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from seqkit.errors import ExitCode, ModelError
from seqkit.model_directory import MANIFEST, SHORTLIST, add_files, load
from seqkit.network.shortlist import Shortlist

SIZE = 12


def small() -> Shortlist:
    partners = np.random.default_rng(1).integers(0, SIZE, (SIZE, 3)).astype(np.int32)
    return Shortlist(partners, np.array([3, 7], np.int32))


@pytest.fixture
def model(toy_model: Path, tmp_path: Path) -> Path:
    """A copy of the toy model with a shortlist."""
    model = tmp_path / "model"
    shutil.copytree(toy_model, model, ignore=shutil.ignore_patterns("training"))
    loaded = load(model)
    assert loaded.shortlist is None
    partners = np.full((loaded.source_tokenizer.size, 4), 5, np.int32)
    add_files(model, {SHORTLIST: Shortlist(partners, np.array([3], np.int32)).to_bytes()})
    return model


def refusal(content: bytes, sizes: tuple[int, int] = (SIZE, SIZE)) -> ModelError:
    with pytest.raises(ModelError) as caught:
        Shortlist.from_bytes(content, *sizes, "here")
    assert caught.value.exit_code == ExitCode.BAD_DATA
    assert caught.value.where == "here"
    return caught.value


def test_candidates_are_partners_frequent_and_required_tokens() -> None:
    shortlist = small()
    found = shortlist.candidates(np.array([4, 9, 4]), np.array([11]))
    assert found.tolist() == sorted({3, 7, 11, *shortlist.partners[4], *shortlist.partners[9]})
    assert shortlist.candidates(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == [3, 7]
    assert shortlist.size == 3


def test_saved_is_loaded() -> None:
    content = small().to_bytes()
    again = Shortlist.from_bytes(content, SIZE, SIZE, "here")
    assert np.array_equal(again.partners, small().partners)
    assert np.array_equal(again.frequent, small().frequent)
    assert again.to_bytes() == content


@pytest.mark.parametrize("beyond", [-1, SIZE, 1 << 30])
@pytest.mark.parametrize("name", ["partners", "frequent"])
def test_ids_outside_the_vocabulary_are_refused(name: str, beyond: int) -> None:
    arrays = {"partners": small().partners.copy(), "frequent": small().frequent.copy()}
    arrays[name].flat[-1] = beyond
    assert f"'{name}' has an id outside the vocabulary of 12" in refusal(save(arrays)).message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partners": np.zeros((SIZE - 1, 3), np.int32)}, "but the configuration asks for I32 [12, 3]"),
        ({"partners": np.zeros((SIZE, 3), np.int64)}, "is I64"),
        ({"partners": np.zeros((SIZE, 3), np.float32)}, "is F32"),
        ({"partners": np.zeros((SIZE, 0), np.int32)}, "0 tokens per source token"),
        ({"partners": np.zeros((SIZE, SIZE + 1), np.int32)}, "13 tokens per source token"),
        ({"partners": np.zeros((2, SIZE, 3), np.int32)}, "but the configuration asks for"),
        ({"partners": np.zeros(SIZE, np.int32)}, "but the configuration asks for"),
        ({"frequent": np.zeros(0, np.int32)}, "0 frequent ones"),
        ({"frequent": np.zeros(SIZE + 1, np.int32)}, "13 frequent ones"),
        ({"frequent": np.zeros((2, 2), np.int32)}, "'frequent'"),
        ({"more": np.zeros(2, np.int32)}, "'more' is missing or does not belong"),
    ],
)
def test_other_arrays_are_refused(changes: dict[str, np.ndarray], message: str) -> None:
    arrays = {"partners": small().partners, "frequent": small().frequent, **changes}
    assert message in refusal(save(arrays)).message


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_what_is_no_file_of_tensors_is_refused(content: bytes) -> None:
    refusal(content)


def test_a_damaged_file_is_an_error_or_the_same_shortlist() -> None:
    content, generator = small().to_bytes(), random.Random(1)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        try:
            found = Shortlist.from_bytes(bytes(damaged), SIZE, SIZE, "here")
        except ModelError:
            continue
        assert found.partners.min() >= 0
        assert max(found.partners.max(), found.frequent.max()) < SIZE


def test_a_model_has_its_shortlist_in_its_manifest(model: Path) -> None:
    assert SHORTLIST in json.loads((model / MANIFEST).read_bytes())["files"]
    found = load(model).shortlist
    assert found is not None
    assert found.size == 4


@pytest.mark.parametrize("change", ["flip", "cut", "missing", "link"])
def test_a_shortlist_that_is_not_the_manifests_is_refused(model: Path, change: str) -> None:
    path = model / SHORTLIST
    content = bytearray(path.read_bytes())
    path.unlink()
    if change == "link":
        (model / "elsewhere").write_bytes(content)
        path.symlink_to(model / "elsewhere")
    elif change != "missing":
        content[-1] ^= change == "flip"
        path.write_bytes(content[: -1 if change == "cut" else None])
    with pytest.raises(ModelError) as caught:
        load(model)
    assert caught.value.where == str(path)


def test_a_shortlist_of_another_vocabulary_is_refused(model: Path) -> None:
    add_files(model, {SHORTLIST: small().to_bytes()})
    with pytest.raises(ModelError, match="but the configuration asks for"):
        load(model)


def test_a_file_that_the_manifest_does_not_name_is_ignored(toy_model: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_model, tmp_path / "model")
    (tmp_path / "model" / SHORTLIST).write_bytes(b"left by someone")
    assert load(tmp_path / "model").shortlist is None
