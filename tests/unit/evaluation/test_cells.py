"""What cells did: the same as step by step, at every character of any text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqkit.data.tokenizers import END, train_tokenizer
from seqkit.errors import DataError
from seqkit.evaluation.language import stream_nats
from seqkit.inspection import cells
from seqkit.inspection.cells import CellActivations, cell_activations
from seqkit.model_directory import LoadedModel
from tests.generators import small_generator
from tests.networks import build_language_model

TEXT = "abc decade, a bed\n\n  added é\n" * 20  # more than two slices; the comma is spelt in a byte

VARIANTS: list[dict[str, Any]] = [
    {},
    {"cell": "gru"},
    {"cell": "rnn"},
    {"layers": 1, "tied": "target"},
    {"layers": 3},
]


def stepped(loaded: LoadedModel, ids: list[int]) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Activations (N, H) a layer behind each id, and log-probabilities (N + 1, V) at each input."""
    activations: list[list[NDArray[Any]]] = [[] for _ in loaded.model.decoder.layers]
    predictions = []
    state = loaded.model.start(None, 1)
    with torch.inference_mode():
        for token in [loaded.facts.boundary, *ids]:
            logits, _, state = loaded.model.step(torch.tensor([token]), state)
            predictions.append(torch.log_softmax(logits[0], 0).numpy())
            for layer, (values, *memory) in enumerate(state.layers):
                activations[layer].append((memory[0].tanh() if memory else values)[0].numpy())
    return [np.array(layer)[1:] for layer in activations], np.array(predictions)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_one_pass_sees_what_steps_see(changes: dict[str, Any]) -> None:
    loaded = small_generator(**changes)
    found = cell_activations(loaded, TEXT)
    ids = loaded.target_tokenizer.encode_text(TEXT).tolist()
    activations, predictions = stepped(loaded, ids)
    assert "".join(found.pieces) == TEXT
    assert len(found.layers) == len(activations)
    for layer, expected in zip(found.layers, activations, strict=True):
        assert layer.dtype == np.float32
        np.testing.assert_allclose(layer, expected, atol=2e-4)
    assert found.quantity == ("tanh(c)" if changes.get("cell", "lstm") == "lstm" else "h")
    bits = -predictions[np.arange(len(ids)), ids] / np.log(2)
    np.testing.assert_allclose(found.surprisal, bits, atol=1e-3)
    np.testing.assert_allclose(
        found.next_probabilities, np.exp(-np.sort(-predictions, axis=1)[:, : cells.TOP]), atol=1e-4
    )
    assert not found.cut


def test_one_cell_is_named_from_one_on() -> None:
    found = cell_activations(small_generator(), TEXT)
    np.testing.assert_array_equal(found.of(2, 1), found.layers[1][:, 0])
    np.testing.assert_array_equal(found.of(1, 24), found.layers[0][:, 23])


def test_surprisal_adds_up_to_the_loss_of_the_text() -> None:
    loaded = small_generator()
    text = TEXT + "☃"  # no character of the vocabulary
    ids = loaded.target_tokenizer.encode_text(text)
    nats, count = stream_nats(loaded.model, ids, loaded.facts.boundary, device=torch.device("cpu"))
    found = cell_activations(loaded, text)
    assert count == len(text) + 2  # the last is spelt in three bytes
    assert found.surprisal.sum() * np.log(2) == pytest.approx(nats, rel=1e-5)


def test_the_most_probable_tokens_are_written_as_what_they_stand_for() -> None:
    loaded = small_generator()
    names = {"a": "a", "\n": "\n"}
    likely = {"a": 9.0, "\n": 8.0}
    with torch.no_grad():
        loaded.model.head.output.weight.zero_()
        loaded.model.head.output.bias.zero_()
        for character, score in likely.items():
            loaded.model.head.output.bias[loaded.target_tokenizer.encode_text(character)[0]] = score
        loaded.model.head.output.bias[END] = 7.0
        loaded.model.head.output.bias[4 + 0xE2] = 6.0
    found = cell_activations(loaded, "ab")
    assert len(found.next_pieces) == len(found.next_probabilities) == 3
    for pieces in found.next_pieces:
        assert pieces[:4] == (names["a"], names["\n"], "</s>", "<0xE2>")
    assert (np.diff(found.next_probabilities, axis=1) <= 0).all()


