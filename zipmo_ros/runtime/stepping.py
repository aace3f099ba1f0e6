"""An arm that is led by hand, a control step at a time: for calibration, and to go somewhere slowly."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from zipmo_ros.contract.pose import offset_between

NEAR = np.repeat([0.005, 0.02], 3)  # m, rad: that is there


class HandAt(NamedTuple):
    """seconds: when, on any clock that goes on. hand: measured pose [7] in the base frame."""

    seconds: float
    hand: np.ndarray


class SteppedArm(Protocol):
    """An arm whose goal is renewed every control step."""

    def step(self, offset: np.ndarray) -> HandAt:
        """Send the hand an offset [6] ahead of where it is, and return where it is a control step later."""
        ...


def go_to(arm: SteppedArm, goal: np.ndarray, most: np.ndarray, steps: int) -> bool:
    """Lead the hand to a pose [7], never sent farther ahead than `most` [6]; whether it came there in so many steps."""
    offset = np.zeros(6)
    for _ in range(steps):
        left = offset_between(arm.step(offset).hand, goal)
        if (np.abs(left) < NEAR).all():
            arm.step(np.zeros(6))
            return True
        offset = left * min(1.0, float(np.min(most / np.maximum(np.abs(left), 1e-12))))
    arm.step(np.zeros(6))
    return False
