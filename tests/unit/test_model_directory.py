"""A model directory under damage, hostility and a writer that works while others read."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqkit import model_directory
from seqkit.errors import ConfigError, ExitCode, InputMissing, ModelError, OutputError, SeqkitError
from seqkit.files import sha256, to_json
from seqkit.model_directory import MANIFEST, WEIGHTS, ModelWriter, load
from seqkit.nn import weights

FILES = ["config.json", "weights.safetensors", "metrics.jsonl", "tokenizer.spm"]
NOT_YET = "holds no trained model yet"


@pytest.fixture
def model(toy_model: Path, tmp_path: Path) -> Path:
    """A copy of the toy model, without what is needed to continue."""
    shutil.copytree(toy_model, tmp_path / "model", ignore=shutil.ignore_patterns("training"))
    return tmp_path / "model"


def manifest_of(model: Path) -> dict[str, Any]:
    manifest = json.loads((model / MANIFEST).read_bytes())
    del manifest["checksum"]  # without one no bit is proved to be right, and the rest is looked at
    return manifest


def describe(model: Path, **files: bytes) -> None:
    """Replace files and describe them in the manifest, as someone who wants to be believed would."""
    manifest = manifest_of(model)
    for name, content in ((name.replace("__", "."), content) for name, content in files.items()):
        (model / name).write_bytes(content)
        manifest["files"][name] = {"sha256": sha256(content), "size": len(content)}
    (model / MANIFEST).write_bytes(to_json(manifest))


def refusal(model: Path) -> SeqkitError:
    with pytest.raises(ModelError) as caught:
        load(model)
    assert caught.value.exit_code == ExitCode.BAD_DATA
    return caught.value


def test_a_model_is_what_was_saved(model: Path) -> None:
    assert set(manifest_of(model)["files"]) == set(FILES)
    loaded = load(model)
    assert not loaded.model.training
    assert loaded.source_tokenizer is loaded.target_tokenizer
    assert loaded.config.model.hidden_size == 64
    assert loaded.facts.longest_source >= 6
    parameters = weights.parameter_tensors(loaded.model)
    assert weights.to_bytes(parameters) == (model / WEIGHTS).read_bytes()
    assert weights.tensor_hash(parameters) == manifest_of(model)["tensors_sha256"]
    assert model_directory.is_complete(model)
    assert model_directory.read_facts(model) == loaded.facts


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_found_and_named(model: Path, name: str) -> None:
    content = (model / name).read_bytes()
    generator = random.Random(name)
    for position in (0, len(content) - 1, *(generator.randrange(len(content)) for _ in range(6))):
        damaged = bytearray(content)
        damaged[position] ^= 1 << generator.randrange(8)
        (model / name).write_bytes(damaged)
        error = refusal(model)
        assert error.message.startswith(f"{name} is damaged")
        assert error.where == str(model / name)
    (model / name).write_bytes(content)
    load(model)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["cut", "empty", "longer", "missing", "link", "pipe", "folder"])
def test_anything_but_the_file_itself_is_refused_by_name(model: Path, name: str, change: str) -> None:
    path = model / name
    content = path.read_bytes()
    path.unlink()
    match change:
        case "cut":
            path.write_bytes(content[:-1])
        case "empty":
            path.write_bytes(b"")
        case "longer":
            path.write_bytes(content + b"\n")
        case "link":
            (model / "elsewhere").write_bytes(content)
            path.symlink_to(model / "elsewhere")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    error = refusal(model)
    assert name in error.message
    assert {"link": "link", "missing": "missing", "pipe": "regular", "folder": "regular"}.get(
        change, "damaged"
    ) in error.message
    assert error.where == str(path)


def test_other_files_are_ignored(model: Path) -> None:
    (model / "pickle.pkl").write_bytes(b"\x80\x04")
    (model / "model.py").write_text("raise SystemExit(1)")
    (model / "source.spm").write_bytes(b"of an earlier run")
    (model / "training").mkdir()
    manifest = manifest_of(model)
    manifest["files"]["../outside"] = manifest["files"]["model.py"] = {"sha256": "0", "size": 0}
    (model / MANIFEST).write_bytes(to_json(manifest))
    assert load(model).config.model.hidden_size == 64


def test_what_is_no_model_directory(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="there is no model directory"):
        load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "it has no manifest.json" in refusal(tmp_path / "empty").message
    assert "is not a model directory but a file" in refusal(model / MANIFEST).message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "the model has format 2; this seqkit reads format 1"),
        ({"format": None}, "the model has format None"),
        ({"files": []}, "'files' is missing or of the wrong type"),
        ({"pending": None}, "'pending' is missing or of the wrong type"),
        ({"facts": 1}, "'facts' is missing or of the wrong type"),
        ({"versions": []}, "'versions' is missing"),
        ({"tokenizer_self_test": {}}, "'tokenizer_self_test' is missing"),
        ({"tokenizer_self_test": []}, "does not segment the manifest's test sentences"),
        ({"facts": {}}, "facts are damaged"),
        ({"facts": {"kind": "translation", "corpus": "x", "longest_source": 0}}, "facts are damaged"),
        ({"facts": {"kind": "translation", "corpus": "x", "longest_source": "9"}}, "facts are damaged"),
        (
            {"facts": {"kind": "translation", "corpus": "x", "longest_source": 9, "scores": 3}},
            "facts are damaged",
        ),
        ({"facts": {"kind": ["other"], "corpus": "x", "longest_source": 9}}, "facts are damaged"),
        (
            {"facts": {"kind": "other", "corpus": "x", "longest_source": 9}},
            "this is a model for 'other', which this version of seqkit does not know",
        ),
        ({"files": {}}, NOT_YET),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_strange_manifest_is_refused(model: Path, change: dict[str, Any], message: str) -> None:
    (model / MANIFEST).write_bytes(to_json({**manifest_of(model), **change}))
    assert message in refusal(model).message


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"[" * 100_000, b'{"format": NaN}', bytes((1 << 20) + 1)]
)
def test_a_broken_manifest_is_refused(model: Path, content: bytes) -> None:
    (model / MANIFEST).write_bytes(content)
    assert refusal(model).where == str(model / MANIFEST)
    (model / MANIFEST).unlink()
    (model / MANIFEST).symlink_to(model / "config.json")
    assert "link" in refusal(model).message


@pytest.mark.parametrize("size", [128, 1 << 16])
def test_a_configuration_that_asks_for_other_shapes_allocates_nothing(
    model: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((model / "config.json").read_bytes())
    config["model"].update(hidden_size=size, embedding_size=size)
    describe(model, config__json=to_json(config))
    parsed: list[int] = []
    monkeypatch.setattr("seqkit.network.arrays.deserialize", lambda content: parsed.append(len(content)))
    error = refusal(model)
    assert "but the configuration asks for" in error.message
    assert not parsed, "tensors were read before their shapes were known to fit"


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [("model", "hidden_size", 1 << 40), ("model", "dropout", 2), ("model", "cell", "x"), ("model", "new", 1)],
)
def test_a_configuration_out_of_range_is_a_bad_model(model: Path, table: str, key: str, value: Any) -> None:
    config = json.loads((model / "config.json").read_bytes())
    config[table][key] = value
    describe(model, config__json=to_json(config))
    error = refusal(model)
    assert f"{table}.{key}" in error.message
    assert error.where == str(model / "config.json")


def published(model: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """New weights and metrics for `model`, and the arguments of their publication."""
    loaded = load(model)
    changed = {name: tensor + 1 for name, tensor in weights.parameter_tensors(loaded.model).items()}
    files = {"metrics.jsonl": b'{"new": 1}\n', WEIGHTS: weights.to_bytes(changed)}
    self_test = manifest_of(model)["tokenizer_self_test"]
    return files, {
        "facts": loaded.facts,
        "tensors_sha256": weights.tensor_hash(changed),
        "self_test": self_test,
    }


def identity(model: Path) -> str:
    """The hash of the model that a reader finds."""
    return weights.tensor_hash(weights.parameter_tensors(load(model).model))


def watch_writes(monkeypatch: pytest.MonkeyPatch, after: Callable[[Path], None]) -> None:
    write = model_directory.writing.write_atomic

    def watched(path: Path, content: bytes) -> None:
        write(path, content)
        after(path)

    monkeypatch.setattr(model_directory.writing, "write_atomic", watched)


def test_a_reader_always_finds_a_whole_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, arguments = published(model)
    old, seen = identity(model), []
    watch_writes(monkeypatch, lambda _path: seen.append(identity(model)))
    ModelWriter(model, fresh=False).publish(files, **arguments)
    new = arguments["tensors_sha256"]
    assert seen == [old, old, new, new], "pending manifest, metrics, weights, manifest"
    assert manifest_of(model)["pending"] == {}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_after_a_kill_at_any_write_the_next_writer_goes_on(
    model: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    files, arguments = published(model)
    old, left = identity(model), [number]

    def kill(_path: Path) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        watch_writes(patch, kill)
        with pytest.raises(KeyboardInterrupt):
            ModelWriter(model, fresh=False).publish(files, **arguments)
    found = identity(model)
    assert found == (old if number < 3 else arguments["tensors_sha256"])
    ModelWriter(model, fresh=False).publish({"metrics.jsonl": b"{}\n"}, **arguments)
    assert identity(model) == found
    assert (model / "metrics.jsonl").read_bytes() == b"{}\n"


def state_of(model: Path) -> str:
    try:
        return identity(model)
    except ModelError as error:
        return NOT_YET if NOT_YET in error.message else error.message


@pytest.mark.parametrize("leftovers", [False, True], ids=["new", "over an old run"])
def test_a_new_run_has_no_model_until_its_first_weights(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leftovers: bool
) -> None:
    files, arguments = published(model)
    directory = model if leftovers else tmp_path / "other"
    first = {name: (model / name).read_bytes() for name in ("tokenizer.spm", "config.json")}
    model_directory.create(directory)
    old = identity(model)
    seen: list[str] = []
    watch_writes(monkeypatch, lambda _path: seen.append(state_of(directory)))
    writer = ModelWriter(directory, fresh=True)
    writer.publish({**first, "metrics.jsonl": b""}, **arguments)
    assert set(seen) <= {NOT_YET, old}
    assert seen[-1] == NOT_YET
    assert not (directory / WEIGHTS).exists()
    assert not model_directory.is_complete(directory)
    seen.clear()
    writer.publish(files, **arguments)
    assert seen == [NOT_YET, NOT_YET, arguments["tensors_sha256"], arguments["tensors_sha256"]]
    assert model_directory.is_complete(directory)


def test_a_reader_that_a_writer_overtakes_reads_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, arguments = published(model)
    read, overtaken = model_directory.manifest.read_regular, []

    def slow(path: Path, *, limit: int) -> bytes:
        content = read(path, limit=limit)
        if path.name == MANIFEST and not overtaken:
            overtaken.append(True)
            ModelWriter(model, fresh=False).publish(files, **arguments)
        return content

    monkeypatch.setattr(model_directory.manifest, "read_regular", slow)
    assert identity(model) == arguments["tensors_sha256"]


def test_where_a_model_may_be_made(model: Path, tmp_path: Path) -> None:
    model_directory.create(model)
    model_directory.create(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "training").is_dir()
    model_directory.create(tmp_path / "a" / "b")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("years of work")
    with pytest.raises(
        ConfigError, match=r"not empty and not a model directory \(it contains 'thesis\.tex'\)"
    ):
        model_directory.create(tmp_path / "foreign")
    assert [path.name for path in (tmp_path / "foreign").iterdir()] == ["thesis.tex"]
    with pytest.raises(OutputError):
        model_directory.create(tmp_path / "foreign" / "thesis.tex")


def test_a_generator_comes_back_with_one_tokenizer(toy_generator: Path) -> None:
    loaded = model_directory.load(toy_generator)
    assert loaded.facts.kind == "generation"
    assert loaded.facts.documents == "none"
    assert set(loaded.fields) == {"target"}
    assert loaded.target_tokenizer.token_bytes()[loaded.facts.boundary] == b"\n"
    assert loaded.model.encoder is None
    assert not loaded.model.training


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "translation"},
        {"kind": 7},
        {"documents": ""},
        {"documents": "page"},
        {"documents": ["line"]},
        {"boundary": 0},
        {"boundary": -1},
        {"boundary": 1 << 20},
        {"boundary": True},
        {"boundary": "3"},
    ],
    ids=str,
)
def test_strange_facts_of_a_generator_are_refused(
    toy_generator: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_generator, model)
    manifest = manifest_of(model)
    (model / MANIFEST).write_bytes(to_json({**manifest, "facts": {**manifest["facts"], **change}}))
    assert "facts are damaged" in refusal(model).message
