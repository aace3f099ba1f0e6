"""A planner from outside the package: straight to the thing that the sentence names.

    PYTHONPATH=examples zipmo eval planner=straight_line:StraightLine via=ros

It lends the eyes of the bundle's own planner, which point at what a sentence takes and at where that is to go, and
plans a straight line in the picture of the hand's camera: the thing comes between the fingers, and grows. It knows no
depth, plans nothing for the other camera, and never closes the gripper: that a policy could only read off fingers that
move. examples/README.md says how far that gets.
"""

from pathlib import Path

import numpy as np

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON, MotionPlan, track_spec
from zipmo_ros.contract.protocols import Execution, PlannerSpec
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner

GRIP = np.array([0.5, 0.05])  # (y, x) in the hand's view of what is between the fingers
NEAR = 0.2  # from there, by axis: the thing is reached, and the way goes on to where it is to be
STRIDE, GROWTH = 0.5, 0.5  # in one plan: the longest way by axis, and how much larger things become
AXIS = np.linspace(-0.9, 0.9, 7)
POINTS = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), axis=-1).reshape(-1, 2)
RAMP = np.linspace(0, 1, HORIZON)[:, None]  # of a plan's steps


class StraightLine:
    """A Planner (contract.protocols) that keeps no state."""

    def __init__(self, bundle: Path, robot: RobotSpec, execution: Execution):
        self._eyes = ZipmoPlanner.load(bundle, robot, execution)
        plan = track_spec(len(robot.views), HORIZON, robot.period_ns)
        self.spec = PlannerSpec("straight line", plan, robot.views, self._eyes.spec.image_size)

    def reset(self) -> None:
        """Nothing is kept."""

    def observe(self, observation: Observation) -> None:
        """Nothing is kept."""

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """`samples` times the one line that there is."""
        thing, place = self._eyes.places(observation, goal)[-1]  # of the last view, the hand's
        target = place if np.abs(thing - GRIP).max() < NEAR else thing
        target = GRIP if np.isnan(target).any() else target  # out of sight: straight ahead
        way = np.clip(GRIP - target, -STRIDE, STRIDE)
        moving = target + RAMP * way + (POINTS[:, None] - target) * (1 + RAMP * GROWTH)
        still = np.repeat(POINTS[:, None], HORIZON, axis=1)
        tracks = np.stack([still] * (len(self.spec.views) - 1) + [moving])
        return MotionPlan.of_tracks(observation.stamp_ns, goal, np.stack([tracks] * samples), self.spec.plan.period_ns)
