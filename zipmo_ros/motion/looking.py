"""What adapters of planners have in common whose image encoder points."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import PlannerSpec
from zipmo_ros.motion.pointer import Pointing, most_likely, sure_places


class Looking(ABC):
    """A Planner that is Locating (contract.protocols)."""

    spec: PlannerSpec
    _understood_at: float  # see pointer.understood

    @abstractmethod
    def _look(self, observation: Observation, goal: Goal) -> Pointing | None:
        """Where the image encoder points; None if it points at nothing."""

    @torch.no_grad()
    def places(self, observation: Observation, goal: Goal) -> np.ndarray:
        """Where in each view the image encoder points for a sentence [V, K, 2]: what it takes, and where that is to go.

        NaN where it is not sure; K is 0 for pokes and for encoders that point at nothing.
        """
        return sure_places(self._look(observation, goal), len(self.spec.views))

    @torch.no_grad()
    def point(self, observation: Observation, goal: Goal) -> tuple[np.ndarray, float | None]:
        """See pointer.most_likely."""
        return most_likely(self._look(observation, goal), self._understood_at)
