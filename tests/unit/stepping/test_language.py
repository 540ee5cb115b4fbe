"""The steps of a generator: the hand-written one against the whole pass of torch, and against itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.batch import Padded
from seqkit.decoding.beam import BeamOptions, beam_search
from seqkit.errors import ConfigError
from seqkit.models import SequenceModel
from seqkit.nn.recurrent import DecoderState
from seqkit.stepping.fixed_point import FixedPointStepper
from seqkit.stepping.language import (
    READ_TOKENS,
    BeamStepper,
    TorchStepper,
    language_stepper,
    read_text,
    resolve_generation_precision,
)
from tests.generators import ScriptedStepper, small_generator, some_tokens, steps

CPU = torch.device("cpu")
EVERY_NETWORK = [
    (cell, tied, layers)
    for cell in ("lstm", "gru", "rnn")
    for tied in ("none", "target")
    for layers in (1, 2, 3)
]


def model_of(cell: str = "lstm", **changes: Any) -> SequenceModel:
    return small_generator(cell, **changes).model


@torch.inference_mode()
def whole_pass(model: SequenceModel, tokens: np.ndarray) -> np.ndarray:
    """Logits (T, V) of one pass of torch over all tokens."""
    inputs = Padded(torch.from_numpy(tokens)[None], torch.tensor([len(tokens)]))
    decoded = model.decoder(model.target_frontend(inputs).values, model.start(None, 1))
    return model.head.predict(decoded.readouts)[0].numpy()


@pytest.mark.parametrize(("cell", "tied", "layers"), EVERY_NETWORK)
def test_a_step_is_a_position_of_the_whole_pass(cell: str, tied: str, layers: int) -> None:
    model = model_of(cell, tied=tied, layers=layers)
    tokens = some_tokens(model, 40)
    expected = whole_pass(model, tokens)
    before = read_text(model, tokens[:15])
    for stepper, tolerance in (
        (TorchStepper(model, "fp32", CPU), 1e-4),
        (FixedPointStepper(model, "fp32"), 1e-4),
    ):
        logits = steps(stepper, stepper.begin(before, 3), tokens[15:], rows=3)
        for row in range(3):
            assert logits[:, row] == pytest.approx(expected[15:], abs=tolerance)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("cell", "tied", "layers"), [e for e in EVERY_NETWORK if e[2] == 2])
@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_few_bits_cost_little_likelihood(cell: str, tied: str, layers: int, precision: str) -> None:
    model = model_of(cell, tied=tied, layers=layers, hidden=64, sharpness=1.5)
    tokens = some_tokens(model, 100)
    expected = log_softmax(whole_pass(model, tokens))
    stepper = language_stepper(model, precision, CPU)
    found = log_softmax(steps(stepper, stepper.begin(read_text(model, tokens[:0]), 1), tokens)[:, 0])
    divergence = (np.exp(expected) * (expected - found)).sum(axis=1).mean()  # Kullback and Leibler, nats
    assert 0 < divergence < 0.002


def test_selected_rows_go_on_as_before() -> None:
    for precision in ("int8", "fp32", "bf16"):
        model = model_of()
        stepper: Any = language_stepper(model, precision, CPU)
        tokens = some_tokens(model, 60).reshape(20, 3)
        state = stepper.begin(read_text(model, tokens[:0, 0]), 3)
        for position in range(10):
            _, state = stepper.step(tokens[position], state)
        chosen = stepper.select(state, np.array([2, 0, 2]))
        kept, _ = stepper.step(tokens[10], state)
        kept = kept.copy()
        logits, _ = stepper.step(tokens[10, [2, 0, 2]], chosen)
        assert logits == pytest.approx(kept[[2, 0, 2]], abs=0 if precision != "bf16" else 0.1)


def test_a_long_text_is_read_in_slices() -> None:
    model = model_of("gru")
    tokens = some_tokens(model, 2 * READ_TOKENS + 5)
    lengths: list[int] = []
    model.decoder.register_forward_hook(lambda _module, inputs, _result: lengths.append(inputs[0].shape[1]))
    state = read_text(model, tokens)
    assert lengths == [READ_TOKENS, READ_TOKENS, 5]
    inputs = Padded(torch.from_numpy(tokens)[None], torch.tensor([len(tokens)]))
    with torch.inference_mode():
        whole = model.decoder(model.target_frontend(inputs).values, model.start(None, 1)).state
    for part, expected in zip(state.layers, whole.layers, strict=True):
        assert part[0].numpy() == pytest.approx(expected[0].numpy(), abs=1e-5)


def test_reading_leaves_a_model_in_training_as_it_was() -> None:
    model = model_of()
    tokens = some_tokens(model, 20)
    expected = read_text(model, tokens)
    model.train()
    random_state = torch.get_rng_state()
    state = read_text(model, tokens)
    assert model.training
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(state.layers[1][0], expected.layers[1][0])  # without dropout


def test_an_empty_text_is_the_beginning() -> None:
    state = read_text(model_of(), np.zeros(0, np.int64))
    assert all(not part.any() for layer in state.layers for part in layer)


def test_precisions() -> None:
    gpu = torch.device("cuda")
    assert [resolve_generation_precision("auto", CPU, cell) for cell in ("lstm", "gru", "rnn")] == [
        "int8",
        "int8",
        "fp32",
    ]
    assert resolve_generation_precision("auto", gpu, "lstm") == "fp32"
    assert resolve_generation_precision("bf16", gpu, "lstm") == "bf16"
    assert resolve_generation_precision("int8", CPU, "rnn") == "int8"
    with pytest.raises(ConfigError, match="--precision 'fp8' is not known") as caught:
        resolve_generation_precision("fp8", CPU, "lstm")
    assert caught.value.hint == "auto, fp32, bf16, int8"
    with pytest.raises(ConfigError, match="--precision int8 is for processors"):
        resolve_generation_precision("int8", gpu, "lstm")
    model = model_of()
    assert isinstance(language_stepper(model, "auto", CPU), FixedPointStepper)
    assert isinstance(language_stepper(model, "bf16", CPU), TorchStepper)


def test_a_copy_is_stepped_with_so_that_training_can_go_on() -> None:
    model = model_of()
    tokens = some_tokens(model, 5)
    for precision in ("int8", "bf16"):
        stepper: Any = language_stepper(model, precision, CPU)
        state = read_text(model, tokens)
        before = steps(stepper, stepper.begin(state, 1), tokens)
        with torch.no_grad():
            model.head.output.weight.add_(1)  # type: ignore[union-attr, operator]
        assert np.array_equal(steps(stepper, stepper.begin(state, 1), tokens), before)
        assert next(model.parameters()).dtype == torch.float32


class TestBeamStepper:
    """A scripted row says 5, then 6, then 7 for ever; the vocabulary has 8 ids and 3 is the end."""

    def search(self, first_allowed: int, script: list[int], longest: int) -> list[Any]:
        inner = ScriptedStepper([script], 8, 7)
        (found,) = beam_search(
            BeamStepper(inner, 3, first_allowed),
            inner.begin(DecoderState(()), 2),
            start=0,
            end=3,
            maximum_lengths=np.array([longest]),
            options=BeamOptions(beam_size=2, n_best=1),
        )
        return found

    def test_an_end_that_the_model_does_not_know_is_free(self) -> None:
        (best,) = self.search(4, [5, 6], 4)
        assert best.tokens.tolist() == [5, 6, 7, 7]
        assert best.log_probabilities == pytest.approx(np.zeros(5), abs=1e-6)

    def test_an_end_that_the_model_knows_ends(self) -> None:
        (best,) = self.search(3, [5, 6, 3], 10)
        assert best.tokens.tolist() == [5, 6]

    def test_a_forced_end_costs_what_the_model_says(self) -> None:
        (best,) = self.search(3, [5, 6], 2)
        assert best.tokens.tolist() == [5, 6]
        assert best.log_probabilities == pytest.approx([0, 0, -60], abs=1e-3)

    def test_forbidden_ids_do_not_come(self) -> None:
        (best,) = self.search(4, [2, 6], 2)
        assert best.tokens.tolist()[1] == 6
        assert best.tokens[0] >= 4
