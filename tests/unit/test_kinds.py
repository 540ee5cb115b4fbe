"""What kinds declare holds together: settings, presets, metrics, words."""

from __future__ import annotations

import itertools
import typing

import pytest

from seqkit.config import Layer, describe, preset_layer, resolve
from seqkit.config.layers import _fields
from seqkit.errors import ConfigError
from seqkit.kinds import DEFAULT_PRESET, KINDS, Kind, Part
from seqkit.scores import LOSS, METRICS
from seqkit.training.jobs import JOBS

EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def test_every_kind_has_a_job() -> None:
    assert JOBS.keys() == KINDS.keys()


def test_every_part_is_a_kind_s_and_has_settings() -> None:
    parts = set(typing.get_args(Part))
    assert set().union(*(kind.parts for kind in KINDS.values())) == parts
    assert {entry.metadata["part"] for entry, _ in _fields().values()} - {None} == parts


@EVERY_KIND
def test_presets_are_whole_and_suit_every_size_of_corpus(kind: Kind) -> None:
    assert DEFAULT_PRESET in kind.presets
    ranges = [preset.suits for preset in kind.presets.values()]
    assert ranges[0][0] == 0
    assert ranges == sorted(ranges)
    for (_, most), (least, _) in itertools.pairwise(ranges):
        assert least <= most, "between two presets there is no gap"
    for name in kind.presets:
        config = resolve([preset_layer(name, kind)], kind).config
        assert config.training.best_metric in kind.ranking_metrics


@EVERY_KIND
def test_the_sizes_to_choose_from_are_presets(kind: Kind) -> None:
    assert {size.preset for size in kind.scaling.sizes} <= kind.presets.keys()
    for size in kind.scaling.sizes:
        assert size.layers.keys() <= describe().keys()


@EVERY_KIND
def test_any_metric_of_its_own_may_rank_and_no_other(kind: Kind) -> None:
    for name in METRICS:
        layers = [preset_layer(DEFAULT_PRESET, kind), Layer("--set", {"training.best_metric": name})]
        if name in kind.ranking_metrics:
            assert resolve(layers, kind).config.training.best_metric == name
        else:
            with pytest.raises(ConfigError, match=f"best_metric = {name}|best_metric cannot be '{name}'"):
                resolve(layers, kind)
    assert LOSS.name in kind.ranking_metrics
    assert set(kind.shown) <= set(kind.metrics)


@EVERY_KIND
def test_every_metric_is_found_by_its_name(kind: Kind) -> None:
    """Those that it does not chart, too: a validation may measure them beside its own."""
    for name, metric in METRICS.items():
        assert kind.metric(name) is metric
    with pytest.raises(KeyError):
        kind.metric("charm")


@EVERY_KIND
def test_it_is_put_in_words(kind: Kind) -> None:
    assert str(kind.model) == f"{kind.model.article} {kind.model.one}"
    assert "{model}" in kind.next_command
    assert kind.next_command.format(model="DIR").count("DIR") == 1
    assert "MODEL" in kind.uses
    assert kind.evaluated_by in kind.uses
