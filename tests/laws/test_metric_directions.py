"""The direction of every metric: a model that is made worse on purpose ranks lower by each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqkit.data.corpus import Corpus
from seqkit.device import set_threads
from seqkit.kinds import KINDS
from seqkit.model_directory import load
from seqkit.scores import METRICS
from seqkit.training.jobs import build_task
from seqkit.training.jobs.job import Network
from seqkit.training.validation import Measured


def measured_twice(directory: Path, corpus: Path) -> tuple[Measured, Measured]:
    """A validation of a model, and one after noise of twice the weights' own size was added to them."""
    set_threads(1)
    opened, loaded = Corpus.open(corpus), load(directory)
    model, config = loaded.model, loaded.config
    network = Network(model, loaded.fields, torch.device("cpu"), "fp32")
    validator = build_task(opened, config, network).validator

    def measure() -> Measured:
        return validator.measure(model, lambda: False, validator.whole)

    good = measure()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(2 * noise * parameter.std(correction=0))
    return good, measure()


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_model_ranks_lower(kind: str, request: pytest.FixtureRequest) -> None:
    directory, corpus = {
        "translation": ("toy_model", "toy_corpus"),
        "generation": ("toy_generator", "toy_text_corpus"),
        "classification": ("toy_classifier", "toy_table_corpus"),
    }[kind]
    good, bad = measured_twice(request.getfixturevalue(directory), request.getfixturevalue(corpus))
    names = [str(score["metric"]) for score in good.scores]
    assert len(names) >= 2
    for name in [*names, "loss"]:
        rank = METRICS[name].rank
        assert rank(good.metric(name)) < rank(bad.metric(name)), name
