"""Laws of generating: a sample depends on its seed and number alone; what a model writes, it also says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.batch import Batch, Padded
from seqkit.data.tokenizers import END
from seqkit.engines.fixed.grid import Kernel
from seqkit.engines.network import TextNetwork
from seqkit.inference import generator as generator_module
from seqkit.inference.generator import Generated, GenerateOptions, TextGenerator
from tests.generators import small_generator
from tests.kernels import EVERY_KERNEL, take

CELLS = ["lstm", "gru", "rnn"]
RESTRICTED = {"temperature": 0.8, "top_k": 30, "top_p": 0.95, "min_p": 0.001, "typical": 0.97}
PENALISED = {"repetition_penalty": 3.0, "repetition_ngram": 3}


@torch.inference_mode()
def forced_score(generator: TextGenerator, made: Generated) -> float:
    """What one pass of torch says of a generated text behind its opening and prompt, in nats."""
    loaded, tokenizer, opening = generator.loaded, generator.tokenizer, generator.opening().tolist()
    prompt, text = (tokenizer.encode_text(part).tolist() for part in (made.prompt, made.text))
    targets = text + [END] * (made.reason == "end")
    if not targets:
        return 0.0
    before = [*opening, loaded.facts.boundary, *prompt]
    inputs = [*before, *targets][:-1]
    length = torch.tensor([len(inputs)])
    wanted = torch.tensor([[*before, *targets][1:]])
    logits, _ = loaded.model.logits(Batch(Padded(torch.tensor([inputs]), length), Padded(wanted, length)))
    scores = logits[0].double().log_softmax(dim=1)[torch.arange(len(inputs)), wanted[0]]
    return float(scores[len(before) - 1 :].sum())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_sample_does_not_depend_on_the_others(
    cell: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = small_generator(cell, hidden=40, documents="line", end_bias=-3.0)
    generator = TextGenerator(loaded, precision=precision)
    for more in ({}, RESTRICTED, PENALISED):
        options = GenerateOptions(
            length=120, samples=21, seed=7, stop=("é", "da"), log_probabilities=True, **more
        )
        together = generator.generate("ab", options)
        assert len({len(one.text) for one in together}) > 5  # rows leave the batch at different times
        for rows in (1, 4, 20):
            monkeypatch.setattr(generator_module, "ROWS_TOGETHER", rows)
            assert generator.generate("ab", options) == together  # the log-probabilities to the last bit
        monkeypatch.undo()
        for count in (1, 2, 13):
            assert generator.generate("ab", replace(options, samples=count)) == together[:count]


@pytest.mark.parametrize("processes", [2, 3])
def test_a_sample_does_not_depend_on_the_processes(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator_module, "WORTH_SHARING", 1)
    loaded = small_generator(documents="line", end_bias=-3.0)
    shared = TextGenerator(loaded, processes=processes)
    monkeypatch.setattr(generator_module, "ROWS_TOGETHER", 4)
    for samples in (1, 2, 5, 30):
        options = GenerateOptions(length=90, samples=samples, seed=7, stop=("eé",), log_probabilities=True)
        pieces = list(shared.pieces("ab", options))
        made = [piece.finished for piece in pieces if piece.finished is not None]
        assert made == TextGenerator(loaded).generate("ab", options)
        assert [piece.sample for piece in pieces] == sorted(piece.sample for piece in pieces)
        for one in made:
            assert "".join(piece.text for piece in pieces if piece.sample == one.sample) == one.text


def test_the_same_seed_is_the_same_text() -> None:
    first, second = TextGenerator(small_generator()), TextGenerator(small_generator())
    for seed in (0, 1, 2**64 - 1):
        options = GenerateOptions(length=200, samples=3, seed=seed)
        assert first.generate("", options) == second.generate("", options)
    texts = {first.generate("", length=200, seed=seed)[0].text for seed in range(20)}
    assert len(texts) == 20


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("tied", ["none", "target"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("int8", 2.0)])
def test_log_probabilities_sum_to_the_forced_score(
    cell: str, tied: str, precision: str, tolerance: float
) -> None:
    loaded = small_generator(cell, tied=tied, documents="line", end_bias=0.0, sharpness=2.0)
    generator = TextGenerator(loaded, precision=precision)
    for more in ({}, RESTRICTED, PENALISED, {"temperature": 0.0}, {"stop": ("a",)}):
        for prompt in ("", "déb 東"):
            for made in generator.generate(
                prompt, length=100, samples=4, seed=2, log_probabilities=True, **more
            ):
                total = sum(made.log_probabilities or ())
                assert total == pytest.approx(forced_score(generator, made), abs=tolerance)


def test_a_beams_log_probabilities_sum_to_the_forced_score() -> None:
    for documents in ("line", "none"):
        loaded = small_generator(documents=documents, end_bias=1.0)
        generator = TextGenerator(loaded, precision="fp32")
        for made in generator.generate("ab", length=15, beam_size=6, samples=6, log_probabilities=True):
            assert sum(made.log_probabilities or ()) == pytest.approx(forced_score(generator, made), abs=1e-3)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_same_prompt_in_two_parts_is_one_prompt(cell: str, precision: str) -> None:
    """What was generated can be given back as a prompt: the text goes on as it did, to the bit."""
    generator = TextGenerator(small_generator(cell), precision=precision)
    options: dict[str, Any] = {"temperature": 0.0, "log_probabilities": True}
    (whole,) = generator.generate("ab", length=80, **options)
    (rest,) = generator.generate("ab" + whole.text[:50], length=30, **options)
    assert rest.text == whole.text[50:]
    assert whole.log_probabilities is not None
    assert rest.log_probabilities == whole.log_probabilities[50:]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_every_kernel_draws_the_same_samples(
    kernel: Kernel, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = small_generator(cell, tied="target", hidden=40)
    options = GenerateOptions(length=150, samples=5, seed=3, log_probabilities=True)
    here = TextGenerator(loaded, precision="int8").generate("ab", options)
    take(kernel, monkeypatch)
    assert TextGenerator(loaded, precision="int8").generate("ab", options) == here


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("tied", ["none", "target"])
def test_without_torch_the_results_are_those_of_torch(cell: str, tied: str) -> None:
    """In fp32 to a ten-thousandth of a nat a character, drawn and searched for, behind any prompt."""
    loaded = small_generator(cell, tied=tied, layers=3)
    by_hand, in_torch = (TextGenerator(loaded, precision="fp32") for _ in range(2))
    in_torch._engine = TextNetwork(loaded.model, torch.float32, torch.device("cpu"))
    for prompt in ("", "ab 東é" * 30):
        for options in (
            GenerateOptions(length=60, samples=3, temperature=0.0, log_probabilities=True),
            GenerateOptions(length=40, samples=3, seed=5, log_probabilities=True),
            GenerateOptions(length=20, samples=3, beam_size=3, log_probabilities=True),
        ):
            ours, theirs = (each.generate(prompt, options) for each in (by_hand, in_torch))
            assert [one.text for one in ours] == [one.text for one in theirs]
            for one, other in zip(ours, theirs, strict=True):
                assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)


GENERATORS = {
    "characters": TextGenerator(small_generator()),
    "bytes": TextGenerator(small_generator(characters="", byte_bias=0.0)),
    "documents": TextGenerator(small_generator("gru", documents="blank-line", end_bias=-2.0)),
}


@pytest.mark.parametrize("kind", sorted(GENERATORS))
@settings(max_examples=80)
@given(prompt=st.text(st.characters(), max_size=30), seed=st.integers(0, 2**64 - 1))
def test_any_prompt_works(kind: str, prompt: str, seed: int) -> None:
    (made,) = GENERATORS[kind].generate(prompt, length=20, seed=seed)
    assert made.prompt == prompt
    assert made.reason in {"length", "end"}
    assert len(made.text) == 20 or made.reason == "end"
    # Bytes that are no UTF-8 are surrogate escapes.
    made.text.encode("utf-8", "surrogateescape" if kind == "bytes" else "strict")


@pytest.mark.parametrize("prompt", ["", "\ud800", "\0", "\r\n\u2028", "ab" * 4000, "\U0010ffff" * 300])
def test_odd_prompts_work(prompt: str) -> None:
    for generator in GENERATORS.values():
        (made,) = generator.generate(prompt, length=10, seed=1)
        assert len(made.text) <= 10


def test_a_texts_beginning_does_not_depend_on_its_length() -> None:
    generator = TextGenerator(small_generator(characters="", byte_bias=0.0))
    long = generator.generate("ab", length=200, samples=3, seed=4)
    for length in (0, 1, 15, 16, 17, 100):
        short = generator.generate("ab", length=length, samples=3, seed=4)
        assert [one.text for one in short] == [one.text[:length] for one in long]


def test_drawing_is_drawing_from_the_models_probabilities() -> None:
    """The first characters of many samples against one forced pass: a chi-square test with a fixed seed."""
    loaded = small_generator(sharpness=1.0)
    generator = TextGenerator(loaded, precision="fp32")
    made = generator.generate("ab", length=1, samples=4000, seed=1)
    tokenizer = loaded.target_tokenizer
    ids = np.append(generator.opening(), tokenizer.encode_text("\nab"))[None].astype(np.int64)
    with torch.inference_mode():
        inputs = Padded(torch.from_numpy(ids), torch.tensor([ids.size]))
        probabilities = loaded.model.logits(Batch(inputs, inputs))[0][0, -1].double().softmax(dim=0).numpy()
    texts = [one.text for one in made]
    statistic = freedom = 0.0
    for token, spelt in enumerate(tokenizer.token_bytes()):
        expected = 4000 * probabilities[token] / probabilities[END + 1 :].sum()
        if token > END and spelt and expected > 5:
            statistic += (texts.count(spelt.decode()) - expected) ** 2 / expected
            freedom += 1
    assert freedom > 5
    assert statistic < freedom + 3.1 * (2 * freedom) ** 0.5  # about one in a thousand
