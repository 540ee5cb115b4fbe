"""Mutations of model directories by somebody who wants to be believed: their checksums fit.

    python -m tests.reliability.hostile FOLDER FILE          lets its manifest vouch for a changed file
    python -m tests.reliability.hostile FOLDER -c STATEMENT  changes its manifest, a dictionary called m

FOLDER is a model, a corpus or a checkpoint of a run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqkit.files import sha256, to_sealed_json

Mutation = Callable[[Path, random.Random], str]

BAD_VALUES: list[Any] = [
    *(None, True, -1, 0, 1 << 31, 1 << 63, 10**400, 1e308, -0.5, "NaN", "", "x" * 5000),
    *("\x1b[2J", "../../etc/passwd", "/dev/zero", "\ud800", [], [[]], {}, {"a": {"a": {}}}, [1] * 2000),
]
BAD_TEXTS = [
    *(b"", b"\x00" * 64, b"[" * 200_000, b'{"a":' * 50_000, b"NaN", b'{"a": NaN}', b'{"a": 1, "a": 2}'),
    *(b"\xff\xfe{}", b'{"a": 1e999}', b"9" * 5000, b'"' + b"a" * (2 << 20) + b'"', b"null", b"{}"),
    *(b"\xef\xbb\xbf{}", b'{"a": "\\ud800"}'),
]


def believe(model: Path, name: str, content: bytes) -> None:
    """Replace a file and let the manifest vouch for it."""
    path = model / name
    if path.is_symlink() or path.exists():
        path.unlink()
    path.write_bytes(content)
    manifest = read_manifest(model)
    manifest.get("files", manifest)[name] = {"sha256": sha256(content), "size": len(content)}
    write_manifest(model, manifest)


def manifest_path(folder: Path) -> Path:
    corpus = folder / "corpus.json"
    return corpus if corpus.exists() else folder / "manifest.json"


def read_manifest(model: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(manifest_path(model).read_bytes())
    manifest.pop("checksum", None)
    return manifest


def write_manifest(model: Path, manifest: dict[str, Any]) -> None:
    try:
        content = to_sealed_json(manifest)
    except (ValueError, UnicodeEncodeError):
        content = json.dumps(manifest).encode("utf-8", "surrogatepass")
    manifest_path(model).write_bytes(content)


def leaf_of(value: Any, generator: random.Random) -> tuple[Any, Any]:
    """A container somewhere in a JSON value and a key of it."""
    container, key = value, None
    while True:
        keys = list(container) if isinstance(container, dict) else list(range(len(container)))
        if not keys:
            return None, None
        key = generator.choice(keys)
        below = container[key]
        if not isinstance(below, dict | list) or not below or generator.random() < 0.3:
            return container, key
        container = below


def change_json(value: Any, generator: random.Random) -> str:
    """One value replaced, removed, renamed or doubled, in place."""
    container, key = leaf_of(value, generator)
    if container is None:
        return "nothing"
    bad = generator.choice(BAD_VALUES)
    match generator.randrange(4 if isinstance(container, dict) else 2):
        case 0:
            container[key] = bad
            return f"{key!r} = {str(bad)[:20]!r}"
        case 1:
            del container[key]
            return f"{key!r} removed"
        case 2:
            container[f"{key}x"] = container.pop(key)
            return f"{key!r} renamed"
        case _:
            container["extra"] = bad
            return "a key more"


def manifest_value(model: Path, generator: random.Random) -> str:
    manifest = read_manifest(model)
    what = change_json(manifest, generator)
    write_manifest(model, manifest)
    return what


def manifest_text(model: Path, generator: random.Random) -> str:
    content = generator.choice(BAD_TEXTS)
    (model / "manifest.json").write_bytes(content)
    return f"{content[:20]!r}"


def config_value(model: Path, generator: random.Random) -> str:
    config = json.loads((model / "config.json").read_bytes())
    what = change_json(config, generator)
    believe(model, "config.json", json.dumps(config).encode("utf-8", "surrogatepass"))
    return what


def config_text(model: Path, generator: random.Random) -> str:
    content = generator.choice(BAD_TEXTS)
    believe(model, "config.json", content)
    return f"{content[:20]!r}"


def config_sizes(model: Path, generator: random.Random) -> str:
    """A configuration that asks for enormous or impossible networks."""
    config = json.loads((model / "config.json").read_bytes())
    key = generator.choice(
        ["embedding_size", "hidden_size", "encoder_layers", "decoder_layers", "attention_heads"]
    )
    value = generator.choice([1 << 16, 1 << 20, 1 << 31, 1 << 62, 3, 7, 0, -4, 2.5, "64"])
    config["model"][key] = value
    believe(model, "config.json", json.dumps(config).encode())
    return f"{key} = {value}"


def split_tensors(content: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def tensor_header(model: Path, generator: random.Random) -> str:
    """Names, types, shapes and places of tensors, changed one by one."""
    header, data = split_tensors((model / "weights.safetensors").read_bytes())
    names = [name for name in header if name != "__metadata__"]
    name = generator.choice(names)
    entry = header[name]
    match generator.randrange(8):
        case 0:
            entry["shape"] = generator.choice([[1 << 40], [-1], [], [1 << 62, 1 << 62], ["a"], None, [0]])
        case 1:
            entry["dtype"] = generator.choice(["F64", "I8", "BF16", "F8_E4M3", "U128", 5, None, "f32"])
        case 2:
            entry["data_offsets"] = generator.choice([[0, 0], [1 << 62, 1 << 63], [-8, 8], [8], "0", [4, 1]])
        case 3:
            header[f"{name}\x1b]0;owned\x07"] = header.pop(name)
        case 4:
            del header[name]
        case 5:
            header["__metadata__"] = generator.choice([{"a": 5}, "x", {"k" * 10_000: "v"}, None])
        case 6:
            other = generator.choice(names)
            header[name], header[other] = header[other], header[name]
        case _:
            change_json(header, generator)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    believe(model, "weights.safetensors", struct.pack("<Q", len(text)) + text + data)
    return name


def tensor_bytes(model: Path, generator: random.Random) -> str:
    """The file of tensors as bytes: lengths, cuts, what follows the end, doubled keys, NaN."""
    content = (model / "weights.safetensors").read_bytes()
    header, data = split_tensors(content)
    text = json.dumps(header)
    match generator.randrange(6):
        case 0:
            content = (
                struct.pack("<Q", generator.choice([0, 1, 1 << 20, 1 << 40, (1 << 64) - 1])) + content[8:]
            )
        case 1:
            content = content[: generator.randrange(len(content))]
        case 2:
            content += generator.randbytes(generator.randrange(1, 5000))
        case 3:
            name = generator.choice(list(header))
            text = text[:-1] + f', "{name}": {json.dumps(header[name])}}}'
            content = struct.pack("<Q", len(text)) + text.encode() + data
        case 4:
            text = "[" * generator.choice([1000, 200_000, 900_000])
            content = struct.pack("<Q", len(text)) + text.encode() + data
        case _:
            special = struct.pack("<f", generator.choice([float("nan"), float("inf"), -float("inf"), 3e38]))
            floats = bytearray(data)
            for _ in range(generator.choice([1, 50, len(floats) // 4])):
                place = 4 * generator.randrange(len(floats) // 4)
                floats[place : place + 4] = special
            content = struct.pack("<Q", len(text)) + text.encode() + bytes(floats)
    believe(model, "weights.safetensors", content)
    return "bytes"


def tokenizer_name(model: Path) -> str:
    (name,) = (path.name for path in model.iterdir() if path.name in {"tokenizer.spm", "characters.json"})
    return name


def tokenizer_bytes(model: Path, generator: random.Random) -> str:
    """A tokenizer with bytes flipped, cut, repeated, enlarged; or another kind of file altogether."""
    name = tokenizer_name(model)
    content = bytearray((model / name).read_bytes())
    match generator.randrange(6):
        case 0:
            for _ in range(generator.choice([1, 3, 30])):
                content[generator.randrange(len(content))] = generator.randrange(256)
        case 1:
            del content[generator.randrange(len(content)) :]
        case 2:
            start = generator.randrange(len(content))
            content[start:start] = content[start : start + generator.randrange(1, 500)] * generator.choice(
                [1, 40]
            )
        case 3:
            content = bytearray(generator.randbytes(generator.choice([0, 1, 100, 5000])))
        case 4:  # a field of a protocol buffer that claims more bytes than there are
            start = generator.randrange(len(content))
            content[start : start + 1] = b"\x0a\xff\xff\xff\xff\x07"
        case _:  # a piece of 200,000 bytes
            piece = b"\x0a\xc0\x9a\x0c" + b"\xe2\x96\x81" * 66_667
            content += b"\x0a" + _varint(len(piece)) + piece
    believe(model, name, bytes(content))
    return name


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def other_files(model: Path, generator: random.Random) -> str:
    """Links, pipes, devices, folders, sockets and swapped files where files should be."""
    name = generator.choice(
        ["config.json", "weights.safetensors", "manifest.json", "metrics.jsonl", tokenizer_name(model)]
    )
    path = model / name
    match generator.randrange(7):
        case 0:
            path.rename(model / "elsewhere")
            path.symlink_to(generator.choice(["elsewhere", "/dev/zero", "/etc/passwd", "no-such", "."]))
        case 1:
            path.unlink()
            os.mkfifo(path)
        case 2:
            path.unlink()
            path.mkdir()
        case 3:
            path.unlink()
        case 4:
            path.unlink()
            path.symlink_to("/proc/self/mem")
        case 5:
            path.write_bytes((model / "weights.safetensors").read_bytes())
        case _:
            believe(model, "shortlist.safetensors", generator.randbytes(generator.choice([0, 8, 500])))
    return name


def path_tricks(model: Path, generator: random.Random) -> str:
    """A manifest that names files elsewhere, or far more of them than there are."""
    manifest = read_manifest(model)
    trick = generator.choice(
        [
            "../secret",
            "/etc/passwd",
            "training/lock",
            "a\x00b",
            "CON",
            ".",
            "",
            "weights.safetensors/",
            "\x1b[31m",
        ]
    )
    entry = {"sha256": "0" * 64, "size": generator.choice([0, 1, 1 << 60])}
    for part in ("files", "pending"):
        manifest[part][trick] = entry
    if generator.random() < 0.5:
        manifest["pending"]["weights.safetensors"] = entry
        manifest["files"]["weights.safetensors"] = {"sha256": ["x"], "size": "1"}
    write_manifest(model, manifest)
    return trick


MUTATIONS: tuple[Mutation, ...] = (
    *(manifest_value, manifest_text, config_value, config_text, config_sizes),
    *(tensor_header, tensor_bytes, tokenizer_bytes, other_files, path_tricks),
)


def mutate(original: Path, model: Path, seed: int) -> str:
    """Make a mutated copy of a model directory; what was done, to say when it goes wrong."""
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(original, model, ignore=shutil.ignore_patterns("training"))
    generator = random.Random(seed)
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    return f"seed {seed}: {mutation.__name__}: {mutation(model, generator)}"


if __name__ == "__main__":
    directory, words = Path(sys.argv[1]), sys.argv[2:]
    if words[0] == "-c":
        m = read_manifest(directory)
        exec(words[1])
        write_manifest(directory, m)
    else:
        believe(directory, words[0], (directory / words[0]).read_bytes())
