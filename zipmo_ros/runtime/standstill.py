"""Joints and hand tell of one motion: where one of the two stands still while the other moves, nobody measures it."""

from __future__ import annotations

import numpy as np

JOINTS_MOVED = 0.01  # rad of one joint, by which the hand's pose must have become another one
HAND_MOVED = 0.003  # m, or part of a quaternion, by which the joints must have become others
REST_NS = 150 * 10**6  # without a change of the other one, after which it moves no more


class Standstill:
    """Of one of the two. moved: what the other one has moved by, in its largest entry, when this one must have, too."""

    def __init__(self, moved: float):
        self._moved = moved
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._own: np.ndarray | None = None
        self._from: np.ndarray | None = None  # where the other one was when this one became what it is, or at rest
        self._other: np.ndarray | None = None
        self._changed_ns = 0

    def found(self, stamp_ns: int, own: np.ndarray, other: np.ndarray | None) -> bool:
        """Whether `own` [n] is what it was, to the bit, while `other` [m] (None: not known) moves."""
        if other is None:
            self.reset()
            return False
        if self._other is None or not np.array_equal(other, self._other):
            self._other, self._changed_ns = other, stamp_ns
        same = self._own is not None and np.array_equal(own, self._own)
        self._own = own
        if not same or self._from is None or not 0 <= stamp_ns - self._changed_ns <= REST_NS:
            self._from = other
            return False
        return float(np.abs(other - self._from).max()) > self._moved
