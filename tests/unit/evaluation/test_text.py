"""A text is read as `prepare` reads it, and scores say what they are of."""

from __future__ import annotations

import gzip
import io
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from seqkit import __version__
from seqkit.data.tokenizers import END
from seqkit.data.tokenizers.characters import CharacterTokenizer, train_characters
from seqkit.data.tokenizers.vocabulary import newline_id
from seqkit.errors import DataError, InputMissing
from seqkit.evaluation.encoded_text import EncodedText, encode_file, language_scores


def test_scores_are_of_characters_and_perplexity_of_tokens() -> None:
    text = EncodedText(np.zeros(12, np.int64), END, characters=10, ends=2, unit="char")
    bits, nats, perplexity = language_scores(text, 18.0, protocol="stream", state="carried")
    assert (bits.metric, nats.metric, perplexity.metric) == (
        *("bits_per_character", "nats_per_character", "perplexity"),
    )
    assert nats.score == pytest.approx(1.8)
    assert bits.score == pytest.approx(1.8 / math.log(2))
    assert perplexity.score == pytest.approx(math.exp(1.5))
    assert {score.signature for score in (bits, nats, perplexity)} == {
        f"protocol:stream|state:carried|unit:char|tokens:12|ends:2|characters:10|seqkit:{__version__}"
    }
    assert dict(bits.details) == {
        "protocol": "stream",
        "nats": 18.0,
        "tokens": 12,
        "ends": 2,
        "characters": 10,
    }


def tokenizer() -> CharacterTokenizer:
    return train_characters(["abc \n"], 400, "identity")


def test_a_file_is_one_stream_with_its_newlines(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("ab\n\nc\té".encode())
    found = encode_file(str(tmp_path / "text"), tokenizer(), "none")
    assert found.boundary == newline_id(tokenizer())
    assert (found.characters, found.ends, found.unit) == (7, 0, "char")
    assert len(found.ids) == 8  # é is two bytes
    assert found.ids.tolist() == tokenizer().encode_text("ab\n\nc\té").tolist()


def test_marked_documents_end(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"ab\n\nc")
    found = encode_file(str(tmp_path / "text"), tokenizer(), "line")
    a, b, c = tokenizer().encode_text("abc").tolist()
    assert found.ids.tolist() == [a, b, END, c, END]
    assert (found.boundary, found.characters, found.ends) == (END, 3, 2)


def test_plain_compressed_and_standard_input_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"abc\ncba\n" * 50
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))  # type: ignore[arg-type]
    streams = [
        encode_file(path, tokenizer(), "none").ids.tolist()
        for path in (str(tmp_path / "plain"), str(tmp_path / "packed.gz"), "-")
    ]
    assert streams[0] == streams[1] == streams[2]


@pytest.mark.parametrize(("content", "documents"), [(b"", "none"), (b"\n \n", "line")])
def test_an_empty_text_is_an_error(content: bytes, documents: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(content)
    with pytest.raises(DataError, match="no text in") as caught:
        encode_file(str(tmp_path / "empty"), tokenizer(), documents)  # type: ignore[arg-type]
    assert caught.value.where == str(tmp_path / "empty")
    with pytest.raises(InputMissing):
        encode_file(str(tmp_path / "absent"), tokenizer(), "none")
