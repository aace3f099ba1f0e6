"""A planner and a policy that never rest, so that standing still shows: they need no checkpoint, and start at once."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON, MotionPlan, PlanSpec
from zipmo_ros.contract.protocols import PlannerSpec, PolicySpec
from zipmo_ros.contract.robot import RobotSpec, load_robot
from zipmo_ros.nodes.settings import PlannerParameters, PolicyParameters

TURN_RAD = 0.25  # of the first joint, to either side, at which the hand turns round


def _plans(robot: RobotSpec) -> PlanSpec:
    return PlanSpec("latents", (len(robot.views), 2, 2, 4), HORIZON, robot.period_ns)


class MovingPlanner:
    """Plans are ones, whatever is seen and wanted."""

    def __init__(self, robot: RobotSpec):
        self.spec = PlannerSpec("moving", _plans(robot), robot.views)

    def reset(self) -> None:
        """It keeps nothing."""

    def observe(self, observation: Observation) -> None:
        """Nor this."""

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        embeddings = np.ones((samples, *map(int, filter(None, self.spec.plan.shape))), np.float32)
        return MotionPlan(observation.stamp_ns, goal, self.spec.plan, embeddings)


class MovingPolicy:
    """As fast as an action goes, from side to side about the robot's base; a plan's numbers are the actions' size.

    Raises ValueError for a plan of numbers below zero.
    """

    def __init__(self, robot: RobotSpec):
        self.spec = PolicySpec("moving", HORIZON, _plans(robot), proprio=len(robot.proprio_names))
        self._side = 1.0

    def reset(self) -> None:
        """The way that it went is kept."""

    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        assert plan is not None
        size = float(plan.embedding.mean())
        if size < 0:
            raise ValueError(f"no plan has a mean of {size:.2f}")
        if abs(observation.proprio[0]) > TURN_RAD:
            self._side = -float(np.sign(observation.proprio[0]))
        actions = np.zeros((self.spec.chunk, 7))
        actions[:, 1], actions[:, 6] = self._side * size, -1.0
        return actions


def make_planner(settings: PlannerParameters) -> tuple[MovingPlanner, str]:
    """As nodes/models.py makes one of a checkpoint."""
    return MovingPlanner(load_robot(settings.robot)), "none"


def make_policy(settings: PolicyParameters) -> tuple[MovingPolicy, str]:
    """As nodes/models.py makes one of a checkpoint."""
    return MovingPolicy(load_robot(settings.robot)), "none"
