"""Joints and hand tell of one motion: where one of the two stands still while the other moves, nobody measures it."""

from __future__ import annotations

import numpy as np

JOINTS_MOVED = 0.01  # rad of one joint, by which the hand's pose must have become another one
HAND_MOVED = 0.003  # m, or part of a quaternion, by which the joints must have become others


class Standstill:
    """Of one of the two. moved: what the other one has moved by, in its largest entry, when this one must have, too."""

    def __init__(self, moved: float):
        self._moved = moved
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._own: np.ndarray | None = None
        self._other: np.ndarray | None = None  # when this one became what it is

    def found(self, own: np.ndarray, other: np.ndarray | None) -> bool:
        """Whether `own` [n] is what it was, to the bit, since `other` [m] (None: not known) began to move."""
        if self._own is None or self._other is None or not np.array_equal(own, self._own):
            self._own, self._other = own, other
            return False
        return other is not None and float(np.abs(other - self._other).max()) > self._moved
