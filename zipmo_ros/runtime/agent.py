"""The whole agent in one process; the ROS nodes are the same loop cut in two, around the same Horizon."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.horizon import Horizon

Plan = Callable[[np.ndarray, str, int], np.ndarray]  # images uint8 [V, H, W, 3], instruction, stamp in ns -> z
Act = Callable[[np.ndarray, np.ndarray], np.ndarray]  # z [V, H, W, C], proprio float32 [9] -> chunk float64 [16, 7]


class RecedingHorizonAgent:
    """Plans every `horizon.replan_every` steps and executes the blend of the plans that it holds.

    plan draws its noise from the stamp (`plan_noise(seed, stamp_ns, shape)`), so that a repeated episode repeats its
    plans, here as over ROS.
    """

    def __init__(self, plan: Plan, act: Act, horizon: Horizon):
        self.plan = plan
        self.policy = act
        self.horizon = horizon

    def reset(self) -> None:
        """Begin an episode."""
        self.horizon.reset()

    def act(self, stamp_ns: int, images: np.ndarray, proprio: np.ndarray, instruction: str) -> np.ndarray:
        """Action float64 [7] for the observation at `stamp_ns`: images uint8 [V, H, W, 3], proprio float32 [9]."""
        if self.horizon.due(stamp_ns):
            z = self.plan(images, instruction, stamp_ns)
            self.horizon.add(stamp_ns, self.policy(z, proprio))
        return to_action(self.horizon.command(stamp_ns))
