"""The steps of a generator: the hand-written one and that of torch against its whole pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit.data.batch import Padded
from seqkit.decoding.beam import BeamOptions, beam_search
from seqkit.decoding.stepper import TextEngine
from seqkit.engines.choose import text_engine
from seqkit.engines.network import READ_TOKENS, TextNetwork
from seqkit.model_directory import LoadedModel
from seqkit.nn.model import SequenceModel
from tests.generators import ScriptedEngine, rows_after, small_generator, some_tokens, steps

CPU = torch.device("cpu")
EVERY_NETWORK = [
    (cell, tied, layers)
    for cell in ("lstm", "gru", "rnn")
    for tied in ("none", "target")
    for layers in (1, 2, 3)
]


def in_torch(loaded: LoadedModel) -> TextNetwork:
    """The network itself, in fp32."""
    return TextNetwork(loaded.model, torch.float32, CPU)


def engine_of(loaded: LoadedModel, precision: Any) -> TextEngine:
    """The hand-written step, in bf16 that of torch."""
    engine = text_engine(loaded, precision)
    assert isinstance(engine, TextNetwork) == (precision == "bf16")
    return engine


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
    for engine in (in_torch(loaded), engine_of(loaded, "fp32")):
        for read in (0, 1, 15):
            logits = steps(rows_after(engine, tokens[:read], 3), tokens[read:], rows=3)
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
    found = log_softmax(steps(engine_of(loaded, precision).begin(), tokens)[:, 0])
    divergence = (np.exp(expected) * (expected - found)).sum(axis=1).mean()  # Kullback and Leibler, nats
    assert 0 < divergence < 0.002


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_selected_rows_go_on_as_before(cell: str) -> None:
    loaded = small_generator(cell)
    for precision in ("int8", "fp32", "bf16"):
        tokens = some_tokens(loaded.model, 60).reshape(20, 3)
        stepper = rows_after(engine_of(loaded, precision), tokens[:0, 0], 3)
        for position in range(10):
            stepper.step(tokens[position])
        for chosen in ([2, 0, 2], [1], [2, 2, 0, 1]):  # of other numbers of rows in other memory
            apart, selected = stepper.copied(np.array(chosen)), stepper.copied(np.arange(3))
            selected.select(np.array(chosen))
            still = stepper.copied(np.arange(3))
            still.step(tokens[10])
            kept = still.logits().copy()
            for rows in (apart, selected):
                rows.step(tokens[10, chosen])
                assert rows.logits() == pytest.approx(kept[chosen], abs=0 if precision != "bf16" else 0.1)


def test_a_long_text_is_read_in_slices() -> None:
    loaded = small_generator("gru")
    model = loaded.model
    tokens = some_tokens(model, 2 * READ_TOKENS + 5)
    lengths: list[int] = []
    model.decoder.register_forward_hook(lambda _module, inputs, _result: lengths.append(inputs[0].shape[1]))
    reader = in_torch(loaded).begin()
    reader.read(tokens)
    assert lengths == [READ_TOKENS, READ_TOKENS, 5]
    inputs = Padded(torch.from_numpy(tokens)[None], torch.tensor([len(tokens)]))
    with torch.inference_mode():
        whole = model.decoder(model.target_frontend(inputs).values, model.start(None, 1)).state
    for part, expected in zip(reader.state.layers, whole.layers, strict=True):
        assert part[0].numpy() == pytest.approx(expected[0].numpy(), abs=1e-5)


def test_a_model_in_training_is_left_as_it_was() -> None:
    loaded = small_generator()
    model = loaded.model
    tokens = some_tokens(model, 20)
    expected = in_torch(loaded).begin()
    expected.read(tokens)
    model.train()
    random_state = torch.get_rng_state()
    found = in_torch(loaded).begin()
    found.read(tokens)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(found.state.layers[1][0], expected.state.layers[1][0])  # without dropout


def test_an_empty_text_is_the_beginning() -> None:
    loaded = small_generator()
    reader = in_torch(loaded).begin()
    reader.read(np.zeros(0, np.int64))
    assert all(not part.any() for layer in reader.state.layers for part in layer)
    rows = rows_after(engine_of(loaded, "int8"), np.zeros(0, np.int64))
    assert not rows.memories.any()


def test_the_threads_of_torch_are_as_before() -> None:
    stepper = rows_after(engine_of(small_generator(), "bf16"), np.array([5]))
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        stepper.step(np.array([4]))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_a_copy_is_stepped_with_so_that_training_can_go_on() -> None:
    loaded = small_generator()
    tokens = some_tokens(loaded.model, 5)
    for precision in ("int8", "bf16"):
        engine = engine_of(loaded, precision)
        before = steps(rows_after(engine, tokens), tokens)
        with torch.no_grad():
            loaded.model.head.output.weight.add_(1)  # type: ignore[union-attr, operator]
        assert np.array_equal(steps(rows_after(engine, tokens), tokens), before)
        assert next(loaded.model.parameters()).dtype == torch.float32


class TestBeamSearch:
    """A scripted row says 5, then 6, then 7 for ever; the vocabulary has 8 ids and 3 is the end."""

    def search(self, first_allowed: int, script: list[int], longest: int) -> list[Any]:
        (found,) = beam_search(
            ScriptedEngine([script], 8, 7).begin().copied(np.zeros(2, np.int64)),
            start=0,
            end=3,
            first_allowed=first_allowed,
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
