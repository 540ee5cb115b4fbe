"""Options of the search that cannot be meant are refused by the name that users know."""

from __future__ import annotations

import pytest

from seqkit.decoding.beam import BeamOptions
from seqkit.errors import ConfigError


@pytest.mark.parametrize(
    ("settings_", "fragment"),
    [
        ({"beam_size": 0}, "--beam-size 0"),
        ({"beam_size": -3}, "--beam-size -3"),
        ({"beam_size": 1001}, "--beam-size 1,001"),
        ({"n_best": 0}, "--n-best 0"),
        ({"n_best": 6}, "--n-best 6"),
        ({"normalization": float("nan")}, "--length-penalty nan"),
        ({"normalization": 1000.0}, "--length-penalty 1000"),
        ({"coverage": -0.1}, "--coverage-penalty -0.1"),
        ({"coverage": float("inf")}, "--coverage-penalty inf"),
        ({"coverage": float("nan")}, "--coverage-penalty nan"),
        ({"minimum_length": -1}, "--min-length -1"),
    ],
)
def test_impossible_options_are_refused_by_name(settings_: dict[str, float], fragment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BeamOptions(**settings_)  # type: ignore[arg-type]
    assert fragment in caught.value.message


def test_too_many_best_hint_at_the_beam_that_would_do() -> None:
    with pytest.raises(ConfigError) as caught:
        BeamOptions(beam_size=5, n_best=8)
    assert caught.value.hint == "--beam-size 8"
