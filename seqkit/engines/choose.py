"""Which engine runs a model: by the place, the precision and the network, or what is missing by name.

The hand-written step (`fixed`) runs on a CPU without torch. The network itself (`network`) does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np

from seqkit.decoding.stepper import Engine, TextEngine
from seqkit.engines.fixed.candidates import ShortlistEnsemble
from seqkit.engines.fixed.decoder import FixedPointDecoder, unsupported
from seqkit.engines.fixed.ensemble import FixedPointEnsemble
from seqkit.errors import ConfigError, suggest
from seqkit.network.blueprint import Blueprint
from seqkit.network.shortlist import Shortlist

if TYPE_CHECKING:
    import torch

    from seqkit.nn.model import SequenceModel

Precision = Literal["int8", "fp32", "bf16"]
# What there is behind a source and without one. The hand-written attention is rounded too much for fp32.
_WITH_SOURCE: tuple[Precision, ...] = ("int8", "fp32")
_WITHOUT_SOURCE: tuple[Precision, ...] = ("fp32", "bf16", "int8")


class Weights(Protocol):
    """A model as engines need it: `model_directory.LoadedModel` is one."""

    @property
    def blueprint(self) -> Blueprint: ...

    @property
    def parameters(self) -> Mapping[str, np.ndarray]: ...

    @property
    def model(self) -> SequenceModel:
        """The network, which needs torch."""
        ...


def resolve_precision(name: str, members: Sequence[Weights], *, on_cpu: bool) -> Precision:
    """`auto` as int8 on a CPU, where it is the fastest, for models that the hand-written step supports.

    Else as fp32, also for tanh networks: the gates of an lstm or a gru keep rounding from adding up, and the
    likelihood changes by less than a thousandth of a nat; a tanh network loses a hundredth. Raises
    `ConfigError` with what the place or the network lacks for a precision.
    """
    blueprints = [member.blueprint for member in members]
    known = _WITHOUT_SOURCE if blueprints[0].source is None else _WITH_SOURCE
    if name not in ("auto", *known):
        hint = suggest(name, ("auto", *known)) or f"one of {', '.join(('auto', *known))}"
        raise ConfigError(f"--precision {name!r} is not known", hint=hint)
    lacking = next(filter(None, map(unsupported, blueprints)), None)
    if name == "auto":
        gated = all(one.decoder is not None and one.decoder.cell != "rnn" for one in blueprints)
        return "int8" if on_cpu and gated and lacking is None else "fp32"
    if name == "int8" and not on_cpu:
        other = "fp32" if blueprints[0].source is not None else "bf16"
        raise ConfigError("--precision int8 needs a CPU", hint=f"--device cpu, or --precision {other}")
    if name == "int8" and lacking is not None:
        raise ConfigError(f"--precision int8 cannot run a model with {lacking}", hint="--precision fp32")
    return cast(Precision, name)


def without_torch(precision: Precision, member: Weights, *, on_cpu: bool) -> bool:
    """Whether the hand-written step computes: then copies of the process can, too."""
    return precision == "int8" or (precision == "fp32" and on_cpu and member.blueprint.source is None)


def translation_engine(
    members: Sequence[Weights],
    precision: Precision,
    device: torch.device | None = None,
    shortlist: Shortlist | None = None,
) -> Engine:
    """The engine of a translator or an ensemble, at a precision that `resolve_precision` gave.

    `device` is where the networks compute, None is the CPU. Raises `ModelError` if the weights of a
    hand-written step contain NaN or infinity.
    """
    if precision == "int8":
        decoders = [FixedPointDecoder(member.blueprint, member.parameters) for member in members]
        return FixedPointEnsemble(decoders) if shortlist is None else ShortlistEnsemble(decoders, shortlist)
    import torch

    from seqkit.engines.network import NetworkEnsemble

    return NetworkEnsemble([member.model for member in members], device or torch.device("cpu"))


def text_engine(member: Weights, precision: Precision, device: torch.device | None = None) -> TextEngine:
    """The engine of a generator; see `translation_engine`."""
    if without_torch(precision, member, on_cpu=device is None):
        assert precision != "bf16"
        return FixedPointDecoder(member.blueprint, member.parameters, precision)
    import torch

    from seqkit.engines.network import TextNetwork

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return TextNetwork(member.model, dtype, device or torch.device("cpu"))
