"""Percentiles over the newest measurements."""

from __future__ import annotations

from collections import deque

import numpy as np


class LatencyWindow:
    """Keeps the last `size` values; every statistic is None while there are none."""

    def __init__(self, size: int = 200):
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float) -> None:
        """Take one measurement, in whatever unit the window is kept in."""
        self._values.append(value)

    def __len__(self) -> int:
        return len(self._values)

    def percentile(self, q: float) -> float | None:
        """The q-th percentile, 0..100."""
        return float(np.percentile(self._values, q)) if self._values else None

    @property
    def p50(self) -> float | None:
        return self.percentile(50)

    @property
    def p95(self) -> float | None:
        return self.percentile(95)

    @property
    def maximum(self) -> float | None:
        return max(self._values, default=None)
