"""Laws of decoding: neighbours, batch sizes, padding and the way of computing change nothing."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seqkit import model_directory
from seqkit.config import ModelConfig
from seqkit.data.batch import Batch, Padded
from seqkit.data.batching import pair_batch
from seqkit.data.tokenizers import END, PAD, START
from seqkit.decoding.beam import BeamOptions, beam_search
from seqkit.engines.network import NetworkEnsemble
from seqkit.inference.translator import TranslateOptions, Translation, Translator
from seqkit.model_directory import LoadedModel
from seqkit.nn import weights
from seqkit.nn.model import SequenceModel, build_model
from tests.conftest import toy_pairs
from tests.networks import build_encoder_decoder

TOLERANCE = 1e-4
SIZE = 20
CPU = torch.device("cpu")
LINES = [source for source, _ in toy_pairs(40, seed=7)]
NETWORKS = [
    {
        "cell": cell,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "attention": attention,
        "input_feeding": feeding,
    }
    for cell in ("lstm", "gru", "rnn")
    for layers in (1, 2)
    for attention in ("dot", "additive")
    for feeding in (False, True)
]


@pytest.fixture(scope="module", params=["int8", "fp32"])
def translator(request: pytest.FixtureRequest, toy_model: Path) -> Translator:
    return Translator.load(toy_model, device="cpu", threads=1, precision=request.param)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def network(settings: dict[str, object], seed: int = 1) -> SequenceModel:
    """A small random model, its weights large enough to have opinions."""
    torch.manual_seed(seed)
    config = ModelConfig(**{"embedding_size": 8, "hidden_size": 12, "attention_heads": 2, **settings})  # type: ignore[arg-type]
    model = build_encoder_decoder(config, source_size=SIZE, target_size=SIZE).eval()
    for parameter in model.parameters():
        parameter.mul_(1.5)
    return model


def some_pairs(count: int, seed: int = 3) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Random sentences of 1 to 11 tokens."""
    generator = np.random.default_rng(seed)
    sources, targets = (
        [generator.integers(END + 1, SIZE, generator.integers(1, 12)) for _ in range(count)] for _ in range(2)
    )
    return sources, targets


def name_of(settings: dict[str, object]) -> str:
    feeding = "-feeding" if settings["input_feeding"] else ""
    return f"{settings['cell']}-{settings['decoder_layers']}-{settings['attention']}{feeding}"


def assert_same(found: Sequence[Translation], expected: Sequence[Translation]) -> None:
    for one, two in zip(found, expected, strict=True):
        assert [a.text for a in one.alternatives] == [a.text for a in two.alternatives]
        for a, b in zip(one.alternatives, two.alternatives, strict=True):
            assert abs(a.score - b.score) < TOLERANCE
            assert a.token_scores == pytest.approx(b.token_scores, abs=TOLERANCE)


OPTIONS = (
    TranslateOptions(beam_size=1),
    TranslateOptions(beam_size=4, n_best=2),
    TranslateOptions(beam_size=3, coverage_penalty=0.3),
    TranslateOptions(beam_size=3, minimum_length=7, length_penalty=0.0),
)


@pytest.fixture(scope="module", params=OPTIONS, ids=["greedy", "beam", "coverage", "minimum"])
def case(
    request: pytest.FixtureRequest, translator: Translator
) -> tuple[TranslateOptions, list[Translation]]:
    """Options, and what they give line by line."""
    options: TranslateOptions = request.param
    return options, [translator.translate([line], options)[0] for line in LINES]


