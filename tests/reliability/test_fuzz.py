"""Everything that reads: for any bytes it returns, or raises an error of ours that names the place.

CI tries a few hundred; `-m slow` fifty times as many. What once went wrong stays in `FINDINGS`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqkit.config import assignment_layer, config_from_dict, file_layer, resolve
from seqkit.data.text.reading import read_blocks, read_lines, read_text
from seqkit.data.tokenizers import load_tokenizer
from seqkit.errors import SeqkitError
from seqkit.files import parse_json, parse_sealed_json, to_sealed_json
from seqkit.kinds import TRANSLATION
from seqkit.network.arrays import float_arrays
from seqkit.network.shortlist import Shortlist

FEW, MANY = 60, 3000  # examples of each reader
FINDINGS: list[bytes] = [
    *(b"", b"\n", b"\r", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"PK\x03\x04"),
    *(b"[" * 100_000, b'{"a":' * 20_000, b"1e999", b"-" * 5000, b"9" * 5000, b'"\\ud800"'),
    *(b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"checksum": 5}', b'{"format": ["seqkit characters"]}'),
    *(b"[model]\nhidden_size = 99999999999999999999", b"a = [" + b"[" * 3000, b"a" + b".a" * 3000 + b" = 1"),
    *(struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 4) + b"null", struct.pack("<Q", 1 << 63)),
    b"\x0a\xff\xff\xff\xff\x0f",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
LIKE_JSON = JSON.map(lambda value: json.dumps(value).encode())
LIKE_TENSORS = st.tuples(LIKE_JSON, st.binary(max_size=64)).map(
    lambda parts: struct.pack("<Q", len(parts[0])) + parts[0] + parts[1]
)
LIKE_TOML = st.lists(
    st.sampled_from(
        ["[model]", "[training]", "hidden_size", "=", "1", "'lstm'", "[[", "]]", "{", "}", "\n", ".", "#"]
    ),
    max_size=20,
).map(lambda words: " ".join(words).encode())
ANYTHING = st.one_of(st.binary(max_size=200), LIKE_JSON, LIKE_TENSORS, LIKE_TOML)


def in_file(read: Callable[[Path], Any]) -> Callable[[bytes, Path], Any]:
    """A reader of files as one of bytes."""

    def reader(content: bytes, folder: Path) -> Any:
        path = folder / "file"
        path.write_bytes(content)
        return read(path)

    return reader


READERS: dict[str, Callable[[bytes, Path], Any]] = {
    "lines": in_file(lambda path: list(read_lines(path))),
    "blocks": in_file(lambda path: list(read_blocks(path))),
    "text": in_file(lambda path: "".join(read_text(path))),
    "json": lambda content, _: parse_json(content, "file"),
    "sealed json": lambda content, _: parse_sealed_json(content, "file"),
    "toml": in_file(lambda path: resolve([file_layer(path)], TRANSLATION)),
    "assignment": lambda content, _: resolve(
        [assignment_layer([content.decode("utf-8", "surrogateescape")])], TRANSLATION
    ),
    "config": lambda content, _: config_from_dict(parse_json(content, "file"), "file", TRANSLATION),
    "characters": lambda content, _: load_tokenizer(content, "characters.json"),
    "symbols": lambda content, _: load_tokenizer(content, "symbols.json"),
    "sentencepiece": lambda content, _: load_tokenizer(content, "tokenizer.spm"),
    "tensors": lambda content, _: float_arrays(content, {"a": (2, 2)}, "file"),
    "shortlist": lambda content, _: Shortlist.from_bytes(content, 10, 10, "file"),
}


def attempt(reader: Callable[[bytes, Path], Any], content: bytes, folder: Path) -> None:
    """Read; an error must be ours, of one line and with a place or a remedy."""
    error: SeqkitError | None = None
    try:
        reader(content, folder)
    except SeqkitError as caught:
        error = caught
    if error is not None:
        assert error.where or error.hint, error.message
        assert int(error.exit_code) in {2, 65, 66, 74}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", FINDINGS, ids=range(len(FINDINGS)))
def test_past_findings(name: str, content: bytes, tmp_path: Path) -> None:
    attempt(READERS[name], content, tmp_path)


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_any_bytes(name: str, examples: int, tmp_path: Path) -> None:
    @settings(
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
    )
    @given(content=ANYTHING)
    def check(content: bytes) -> None:
        attempt(READERS[name], content, tmp_path)

    check()


@settings(max_examples=200)
@given(
    value=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)),
    place=st.integers(0),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_of_sealed_json_is_seen(value: dict[str, Any], place: int, bit: int) -> None:
    """Or makes another key of the checksum, which whoever reads refuses."""
    value.pop("checksum", None)
    try:
        content = bytearray(to_sealed_json(value))
    except UnicodeEncodeError:  # a lone surrogate, which nothing of ours holds
        return
    assert parse_sealed_json(bytes(content), "file") == value
    content[place % len(content)] ^= 1 << bit
    try:
        found = parse_sealed_json(bytes(content), "file")
    except SeqkitError:
        return
    assert set(found) - set(value), "an altered object was taken for whole"
