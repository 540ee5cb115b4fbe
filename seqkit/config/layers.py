"""Where values come from: layers of settings, merged into one checked configuration.

Defaults, then a preset, a TOML file, `--set table.key=value`, and named options, later over earlier. An
unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqkit.config.settings import Config, refuse_impossible
from seqkit.errors import ConfigError, input_error, suggest
from seqkit.files import JSON_LIMIT
from seqkit.kinds import Kind

# Settings that say the same in different units: one of a later layer replaces those of earlier ones.
ALTERNATIVES = (
    ("training.epochs", "training.steps", "training.minutes"),
    ("training.validate_every", "training.validate_minutes"),
)


@dataclass(frozen=True)
class Layer:
    """Settings from one place: `origin` is shown by `--print-config`, `values` maps dotted keys."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A whole configuration and, for every dotted key of its kind, where its value came from."""

    config: Config
    origins: dict[str, str]

    @classmethod
    def recorded(cls, config: Config, kind: Kind) -> Resolved:
        """A configuration of a run that is over: of origins only what is the default is still known."""
        defaults = flatten(Config())
        origins = {
            key: "default" if value == defaults[key] else "set"
            for key, value in flatten(config).items()
            if _belongs(key, kind)
        }
        return cls(config, origins)

    def settings(self) -> list[tuple[str, str, str]]:
        """Dotted name, value as TOML writes it, and origin of every setting."""
        values = flatten(self.config)
        return [(key, _toml(values[key]), origin) for key, origin in self.origins.items()]

    def lines(self) -> list[str]:
        """`table.key = value  # origin`, one a setting."""
        rows = [(f"{key} = {value}", origin) for key, value, origin in self.settings()]
        width = max(len(setting) for setting, _ in rows)
        return [f"{setting:<{width}}  # {origin}" for setting, origin in rows]


def preset_layer(name: str, kind: Kind) -> Layer:
    """The settings of a preset for a kind of model."""
    if name not in kind.presets:
        raise ConfigError(
            f"there is no preset {name!r}",
            hint=suggest(name, kind.presets) or f"presets: {', '.join(kind.presets)}",
        )
    return Layer(f"preset {name}", kind.presets[name].settings)


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
                f"{table!r} is outside the tables [data], [model], [training] and [decoding]",
                where=str(path),
            )
        if not settings and table not in _tables():
            raise ConfigError(
                f"unknown table [{table}]",
                where=str(path),
                hint=suggest(table, _tables()) or f"the tables are {', '.join(_tables())}",
            )
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


def resolve(layers: Iterable[Layer], kind: Kind) -> Resolved:
    """Merge layers, later over earlier, into a checked configuration for a kind of model."""
    defaults = flatten(Config())
    values, origins = dict(defaults), dict.fromkeys(defaults, "default")
    for layer in layers:
        for key, value in layer.values.items():
            if key not in defaults:
                raise ConfigError(
                    f"unknown setting {key!r}",
                    where=layer.origin,
                    hint=suggest(key, defaults)
                    or suggest(key.partition(".")[0], _tables())
                    or "seqkit train --print-config lists every setting",
                )
            values[key] = _checked(key, value, layer.origin)
            origins[key] = layer.origin
            if values[key] != defaults[key] and not _belongs(key, kind):
                raise ConfigError(
                    f"{key} has no meaning for {kind.name}: leave it out",
                    where=layer.origin,
                    hint="seqkit train CORPUS --print-config lists the settings of that corpus's kind",
                )
        for group in ALTERNATIVES:
            if any(layer.values.get(key) for key in group):
                for key in set(group) - layer.values.keys():
                    values[key], origins[key] = type(defaults[key])(0), f"replaced by {layer.origin}"
    config = _build(values)
    refuse_impossible(config, kind)
    return Resolved(config, {key: origin for key, origin in origins.items() if _belongs(key, kind)})


def config_from_dict(tables: Any, where: str, kind: Kind) -> Config:
    """A configuration read back from `config.json`; unknown keys are errors.

    A key that is missing has its default: an earlier version did not know it. Those of the other kind are
    written, too, and mean nothing.
    """
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError("the configuration is not a set of tables", where=where)
    values = {
        f"{table}.{key}": value for table, settings in tables.items() for key, value in settings.items()
    }
    own = {key: value for key, value in values.items() if key not in _fields() or _belongs(key, kind)}
    return resolve([Layer(where, own)], kind).config


def flatten(config: Config) -> dict[str, Any]:
    """Dotted keys and their values."""
    return {
        f"{table}.{key}": value for table, values in config.to_dict().items() for key, value in values.items()
    }


def describe() -> dict[str, str]:
    """Dotted keys and what each means."""
    return {key: entry.metadata["description"] for key, (entry, _) in _fields().items()}


def values_of(key: str) -> tuple[str, ...]:
    """What a setting can be, as it is written; of numbers its default alone."""
    choices = ("true", "false") if _fields()[key][1] is bool else _choices(key)
    return choices or (_toml(flatten(Config())[key]),)


def _tables() -> dict[str, type[Any]]:
    return typing.get_type_hints(Config)


@functools.cache
def _fields() -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Dotted keys, each with its dataclass field and its type."""
    found = {}
    for table, kind in _tables().items():
        types = typing.get_type_hints(kind)  # compiles every annotation: once a table
        found.update(
            {f"{table}.{entry.name}": (entry, types[entry.name]) for entry in dataclasses.fields(kind)}
        )
    return found


def _belongs(key: str, kind: Kind) -> bool:
    """Whether a setting means something to a kind of model."""
    part = _fields()[key][0].metadata["part"]
    return part is None or part in kind.parts


def _choices(key: str) -> tuple[str, ...]:
    """The values of a setting that has a few; else none."""
    entry, kind = _fields()[key]
    return entry.metadata["choices"] or typing.get_args(kind)


def _build(values: Mapping[str, Any]) -> Config:
    tables = {
        table: kind(**{entry.name: values[f"{table}.{entry.name}"] for entry in dataclasses.fields(kind)})
        for table, kind in _tables().items()
    }
    return Config(**tables)


def _checked(key: str, value: Any, origin: str) -> Any:
    """`value` in the setting's type and range, or an error that names the key."""
    entry, kind = _fields()[key]
    if choices := _choices(key):
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


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
