"""Joints or hand of an arm, as an input that is to be trusted or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zipmo_ros.runtime.freshness import Freshness
from zipmo_ros.runtime.standstill import Standstill


class Sense(Freshness):
    """One of the two; frozen while the other one moves, too. moved: see Standstill; the others: see Freshness."""

    def __init__(self, name: str, timeout: float, moved: float, now_ns: Callable[[], int] | None = None):
        self._standstill = Standstill(moved)
        super().__init__(name, timeout, now_ns=now_ns)

    def reset(self) -> None:
        """See Freshness."""
        super().reset()
        self._standstill.reset()

    def feel(self, stamp_ns: int, own: np.ndarray, other: np.ndarray | None) -> None:
        """`own` [n] was measured just now, and the other one was last `other` [m] (None: not known)."""
        stands = self._standstill.found(stamp_ns, own, other)
        self.feed(stamp_ns, own if stands else None, stands)  # at rest it may well be the same
