"""How smoothly an arm was told to move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def jerk(positions: Sequence[np.ndarray], period_s: float) -> float | None:
    """Root of the mean square of the third derivative of positions [T][3] (m) that are period_s apart, in m/s^3.

    None for fewer than four.
    """
    if len(positions) < 4:
        return None
    third = np.diff(np.asarray(positions), n=3, axis=0) / period_s**3
    return float(np.sqrt((third**2).sum(axis=1).mean()))
