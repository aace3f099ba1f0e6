"""How the arm that the models were trained on goes to a goal: what others are told, so that they go there alike."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.pose import offset_between


class Pursuit:
    """Twists of a hand that follows its goals as the trained arm does.

    A hand that is told to keep an offset moves at gain times the offset, and comes to that speed with a time constant
    of lag_s. gain: 1/s. A goal that stays is come up to; it is not overtaken where gain times lag is at most 1/4.
    """

    def __init__(self, gain: float, lag_s: float):
        self._gain = gain
        self._lag_s = lag_s
        self._twist = np.zeros(6)

    def reset(self) -> None:
        """The hand stands still."""
        self._twist = np.zeros(6)

    def twist(self, hand: np.ndarray, goal: np.ndarray, seconds: float) -> np.ndarray:
        """Twist [6] (m/s, rad/s, base axes) for the next `seconds`, of a hand [7] that is sent to a goal [7]."""
        share = 1.0 if self._lag_s <= 0 else -float(np.expm1(-seconds / self._lag_s))
        self._twist = self._twist + share * (self._gain * offset_between(hand, goal) - self._twist)
        return self._twist