@pytest.mark.parametrize("characters", ["ab\n", ""], ids=["characters", "bytes"])
def test_a_character_of_several_bytes_is_one_position(characters: str) -> None:
    loaded = small_generator(characters=characters)
    text = "a☃bé\n😀"
    found = cell_activations(loaded, text)
    assert found.pieces == tuple(text)
    ids = loaded.target_tokenizer.encode_text(text).tolist()
    assert len(ids) == len(text.encode())
    activations, predictions = stepped(loaded, ids)
    last = np.cumsum([len(character.encode()) for character in text]) - 1
    np.testing.assert_allclose(found.layers[1], activations[1][last], atol=1e-4)
    bits = -predictions[np.arange(len(ids)), ids] / np.log(2)
    np.testing.assert_allclose(found.surprisal[1], bits[1:4].sum(), rtol=1e-4)
    before = np.exp(predictions[[0, 1, 4]]).max(axis=1)  # predictions behind nothing, a and ☃
    np.testing.assert_allclose(found.next_probabilities[:3, 0], before, rtol=1e-3)


def test_subwords_are_positions() -> None:
    lines = ["the cat sat on the mat"] * 50 + ["a dog ran"] * 20
    tokenizer = train_tokenizer("bpe", lines, 290, "identity", of_texts=True)
    whole = small_generator()
    model = build_language_model(whole.config.model, size=tokenizer.size).eval()
    loaded = replace(whole, weights=model, fields={"target": tokenizer})
    found = cell_activations(loaded, "the cat sat\non ☃ dogs")
    assert "".join(found.pieces) == "the cat sat\non ☃ dogs"
    assert max(map(len, found.pieces)) > 1
    assert any("☃" in piece for piece in found.pieces)
    assert len(found.pieces) == len(found.surprisal) == len(found.layers[0])


@pytest.mark.parametrize(
    ("documents", "text", "pieces"),
    [
        ("line", "ab\n\nc\n", ["a", "b", "\n", "c"]),
        ("blank-line", "a\nb\n\nc\n", ["a", "\n", "b", "\n\n", "c"]),
        ("file", "ab\nc", ["a", "b", "\n", "c"]),
    ],
)
def test_documents_end_as_they_did_in_training(documents: str, text: str, pieces: list[str]) -> None:
    loaded = small_generator(documents=documents)
    found = cell_activations(loaded, text)
    assert list(found.pieces) == pieces
    encode = loaded.target_tokenizer.encode_text
    ids = [
        END if piece == "\n\n" or (documents == "line" and piece == "\n") else encode(piece)[0]
        for piece in pieces
    ]
    activations, _ = stepped(loaded, ids)
    np.testing.assert_allclose(found.layers[1], activations[1], atol=1e-5)


@pytest.mark.parametrize(("documents", "text"), [("none", ""), ("line", "\n \n\n")])
def test_no_text_is_said(documents: str, text: str) -> None:
    with pytest.raises(DataError, match="there is no text to examine"):
        cell_activations(small_generator(documents=documents), text)


def test_a_long_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = small_generator()
    monkeypatch.setattr(cells, "MOST_POSITIONS", 50)
    whole = cell_activations(loaded, TEXT[:50])
    found = cell_activations(loaded, TEXT)
    assert (whole.cut, found.cut) == (False, True)
    assert "".join(found.pieces) == TEXT[:50]
    monkeypatch.setattr(cells, "MOST_ACTIVATIONS", 30 * 2 * 24)
    assert len(cell_activations(loaded, TEXT).pieces) == 30


def test_closed_output_gates_give_no_nonsense() -> None:
    loaded = small_generator()
    layer = loaded.model.decoder.recurrent_layers()[0]
    with torch.no_grad():
        layer.recurrence.bias_ih_l0[3 * 24 :] = -300.0
    found = cell_activations(loaded, TEXT[:40])
    assert np.isfinite(found.layers[0]).all()
    assert np.isfinite(found.surprisal).all()


def test_a_text_that_is_read_twice_gives_the_same() -> None:
    loaded = small_generator()
    first, second = (cell_activations(loaded, TEXT) for _ in range(2))
    np.testing.assert_array_equal(first.layers[1], second.layers[1])
    np.testing.assert_array_equal(first.surprisal, second.surprisal)


def test_activations_lie_between_minus_one_and_one() -> None:
    found: CellActivations = cell_activations(small_generator(), TEXT)
    for layer in found.layers:
        assert layer.shape == (len(TEXT), 24)
        assert np.abs(layer).max() <= 1
        assert layer.std() > 0.1
