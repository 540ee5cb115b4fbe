"""Settings: layers and origins, strictness, suggestions, budgets, and the way to JSON and back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from seqkit.config import (
    Config,
    Layer,
    assignment_layer,
    config_from_dict,
    describe,
    file_layer,
    flatten,
    preset_layer,
    resolve,
)
from seqkit.errors import ConfigError, ExitCode, InputMissing
from seqkit.kinds import GENERATION, KINDS, TRANSLATION, Kind

EVERY_PRESET = [(kind, name) for kind in KINDS.values() for name in kind.presets]


def named(value: object) -> str:
    """A kind's name, for a test's."""
    return value.name if isinstance(value, Kind) else str(value)


def resolved(**values: Any) -> Config:
    """The defaults with changes, written with `__` for the dot."""
    return resolve(
        [Layer("test", {key.replace("__", "."): value for key, value in values.items()})], TRANSLATION
    ).config


def error_of(key: str, value: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve([Layer("here.toml", {key: value})], TRANSLATION)
    assert caught.value.exit_code == ExitCode.USAGE
    return caught.value


def toml(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "settings.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_defaults_are_valid_and_every_setting_is_described() -> None:
    result = resolve([], TRANSLATION)
    assert result.config == Config()
    assert set(result.origins.values()) == {"default"}
    generator = resolve([preset_layer("small", GENERATION)], GENERATION)
    assert (
        describe().keys() == flatten(result.config).keys() == result.origins.keys() | generator.origins.keys()
    )
    assert result.origins.keys() - generator.origins.keys() >= {"training.batch_tokens", "model.attention"}
    assert generator.origins.keys() - result.origins.keys() >= {"data.streams", "data.slice_length"}
    assert all(len(text) > 5 for text in describe().values())


@pytest.mark.parametrize(("kind", "name"), EVERY_PRESET, ids=named)
def test_presets_are_valid_and_say_so(kind: Kind, name: str) -> None:
    result = resolve([preset_layer(name, kind)], kind)
    assert flatten(result.config).items() >= kind.presets[name].settings.items()
    changed = {key for key, origin in result.origins.items() if origin == f"preset {name}"}
    assert changed == set(kind.presets[name].settings)


@pytest.mark.parametrize("kind", KINDS.values(), ids=named)
def test_presets_grow(kind: Kind) -> None:
    sizes = [
        resolve([preset_layer(name, kind)], kind).config.model.hidden_size
        for name in ("tiny", "small", "base", "large")
    ]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (GENERATION, "training.batch_tokens", 100),
        (GENERATION, "model.attention", "additive"),
        (GENERATION, "decoding.beam_size", 2),
        (TRANSLATION, "data.streams", 8),
        (TRANSLATION, "training.sample_length", 10),
    ],
    ids=named,
)
def test_a_setting_of_the_other_kind_is_refused_by_name(kind: Kind, key: str, value: object) -> None:
    layers = [preset_layer("small", kind), Layer("--set", {key: value})]
    with pytest.raises(ConfigError, match=f"{key} has no meaning for {kind.name}") as caught:
        resolve(layers, kind)
    assert caught.value.where == "--set"
    (other,) = (each for each in KINDS.values() if each is not kind)
    assert flatten(resolve([preset_layer("small", other), layers[1]], other).config)[key] == value


def test_a_generator_is_not_ranked_by_bleu() -> None:
    layers = [preset_layer("small", GENERATION), Layer("--set", {"training.best_metric": "bleu"})]
    with pytest.raises(ConfigError, match="bleu is not measured for a generator"):
        resolve(layers, GENERATION)


def test_a_generator_s_sizes_need_not_be_even() -> None:
    layers = [preset_layer("small", GENERATION), Layer("--set", {"model.hidden_size": 33})]
    assert resolve(layers, GENERATION).config.model.hidden_size == 33
    with pytest.raises(ConfigError, match="odd"):
        resolve([layers[1]], TRANSLATION)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        preset_layer("smal", TRANSLATION)
    assert caught.value.hint == "did you mean small?"
    with pytest.raises(ConfigError) as caught:
        preset_layer("zzz", TRANSLATION)
    assert caught.value.hint == "presets: tiny, characters, small, base, large"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("training.learning_rat", "training.learning_rate"),
        ("training.lerning_rate", "training.learning_rate"),
        ("modle.hidden_size", "model.hidden_size"),
        ("model.hiden_size", "model.hidden_size"),
        ("decoding.beamsize", "decoding.beam_size"),
    ],
)
def test_an_unknown_key_names_the_nearest(wrong: str, right: str) -> None:
    error = error_of(wrong, 1)
    assert repr(wrong) in error.message
    assert error.where == "here.toml"
    assert error.hint == f"did you mean {right}?"


def test_a_key_like_no_other_points_to_the_list() -> None:
    assert "--print-config" in str(error_of("xyzzy", 1).hint)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("training.steps", 1.5, "int"),
        ("training.steps", True, "int"),
        ("training.steps", "3", "int"),
        ("training.learning_rate", "fast", "float"),
        ("training.learning_rate", True, "float"),
        ("training.learning_rate", [0.1], "float"),
        ("model.input_feeding", 1, "bool"),
        ("model.input_feeding", "yes", "bool"),
        ("model.dropout", {}, "float"),
    ],
)
def test_types_are_strict(key: str, value: Any, kind: str) -> None:
    error = error_of(key, value)
    assert error.message == f"{key} = {value!r} should be of type {kind}"


@pytest.mark.parametrize("value", ["lstn", 3, ["lstm"], None, True])
def test_choices_are_closed(value: Any) -> None:
    error = error_of("model.cell", value)
    assert error.message == f"model.cell cannot be {value!r}"
    assert error.hint == ("did you mean lstm?" if "lst" in str(value) else "one of lstm, gru, rnn")


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("model.dropout", 0.0, 0.95),
        ("training.warmup", 0.0, 1.0),
        ("model.encoder_layers", 1, 4),
        ("training.seed", 0, 2**63 - 1),
        ("model.hidden_size", 2, 1 << 16),
    ],
)
def test_ranges_include_their_ends(key: str, low: float, high: float) -> None:
    step = 1 if isinstance(low, int) else 0.001
    heads = {"model.attention_heads": 1}
    for value in (low, high):
        assert flatten(resolve([Layer("x", {**heads, key: value})], TRANSLATION).config)[key] == value
    for value in (low - step, high + step):
        message = error_of(key, value).message
        assert message.startswith(f"{key} = {value!r} is out of range: it must be from ")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_numbers_are_finite(value: float) -> None:
    assert "is not a finite number" in error_of("training.learning_rate", value).message
    assert "is not a finite number" in error_of("decoding.length_penalty", value).message


@pytest.mark.parametrize("key", ["training.beta1", "training.beta2"])
def test_a_decay_of_one_is_no_decay(key: str) -> None:
    assert key in error_of(key, 1.0).message


def test_whole_numbers_are_numbers() -> None:
    rate = resolved(training__learning_rate=1).training.learning_rate
    assert rate == 1.0
    assert type(rate) is float


def test_later_layers_win_and_origins_are_kept(tmp_path: Path) -> None:
    path = toml(tmp_path, "[model]\nhidden_size = 128\ndropout = 0.5\n[training]\nseed = 7\n")
    result = resolve(
        [
            preset_layer("tiny", TRANSLATION),
            file_layer(path),
            assignment_layer(["model.dropout=0.2", "training.seed=8"]),
            Layer("command line", {"training.seed": 9}),
        ],
        TRANSLATION,
    )
    model, training = result.config.model, result.config.training
    assert (model.embedding_size, model.hidden_size, model.dropout, training.seed) == (128, 128, 0.2, 9)
    assert result.origins["model.embedding_size"] == "preset tiny"
    assert result.origins["model.hidden_size"] == str(path)
    assert result.origins["model.dropout"] == "--set"
    assert result.origins["training.seed"] == "command line"
    assert result.origins["model.cell"] == "default"


def test_one_budget_replaces_the_others_of_earlier_layers() -> None:
    result = resolve(
        [Layer("file", {"training.minutes": 5}), Layer("command line", {"training.epochs": 2})], TRANSLATION
    )
    training = result.config.training
    assert (training.epochs, training.steps, training.minutes) == (2.0, 0, 0.0)
    assert result.origins["training.minutes"] == "replaced by command line"
    assert result.origins["training.steps"] == "replaced by command line"
    assert resolved(training__steps=10).training.epochs == 0
    assert resolved(training__steps=0).training.epochs == 30, "a zero is no budget and replaces none"


def test_one_interval_of_validations_replaces_the_other_of_an_earlier_layer() -> None:
    layers = [preset_layer("small", GENERATION), Layer("--set", {"training.validate_every": 7})]
    result = resolve(layers, GENERATION)
    assert (result.config.training.validate_every, result.config.training.validate_minutes) == (7, 0)
    assert result.origins["training.validate_minutes"] == "replaced by --set"


def test_there_is_exactly_one_budget() -> None:
    with pytest.raises(ConfigError, match="2 budgets: steps and minutes"):
        resolved(training__steps=10, training__minutes=1.0)
    with pytest.raises(ConfigError, match="no budget"):
        resolved(training__epochs=0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model__hidden_size": 33, "model__attention_heads": 3}, "model.hidden_size = 33 is odd"),
        (
            {"model__hidden_size": 64, "model__attention_heads": 3},
            "model.attention_heads = 3 does not divide",
        ),
        ({"training__nesterov": True}, "training.nesterov needs training.optimizer = sgd"),
        ({"training__nesterov": True, "training__optimizer": "sgd", "training__momentum": 0}, "momentum"),
        ({"training__validate_every": 5, "training__validate_minutes": 1}, "exclude each other"),
        ({"training__validation_sentences": 0}, "training.best_metric = bleu needs translations"),
    ],
)
def test_impossible_combinations_are_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        resolved(**changes)


def test_possible_combinations_are_not() -> None:
    assert resolved(training__nesterov=True, training__optimizer="sgd").training.nesterov
    assert resolved(training__validation_sentences=0, training__best_metric="loss").training.samples == 2


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("training.learning_rate=1e-3", "training.learning_rate", 1e-3),
        ("training.steps=1_000", "training.steps", 1000),
        ("model.cell=gru", "model.cell", "gru"),
        ('model.cell="gru"', "model.cell", "gru"),
        (" model.input_feeding =true", "model.input_feeding", True),
        ("model.cell=a=b", "model.cell", "a=b"),
        ("model.cell=", "model.cell", ""),
        ("training.seed=1\nb=2", "training.seed", "1\nb=2"),
    ],
)
def test_assignments_are_toml_or_text(text: str, key: str, value: Any) -> None:
    layer = assignment_layer([text])
    assert layer.values == {key: value}
    assert type(layer.values[key]) is type(value)


def test_an_assignment_needs_an_equals_sign() -> None:
    with pytest.raises(ConfigError, match="has no '='"):
        assignment_layer(["training.steps"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[model\n", "not valid TOML"),
        ("[model]\ncell = lstm\n", "not valid TOML"),
        ("[model]\ncell = 'lstm'\ncell = 'gru'\n", "not valid TOML"),
        (b"[model]\ncell = '\xff'\n", "not valid TOML"),
        ("x = " + "[" * 100_000, "not valid TOML"),
        ("seed = 3\n", "'seed' is outside the tables"),
        ("[modle]\n", r"unknown table \[modle\]"),
        (b"#" * ((1 << 20) + 1), "larger than 1 MiB"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_bad_file_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = toml(tmp_path, content)
    with pytest.raises(ConfigError, match=message) as caught:
        file_layer(path)
    assert caught.value.where == str(path)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    toml(tmp_path, "")
    with pytest.raises(InputMissing) as caught:
        file_layer(tmp_path / "setings.toml")
    assert caught.value.hint == "did you mean settings.toml?"
    assert caught.value.exit_code == ExitCode.INPUT_MISSING


def test_a_nested_table_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'model\.sub'"):
        resolve([file_layer(toml(tmp_path, "[model.sub]\nx = 1\n"))], TRANSLATION)


@pytest.mark.parametrize(("kind", "name"), EVERY_PRESET, ids=named)
def test_json_and_back(kind: Kind, name: str) -> None:
    config = resolve(
        [preset_layer(name, kind), Layer("x", {"training.minutes": 1 / 3, "training.seed": 2**62})], kind
    ).config
    again = config_from_dict(json.loads(json.dumps(config.to_dict())), "config.json", kind)
    assert again == config
    assert again.to_dict() == config.to_dict()


def test_what_an_earlier_version_did_not_know_or_knew_otherwise_is_no_error() -> None:
    tables = Config().to_dict()
    del tables["model"]["dropout"]
    assert config_from_dict(tables, "config.json", TRANSLATION) == Config()
    tables["decoding"]["batch_tokens"] = 77  # a default of the other kind, which has changed since
    assert config_from_dict(tables, "config.json", TRANSLATION).decoding.batch_tokens == 77
    tables["training"]["best_metric"] = "loss"
    assert config_from_dict(tables, "config.json", GENERATION).decoding == Config().decoding


def test_reading_back_is_strict() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'model\.extra'"):
        config_from_dict(
            {**Config().to_dict(), "model": {**Config().to_dict()["model"], "extra": 1}}, "x", TRANSLATION
        )
    for broken in (None, [], {"model": []}, {"model": None}, "model"):
        with pytest.raises(ConfigError, match="not a set of tables"):
            config_from_dict(broken, "config.json", TRANSLATION)


@pytest.mark.parametrize("kind", KINDS.values(), ids=named)
def test_printed_settings_are_toml_with_their_origins(kind: Kind, tmp_path: Path) -> None:
    result = resolve([preset_layer("base", kind), Layer("command line", {"training.minutes": 20})], kind)
    lines = result.lines()
    printed = file_layer(toml(tmp_path, "\n".join(lines)))
    assert resolve([printed], kind).config == result.config
    assert len(lines) == len(result.origins)
    from_preset = kind.presets["base"].settings.keys() - {"training.minutes"}
    assert sum(line.endswith("# preset base") for line in lines) == len(from_preset)
    assert any(line.startswith("training.minutes") and line.endswith("# command line") for line in lines)
