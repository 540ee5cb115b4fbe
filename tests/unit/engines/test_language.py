"""The steps of a generator: the hand-written one and that of torch against its whole pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.data.batch import Padded
from seqkit.decoding.beam import BeamOptions, beam_search
from seqkit.engines.fixed.generation import FixedPointStepper
from seqkit.engines.language import BeamStepper, resolve_generation_precision
from seqkit.engines.torch_language import READ_TOKENS, TorchStepper
from seqkit.errors import ConfigError
from seqkit.kinds import TRANSLATION
from seqkit.model_directory import LoadedModel
from seqkit.nn.model import SequenceModel
from seqkit.nn.recurrent import DecoderState
from tests.generators import ScriptedStepper, small_generator, some_tokens, steps

CPU = torch.device("cpu")
EVERY_NETWORK = [
    (cell, tied, layers)
    for cell in ("lstm", "gru", "rnn")
    for tied in ("none", "target")
    for layers in (1, 2, 3)
]


def stepper_of(loaded: LoadedModel, precision: Any) -> Any:
    """The hand-written step, in bf16 that of torch."""
    if precision == "bf16":
        return TorchStepper(loaded.model, precision, CPU)
    return FixedPointStepper(loaded.blueprint, loaded.parameters, precision)


@torch.inference_mode()
def whole_pass(model: SequenceModel, tokens: np.ndarray) -> np.ndarray:
    """Logits (T, V) of one pass of torch over all tokens."""
    inputs = Padded(torch.from_numpy(tokens)[None], torch.tensor([len(tokens)]))
    decoded = model.decoder(model.target_frontend(inputs).values, model.start(None, 1))
    return model.head.predict(decoded.readouts)[0].numpy()


@pytest.mark.parametrize(("cell", "tied", "layers"), EVERY_NETWORK)
def test_a_step_is_a_position_of_the_whole_pass(cell: str, tied: str, layers: int) -> None:
    loaded = small_generator(cell, tied=tied, layers=layers)
    tokens = some_tokens(loaded.model, 40)
    expected = whole_pass(loaded.model, tokens)
    for stepper in (TorchStepper(loaded.model, "fp32", CPU), stepper_of(loaded, "fp32")):
        for read in (0, 1, 15):
            logits = steps(stepper, stepper.begin(stepper.read(tokens[:read]), 3), tokens[read:], rows=3)
            for row in range(3):
                assert logits[:, row] == pytest.approx(expected[read:], abs=1e-4)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("cell", "tied", "layers"), [e for e in EVERY_NETWORK if e[2] == 2])
@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_few_bits_cost_little_likelihood(cell: str, tied: str, layers: int, precision: str) -> None:
    loaded = small_generator(cell, tied=tied, layers=layers, hidden=64, sharpness=1.5)
    tokens = some_tokens(loaded.model, 100)
    expected = log_softmax(whole_pass(loaded.model, tokens))
    stepper = stepper_of(loaded, precision)
    found = log_softmax(steps(stepper, stepper.read(tokens[:0]), tokens)[:, 0])
    divergence = (np.exp(expected) * (expected - found)).sum(axis=1).mean()  # Kullback and Leibler, nats
    assert 0 < divergence < 0.002


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_selected_rows_go_on_as_before(cell: str) -> None:
    loaded = small_generator(cell)
    for precision in ("int8", "fp32", "bf16"):
        stepper = stepper_of(loaded, precision)
        tokens = some_tokens(loaded.model, 60).reshape(20, 3)
        state = stepper.begin(stepper.read(tokens[:0, 0]), 3)
        for position in range(10):
            _, state = stepper.step(tokens[position], state)
        chosen = stepper.select(state, np.array([2, 0, 2]))
        kept, _ = stepper.step(tokens[10], state)
        kept = kept.copy()
        logits, _ = stepper.step(tokens[10, [2, 0, 2]], chosen)
        assert logits == pytest.approx(kept[[2, 0, 2]], abs=0 if precision != "bf16" else 0.1)


def test_a_long_text_is_read_in_slices() -> None:
    model = small_generator("gru").model
    tokens = some_tokens(model, 2 * READ_TOKENS + 5)
    lengths: list[int] = []
    model.decoder.register_forward_hook(lambda _module, inputs, _result: lengths.append(inputs[0].shape[1]))
    state = TorchStepper(model, "fp32", CPU).read(tokens)
    assert lengths == [READ_TOKENS, READ_TOKENS, 5]
    inputs = Padded(torch.from_numpy(tokens)[None], torch.tensor([len(tokens)]))
    with torch.inference_mode():
        whole = model.decoder(model.target_frontend(inputs).values, model.start(None, 1)).state
    for part, expected in zip(state.layers, whole.layers, strict=True):
        assert part[0].numpy() == pytest.approx(expected[0].numpy(), abs=1e-5)


def test_a_model_in_training_is_left_as_it_was() -> None:
    model = small_generator().model
    tokens = some_tokens(model, 20)
    expected = TorchStepper(model, "fp32", CPU).read(tokens)
    model.train()
    random_state = torch.get_rng_state()
    state = TorchStepper(model, "fp32", CPU).read(tokens)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(state.layers[1][0], expected.layers[1][0])  # without dropout


def test_an_empty_text_is_the_beginning() -> None:
    loaded = small_generator()
    state = TorchStepper(loaded.model, "fp32", CPU).read(np.zeros(0, np.int64))
    assert all(not part.any() for layer in state.layers for part in layer)
    rows = stepper_of(loaded, "int8").read(np.zeros(0, np.int64))
    assert not rows.memories.any()


def test_the_threads_of_torch_are_as_before() -> None:
    stepper = TorchStepper(small_generator().model, "bf16", CPU)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        stepper.step(np.array([4]), stepper.read(np.array([5])))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_precisions() -> None:
    def resolve(name: str, cell: Any = "lstm", *, on_processor: bool = True) -> str:
        return resolve_generation_precision(name, cell, on_processor=on_processor)

    assert [resolve("auto", cell) for cell in ("lstm", "gru", "rnn")] == ["int8", "int8", "fp32"]
    assert resolve("auto", on_processor=False) == "fp32"
    assert resolve("bf16", on_processor=False) == "bf16"
    assert resolve("int8", "rnn") == "int8"
    with pytest.raises(ConfigError, match="--precision 'fp8' is not known") as caught:
        resolve("fp8", TRANSLATION)
    assert caught.value.hint == "one of auto, fp32, bf16, int8"
    with pytest.raises(ConfigError, match="--precision int8 needs a CPU"):
        resolve("int8", on_processor=False)


def test_a_copy_is_stepped_with_so_that_training_can_go_on() -> None:
    loaded = small_generator()
    tokens = some_tokens(loaded.model, 5)
    for precision in ("int8", "bf16"):
        stepper = stepper_of(loaded, precision)
        before = steps(stepper, stepper.read(tokens), tokens)
        with torch.no_grad():
            loaded.model.head.output.weight.add_(1)  # type: ignore[union-attr, operator]
        assert np.array_equal(steps(stepper, stepper.read(tokens), tokens), before)
        assert next(loaded.model.parameters()).dtype == torch.float32


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
