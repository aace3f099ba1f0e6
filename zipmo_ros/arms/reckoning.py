"""Where the hand is while nobody measures it, as its joints tell."""

from __future__ import annotations

import numpy as np

from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.contract.pose import composed, relative


class Reckoning:
    """From where hand and joints were last known together; so a hand's frame that is not quite the URDF's does no harm.

    kinematics: None: nothing is known.
    """

    def __init__(self, kinematics: Kinematics | None):
        self._kinematics = kinematics
        self._seen: np.ndarray | None = None
        self._tool: np.ndarray | None = None  # the hand as seen from where the URDF has it

    def reset(self) -> None:
        """Forget where it was."""
        self._seen = self._tool = None

    def seen(self, hand: np.ndarray, joints: np.ndarray) -> None:
        """The hand's pose [7], measured at joints [n]; the same to the bit may be a frozen one, and says nothing."""
        if self._kinematics is not None and (self._seen is None or not np.array_equal(hand, self._seen)):
            self._seen, self._tool = hand, relative(self._kinematics.forward(joints), hand)

    def hand(self, joints: np.ndarray) -> np.ndarray | None:
        """Its pose [7] at joints [n]; None where that is not known."""
        if self._kinematics is None or self._tool is None:
            return None
        return composed(self._kinematics.forward(joints), self._tool)
