"""What an arm is told: where its hand is to go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Command:
    """pose: of the hand in the base frame, float64 [7] (m, quaternion xyzw). gripper: opening in m."""

    pose: np.ndarray
    gripper: float
