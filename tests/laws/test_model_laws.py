"""What must hold of the network whatever its weights are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqkit.config import ModelConfig
from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import pad, pair_batch
from seqkit.network.parts import EncoderPart
from seqkit.nn.heads import TokenHead
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import BidirectionalEncoder, reversal_index, reverse_within_lengths
from tests.laws.runs import left_behind, tiny_config, train
from tests.networks import build_encoder_decoder, build_language_model

SIZE = 17
SMALL: dict[str, Any] = {
    "embedding_size": 6,
    "hidden_size": 8,
    "attention_heads": 2,
    "dropout": 0.0,
    "word_dropout": 0.0,
}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"cell": "gru", "attention": "additive"},
    {"cell": "rnn", "encoder_layers": 3, "bridge": "zero"},
    {"encoder_layers": 2, "decoder_layers": 2, "tied_embeddings": "none"},
    {"input_feeding": True, "decoder_layers": 2, "tied_embeddings": "target"},
]
each_variant = pytest.mark.parametrize("changes", VARIANTS, ids=str)


def make(**changes: Any) -> SequenceModel:
    """A model in double precision, so that only true differences show."""
    torch.manual_seed(5)
    config = ModelConfig(**{**SMALL, **changes})
    model = build_encoder_decoder(config, source_size=SIZE, target_size=SIZE, label_smoothing=0.1)
    return model.double().train()


def batch(seed: int = 1, count: int = 5) -> Batch:
    random = np.random.default_rng(seed)

    def sentence() -> np.ndarray:
        return random.integers(4, SIZE, random.integers(1, 10))

    return pair_batch([sentence() for _ in range(count)], [sentence() for _ in range(count)])


def wider(padded: Padded, more: int, fill: int) -> Padded:
    """The same sequences with `more` columns behind them and `fill` in every position of padding."""
    values = nn.functional.pad(padded.values, (0, more), value=fill)
    values = values.masked_fill(~Padded(values, padded.lengths).mask, fill)
    return Padded(values, padded.lengths)


def loss_and_gradients(model: SequenceModel, some: Batch) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    loss, _ = model.loss(some)
    loss.objective.backward()
    return loss.objective.item(), {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


@each_variant
def test_padding_changes_neither_loss_nor_gradients(changes: dict[str, Any]) -> None:
    model, some = make(**changes), batch()
    assert some.source is not None
    padded = Batch(wider(some.inputs, 7, 9), wider(some.targets, 7, 11), wider(some.source, 12, 13))
    loss, gradients = loss_and_gradients(model, some)
    other_loss, other_gradients = loss_and_gradients(model, padded)
    assert other_loss == pytest.approx(loss, rel=1e-6)
    assert len(gradients) == len(list(model.parameters()))
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 1e-6, name
        assert torch.allclose(gradient, other_gradients[name], rtol=1e-5, atol=1e-6), name


@each_variant
def test_a_batch_is_the_sum_of_its_sentences(changes: dict[str, Any]) -> None:
    model, some = make(**changes), batch()
    assert some.source is not None
    total = 0.0
    for row in range(5):
        parts = [
            Padded(part.values[row : row + 1, : int(part.lengths[row])], part.lengths[row : row + 1])
            for part in (some.inputs, some.targets, some.source)
        ]
        total += model.loss(Batch(*parts))[0].objective.item()
    assert model.loss(some)[0].objective.item() == pytest.approx(total, rel=1e-6)


def test_the_encoder_is_pytorchs_packed_bidirectional_lstm() -> None:
    torch.manual_seed(6)
    ours = BidirectionalEncoder(EncoderPart("lstm", 5, 8, 1), dropout=0.0).double()
    theirs = nn.LSTM(5, 4, batch_first=True, bidirectional=True).double()
    state = {
        **ours.forward_layers()[0].recurrence.state_dict(),
        **{f"{name}_reverse": v for name, v in ours.backward_layers()[0].recurrence.state_dict().items()},
    }
    theirs.load_state_dict(state)
    lengths = torch.tensor([4, 9, 1, 6])
    values = torch.randn(4, 9, 5).double().requires_grad_()
    encoded = ours(Padded(values, lengths))
    packed, (last, _) = theirs(pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False))
    outputs, _ = pad_packed_sequence(packed, batch_first=True)
    mask = Padded(values, lengths).mask
    assert torch.allclose(encoded.outputs.values[mask], outputs[mask], atol=1e-12)
    assert torch.allclose(encoded.final[0], torch.cat([last[0], last[1]], dim=1), atol=1e-12)
    weights = torch.randn(4, 9, 8).double() * mask[:, :, None]
    (mine,) = torch.autograd.grad((encoded.outputs.values * weights).sum(), values)
    (reference,) = torch.autograd.grad((outputs * weights).sum(), values)
    assert torch.allclose(mine, reference, atol=1e-12)
    assert mine.abs().max() > 0.01


def finite_differences(function: Callable[[], Tensor], values: Tensor, places: list[int]) -> list[float]:
    """The slope of a scalar function at some elements of `values`, from both sides."""
    slopes, step = [], 1e-5
    flat = values.detach().view(-1)
    for place in places:
        kept = flat[place].item()
        with torch.no_grad():
            flat[place] = kept + step
            above = function().item()
            flat[place] = kept - step
            below = function().item()
            flat[place] = kept
        slopes.append((above - below) / (2 * step))
    return slopes


@each_variant
def test_gradients_agree_with_finite_differences(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Attention's softmax works in single precision, too coarse for differences: keep it in double.
    monkeypatch.setattr(Tensor, "float", lambda tensor: tensor)
    model, some = make(**changes), batch(count=3)
    _, gradients = loss_and_gradients(model, some)
    for name, parameter in model.named_parameters():
        gradient = gradients[name].flatten()
        places = [int(gradient.abs().argmax()), len(gradient) // 3]
        slopes = finite_differences(lambda: model.loss(some)[0].objective, parameter, places)
        expected = gradient[places].tolist()
        assert slopes == pytest.approx(expected, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_losss_own_gradient_agrees_with_finite_differences(smoothing: float) -> None:
    torch.manual_seed(7)
    head = TokenHead(5, 9, tied_to=None, label_smoothing=smoothing).double()
    readouts = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    targets = Padded(torch.randint(9, (2, 4)), torch.tensor([4, 2]))

    def objective() -> Tensor:
        return 3 * head.loss(Padded(readouts, targets.lengths), targets, 6).objective

    inputs = (readouts, head.output.weight, head.output.bias)
    for tensor, gradient in zip(inputs, torch.autograd.grad(objective(), inputs), strict=True):
        everywhere = list(range(tensor.numel()))
        slopes = finite_differences(objective, tensor, everywhere)
        assert gradient.flatten().tolist() == pytest.approx(slopes, rel=1e-6, abs=1e-8)


def test_the_gradient_of_reversal_agrees_with_finite_differences() -> None:
    torch.manual_seed(8)
    index = reversal_index(torch.tensor([3, 1, 4]), 4)
    values = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda tensor: reverse_within_lengths(tensor, index).sin(), (values,))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 3])
def test_state_carried_over_slices_is_one_pass(cell: Any, layers: int) -> None:
    torch.manual_seed(9)
    config = ModelConfig(**{**SMALL, "cell": cell, "decoder_layers": layers})
    model = build_language_model(config, size=SIZE).double()
    text = torch.randint(4, SIZE, (3, 25))
    full = torch.full((3,), 24)
    whole, after = model.loss(Batch(inputs=Padded(text[:, :-1], full), targets=Padded(text[:, 1:], full)))
    total, state = 0.0, None
    for start, end in ((0, 10), (10, 11), (11, 24)):
        lengths = torch.full((3,), end - start)
        slice_batch = Batch(
            inputs=Padded(text[:, start:end], lengths),
            targets=Padded(text[:, start + 1 : end + 1], lengths),
            continues=state is not None,
        )
        loss, state = model.loss(slice_batch, state)
        state = state.detach()
        total += loss.objective.item()
    assert total == pytest.approx(whole.objective.item(), rel=1e-12)
    assert state is not None
    for one, other in zip(state.layers, after.layers, strict=True):
        assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(one, other, strict=True))


def test_the_first_words_alone_decide_what_follows() -> None:
    """A prefix's logits do not depend on the target words behind it."""
    for changes in VARIANTS:
        model = make(**changes).eval()
        source = pad([np.arange(4, 9)])
        first, second = np.array([5, 6, 7, 8, 9]), np.array([5, 6, 7, 14, 15])
        logits = [model.logits(Batch(pad([words]), pad([words]), source))[0][0] for words in (first, second)]
        assert torch.allclose(logits[0][:3], logits[1][:3], atol=1e-12)
        assert not torch.allclose(logits[0][3], logits[1][3], atol=1e-3)


@pytest.mark.parametrize("changes", [{}, {"model__cell": "gru", "training__ema": 0.0}], ids=str)
def test_the_same_seed_gives_the_same_bytes(
    toy_corpus: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    results = []
    for number, (name, seed) in enumerate((("one", 1), ("again", 1), ("other", 2))):
        torch.manual_seed(number)
        train(toy_corpus, tmp_path / name, tiny_config(training__seed=seed, training__steps=4, **changes))
        results.append(left_behind(tmp_path / name))
    assert results[0] == results[1]
    assert results[0]["weights"] != results[2]["weights"]


def test_tied_embeddings_stay_one_tensor_through_training(toy_corpus: Path, tmp_path: Path) -> None:
    from seqkit.model_directory import load

    train(toy_corpus, tmp_path / "model", tiny_config(training__steps=3))
    model = load(tmp_path / "model").model
    assert model.source_frontend.embedding.weight is model.target_frontend.embedding.weight
    assert model.head.output.weight is model.target_frontend.embedding.weight
