"""The rule that chooses a size, held against the curves that it was fitted to (see recipes/LOG.md)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from seqkit.config import Config, Layer, preset_layer, resolve
from seqkit.kinds import GENERATION, TRANSLATION, Kind
from seqkit.kinds.scaling import Size, worth
from seqkit.training.sizing import FOR_STEPS, Choice, Speed, Task, choose, settings_of
from tests.networks import texts

# Measured validation losses, in nats, after so many million tokens of a schedule that ends there.
SHAKESPEARE: dict[str, dict[float, float]] = {
    "tiny": {1.3: 1.750, 2.6: 1.581, 2.8: 1.550, 8.0: 1.482},
    "tiny with 256 units": {1.3: 1.719, 1.9: 1.582, 2.6: 1.539, 5.2: 1.466},
    "small": {1.3: 1.633, 4.0: 1.446, 4.55: 1.418, 9.05: 1.381},
    "base": {2.83: 1.481, 15.0: 1.350},
}
MULTI30K: dict[str, dict[float, float]] = {
    "tiny": {0.75: 3.312, 2.0: 2.234, 5.0: 1.851},
    "small": {0.75: 2.949, 2.0: 1.964, 12.0: 1.557},
}
CURVES = {GENERATION: SHAKESPEARE, TRANSLATION: MULTI30K}
# Tokens per second of `tiny` and `small` on two cores.
SPEEDS: dict[tuple[Kind, str], tuple[float, float]] = {
    (GENERATION, "Zen 3 without bf16"): (19_000, 7_200),
    (GENERATION, "Zen 5 with bf16"): (70_000, 27_000),
    (TRANSLATION, "Zen 3 without bf16"): (6_500, 2_500),
    (TRANSLATION, "Zen 5 with bf16"): (27_000, 12_000),
}
NEAR = 1.6  # what was measured says something of budgets that are a little shorter
NATS: dict[Kind, float] = {GENERATION: 0.03, TRANSLATION: 0.04}  # the latter is 0.5 BLEU


def task(kind: Kind, *, size: int = 0, tokens: int = 0, settings: Mapping[str, Any] | None = None) -> Task:
    """tiny-shakespeare or Multi30k, or a corpus of another size with their vocabularies."""

    def config(values: Mapping[str, Any]) -> Config:
        return resolve([Layer("size", values), Layer("--set", settings or {})], kind).config

    if kind is GENERATION:
        return Task(kind, size or 1_003_854, tokens or 1_003_854, texts(target=324), config)
    fields = texts(source=4_000, target=4_000)
    return Task(kind, size or 28_997, tokens or 513_562, fields, config)


def speed_of(kind: Kind, machine: str) -> Speed:
    counts = [task(kind).parameters(Size(name))[0] for name in ("tiny", "small")]
    return Speed.through(list(zip(counts, SPEEDS[kind, machine], strict=True)))


def measured(kind: Kind, name: str, millions: float) -> float | None:
    """The loss of a size, linear in 1 / tokens between the budgets that were measured; None far below them.

    Beyond them the line is too good, since text that is read again teaches less.
    """
    points = sorted(CURVES[kind].get(name, {}).items())
    if not points or millions < points[0][0] / NEAR:
        return None
    (left, low), (right, high) = next(
        pair for pair in itertools.pairwise(points) if millions <= pair[1][0] or pair[1] == points[-1]
    )
    share = (1 / millions - 1 / left) / (1 / right - 1 / left)
    return low + (high - low) * share


@pytest.mark.parametrize(
    ("kind", "machine"), list(SPEEDS), ids=lambda value: value if isinstance(value, str) else value.name
)
@pytest.mark.parametrize("longer", [False, True])
def test_the_choice_is_as_good_as_the_best_preset(kind: Kind, machine: str, longer: bool) -> None:
    minutes = {GENERATION: (3, 10), TRANSLATION: (5, 20)}[kind][longer]
    speed, corpus = speed_of(kind, machine), task(kind)
    losses = {}
    for size in kind.scaling.sizes:
        rate = speed.tokens_per_second(corpus.parameters(size)[0])
        loss = measured(kind, size.name, FOR_STEPS * 60 * minutes * rate / 1e6)
        if loss is not None:
            losses[size.name] = loss
    choice = choose(corpus, speed, minutes, 60 * minutes)
    assert len(losses) > 1
    assert losses[choice.size] <= min(losses.values()) + NATS[kind], (choice, losses)


def test_three_minutes_of_two_slow_cores() -> None:
    """tiny-shakespeare without bf16: at most 1.58 nats."""
    speed, corpus = speed_of(GENERATION, "Zen 3 without bf16"), task(GENERATION)
    choice = choose(corpus, speed, 3, 175)
    size = next(size for size in GENERATION.scaling.sizes if size.name == choice.size)
    rate = speed.tokens_per_second(corpus.parameters(size)[0])
    loss = measured(GENERATION, choice.size, FOR_STEPS * 175 * rate / 1e6)
    assert loss is not None
    assert loss <= 1.58


@pytest.mark.parametrize("kind", [GENERATION, TRANSLATION], ids=lambda kind: kind.name)
def test_more_time_never_takes_a_smaller_size(kind: Kind) -> None:
    names = [size.name for size in kind.scaling.sizes]
    for factor in (0.1, 1, 10, 100):
        speed = Speed(2e-5 / factor, 2e-11 / factor)
        chosen = [
            names.index(choose(task(kind), speed, minutes, 60 * minutes).size)
            for minutes in (0.01, 0.1, 1, 3, 10, 30, 100, 1000)
        ]
        assert chosen == sorted(chosen)
        assert chosen[0] == 0 or factor > 1


def test_no_size_is_taken_that_the_text_cannot_fill() -> None:
    cases: list[tuple[Kind, int, str]] = [
        (TRANSLATION, 400, "tiny"),
        (TRANSLATION, 29_000, "small"),
        (TRANSLATION, 5_000_000, "base"),
        (GENERATION, 50_000, "tiny with 256 units"),
        (GENERATION, 500_000, "small"),
        (GENERATION, 50_000_000, "base"),
    ]
    for kind, size, largest in cases:
        assert choose(task(kind, size=size, tokens=17 * size), Speed(1e-6, 1e-12), 1e4, 6e5).size == largest


@pytest.mark.parametrize("kind", [GENERATION, TRANSLATION], ids=lambda kind: kind.name)
def test_every_size_is_a_whole_configuration(kind: Kind) -> None:
    counts = []
    for size in kind.scaling.sizes:
        for tokens in (0.0, 1e6, 1e9):
            values = settings_of(size, kind, tokens)
            model = resolve([Layer("size", values)], kind).config.model
            assert model.hidden_size == {**preset_layer(size.preset, kind).values, **size.layers}.get(
                "model.hidden_size", 512
            )
        counts.append(task(kind).parameters(size)[0])
    assert counts == sorted(counts)
    assert settings_of(size, kind, 1e9) == preset_layer(size.preset, kind).values, (
        "a long run is the preset's"
    )


def test_no_time_at_all_takes_the_smallest() -> None:
    for left in (0.0, -20.0):
        choice = choose(task(GENERATION), Speed(1e-4, 1e-10), 0.1, left)
        assert choice.size == "tiny"
        assert choice.reason.endswith("0.1 minutes at 6,338 tokens/s are 0.0063 epochs")


def test_what_a_choice_says() -> None:
    choice = choose(task(TRANSLATION), Speed(4e-5, 1e-11), 20, 1190)
    assert choice.reason.startswith("28,997 pairs, 20 minutes at ")
    assert choice.reason.endswith(" epochs")
    assert "1 minute at" in choose(task(GENERATION), Speed(4e-5, 1e-11), 1, 50).reason


def test_settings_by_hand_count() -> None:
    plain = task(TRANSLATION).parameters(Size("small"))[0]
    assert task(TRANSLATION, settings={"model.cell": "gru"}).parameters(Size("small"))[0] < plain


@pytest.mark.parametrize("rates", [(19_000, 7_200), (57_300, 17_500)])
def test_speed_goes_through_two_measurements(rates: tuple[float, float]) -> None:
    speed = Speed.through([(577_860, rates[0]), (2_019_396, rates[1])])
    assert speed.fixed >= 0
    assert speed.tokens_per_second(577_860) == pytest.approx(rates[0])
    assert speed.tokens_per_second(2_019_396) == pytest.approx(rates[1])


@pytest.mark.parametrize(
    "rates", [(10_000.0,), (10_000.0, 11_000.0), (10_000.0, 10_000.0), (10_000.0, 100.0), (1e-3, 1e-9)]
)
def test_speed_bears_any_measurement(rates: tuple[float, ...]) -> None:
    """One alone, or two that disagree, as on a busy machine: a larger size is never the faster one."""
    speed = Speed.through(list(zip((500_000, 2_000_000), rates, strict=False)))
    found = [speed.tokens_per_second(parameters) for parameters in (500_000, 1_000_000, 2_000_000, 10**8)]
    assert found == sorted(found, reverse=True)
    assert min(found) > 0
    assert min(rates) / 5 < found[0] < max(rates) * 5


def test_the_speed_between_and_beyond_the_measured_sizes() -> None:
    """One thread with bf16 (recipes/LOG.md, 2026-11-22): the line also holds where it was not measured."""
    generator = Speed.through([(577_860, 57_300), (2_019_396, 17_500)])
    assert generator.tokens_per_second(3_471_940) == pytest.approx(9_900, rel=0.1)
    translator = Speed.through([(1_519_904, 18_900), (5_034_656, 7_750)])
    assert translator.tokens_per_second(23_000_000) == pytest.approx(1_850, rel=0.1)


def test_text_that_is_read_again_is_worth_less() -> None:
    assert worth(0.5e6, 1e6) == 0.5e6
    assert worth(1e6, 1e6) == 1e6
    found = [worth(passes * 1e6, 1e6) for passes in (1, 2, 4, 16, 1000, 1e6)]
    assert found == sorted(found)
    assert 3.5e6 < found[2] < 4e6
    assert found[-1] < 20e6


@pytest.mark.parametrize(
    "damaged",
    [{"size": "tiny"}, {"size": 1, "reason": "", "values": {}}, {"size": "", "reason": "", "values": 3}, 5],
)
def test_a_choice_that_is_none(damaged: Any) -> None:
    assert Choice.from_dict(None) is None
    with pytest.raises(TypeError):
        Choice.from_dict(damaged)
