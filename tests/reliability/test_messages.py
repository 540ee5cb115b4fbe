"""What the library says where no command line gets; and every message of the package is held by a test."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from safetensors.numpy import save

from seqkit import TextGenerator, Translator, errors
from seqkit.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from seqkit.data.tokenizers.subwords import SentencePieceTokenizer
from seqkit.errors import SeqkitError
from seqkit.evaluation.protocols import Protocols, open_predictors, score_text
from seqkit.inspection.cell_relations import relate_cells
from seqkit.inspection.cells import cell_activations
from seqkit.metrics.sacre import MetricOptions, bits_per_character, score_translations
from seqkit.model_directory import load
from seqkit.network.shortlist import Shortlist
from tests.reliability.hostile import believe

ROOT = Path(__file__).parents[2]
WORDS = ["ba di fu", "go ke lo", "mi ba di"] * 50
SETTINGS_OF_OURS = b"\xc2\x3e\x07bpe/nfc"  # the end of a model file that seqkit wrote


def sentencepiece_model(**options: object) -> bytes:
    """A SentencePiece model with seqkit's mark that was not trained as seqkit does."""
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS), model_writer=content, minloglevel=2, **options
    )
    return content.getvalue() + SETTINGS_OF_OURS


def subwords(*, of_texts: bool = False) -> SentencePieceTokenizer:
    tokenizer = train_tokenizer("bpe", WORDS, 280, of_texts=of_texts)
    assert isinstance(tokenizer, SentencePieceTokenizer)
    return tokenizer


def symbols() -> Tokenizer:
    return train_tokenizer("word", WORDS, 280)


def of_symbols(**changes: object) -> Tokenizer:
    content = json.dumps(json.loads(symbols().to_bytes()) | changes)
    return load_tokenizer(content.encode(), "symbols.json")


def shortlist(partners: int, frequent: int = 1, token: int = 0) -> Shortlist:
    made = Shortlist(np.full((9, partners), token, np.int32), np.full(frequent, token, np.int32))
    return Shortlist.from_bytes(made.to_bytes(), 9, 9, "here")


IDS = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
CALLS: dict[str, Callable[[], object]] = {
    "there is no tokenizer words": lambda: train_tokenizer("words", WORDS, 300),  # type: ignore[arg-type]
    "a vocabulary of 10 is too small: 4 special ids and 256 bytes are always in it": lambda: train_tokenizer(
        "char", WORDS, 10
    ),
    "there is no text to learn a vocabulary from": lambda: train_tokenizer("bpe", [], 300),
    "--tokenizer word cuts lines, not whole texts": lambda: symbols().encode_text("a"),
    "subword sampling needs a bpe or unigram tokenizer; this one is word": lambda: symbols().encode_sampled(
        ["ba"], 0.1, 1
    ),
    "symbols.json is not a vocabulary of symbols of this version of seqkit": lambda: of_symbols(version=2),
    "symbols.json lacks its kind or its normalization": lambda: of_symbols(kind="bpe"),
    "symbols.json lacks its entries, or has an invalid one": lambda: of_symbols(entries=[["word", ""]]),
    "symbols.json has an entry twice": lambda: of_symbols(entries=[["word", "a"]] * 2),
    "symbols.json has 67,108,865 bytes, more than a vocabulary can have": lambda: load_tokenizer(
        bytes((1 << 26) + 1), "symbols.json"
    ),
    "words.txt is not a tokenizer that seqkit knows": lambda: load_tokenizer(b"", "words.txt"),
    "tokenizer.spm has other special pieces than seqkit's": lambda: SentencePieceTokenizer(
        sentencepiece_model(vocab_size=17)
    ),
    "tokenizer.spm has no byte fallback": lambda: SentencePieceTokenizer(
        sentencepiece_model(
            vocab_size=268, user_defined_symbols=[f"s{number}" for number in range(250)], **IDS
        )
    ),
    "tokenizer.spm has 67,108,874 bytes, more than a vocabulary can have": lambda: SentencePieceTokenizer(
        bytes(64 << 20) + SETTINGS_OF_OURS
    ),
    "subword sampling needs a vocabulary of lines; this one was learnt for whole texts": lambda: subwords(
        of_texts=True
    ).encode_sampled(["ba"], 0.1, 1),
    "the strength of subword sampling is 2.0; it must be above 0 and at most 1": lambda: (
        subwords().encode_sampled(["ba"], 2.0, 1)
    ),
    "a shortlist of 10 tokens per source token and 1 frequent ones does not fit a vocabulary of 9": lambda: (
        shortlist(10)
    ),
    "the shortlist's 'frequent' has an id outside the vocabulary of 9": lambda: shortlist(3, token=9),
    "there are no characters to score": lambda: bits_per_character(1.0, 0),
    "no metric is named": lambda: MetricOptions(metrics=()),
    "1 resamples are too few": lambda: MetricOptions(resamples=1),
    "there is no reference to score against": lambda: score_translations(["ba"], []),
    "there are no hypotheses to score": lambda: score_translations([], [["ba"]]),
    "hypotheses have 1 lines, but references or baseline have 2": lambda: score_translations(
        ["ba"], [["ba", "di"]]
    ),
}


