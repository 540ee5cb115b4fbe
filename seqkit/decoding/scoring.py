"""How finished hypotheses are compared (Wu et al. 2016, section 7)."""

from __future__ import annotations

import numpy as np


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6) ** alpha, equation 14; 1 without normalisation (alpha = 0)."""
    return float(((5 + length) / 6) ** alpha)


def coverage_penalty(coverage: np.ndarray, beta: float) -> float:
    """beta * sum of log(min(attention a source word got, 1)), equation 14. `coverage` is (S,), no padding."""
    return float(beta * np.log(np.clip(coverage, 1e-6, 1.0)).sum())
