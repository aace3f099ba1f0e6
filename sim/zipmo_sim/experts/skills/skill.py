"""What skills share."""

from functools import cached_property

import numpy as np

from zipmo_sim.experts.core import Expert, Phase
from zipmo_sim.suites.libero.env import LiberoEnv

UP = np.array([0.0, 0.0, 1.0])
_STRETCH, _LEAN = 0.66, 2.5  # m from the robot's base from which on the hand leans outwards; rad for each further metre


class Skill(Expert):
    """Brings about one predicate of a task, and then leaves the hand where the next skill can begin."""

    env: LiberoEnv

    @property
    def finished(self) -> bool:
        """Whether it has brought about what it is for, and the hand is free."""
        raise NotImplementedError

    @cached_property
    def base(self) -> np.ndarray:
        """Where the robot stands [3]."""
        return self.env.fixture_poses()["robot0_base"][0]

    def lean(self) -> float:
        """An arm that points straight down would not reach far things, and get stuck there, straight."""
        reach = float(np.linalg.norm((self.hand - self.base)[:2]))
        return min(_LEAN * max(reach - _STRETCH, 0.0), 0.4)

    def go(self, target: np.ndarray, attitude: np.ndarray, shut: bool, height: float, tolerance: float) -> np.ndarray:
        """Go to target [3], long ways no lower than height (m, world), taking an attitude [3, 3] on the way."""
        offset = target - self.hand
        aside = np.linalg.norm(offset[:2])
        if aside < 4 * tolerance:
            self.phase = Phase.SLOW
            return self.steer_to(target, attitude, shut, self.style.slow)
        self.phase = Phase.MOVE
        low = self.hand[2] < height - 0.03
        path = np.array([0.0, 0.0]) if low else offset[:2]
        return self.steer_to(np.array([*(self.hand[:2] + path), max(height, target[2])]), attitude, shut)
