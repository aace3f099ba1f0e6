"""What the robot sees and feels at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Observation:
    """stamp_ns: when, on the clock that commands are stamped with. step: control steps since the episode began.

    images: {view: uint8 RGB [H, W, 3]}, upright, as the models look at them (CameraSpec.to_model); may be empty for
    those who don't look. proprio: float32 [n], RobotSpec.proprio_names; empty for those who don't feel.
    hand: measured pose of the hand in the base frame, float64 [7] (m, quaternion xyzw); None where it is not known.
    """

    stamp_ns: int
    step: int = 0
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    proprio: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    hand: np.ndarray | None = None

    def stacked(self, views: Sequence[str]) -> np.ndarray:
        """Images of these views, uint8 [V, H, W, 3]. Raises ValueError for views that are missing."""
        if missing := [view for view in views if view not in self.images]:
            raise ValueError(f"no image of {', '.join(missing)}; there are {', '.join(self.images) or 'none'}")
        return np.stack([self.images[view] for view in views])

    def same_as(self, other: Observation | None) -> bool:
        """Whether the other one has the same stamp and the same images."""
        if other is None or self.stamp_ns != other.stamp_ns or self.images.keys() != other.images.keys():
            return False
        return all(np.array_equal(image, other.images[view]) for view, image in self.images.items())
