"""A corpus of plain text holds all of the text, cut where it should be, in bounded memory."""

from __future__ import annotations

import dataclasses
import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit.data.corpus import Corpus
from seqkit.data.manifest import Documents, TextRecord
from seqkit.data.prepare.options import DOCUMENTS
from seqkit.data.prepare.plain import PrepareTextOptions, PrepareTextReport, prepare_text
from seqkit.data.ragged import RaggedArray
from seqkit.data.tokenizers import END, SMALLEST_VOCABULARY, TEXT_KINDS, Tokenizer, TokenizerKind
from seqkit.errors import ConfigError, DataError, InputMissing, OutputError

TEXT = "".join(f"  Zeile {number}:\tder Hund  läuft ▁ <s>.\n\n" for number in range(400)) + "no newline"
NAMES = ["anna", "bo", "carl", "dora", "emil", "frieda", "gustav"]


def prepare(folder: Path, *contents: str | bytes, **options: Any) -> tuple[Corpus, PrepareTextReport]:
    """The corpus of files with the given contents, in the folder `corpus`."""
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"text{number}")
        paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    if "valid" in options:
        (folder / "valid").write_bytes(options.pop("valid").encode())
        options["valid_text"] = (str(folder / "valid"),)
    report = prepare_text(
        PrepareTextOptions(folder / "corpus", tuple(map(str, paths)), overwrite=True, **options),
        lambda *_: None,
    )
    return Corpus.open(folder / "corpus", verify=True), report


def raw(tokenizer: Tokenizer, ids: np.ndarray) -> bytes:
    spelt = tokenizer.token_bytes()
    return b"".join(spelt[token] for token in ids.tolist())


def documents(corpus: Corpus, array: RaggedArray) -> list[str]:
    """The documents of a split; all must end with END, and have no other."""
    sequences = array.gather(range(len(array)))
    assert all(ids[-1] == END and END not in ids[:-1] for ids in sequences)
    return [raw(corpus.target_tokenizer, ids).decode() for ids in sequences]


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_the_stream_of_ids_is_the_text(kind: TokenizerKind, tmp_path: Path) -> None:
    corpus, report = prepare(tmp_path, TEXT, tokenizer=kind, vocabulary_size=None if kind == "byte" else 300)
    train, valid = corpus.train.target, corpus.valid.target
    assert (corpus.kind.name, corpus.train.source, corpus.valid.source) == ("generation", None, None)
    assert (len(train), len(valid)) == (1, 1)
    assert set(corpus.fields) == {"target"}
    assert raw(corpus.target_tokenizer, np.concatenate([train.values, valid.values])) == TEXT.encode()
    cut = int(len(TEXT) * 0.9)
    assert np.array_equal(train.values, corpus.target_tokenizer.encode_text(TEXT[:cut]))
    assert np.array_equal(valid.values, corpus.target_tokenizer.encode_text(TEXT[cut:]))
    assert (report.train_tokens, report.valid_tokens) == (len(train.values), len(valid.values))
    assert report.vocabulary_size == corpus.target_tokenizer.size
    assert corpus.valid_text("target") == []


def test_the_default_split_is_the_one_that_is_customary(tmp_path: Path) -> None:
    text = "to be or not to be\n" * 60_000
    corpus, report = prepare(tmp_path, text[:1_115_394])  # as long as tiny-shakespeare
    assert (report.train_characters, report.valid_characters) == (1_003_854, 111_540)
    assert corpus.manifest.text == TextRecord("none", 1_003_854, 111_540, 1, 1, min_count=2)
    assert len(corpus.train.target.values) == 1_003_854


# A share is rounded up: there is always something to validate with.
@pytest.mark.parametrize(("size", "valid"), [(1, 1), (17, 17), (98, 98), (0.25, 25), (0.015, 2), (0.001, 1)])
def test_the_size_of_the_validation_text_is_asked_for(size: float, valid: int, tmp_path: Path) -> None:
    _, report = prepare(tmp_path, "aabb" * 25, valid_size=size)
    assert (report.train_characters, report.valid_characters) == (100 - valid, valid)


