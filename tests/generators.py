"""Small generators for tests, in memory and on disk: no training, but weights with opinions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqkit import model_directory
from seqkit.config import Config, ModelConfig, TrainingConfig
from seqkit.data.forms import self_test
from seqkit.data.tokenizers import END, SMALLEST_VOCABULARY
from seqkit.data.tokenizers.characters import CharacterTokenizer
from seqkit.data.tokenizers.vocabulary import newline_id
from seqkit.decoding.stepper import Allowed, Continuations, Stepper, TextEngine, best_of_logits
from seqkit.files import to_json
from seqkit.inference.generator import TextGenerator
from seqkit.model_directory import Facts, LoadedModel
from seqkit.nn import weights
from seqkit.nn.model import SequenceModel
from tests.networks import build_language_model

LETTERS = "\n abcdeé東"
TOKENIZER = CharacterTokenizer(LETTERS, "identity")


def small_generator(
    cell: str = "lstm",
    *,
    layers: int = 2,
    hidden: int = 24,
    tied: str = "none",
    documents: str = "none",
    characters: str = LETTERS,
    byte_bias: float = -12.0,
    end_bias: float = -12.0,
    sharpness: float = 4.0,
) -> LoadedModel:
    """A generator of few characters; a low `byte_bias` keeps bytes away, a high `end_bias` ends soon."""
    tokenizer = CharacterTokenizer(characters, "identity")
    network = ModelConfig(
        cell=cell,  # type: ignore[arg-type]
        embedding_size=12,
        hidden_size=hidden,
        decoder_layers=layers,
        tied_embeddings=tied,  # type: ignore[arg-type]
        dropout=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_language_model(network, size=tokenizer.size)
        with torch.no_grad():
            output: Any = model.head
            output.output.weight.mul_(sharpness)
            output.output.bias.normal_()
            output.output.bias[END] = end_bias
            output.output.bias[END + 1 : SMALLEST_VOCABULARY] += byte_bias
            for recurrent in model.decoder.recurrent_layers():
                for parameter in recurrent.recurrence.parameters():
                    parameter.add_(0.8 * hidden**-0.5 * torch.randn_like(parameter))
    facts = Facts(
        kind="generation",
        corpus="0" * 64,
        documents=documents,
        boundary=newline_id(tokenizer) if documents == "none" else END,
    )
    config = Config(model=network, training=TrainingConfig(best_metric="loss"))
    return LoadedModel(model.eval(), config, facts, {"target": tokenizer})


def write_generator(loaded: LoadedModel, directory: Path) -> Path:
    """Publish a generator as a model directory."""
    model_directory.create(directory)
    tensors = weights.parameter_tensors(loaded.model)
    model_directory.ModelWriter(directory, fresh=True).publish(
        {
            model_directory.CONFIG: to_json(loaded.config.to_dict()),
            model_directory.WEIGHTS: weights.to_bytes(tensors),
            loaded.target_tokenizer.file_name: loaded.target_tokenizer.to_bytes(),
        },
        loaded.facts,
        tensors_sha256=weights.tensor_hash(tensors),
        self_test=self_test(loaded.fields),
    )
    return directory


def some_tokens(model: SequenceModel, count: int, seed: int = 1) -> np.ndarray:
    """Random ids that a text may have."""
    output: Any = model.head
    return np.random.default_rng(seed).integers(END, output.output.out_features, count)


def rows_after(engine: TextEngine, tokens: np.ndarray, rows: int = 1) -> Any:
    """So many rows that have read the same text."""
    reader = engine.begin()
    reader.read(tokens)
    return reader.copied(np.zeros(rows, np.int64))


def steps(stepper: Stepper, tokens: np.ndarray, rows: int = 1) -> np.ndarray:
    """Logits (T, N, V), the same tokens in every row."""
    found = []
    for token in tokens:
        stepper.step(np.full(rows, token))
        found.append(stepper.logits().copy())
    return np.array(found)


class ScriptedEngine:
    """An engine that says given tokens, whatever it is told: row by row its own script."""

    def __init__(self, scripts: Sequence[Sequence[int]], size: int, rest: int) -> None:
        """After its script a row repeats the token `rest`."""
        self.scripts, self.size, self.rest = scripts, size, rest

    def begin(self) -> ScriptedRows:
        """The first script."""
        return ScriptedRows(self, np.zeros((1, 2), np.int64))

    def complete_tables(self) -> None:
        """There are none."""


class ScriptedRows:
    """Each row's script and place in it. (N, 2)"""

    def __init__(self, engine: ScriptedEngine, places: np.ndarray) -> None:
        self.engine, self.places = engine, places

    def read(self, tokens: np.ndarray) -> None:
        """Nothing is remembered of a prompt."""

    def step(self, tokens: np.ndarray) -> None:  # noqa: ARG002
        """A place further."""
        self.places = self.places + np.array([0, 1])

    def logits(self) -> np.ndarray:
        """All the probability to the next token of the script."""
        engine = self.engine
        logits = np.full((len(self.places), engine.size), -30, np.float32)
        for row, (script, place) in enumerate(self.places):
            wanted = engine.scripts[script]
            logits[row, wanted[place - 1] if place <= len(wanted) else engine.rest] = 30
        return logits

    def best(self, width: int, allowed: Allowed) -> Continuations:
        """By the logits."""
        return best_of_logits(self.logits(), width, allowed)

    def select(self, rows: np.ndarray, sentences: np.ndarray | None = None) -> None:  # noqa: ARG002
        """The given rows."""
        self.places = self.places[rows]

    def copied(self, rows: np.ndarray) -> ScriptedRows:
        """Copies of the one row: each begins a script of its own."""
        scripts = np.arange(len(rows)) % len(self.engine.scripts)
        return ScriptedRows(self.engine, np.stack([scripts, np.zeros_like(scripts)], axis=1))


def tokens_of(*parts: str | bytes | int) -> list[int]:
    """Text as the tokenizer of LETTERS encodes it, bytes one by one, and ids."""
    found: list[int] = []
    for part in parts:
        if isinstance(part, int):
            found.append(part)
        else:
            found += (
                TOKENIZER.encode_text(part).tolist()
                if isinstance(part, str)
                else [END + 1 + byte for byte in part]
            )
    return found


def scripted_generator(*scripts: Sequence[int], documents: str = "line") -> TextGenerator:
    """A generator that writes given tokens, a list a sample, and then the letter a for ever."""
    generator = TextGenerator(small_generator(documents=documents))
    (after,) = tokens_of("a")
    generator._engine = ScriptedEngine(scripts, TOKENIZER.size, after)
    return generator
