"""Every setting: its name, default, unit and range; where a value came from; how it is overridden.

Four frozen tables (`data`, `model`, `training`, `decoding`) make a `Config`. Values are layered: defaults,
then a preset, a TOML file, `--set table.key=value`, and named options. An unknown key is an error that
names the nearest known one.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seqkit.errors import ConfigError, input_error, suggest
from seqkit.files import JSON_LIMIT

_WIDEST = 1 << 16  # a layer beyond this is a slip of the finger, or a hostile file


def _setting(default: Any, description: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A field with its description and inclusive range."""
    return field(default=default, metadata={"description": description, "low": low, "high": high})


@dataclass(frozen=True)
class DataConfig:
    """How a prepared corpus is presented to the model."""

    subword_sampling: float = _setting(
        0.0,
        "random segmentation: BPE-dropout (Provilkov et al. 2020), unigram sampling (Kudo 2018); 0: off",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    cell: Literal["lstm", "gru", "rnn"] = _setting("lstm", "recurrent cell")
    embedding_size: int = _setting(256, "numbers per embedding", low=1, high=_WIDEST)
    hidden_size: int = _setting(
        512, "numbers in the decoder's state; each encoder direction has half", low=2, high=_WIDEST
    )
    encoder_layers: int = _setting(1, "bidirectional layers, residual from the second", low=1, high=4)
    decoder_layers: int = _setting(1, "decoder layers, residual from the second", low=1, high=4)
    attention: Literal["dot", "additive"] = _setting("dot", "how queries and keys are compared")
    attention_heads: int = _setting(4, "attention heads", low=1, high=_WIDEST)
    input_feeding: bool = _setting(
        False, "feed the last readout to the next step (Luong et al. 2015, 3.3); several times slower"
    )
    bridge: Literal["linear", "zero"] = _setting(
        "linear", "the decoder's first state: from the encoder, or zeros"
    )
    tied_embeddings: Literal["all", "target", "none"] = _setting(
        "all", "share embeddings: source, target and output; target and output; none"
    )
    dropout: float = _setting(
        0.3, "dropout with one mask a sequence, on embeddings and between layers", low=0, high=0.95
    )
    word_dropout: float = _setting(0.1, "share of words whose embedding is dropped", low=0, high=0.95)
    attention_dropout: float = _setting(0.0, "dropout on attention weights", low=0, high=0.95)
    initialization: Literal["orthogonal", "xavier", "he", "uniform"] = _setting(
        "orthogonal",
        "orthogonal: recurrent weights orthogonal, input weights Xavier; uniform: 1/sqrt(hidden)",
    )
    forget_bias: float = _setting(1.0, "initial bias of the LSTM's forget gate (Jozefowicz et al. 2015)")


@dataclass(frozen=True)
class TrainingConfig:
    """The run."""

    seed: int = _setting(1, "everything random follows from it", low=0, high=2**63 - 1)
    epochs: float = _setting(30.0, "passes over the training data; 0: no such limit", low=0)
    steps: int = _setting(0, "optimizer steps; 0: no such limit; one budget replaces another", low=0)
    minutes: float = _setting(
        0.0, "wall-clock minutes, start-up and validation included; 0: no such limit", low=0
    )
    batch_tokens: int = _setting(2048, "target tokens a batch, padding included", low=1)
    accumulate: int = _setting(1, "batches a step", low=1)
    optimizer: Literal["adamw", "adam", "sgd", "adagrad", "rmsprop"] = _setting("adamw", "optimizer")
    learning_rate: float = _setting(2.5e-3, "the schedule's peak", low=0)
    momentum: float = _setting(0.9, "of sgd and rmsprop", low=0, high=1)
    nesterov: bool = _setting(False, "Nesterov momentum, for sgd")
    beta1: float = _setting(0.9, "decay of adam's first moment", low=0, high=0.999999)
    beta2: float = _setting(0.98, "decay of adam's second moment", low=0, high=0.999999)
    weight_decay: float = _setting(0.01, "decoupled for adamw, an L2 penalty for the others", low=0)
    schedule: Literal["cosine", "linear", "inverse_sqrt", "constant", "plateau"] = _setting(
        "cosine", "learning rate over the budget"
    )
    warmup: float = _setting(0.04, "share of the budget in which the rate rises from 0", low=0, high=1)
    final_factor: float = _setting(
        0.01, "the rate's share of its peak at the end (cosine, linear)", low=0, high=1
    )
    plateau_factor: float = _setting(0.5, "what the rate is multiplied with on a plateau", low=0, high=1)
    plateau_patience: int = _setting(2, "validations without progress before that", low=1)
    clip_norm: float = _setting(1.0, "largest norm of the gradient; 0: no clipping", low=0)
    label_smoothing: float = _setting(0.1, "Szegedy et al. 2016, section 7", low=0, high=0.95)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _setting(
        "auto", "of the matrix products; weights are kept in fp32"
    )
    ema: float = _setting(
        0.999, "decay of the moving average of weights that is validated; 0: off", low=0, high=1
    )
    average_best: int = _setting(1, "the final weights are the mean of this many best checkpoints", low=1)
    best_metric: Literal["bleu", "chrf", "loss"] = _setting("bleu", "what makes a checkpoint the best")
    patience: int = _setting(0, "stop after this many validations without progress; 0: never", low=0)
    validate_every: int = _setting(0, "steps between validations; 0: twelve times in the budget", low=0)
    validate_minutes: float = _setting(0.0, "minutes between validations; 0: by steps", low=0)
    checkpoint_every: int = _setting(0, "steps between checkpoints; 0: at each validation", low=0)
    validation_sentences: int = _setting(2000, "sentences translated at a validation, at most", low=0)
    samples: int = _setting(2, "validation sentences shown with their translations", low=0)


@dataclass(frozen=True)
class DecodingConfig:
    """What `translate` does unless told otherwise."""

    beam_size: int = _setting(5, "hypotheses kept a sentence; 1 is greedy search", low=1, high=1000)
    length_penalty: float = _setting(1.0, "exponent of the length normalisation (Wu et al. 2016, section 7)")
    coverage_penalty: float = _setting(
        0.0, "weight of the coverage penalty (Wu et al. 2016, section 7)", low=0
    )
    batch_tokens: int = _setting(4096, "source tokens translated together, padding included", low=1)


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain tables, ready for JSON."""
        return dataclasses.asdict(self)


# Sizes of translation models. What each is for stands in the README.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {
        "model.embedding_size": 128,
        "model.hidden_size": 256,
        "model.dropout": 0.1,
        "model.word_dropout": 0.0,
        "training.batch_tokens": 1024,
        "training.learning_rate": 4e-3,
    },
    "small": {},
    "base": {
        "model.embedding_size": 512,
        "model.hidden_size": 768,
        "model.encoder_layers": 2,
        "model.decoder_layers": 2,
        "training.learning_rate": 1.5e-3,
        "training.batch_tokens": 4096,
    },
    "large": {
        "model.embedding_size": 768,
        "model.hidden_size": 1024,
        "model.encoder_layers": 3,
        "model.decoder_layers": 3,
        "model.attention_heads": 8,
        "training.learning_rate": 1e-3,
        "training.batch_tokens": 8192,
    },
}
DEFAULT_PRESET = "small"
BUDGETS = ("training.epochs", "training.steps", "training.minutes")


@dataclass(frozen=True)
class Layer:
    """Settings from one place: `origin` is shown by `--print-config`, `values` maps dotted keys."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A whole configuration and, for every dotted key, where its value came from."""

    config: Config
    origins: dict[str, str]

    def lines(self) -> list[str]:
        """`table.key = value  # origin`, one a setting."""
        rows = [(f"{key} = {_toml(value)}", self.origins[key]) for key, value in flatten(self.config).items()]
        width = max(len(setting) for setting, _ in rows)
        return [f"{setting:<{width}}  # {origin}" for setting, origin in rows]


def preset_layer(name: str) -> Layer:
    """The settings of a preset."""
    if name not in PRESETS:
        raise ConfigError(
            f"there is no preset {name!r}", hint=suggest(name, PRESETS) or f"presets: {', '.join(PRESETS)}"
        )
    return Layer(f"preset {name}", PRESETS[name])


def file_layer(path: Path) -> Layer:
    """The settings of a TOML file."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(JSON_LIMIT + 1)
    except OSError as error:
        raise input_error(path, error) from error
    if len(content) > JSON_LIMIT:
        raise ConfigError("the configuration file is larger than 1 MiB", where=str(path))
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not valid TOML: {error}", where=str(path)) from error
    values: dict[str, Any] = {}
    for table, settings in tables.items():
        if not isinstance(settings, dict):
            raise ConfigError(
                f"{table!r} stands outside the tables [data], [model], [training] and [decoding]",
                where=str(path),
            )
        if not settings and table not in _tables():
            raise ConfigError(f"unknown table [{table}]", where=str(path), hint=suggest(table, _tables()))
        values.update({f"{table}.{key}": value for key, value in settings.items()})
    return Layer(str(path), values)


def assignment_layer(assignments: Iterable[str]) -> Layer:
    """The settings of `--set table.key=value` options; values are read as TOML, else as text."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment!r} has no '='", hint="--set training.learning_rate=0.001")
        try:
            parsed = tomllib.loads(f"value = {text}")
        except (ValueError, RecursionError):
            parsed = {}
        values[key.strip()] = parsed["value"] if len(parsed) == 1 else text
    return Layer("--set", values)


