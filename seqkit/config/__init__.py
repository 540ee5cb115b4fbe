"""Settings, presets, and the layers that they are merged from."""

from seqkit.config.layers import (
    Layer,
    Resolved,
    assignment_layer,
    config_from_dict,
    describe,
    file_layer,
    flatten,
    preset_layer,
    resolve,
    values_of,
)
from seqkit.config.settings import Cell, Config, DataConfig, DecodingConfig, ModelConfig, TrainingConfig

__all__ = [
    "Cell",
    "Config",
    "DataConfig",
    "DecodingConfig",
    "Layer",
    "ModelConfig",
    "Resolved",
    "TrainingConfig",
    "assignment_layer",
    "config_from_dict",
    "describe",
    "file_layer",
    "flatten",
    "preset_layer",
    "resolve",
    "values_of",
]