class TestBatchIsSingle:
    """A sentence's translation and score do not depend on its neighbours or on the batch size."""

    @pytest.mark.parametrize("batch_tokens", [1, 37, 100_000])
    def test_batch_sizes(
        self, translator: Translator, case: tuple[TranslateOptions, list[Translation]], batch_tokens: int
    ) -> None:
        options, alone = case
        assert_same(translator.translate(LINES, replace(options, batch_tokens=batch_tokens)), alone)

    def test_order(self, translator: Translator, case: tuple[TranslateOptions, list[Translation]]) -> None:
        options, alone = case
        order = random.Random(5).sample(range(len(LINES)), len(LINES))
        shuffled = translator.translate([LINES[number] for number in order], options)
        assert_same(shuffled, [alone[number] for number in order])

    @pytest.mark.parametrize("in_pieces", [True, False])
    def test_a_very_long_neighbour(
        self, translator: Translator, case: tuple[TranslateOptions, list[Translation]], in_pieces: bool
    ) -> None:
        options, alone = case
        patient = copy.copy(translator)
        if not in_pieces:  # then the others are padded to its length
            patient.longest_source = 10_000
        neighbour = " ".join(LINES)
        some = LINES[:6]
        found = patient.translate([*some[:3], neighbour, *some[3:]], replace(options, batch_tokens=100_000))
        assert_same(found[:3] + found[4:], alone[:6])
        assert len(found[3].text.split()) > 3


class TestStepIsWhole:
    """Decoding step by step gives the logits of one teacher-forced pass."""

    @pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
    def test_logits_and_attention(self, settings: dict[str, object]) -> None:
        model = network(settings)
        batch = pair_batch(*some_pairs(5))
        assert batch.source is not None
        whole, weights_ = model.logits(batch)
        assert weights_ is not None
        state = model.start(batch.source, 5)
        for position in range(batch.inputs.values.shape[1]):
            logits, seen, state = model.step(batch.inputs.values[:, position], state)
            assert torch.allclose(logits, whole[:, position], atol=1e-5)
            assert seen is not None
            assert torch.allclose(seen, weights_[:, position], atol=1e-6)

    @pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
    def test_beams_share_a_sentence_and_change_places(self, settings: dict[str, object]) -> None:
        model = network(settings)
        sources, targets = some_pairs(6)
        targets = [np.resize(target, 5) for target in targets]
        # Three sentences, two rows each; halfway the rows change places and the middle sentence leaves.
        rows = model.start(pair_batch(sources[:3], targets[:3]).source, 3).select(
            torch.tensor([0, 0, 1, 1, 2, 2])
        )
        tokens = torch.from_numpy(np.array(targets))
        for position in range(2):
            _, _, rows = model.step(tokens[:, position], rows)
        order = torch.tensor([1, 0, 5, 4])
        rows = rows.select(order, torch.tensor([0, 2]))
        for position in range(2, 5):
            logits, _, rows = model.step(tokens[order, position], rows)
        source_of = [0, 0, 2, 2]
        batch = pair_batch([sources[number] for number in source_of], [targets[number] for number in order])
        batch = replace(batch, inputs=Padded(tokens[order], torch.full((4,), 5)))
        whole, _ = model.logits(batch)
        assert torch.allclose(logits, whole[:, 4], atol=1e-5)