def resolve(layers: Iterable[Layer]) -> Resolved:
    """Merge layers, later over earlier, into a checked configuration."""
    defaults = flatten(Config())
    values, origins = dict(defaults), dict.fromkeys(defaults, "default")
    for layer in layers:
        for key, value in layer.values.items():
            if key not in defaults:
                raise ConfigError(
                    f"unknown setting {key!r}",
                    where=layer.origin,
                    hint=suggest(key, defaults) or "seqkit train --print-config lists every setting",
                )
            values[key] = _checked(key, value, layer.origin)
            origins[key] = layer.origin
        # A budget replaces the budgets of earlier layers.
        if any(layer.values.get(key) for key in BUDGETS):
            for key in set(BUDGETS) - layer.values.keys():
                values[key], origins[key] = type(defaults[key])(0), f"replaced by {layer.origin}"
    return Resolved(_build(values), origins)


def config_from_dict(tables: Any, where: str) -> Config:
    """A configuration read back from `config.json`; unknown or missing keys are errors."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError("the configuration is not a set of tables", where=where)
    values = {
        f"{table}.{key}": value for table, settings in tables.items() for key, value in settings.items()
    }
    missing = flatten(Config()).keys() - values.keys()
    if missing:
        raise ConfigError(f"setting {min(missing)!r} is missing", where=where)
    return resolve([Layer(where, values)]).config


def flatten(config: Config) -> dict[str, Any]:
    """Dotted keys and their values."""
    return {
        f"{table}.{key}": value for table, values in config.to_dict().items() for key, value in values.items()
    }


def describe() -> dict[str, str]:
    """Dotted keys and what each means."""
    return {key: entry.metadata["description"] for key, (entry, _) in _fields().items()}


def _tables() -> dict[str, type[Any]]:
    return typing.get_type_hints(Config)


@functools.cache
def _fields() -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Dotted keys, each with its dataclass field and its type."""
    return {
        f"{table}.{entry.name}": (entry, typing.get_type_hints(kind)[entry.name])
        for table, kind in _tables().items()
        for entry in dataclasses.fields(kind)
    }


