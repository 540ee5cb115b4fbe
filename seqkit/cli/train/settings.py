"""What `seqkit train` is told of settings, and the size of the model, which the budget may choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqkit.cli.terminal.output import json_line
from seqkit.config import (
    Config,
    Layer,
    Resolved,
    assignment_layer,
    config_from_dict,
    file_layer,
    flatten,
    preset_layer,
    resolve,
)
from seqkit.errors import SeqkitError
from seqkit.files import JSON_LIMIT, parse_json, read_regular
from seqkit.kinds import DEFAULT_PRESET, Kind
from seqkit.training.sizing import SIZE_SETTINGS, settings_of

if TYPE_CHECKING:
    from seqkit.training.sizing import Choice


@dataclass(frozen=True)
class Traits:
    """Of a corpus: whether its sequences are short, and how many vocabularies it has."""

    short: bool = False
    vocabularies: int = 1


@dataclass(frozen=True)
class Settings:
    """Settings of a command line: `preset` is None where it names none, `layers` are what stands over it.

    `suited` are settings that the data decided, between the two.
    """

    kind: Kind
    preset: str | None
    layers: tuple[Layer, ...]
    corpus: Traits = Traits()
    suited: Layer | None = None

    @classmethod
    def of_command(
        cls,
        kind: Kind,
        preset: str | None,
        file: Path | None,
        assignments: Iterable[str],
        named: Mapping[str, object],
        corpus: Traits = Traits(),
    ) -> Settings:
        """A TOML file, `--set` and named options, later over earlier; what is None was not given."""
        layers = [] if file is None else [file_layer(file)]
        layers.append(assignment_layer(assignments))
        layers.append(
            Layer("command line", {key: value for key, value in named.items() if value is not None})
        )
        return cls(kind, preset, tuple(layers), corpus)

    @property
    def default_preset(self) -> str:
        """The preset where the command names none and the budget chooses no size."""
        return self.kind.preset_for(short=self.corpus.short)

    @property
    def for_short(self) -> bool:
        """Whether the corpus has short sequences, and no preset is named in place of the one for them."""
        return self.preset is None and self.default_preset != DEFAULT_PRESET

    def continuing(self, model: Path | None) -> Settings:
        """The settings with the usual preset, where `model` has a run of other sizes than the short one's.

        So the same command continues a run that a version before 0.10 began.
        """
        if model is None or not self.for_short:
            return self
        from seqkit.model_directory.names import CONFIG  # brings numpy along

        path = model / CONFIG
        if not path.exists():
            return self
        try:
            content = parse_json(read_regular(path, limit=JSON_LIMIT), str(path))
            recorded = flatten(config_from_dict(content, str(path), self.kind))
        except SeqkitError:
            return self  # whoever trains says what is wrong with it
        wanted = flatten(self.resolved().config)
        if all(recorded[key] == wanted[key] for key in SIZE_SETTINGS):
            return self
        return replace(self, corpus=replace(self.corpus, short=False))

    def resolved(self, choice: Choice | None = None) -> Resolved:
        """The whole configuration, with the size that was chosen or else the preset's."""
        if choice is not None:
            return self._over(Layer(f"size {choice.size}", choice.values))
        return self._over(preset_layer(self.preset or self.default_preset, self.kind))

    def config(self, values: Mapping[str, Any]) -> Config:
        """The configuration with these settings of a size under those of the command."""
        return self._over(Layer("size", values)).config

    def _over(self, size: Layer) -> Resolved:
        """The configuration with the settings of a size, what the corpus needs, and the command's."""
        needed = []
        if self.corpus.vocabularies == 2 and resolve([size], self.kind).config.model.tied_embeddings == "all":
            needed.append(Layer("two vocabularies", {"model.tied_embeddings": "target"}))
        if self.suited is not None:
            needed.append(self.suited)
        return resolve([size, *needed, *self.layers], self.kind)

    @property
    def size_by_hand(self) -> str | None:
        """A setting that fixes the size of the model, though no preset does."""
        given = [key for layer in self.layers for key in layer.values if key in SIZE_SETTINGS]
        return given[-1] if given and self.preset is None else None

    @property
    def by_minutes(self) -> bool:
        """Whether the command, not a preset, gives a budget in minutes, and names no preset."""
        origins = {layer.origin for layer in self.layers}
        resolved = self.resolved()
        given = resolved.origins["training.minutes"] in origins and resolved.config.training.minutes > 0
        return given and self.preset is None

    @property
    def size_is_open(self) -> bool:
        """Whether the budget is to choose the size."""
        return self.by_minutes and self.size_by_hand is None and not self.for_short

    def lines(self, *, as_json: bool) -> list[str]:
        """Every setting, its value and its origin, a line each."""
        resolved = self._before_the_choice() if self.size_is_open else self.resolved()
        if not as_json:
            return resolved.lines()
        values = flatten(resolved.config)
        return [
            json_line({"schema": 1, "setting": key, "value": values[key], "origin": origin})
            for key, origin in resolved.origins.items()
        ]

    def _before_the_choice(self) -> Resolved:
        """Settings that come with a size have the default preset's values, and say that they are open."""
        values = flatten(self.resolved().config)
        sizes = self.kind.scaling.sizes
        keys = {key for size in sizes for key in settings_of(size, self.kind, tokens=0.0, epochs=0.0)}
        origin = f"preset {DEFAULT_PRESET} for now: chosen at the start, for the budget"
        layer = Layer(origin, {key: values[key] for key in sorted(keys)})
        return self._over(layer)