def forced_pass(members: Sequence[SequenceModel], source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The log-probabilities of a target's tokens, its end's last, by one teacher-forced pass."""
    batch = pair_batch([source], [target])
    logits = [member.logits(batch)[0] for member in members]
    scores = torch.stack([torch.softmax(one, dim=2) for one in logits]).mean(dim=0).log()  # (1, T, V)
    return scores[0].gather(1, batch.targets.values[0][:, None])[: len(target) + 1, 0].numpy()


class TestBeamScoreIsForcedScore:
    """What the search says of a sentence is what a forced pass says of it."""

    @pytest.mark.parametrize("settings", NETWORKS[::3], ids=name_of)
    def test_random_networks(self, settings: dict[str, object]) -> None:
        members = [network(settings, seed=seed) for seed in (1, 2)]
        sources, _ = some_pairs(4)
        engine = NetworkEnsemble(members, CPU)
        found = beam_search(
            engine.start([np.append(source, END) for source in sources], 4),
            start=START,
            end=END,
            first_allowed=END,
            maximum_lengths=np.full(4, 9),
            options=BeamOptions(beam_size=4, n_best=4),
        )
        for source, hypotheses in zip(sources, found, strict=True):
            for hypothesis in hypotheses:
                forced = forced_pass(members, source, hypothesis.tokens)
                assert hypothesis.log_probabilities == pytest.approx(forced, abs=TOLERANCE)

    def test_translations(self, translator: Translator) -> None:
        names = translator.target_tokenizer.pieces(list(range(translator.target_tokenizer.size)))
        sources = translator.source_tokenizer.encode(LINES)
        for alpha in (0.0, 0.7, 1.0):
            options = TranslateOptions(n_best=3, length_penalty=alpha)
            found = translator.translate(LINES, options)
            for source, translation in zip(sources, found, strict=True):
                for alternative in translation.alternatives:
                    ids = np.array([names.index(token) for token in alternative.tokens], dtype=np.int64)
                    (forced,) = translator.score_tokens([source], [ids])
                    assert sum(alternative.token_scores) == pytest.approx(forced.sum(), abs=TOLERANCE)
                    normalised = forced.sum() / ((5 + len(forced)) / 6) ** alpha
                    assert alternative.score == pytest.approx(normalised, abs=TOLERANCE)


class TestPaddingChangesNothing:
    """What stands behind the end of a sequence is never seen."""

    @pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
    def test_wider_batches_and_other_padding(self, settings: dict[str, object]) -> None:
        model = network(settings)
        batch = pair_batch(*some_pairs(4))
        expected, attention = model.logits(batch)
        assert attention is not None
        for filling in (PAD, END, SIZE - 1):
            wider = Batch(*(_widened(part, filling) for part in (batch.inputs, batch.targets, batch.source)))
            found, seen = model.logits(wider)
            assert seen is not None
            for row, (length, width) in enumerate(
                zip(batch.inputs.lengths.tolist(), _lengths(batch.source), strict=True)
            ):
                assert torch.allclose(found[row, :length], expected[row, :length], atol=1e-5)
                assert torch.allclose(seen[row, :length, :width], attention[row, :length, :width], atol=1e-6)
                assert seen[row, :length, width:].abs().max() == 0
            losses = [model.loss(some)[0].nats for some in (batch, wider)]
            assert torch.allclose(losses[0], losses[1], atol=1e-4)


def _widened(part: Padded | None, filling: int) -> Padded:
    """Seven more positions, and padding of another kind."""
    assert part is not None
    values = torch.nn.functional.pad(part.values, (0, 7), value=filling)
    mask = Padded(values, part.lengths).mask
    return Padded(torch.where(mask, values, filling), part.lengths)


def _lengths(part: Padded | None) -> list[int]:
    assert part is not None
    return [int(length) for length in part.lengths]


class TestSavedIsLoaded:
    """A model directory gives back the model that was saved, to the bit."""

    @torch.inference_mode(False)  # a model made within it would compute in another order
    def test_weights_and_translations(self, toy_model: Path, translator: Translator) -> None:
        member = model_directory.load(toy_model)
        content = (toy_model / model_directory.WEIGHTS).read_bytes()
        assert weights.to_bytes(weights.parameter_tensors(member.model)) == content
        rebuilt = build_model(member.blueprint, member.config.model)
        assert weights.tensor_hash(weights.parameter_tensors(rebuilt)) != weights.tensor_hash(
            weights.parameter_tensors(member.model)
        )
        weights.set_parameters(
            rebuilt, weights.from_bytes(content, weights.parameter_tensors(rebuilt), "weights")
        )
        again = Translator(
            [LoadedModel(rebuilt, member.config, member.facts, member.fields)],
            precision=translator.precision,
        )
        assert again.options == translator.options
        for one, two in zip(again.translate(LINES), translator.translate(LINES), strict=True):
            assert one == two

    @pytest.mark.parametrize("settings", NETWORKS[::5], ids=name_of)
    def test_networks_of_every_kind(self, settings: dict[str, object]) -> None:
        model, other = network(settings, seed=1), network(settings, seed=2)
        content = weights.to_bytes(weights.parameter_tensors(model))
        weights.set_parameters(
            other, weights.from_bytes(content, weights.parameter_tensors(other), "weights")
        )
        batch = pair_batch(*some_pairs(4))
        assert torch.equal(model.logits(batch)[0], other.logits(batch)[0])
        assert weights.to_bytes(weights.parameter_tensors(other)) == content
