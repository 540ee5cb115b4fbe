"""Everything that reads: for any bytes it returns, or raises an error of ours that names the place.

CI tries a few hundred; `-m slow` fifty times as many. What once went wrong stays in `FINDINGS`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seqkit import TextGenerator, Translator, load
from seqkit.cli import run
from seqkit.config import assignment_layer, config_from_dict, file_layer, resolve
from seqkit.data.text.reading import read_blocks, read_lines, read_text
from seqkit.data.tokenizers import load_tokenizer
from seqkit.errors import SeqkitError
from seqkit.files import parse_json, parse_sealed_json, to_sealed_json
from seqkit.kinds import TRANSLATION
from seqkit.network.arrays import float_arrays
from seqkit.network.shortlist import Shortlist
from tests.conftest import silence_logger

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


# What some reader of text takes for its own: SentencePiece's marks, noncharacters, lone surrogates, controls.
ODD_CHARACTERS = (
    "▁▅⁇\ufdd0\ufdef\ufffe\uffff\U0010ffff\ud800\udcff\0\x1b\x85\u2028\u200b\u200d\ufe0f\ufeff\r\n\t ab"
)
ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from(ODD_CHARACTERS), max_size=20)
ALL_NONCHARACTERS = "".join(map(chr, range(0xFDD0, 0xFDF0))) + "▁"


@settings(max_examples=100)
@given(lines=st.lists(ANY_TEXT, min_size=1, max_size=4), prefix=ANY_TEXT)
@example(lines=[ALL_NONCHARACTERS], prefix=ALL_NONCHARACTERS)
def test_any_text_is_translated(toy_model: Path, lines: list[str], prefix: str) -> None:
    """Line by line, whatever stands in it, with any beginning of the answer; and scored as an answer."""
    translator = opened(toy_model)
    assert isinstance(translator, Translator)
    found = translator.translate(lines, prefixes=[prefix] * len(lines), beam_size=1, maximum_length=8)
    assert [translation.source for translation in found] == lines
    assert len(translator.score(lines, [prefix] * len(lines))) == len(lines)


@settings(max_examples=60)
@given(prompt=ANY_TEXT)
@example(prompt=ALL_NONCHARACTERS)
def test_any_prompt_is_continued(toy_generator: Path, prompt: str) -> None:
    generator = opened(toy_generator)
    assert isinstance(generator, TextGenerator)
    (made,) = generator.generate(prompt, length=5, seed=1)
    assert made.prompt == prompt


def test_any_line_goes_through_every_command(
    toy_model: Path, toy_generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of odd lines is prepared, translated, as text and as JSON with a prefix, and scored."""
    monkeypatch.chdir(tmp_path)
    lines = [ALL_NONCHARACTERS, *ODD_CHARACTERS.replace("\n", "").replace("\ud800", "").replace("\udcff", "")]
    lines += [f"ba {line} di {number}" for number, line in enumerate(lines)]
    (tmp_path / "odd").write_bytes("".join(f"{line}\n" for line in lines).encode())
    objects = [json.dumps({"text": line + "\ud800", "target_prefix": line}) for line in lines]
    (tmp_path / "odd.jsonl").write_text("".join(f"{line}\n" for line in objects))
    for command in (
        ["prepare", "pairs", "--source", "odd", "--target", "odd", "--keep-identical", "--vocab-size", 400],
        ["prepare", "text", "--text", "odd", "--tokenizer", "unigram", "--vocab-size", 400],
        ["translate", toy_model, "odd", "--output", "out"],
        ["translate", toy_model, "odd.jsonl", "--json", "--output", "out.jsonl"],
        ["evaluate", "--model", toy_generator, "--text", "odd"],
        ["evaluate", "--reference", "odd", "odd"],
        ["generate", toy_generator, "--prompt-file", "odd", "--length", 5, "--output", "made"],
    ):
        assert run([*map(str, command), "--quiet"]) == 0, command
        silence_logger()
    assert (tmp_path / "out").read_bytes().count(b"\n") == len(lines)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(lines)


@cache
def opened(directory: Path) -> Translator | TextGenerator:
    """A model that is opened once for all examples."""
    return load(directory)