@pytest.mark.parametrize("kind", ["char", "bpe"])
@pytest.mark.parametrize("marked", DOCUMENTS)
def test_the_container_of_the_text_does_not_matter(
    kind: TokenizerKind, marked: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (TEXT + " " + "word " * 1000).encode()
    options = {"tokenizer": kind, "vocabulary_size": 300, "documents": marked, "valid": "Hund\n"}
    monkeypatch.setattr("seqkit.data.prepare.plain._SAMPLE_CHARACTERS", len(text) // 2)
    plain, _ = prepare(tmp_path, text, **options)
    monkeypatch.setattr("seqkit.data.text.reading._BLOCK", 1000)  # reads end elsewhere
    zipped, _ = prepare(tmp_path, gzip.compress(text), **options)
    assert plain.fingerprint == zipped.fingerprint


def test_characters_come_from_the_training_text_alone(tmp_path: Path) -> None:
    corpus, report = prepare(tmp_path, "aab\n" * 9 + "cccc", valid_size=4)
    assert corpus.target_tokenizer.token_bytes()[SMALLEST_VOCABULARY:] == [b"a", b"\n", b"b"]
    assert (report.byte_rate, report.valid_byte_rate) == (0.0, 1.0)
    corpus, report = prepare(tmp_path, "abcabd", valid="éa", min_count=2)
    assert corpus.target_tokenizer.token_bytes()[SMALLEST_VOCABULARY:] == [b"a", b"b"]
    assert report.byte_rate == pytest.approx(2 / 6)
    assert report.valid_byte_rate == pytest.approx(2 / 3)  # é has two bytes
    assert report.valid_characters == 2
    corpus, _ = prepare(tmp_path, "abcabd", valid="a", min_count=1, vocabulary_size=SMALLEST_VOCABULARY + 3)
    assert corpus.target_tokenizer.token_bytes()[SMALLEST_VOCABULARY:] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_every_line_is_a_document(kind: TokenizerKind, tmp_path: Path) -> None:
    text = "\n".join(NAMES * 20) + "\n\n \n"
    size = None if kind == "byte" else 280
    corpus, report = prepare(tmp_path, text, documents="line", tokenizer=kind, vocabulary_size=size)
    train, valid = corpus.train.target, corpus.valid.target
    assert documents(corpus, train) + documents(corpus, valid) == NAMES * 20
    assert (report.train_documents, report.valid_documents) == (len(train), len(valid)) == (126, 14)
    assert report.dropped == {"blank": 2}
    assert report.train_tokens == len(train.values) == train.lengths.sum()
    assert report.train_characters == len("".join(NAMES)) * 18
    assert (corpus.manifest.lines, corpus.manifest.kept) == (142, 126)


def test_documents_keep_their_inner_newlines(tmp_path: Path) -> None:
    text = "\n\na\n b\n\n \n\nc\n\nd\ne"
    corpus, _ = prepare(tmp_path, text, documents="blank-line", min_count=1)
    assert documents(corpus, corpus.train.target) == ["a\n b", "c"]
    assert documents(corpus, corpus.valid.target) == ["d\ne"]


def test_every_file_is_a_document(tmp_path: Path) -> None:
    files = ["first\n\n", "", "second", "third\n"]
    corpus, report = prepare(tmp_path, *files, documents="file", min_count=1)
    assert documents(corpus, corpus.train.target) == ["first\n\n", "second"]
    assert documents(corpus, corpus.valid.target) == ["third\n"]
    assert report.dropped == {"blank": 1}


def test_files_without_marks_are_one_text(tmp_path: Path) -> None:
    corpus, _ = prepare(tmp_path, "no newline", " here\n", "é" * 9, min_count=1, valid="valid")
    assert raw(corpus.target_tokenizer, corpus.train.target.values).decode() == "no newline here\n" + "é" * 9
    assert raw(corpus.target_tokenizer, corpus.valid.target.values) == b"valid"


@pytest.mark.parametrize(
    ("size", "train"), [(1, 3), (4, 3), (10, 2), (11, 2), (12, 2), (23, 1), (24, 1), (33, 1)]
)
def test_no_document_is_split(size: int, train: int, tmp_path: Path) -> None:
    lines = ["0" * 10, "1" * 10, "2" * 10, "3" * 4]
    corpus, _ = prepare(tmp_path, "\n".join(lines), documents="line", valid_size=size)
    assert documents(corpus, corpus.train.target) == lines[:train]
    assert documents(corpus, corpus.valid.target) == lines[train:]


def test_a_validation_text_is_used_whole(tmp_path: Path) -> None:
    corpus, report = prepare(tmp_path, "a\nb\na\nb\n", valid="b\n\na", documents="line")
    assert documents(corpus, corpus.train.target) == ["a", "b", "a", "b"]
    assert documents(corpus, corpus.valid.target) == ["b", "a"]
    assert (report.dropped, corpus.manifest.lines) == ({"blank": 1}, 5)


def test_characters_of_a_file_are_mended_once_and_named(tmp_path: Path, warnings: list[str]) -> None:
    content = "\ufeffone\r\ntwo\rtwo\n\n".encode() + b"thr\xffee\n" + "\ufefffour\r\n".encode()
    corpus, _ = prepare(tmp_path, content, valid="x", min_count=1)
    stored = raw(corpus.target_tokenizer, corpus.train.target.values).decode()
    assert stored == "one\ntwo\rtwo\n\nthr\ufffdee\n\ufefffour\n"
    assert warnings == [f"{tmp_path}/text0: invalid UTF-8 replaced by U+FFFD in line 4"]


@pytest.mark.parametrize("marked", ["none", "file"])
def test_bytes_are_any_file_as_it_is(marked: Documents, tmp_path: Path, warnings: list[str]) -> None:
    content = b"\xef\xbb\xbfa\r\n\xff\xfe\xc3" + bytes(range(256)) * 8 + "é\r\n".encode()
    corpus, report = prepare(tmp_path, content, valid="x", tokenizer="byte", documents=marked)
    values = corpus.train.target.values
    assert bytes((values - 4).astype(np.uint8)[: len(content)]) == content
    assert len(values) == len(content) + (marked == "file")
    assert (report.byte_rate, warnings) == (0.0, [])


def test_a_normal_form_keeps_spaces(tmp_path: Path) -> None:
    text = "  cafe\u0301  \ufb01n\u00a0da \n\n" * 20
    for form, wanted in (
        ("identity", text),
        ("nfc", text.replace("e\u0301", "é")),
        ("nfkc", text.replace("e\u0301", "é").replace("\ufb01", "fi").replace("\u00a0", " ")),
    ):
        corpus, report = prepare(tmp_path, text, valid="x", normalization=form)
        assert raw(corpus.target_tokenizer, corpus.train.target.values).decode() == wanted
        assert report.train_characters == len(wanted)


def test_the_same_options_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.data.prepare.plain._SAMPLE_CHARACTERS", len(TEXT) // 4)
    words = "\n".join(f"{a}{b}{c}ung {a}{c}lich" for a in "abdefg" for b in NAMES for c in NAMES)
    options = {"tokenizer": "bpe", "vocabulary_size": 320, "threads": 1}
    first, report = prepare(tmp_path, words, **options)
    again, _ = prepare(tmp_path, words, **(options | {"threads": 3}))
    assert first.fingerprint == again.fingerprint == report.fingerprint
    assert (tmp_path / "corpus" / "corpus.json").read_bytes() == again.manifest.to_bytes()
    other, _ = prepare(tmp_path, words, **options, seed=2)  # another sample
    assert other.fingerprint != first.fingerprint


def test_memory_does_not_grow_with_one_endless_line(tmp_path: Path) -> None:
    peaks = []
    for size in (3, 9):
        tracemalloc.start()
        _, report = prepare(tmp_path, b"long \xc3\xa4 " * (size << 17), documents="line", valid="x\ny")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (report.train_documents, report.train_characters) == (1, 7 * (size << 17))
    assert peaks[1] < 1.2 * peaks[0] + (1 << 20)


@pytest.mark.parametrize(
    ("contents", "options", "message"),
    [
        ([""], {}, "there is no text to prepare"),
        (["\ufeff"], {}, "there is no text to prepare"),
        (["\n \n"], {"documents": "line"}, "there is no text to prepare"),
        (["", ""], {"documents": "file", "valid": "a"}, "there is no text to prepare"),
        (["aa"], {"valid": ""}, "there is no validation text"),
        (["aa"], {"valid": "\n", "documents": "blank-line"}, "there is no validation text"),
        (["a"], {}, "holding out 1 of 1 characters leaves nothing to train on"),
        (["aaaa"], {"valid_size": 0.9}, "holding out 4 of 4 characters leaves nothing to train on"),
        (["aaaa"], {"valid_size": 4}, "holding out 4 of 4 characters leaves nothing to train on"),
        (["aaaa"], {"valid_size": 9}, "holding out 9 of 4 characters leaves nothing to train on"),
        (["aaaa\n"], {"documents": "line"}, "the text is a single document"),
        (["aaaa"], {"documents": "file"}, "the text is a single document"),
        (["abcdefghi"], {}, "no character of the training text occurs 2 times"),
        ([b"\xfd7zXZ\0"], {"tokenizer": "byte"}, "is a damaged xz file"),
        (["a\0".encode("utf-16")], {}, "is UTF-16 text"),
        ([gzip.compress(TEXT.encode())[:-20]], {"tokenizer": "bpe"}, "damaged gzip file"),
    ],
)
def test_text_that_cannot_be_used(
    contents: list[str | bytes], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, *contents, **options)
    assert not (tmp_path / "corpus").exists()


def test_utf_16_is_bytes_like_any(tmp_path: Path) -> None:
    content = "ab" * 20
    corpus, _ = prepare(tmp_path, content.encode("utf-16"), valid="x", tokenizer="byte")
    assert len(corpus.train.target.values) == 82


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": ()}, "--text is missing"),
        ({"text": ("-",), "valid_text": ("-",)}, r"standard input \(-\) can be read only once"),
        ({"valid_text": ("b",), "valid_size": 5}, "--valid-size cannot be used with validation files"),
        ({"documents": "lines"}, "--documents lines is not known"),
        ({"tokenizer": "words"}, "--tokenizer words is not known"),
        ({"tokenizer": "word"}, "--tokenizer word cannot be used with --text"),
        ({"normalization": "nfd"}, "--normalization nfd is not known"),
        ({"tokenizer": "bpe", "min_count": 2}, "--min-count cannot be used with --tokenizer bpe"),
        ({"tokenizer": "byte", "vocabulary_size": 300}, "--vocab-size 300 cannot be used"),
        ({"tokenizer": "byte", "normalization": "nfc"}, "--normalization nfc cannot be used"),
        ({"valid_size": 0}, "--valid-size 0 is neither a number of characters nor a share"),
        ({"valid_size": 1.5}, "--valid-size 1.5 is neither"),
        ({"min_count": 0}, "--min-count 0 is too small"),
        ({"vocabulary_size": 100}, "--vocab-size 100 is too small"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        PrepareTextOptions(**({"directory": tmp_path / "corpus", "text": ("a",)} | options))
    assert caught.value.hint


def test_a_vocabulary_without_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a vocabulary of 260 is too small"):
        prepare(tmp_path, TEXT, vocabulary_size=SMALLEST_VOCABULARY)


def test_a_missing_file_and_a_corpus_in_the_way_leave_everything_as_it_is(tmp_path: Path) -> None:
    corpus, _ = prepare(tmp_path, TEXT)
    options = PrepareTextOptions(tmp_path / "corpus", (str(tmp_path / "nowhere"),), overwrite=True)
    with pytest.raises(InputMissing, match="there is no such file"):
        prepare_text(options, lambda *_: None)
    with pytest.raises(OutputError, match="exists already"):
        prepare_text(dataclasses.replace(options, overwrite=False), lambda *_: None)
    assert Corpus.open(tmp_path / "corpus", verify=True).fingerprint == corpus.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "text0"]


def test_text_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(TEXT)

    def append(stage: str, _done: int, _total: int | None) -> None:
        if stage == "learning the vocabulary":
            with open(path, "a") as stream:
                stream.write("more")

    with pytest.raises(DataError, match="the text has changed while it was read"):
        prepare_text(PrepareTextOptions(tmp_path / "corpus", (str(path),)), append)


def test_the_manifest_says_what_the_text_was(tmp_path: Path) -> None:
    prepare(tmp_path, TEXT, tokenizer="unigram", vocabulary_size=300, documents="line")
    manifest = json.loads((tmp_path / "corpus" / "corpus.json").read_bytes())
    assert manifest["kind"] == "generation"
    assert "filters" not in manifest
    assert set(manifest["arrays"]) == {"train.target", "valid.target"}
    assert manifest["text"]["documents"] == "line"
    assert manifest["text"]["min_count"] == 0
    assert manifest["tokenizer"] == {"kind": "unigram", "normalization": "identity", "sizes": [300]}
    assert {name for name in manifest["files"] if not name.endswith(".bin")} == {"tokenizer.spm"}
