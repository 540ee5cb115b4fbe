"""`seqkit.load` opens whatever a model directory holds."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import seqkit
from seqkit.errors import ConfigError, InputMissing
from seqkit.inference.loading import _OPENED_BY
from seqkit.kinds import KINDS


def test_every_kind_is_opened_by_a_class() -> None:
    assert _OPENED_BY.keys() == KINDS.keys()


def test_it_returns_what_the_directory_holds(toy_model: Path, toy_generator: Path) -> None:
    translator = seqkit.load(toy_model, threads=1)
    assert isinstance(translator, seqkit.Translator)
    assert translator.translate(["ba di"])[0].text
    generator = seqkit.load(str(toy_generator))
    assert isinstance(generator, seqkit.TextGenerator)
    assert generator.generate("ba", length=5, seed=1)[0].text


def test_options_and_errors_are_those_of_the_classes(toy_model: Path, tmp_path: Path) -> None:
    assert seqkit.load(toy_model, precision="fp32").precision == "fp32"
    with pytest.raises(ConfigError, match="zebra"):
        seqkit.load(toy_model, device="zebra")
    with pytest.raises(InputMissing):
        seqkit.load(tmp_path / "nothing")


def test_the_version_is_the_packages() -> None:
    settings = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert settings["project"]["version"] == seqkit.__version__
