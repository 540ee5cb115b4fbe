"""A stream's nats do not depend on how it is cut into slices; a window's are those of a stream of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.config import ModelConfig
from seqkit.evaluation.language import stream_nats, window_nats
from seqkit.nn.model import SequenceModel
from tests.networks import build_language_model

CPU = torch.device("cpu")
SIZE = 20
TEXT = np.random.default_rng(1).integers(4, SIZE, 150).astype(np.uint16)


def small_model(cell: str = "lstm", tied: str = "none") -> SequenceModel:
    torch.manual_seed(3)
    config = ModelConfig(
        cell=cell,  # type: ignore[arg-type]
        embedding_size=8,
        hidden_size=12,
        decoder_layers=2,
        tied_embeddings=tied,  # type: ignore[arg-type]
        dropout=0.5,
    )
    model = build_language_model(config, size=SIZE)
    for weight in model.parameters():  # opinions, so that order matters
        torch.nn.init.normal_(weight, std=0.5)
    return model


@torch.no_grad()
def stepped_nats(model: SequenceModel, ids: list[int], before: int) -> float:
    """The same, token by token."""
    model.eval()
    state, nats = model.start(None, 1), 0.0
    for token in ids:
        logits, _, state = model.step(torch.tensor([before]), state)
        nats -= float(torch.log_softmax(logits.double(), 1)[0, token])
        before = token
    return nats


@pytest.mark.parametrize(
    ("cell", "tied"), [("lstm", "none"), ("lstm", "target"), ("gru", "none"), ("rnn", "none")]
)
def test_the_stream_is_what_steps_give(cell: str, tied: str) -> None:
    model = small_model(cell, tied)
    nats, positions = stream_nats(model, TEXT, 7, slice_length=64, device=CPU)
    assert positions == len(TEXT)
    assert nats == pytest.approx(stepped_nats(model, TEXT.tolist(), 7), rel=1e-5)


@settings(max_examples=25)
@given(st.integers(1, 150), st.integers(1, 200))
def test_slices_with_carried_state_are_one_pass(length: int, slice_length: int) -> None:
    model = small_model()
    whole = stream_nats(model, TEXT[:length], 5, slice_length=1000, device=CPU)
    cut = stream_nats(model, TEXT[:length], 5, slice_length=slice_length, device=CPU)
    assert cut == (pytest.approx(whole[0], rel=1e-5), length)


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 80), st.integers(1, 64), st.integers(1, 40))
def test_a_window_is_a_stream_of_its_own(length: int, window: int, together: int, slice_length: int) -> None:
    model = small_model()
    ids = TEXT[:length]
    expected = 0.0
    for start in range(0, length, window):
        before = int(ids[start - 1]) if start else 9
        expected += stream_nats(model, ids[start : start + window], before, device=CPU)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqkit.evaluation.language._WINDOW_POSITIONS", together)
        found = window_nats(model, ids, 9, window, slice_length=slice_length, device=CPU)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_window_as_long_as_the_text_is_the_stream() -> None:
    model = small_model()
    stream, _ = stream_nats(model, TEXT, 5, device=CPU)
    assert window_nats(model, TEXT, 5, len(TEXT), device=CPU) == stream
    assert window_nats(model, TEXT, 5, 10 * len(TEXT), device=CPU) == stream
    assert window_nats(model, TEXT, 5, 3, device=CPU) != pytest.approx(stream, rel=1e-3)


def test_a_memory_map_is_read_in_slices(tmp_path: Path) -> None:
    TEXT.tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", np.uint16, mode="r")
    model = small_model()
    assert stream_nats(model, mapped, 5, device=CPU) == stream_nats(model, TEXT, 5, device=CPU)
    assert window_nats(model, mapped, 5, 20, device=CPU) == window_nats(model, TEXT, 5, 20, device=CPU)


@pytest.mark.parametrize("training", [True, False])
def test_training_is_not_disturbed(training: bool) -> None:
    model = small_model().train(training)
    random = torch.get_rng_state()
    first = stream_nats(model, TEXT, 5, device=CPU)
    window_nats(model, TEXT, 5, 16, device=CPU)
    assert stream_nats(model, TEXT, 5, device=CPU) == first  # no dropout
    assert all(module.training == training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
    assert not torch.is_inference_mode_enabled()

    def fail(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_nats(model, TEXT, 5, device=CPU, progress=fail)
    assert model.training == training


def test_it_can_be_stopped_between_slices() -> None:
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 3

    model = small_model()
    nats, positions = stream_nats(model, TEXT, 5, slice_length=10, device=CPU, should_stop=stop)
    assert positions == 30
    assert nats == pytest.approx(stream_nats(model, TEXT[:30], 5, device=CPU)[0], rel=1e-5)


def test_progress_counts_predictions() -> None:
    heard: list[int] = []
    stream_nats(small_model(), TEXT, 5, slice_length=60, device=CPU, progress=heard.append)
    assert heard == [60, 120, 150]
    heard.clear()
    window_nats(small_model(), TEXT, 5, 100, slice_length=60, device=CPU, progress=heard.append)
    assert heard == [60, 100, 150]


def test_reduced_precision_is_close() -> None:
    model = small_model()
    exact, _ = stream_nats(model, TEXT, 5, device=CPU)
    rounded, _ = stream_nats(model, TEXT, 5, device=CPU, precision="bf16")
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.05)
