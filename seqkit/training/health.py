"""The health of the gradient, in numbers and in words: what recurrent networks are about.

Gradients through time vanish or explode (Bengio et al. 1994; Pascanu et al. 2013); gates that are stuck
open or shut let none through.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from seqkit.nn.model import SequenceModel
from seqkit.training.loop import StepReport

VANISHING_RATIO = 1e-4  # a part's gradient norm against the largest part's
EXPLODING_FACTOR = 20.0  # the mean norm against the clipping norm
SATURATION_LIMIT = 0.9  # share of a gate's values that are stuck


@dataclass
class GradientHealth:
    """Sums since the last validation, over finite steps unless said otherwise."""

    steps: int = 0
    clipped: int = 0
    nonfinite: int = 0  # skipped steps
    norm: float = 0.0
    squares: list[float] = field(default_factory=list)  # of each parameter's norm

    def add(self, report: StepReport) -> None:
        """Take in a step."""
        if not report.finite:
            self.nonfinite += 1
            return
        self.steps += 1
        self.clipped += report.clipped
        self.norm += report.gradient_norm
        squares = report.norms.double().square().tolist()
        self.squares = [a + b for a, b in zip(self.squares or [0.0] * len(squares), squares, strict=True)]

    def summary(self, model: SequenceModel) -> dict[str, object]:
        """Mean norm, share of clipped steps, skipped steps, and the root mean square norm of each part."""
        steps = max(self.steps, 1)
        number = {id(parameter): index for index, parameter in enumerate(model.parameters())}
        parts = {
            name: _short((sum(self.squares[number[id(p)]] for p in members) / steps) ** 0.5)
            for name, members in model.parameter_groups().items()
            if self.squares
        }
        return {
            "norm": _short(self.norm / steps),
            "clipped_share": round(self.clipped / steps, 4),
            "nonfinite_steps": self.nonfinite,
            "parts": parts,
        }


def _short(value: float) -> float:
    """Six significant digits: a tiny gradient must not be rounded to none."""
    return float(f"{value:.6g}")


def saturation(gates: dict[str, tuple[dict[str, Tensor], Tensor]]) -> dict[str, float]:
    """`layer.gate` -> share of values that are closed or fully open."""
    from seqkit.nn.recurrent import saturated_share

    return {
        f"{layer}.{gate}": round(share, 4)
        for layer, (values, mask) in gates.items()
        for gate, share in saturated_share(values, mask).items()
    }


def warnings(summary: dict[str, object], gates: dict[str, float], clip_norm: float) -> list[str]:
    """What a person should be told, in words."""
    found = []
    parts = summary["parts"]
    norm = summary["norm"]
    assert isinstance(parts, dict)
    assert isinstance(norm, float)
    if parts:
        largest, smallest = max(parts.values()), min(parts, key=lambda name: parts[name])
        if largest > 0 and parts[smallest] < VANISHING_RATIO * largest:
            found.append(
                f"gradients vanish: {smallest} gets {parts[smallest]:.1e}, the strongest part {largest:.1e}; "
                "fewer layers, model.cell = lstm or a higher model.forget_bias help"
            )
    if clip_norm and norm > EXPLODING_FACTOR * clip_norm:
        found.append(
            f"gradients explode: their mean norm is {norm:.1f}, clipped to {clip_norm:g}; "
            "a lower training.learning_rate or a longer training.warmup helps"
        )
    if summary["nonfinite_steps"]:
        found.append(f"steps skipped for NaN or infinite gradients: {summary['nonfinite_steps']}")
    stuck = [f"{name} ({share:.0%})" for name, share in gates.items() if share > SATURATION_LIMIT]
    if stuck:
        found.append(f"gates are saturated: {', '.join(stuck)}; a lower training.learning_rate helps")
    return found