def _build(values: Mapping[str, Any]) -> Config:
    tables = {
        table: kind(**{entry.name: values[f"{table}.{entry.name}"] for entry in dataclasses.fields(kind)})
        for table, kind in _tables().items()
    }
    config = Config(**tables)
    _refuse_impossible(config)
    return config


def _checked(key: str, value: Any, origin: str) -> Any:
    """`value` in the setting's type and range, or an error that names the key."""
    entry, kind = _fields()[key]
    choices = typing.get_args(kind)
    if choices:
        if value not in choices:
            near = suggest(str(value), choices)
            raise ConfigError(
                f"{key} cannot be {value!r}", where=origin, hint=near or f"one of {', '.join(choices)}"
            )
        return value
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if type(value) is not kind:
        raise ConfigError(f"{key} = {value!r} should be of type {kind.__name__}", where=origin)
    low, high = entry.metadata["low"], entry.metadata["high"]
    if kind is float and not math.isfinite(value):
        raise ConfigError(f"{key} = {value!r} is not a finite number", where=origin)
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ConfigError(f"{key} = {value!r} is out of range: it must be {bounds}", where=origin)
    return value


def _refuse_impossible(config: Config) -> None:
    model, training = config.model, config.training
    if model.hidden_size % 2:
        raise ConfigError(f"model.hidden_size = {model.hidden_size} is odd; the encoder has two halves")
    if model.hidden_size % model.attention_heads:
        raise ConfigError(
            f"model.attention_heads = {model.attention_heads} does not divide "
            f"model.hidden_size = {model.hidden_size}"
        )
    limits = [name for name in ("epochs", "steps", "minutes") if getattr(training, name)]
    if len(limits) > 1:
        raise ConfigError(
            f"training has {len(limits)} budgets: {' and '.join(limits)}",
            hint="give one; set the others to 0",
        )
    if not limits:
        raise ConfigError("training has no budget: epochs, steps and minutes are all 0", hint="give one")
    if training.best_metric != "loss" and not training.validation_sentences:
        raise ConfigError(
            f"training.best_metric = {training.best_metric} needs translations, "
            "but training.validation_sentences is 0",
            hint="--set training.best_metric=loss",
        )
    if training.nesterov and (training.optimizer != "sgd" or training.momentum == 0):
        raise ConfigError("training.nesterov needs training.optimizer = sgd and a training.momentum above 0")
    if training.validate_every and training.validate_minutes:
        raise ConfigError("training.validate_every and training.validate_minutes exclude each other")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
