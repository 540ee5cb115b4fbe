"""Whatever passes a limit is refused by its name before anything is allocated, or cut and said so."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from seqkit import limits, model_directory
from seqkit.cli import run
from seqkit.errors import ExitCode, ModelError
from tests.reliability.hostile import believe

TOO_MANY = [
    (["translate", "MODEL", "TEXT", "--beam-size", limits.BEAM + 1], "--beam-size"),
    (["translate", "MODEL", "TEXT", "--batch-tokens", limits.BATCH_TOKENS + 1], "--batch-tokens"),
    (["translate", "MODEL", "TEXT", "--threads", limits.THREADS + 1], "--threads"),
    (["translate", "MODEL", "TEXT", "--workers", limits.THREADS + 1], "--workers"),
    (["generate", "GENERATOR", "--samples", limits.SAMPLES + 1], "--samples"),
    (["generate", "GENERATOR", "--beam-size", limits.BEAM + 1], "--beam-size"),
    (
        ["prepare", "c", "--source", "TEXT", "--target", "TEXT", "--vocab-size", limits.VOCABULARY + 1],
        "--vocab-size",
    ),
    (["prepare", "c", "--text", "TEXT", "--vocab-size", limits.VOCABULARY + 1], "--vocab-size"),
    (
        ["prepare", "c", "--source", "TEXT", "--target", "TEXT", "--max-tokens", limits.SENTENCE_TOKENS + 1],
        "--max-tokens",
    ),
    (
        ["train", "CORPUS", "m", "--set", f"training.batch_tokens={limits.BATCH_TOKENS + 1}"],
        "training.batch_tokens",
    ),
    (
        ["train", "CORPUS", "m", "--set", f"decoding.batch_tokens={limits.BATCH_TOKENS + 1}"],
        "decoding.batch_tokens",
    ),
    (["train", "CORPUS", "m", "--set", f"decoding.beam_size={limits.BEAM + 1}"], "decoding.beam_size"),
    (["train", "CORPUS", "m", "--set", f"model.hidden_size={limits.LAYER_WIDTH + 2}"], "model.hidden_size"),
    (
        ["train", "CORPUS", "m", "--set", f"model.embedding_size={limits.LAYER_WIDTH + 1}"],
        "model.embedding_size",
    ),
    (["train", "TEXTS", "m", "--set", f"data.streams={limits.STREAMS + 1}"], "data.streams"),
    (["train", "TEXTS", "m", "--set", f"data.slice_length={limits.STREAMS + 1}"], "data.slice_length"),
]


@pytest.mark.parametrize(("arguments", "name"), TOO_MANY, ids=[name for _, name in TOO_MANY])
def test_it_is_refused_by_its_name(
    arguments: list[Any],
    name: str,
    toy_model: Path,
    toy_generator: Path,
    toy_corpus: Path,
    toy_text_corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text").write_text("ba di\n" * 50)
    places = {
        "MODEL": toy_model,
        "GENERATOR": toy_generator,
        "CORPUS": toy_corpus,
        "TEXTS": toy_text_corpus,
        "TEXT": tmp_path / "text",
    }
    assert run([str(places.get(word, word)) for word in arguments]) == ExitCode.USAGE
    out, err = capfd.readouterr()
    assert out == ""
    assert name in err
    assert re.search(r"[0-9,]{4,}", err), "it says what is allowed"
    assert not Path("c").exists()
    assert not Path("m").exists()


def test_a_sentence_may_be_so_long_and_no_longer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """--max-tokens 0 keeps what fits."""
    fits, too_long = "b" * (limits.SENTENCE_TOKENS - 1), "b" * limits.SENTENCE_TOKENS
    for name, letter in (("s", "a"), ("t", "o")):
        lines = [fits, too_long, *(f"ba {number}" for number in range(40))]
        (tmp_path / name).write_text("".join(f"{line}{letter}\n" for line in lines))
    words = ["prepare", "c", "--source", "s", "--target", "t", "--tokenizer", "char", "--max-tokens", "0"]
    assert run([*words, "--max-ratio", "0", "--json", "--valid-size", "2", "--quiet"]) == 0
    summary = json.loads(capfd.readouterr().out)
    assert summary["dropped"]["too_long"] == 1


@pytest.mark.parametrize("key", ["hidden_size", "embedding_size", "decoder_layers", "encoder_layers"])
def test_a_model_that_claims_to_be_huge_costs_nothing(toy_model: Path, tmp_path: Path, key: str) -> None:
    """Its sizes are compared with the header of its tensors before anything is allocated."""
    model = tmp_path / "model"
    shutil.copytree(toy_model, model, ignore=shutil.ignore_patterns("training"))
    config = json.loads((model / "config.json").read_bytes())
    config["model"][key] = {"decoder_layers": 8, "encoder_layers": 4}.get(key, limits.LAYER_WIDTH)
    believe(model, "config.json", json.dumps(config).encode())
    with pytest.raises(ModelError) as caught:
        model_directory.load(model)
    assert "tensor " in caught.value.message
