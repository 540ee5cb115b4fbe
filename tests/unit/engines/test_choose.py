"""One place says which engine runs a model, and what is missing where none does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from seqkit.config import ModelConfig
from seqkit.engines.choose import resolve_precision, text_engine, translation_engine, without_torch
from seqkit.engines.fixed.candidates import ShortlistEnsemble
from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.engines.fixed.ensemble import FixedPointEnsemble
from seqkit.engines.network import NetworkEnsemble, TextNetwork
from seqkit.errors import ConfigError, ModelError
from seqkit.kinds import GENERATION, TRANSLATION
from seqkit.network.blueprint import Blueprint
from seqkit.network.shortlist import Shortlist
from seqkit.nn.model import SequenceModel
from tests.generators import small_generator
from tests.networks import build_encoder_decoder, texts

SIZE = 30


@dataclass
class Weights:
    """A random translator."""

    model: SequenceModel

    @property
    def blueprint(self) -> Blueprint:
        return self.model.blueprint

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return {name: value.detach().numpy() for name, value in self.model.named_parameters()}


def translator(**settings: Any) -> Weights:
    config = ModelConfig(embedding_size=8, hidden_size=12, attention_heads=2, **settings)
    return Weights(build_encoder_decoder(config, source_size=SIZE, target_size=SIZE))


class TestPrecision:
    def resolve(self, name: str, *, on_cpu: bool = True, kind: Any = GENERATION, **settings: Any) -> str:
        config = ModelConfig(**settings)
        sides = {"target": SIZE} if kind is GENERATION else {"source": SIZE, "target": SIZE}
        blueprint = Blueprint.of(kind, config, texts(**sides))

        class Member:
            parameters: Any = None
            model: Any = None

        member: Any = Member()
        member.blueprint = blueprint
        return resolve_precision(name, [member], on_cpu=on_cpu)

    @pytest.mark.parametrize("kind", [GENERATION, TRANSLATION])
    def test_auto_is_the_fastest_that_is_exact_enough(self, kind: Any) -> None:
        found = [self.resolve("auto", kind=kind, cell=cell) for cell in ("lstm", "gru", "rnn")]
        assert found == ["int8", "int8", "fp32"]
        assert self.resolve("auto", kind=kind, on_cpu=False) == "fp32"
        assert self.resolve("int8", kind=kind, cell="rnn") == "int8"

    def test_what_is_asked_for_is_given(self) -> None:
        assert self.resolve("bf16", on_cpu=False) == "bf16"
        assert self.resolve("fp32", kind=TRANSLATION) == "fp32"

    def test_what_the_network_has_and_the_step_lacks_is_named(self) -> None:
        lacking = {"kind": TRANSLATION, "attention": "additive"}
        assert self.resolve("auto", **lacking) == "fp32"
        with pytest.raises(ConfigError, match=r"int8 cannot run a model with model\.attention = additive"):
            self.resolve("int8", **lacking)

    @pytest.mark.parametrize(
        ("kind", "name", "hint"),
        [
            (GENERATION, "fp8", "one of auto, fp32, bf16, int8"),
            (TRANSLATION, "bf16", "one of auto, int8, fp32"),
            (TRANSLATION, "int4", "int8"),
        ],
    )
    def test_an_unknown_one_is_refused(self, kind: Any, name: str, hint: str) -> None:
        with pytest.raises(ConfigError, match=f"--precision '{name}' is not known") as caught:
            self.resolve(name, kind=kind)
        assert hint in str(caught.value.hint)

    @pytest.mark.parametrize(("kind", "other"), [(GENERATION, "bf16"), (TRANSLATION, "fp32")])
    def test_a_gpu_has_no_int8(self, kind: Any, other: str) -> None:
        with pytest.raises(ConfigError, match="--precision int8 needs a CPU") as caught:
            self.resolve("int8", kind=kind, on_cpu=False)
        assert caught.value.hint == f"--device cpu, or --precision {other}"


def test_the_engine_of_a_translator() -> None:
    one, two = translator(), translator()
    shortlist = Shortlist(np.full((SIZE, 1), 5, np.int32), np.array([4], np.int32))
    assert isinstance(translation_engine([one, two], "int8"), FixedPointEnsemble)
    assert isinstance(translation_engine([one], "int8", None, shortlist), ShortlistEnsemble)
    assert isinstance(translation_engine([one], "fp32"), NetworkEnsemble)
    assert without_torch("int8", one, on_cpu=True)
    assert not without_torch("fp32", one, on_cpu=True)


def test_the_engine_of_a_generator() -> None:
    loaded = small_generator()
    assert isinstance(text_engine(loaded, "int8"), FixedPointDecoder)
    assert isinstance(text_engine(loaded, "fp32"), FixedPointDecoder)
    assert isinstance(text_engine(loaded, "fp32", torch.device("cpu")), TextNetwork)
    assert isinstance(text_engine(loaded, "bf16"), TextNetwork)
    found = [
        without_torch(precision, loaded, on_cpu=on_cpu)
        for precision, on_cpu in (("int8", True), ("fp32", True), ("fp32", False), ("bf16", True))
    ]
    assert found == [True, True, False, False]


def test_weights_that_are_no_numbers_are_refused() -> None:
    broken = translator()
    with torch.no_grad():
        next(broken.model.parameters())[3] = float("nan")
    with pytest.raises(ModelError, match="nothing can be translated"):
        translation_engine([broken], "int8")