@pytest.mark.parametrize("message", CALLS)
def test_what_the_library_says(message: str) -> None:
    assert said(CALLS[message]) == message


def said(call: Callable[[], object]) -> str:
    """The message of the error that a call ends with."""
    with pytest.raises(SeqkitError) as caught:
        call()
    return caught.value.message


def with_weights(original: Path, model: Path, value: float) -> Path:
    """A copy of a model, all of whose weights are a value."""
    shutil.copytree(original, model, ignore=shutil.ignore_patterns("training"))
    parameters = {name: np.full_like(array, value) for name, array in load(original).parameters.items()}
    believe(model, "weights.safetensors", save(parameters))
    return model


def test_models_that_diverged(toy_model: Path, toy_generator: Path, tmp_path: Path) -> None:
    """Weights that are not numbers, or so large that nothing else is."""
    broken = with_weights(toy_generator, tmp_path / "broken", float("nan"))
    assert said(lambda: TextGenerator.load(broken)) == (
        "the model's weights contain NaN or infinity, so nothing can be generated"
    )
    predictors = open_predictors(str(broken), None)
    (tmp_path / "text").write_text("ba di fu\n" * 10)
    text = predictors.encode_file(str(tmp_path / "text"))
    assert said(lambda: score_text(predictors, text, Protocols(), device=torch.device("cpu"))) == (
        "the model's probabilities are NaN or infinite, so nothing can be scored"
    )
    translator = with_weights(toy_model, tmp_path / "translator", float("nan"))
    assert said(lambda: Translator.load(translator).translate(["ba di"])) == (
        "the model's probabilities are NaN or infinite, so nothing can be translated"
    )


def test_the_wrong_use_of_a_model(toy_model: Path, toy_generator: Path) -> None:
    generator = TextGenerator.load(toy_generator)
    assert said(lambda: generator.stream("ba", samples=2)) == "a stream is one sample"
    assert said(lambda: TextGenerator(load(toy_model))) == "this is a translator, not a generator"
    assert said(lambda: relate_cells(cell_activations(load(toy_generator), "ba di"))) == (
        "the text has 5 characters, too few to find out what cells track"
    )


def sites() -> list[tuple[str, list[str]]]:
    """Where the package makes an error, and the fixed parts of its message."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    } | {"error_class"}
    found = []
    for path in sorted((ROOT / "seqkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
                texts = [
                    part.value
                    for place in node.args
                    for part in ast.walk(place)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", [text.strip() for text in texts]))
    return found


def test_every_message_is_held_by_a_test() -> None:
    """Its fixed parts of some length stand in errors.txt or in what another test expects."""
    tests = [*(ROOT / "tests").rglob("*.py"), ROOT / "tests/reliability/errors.txt"]
    held = "\n".join(path.read_text() for path in tests)
    plain = re.sub(r"\\(.)", r"\1", held)  # as in a regular expression
    lost = {
        place: text
        for place, texts in sites()
        for text in texts
        if len(text) >= 8 and text.strip(":") not in held and text.strip(":") not in plain
    }
    assert lost == {}
    assert len(sites()) > 200
