"""A gripper: metres between its fingers, and what its controller is sent for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zipmo_ros.arms.setpoints import ArraySetpoint, GripperGoal, GripperSetpoint, TrajectorySetpoint
from zipmo_ros.contract.arm import GripperKind, GripperSpec
from zipmo_ros.contract.robot import RobotSpec

NEWS_M = 1e-3  # m: less than that is no new goal for an action


class Gripper:
    """Says what to send for an opening, and which opening is measured. kind: of its controller.

    Raises ValueError where the robot has no such gripper.
    """

    def __init__(self, robot: RobotSpec, kind: GripperKind):
        if robot.arm is None or kind not in robot.arm.gripper.interfaces:
            known = ", ".join(robot.arm.gripper.interfaces) if robot.arm else "none"
            raise ValueError(f"robot {robot.name} has no gripper interface '{kind}'; it has {known}")
        self.spec: GripperSpec = robot.arm.gripper
        self.kind = kind
        self._open_m = robot.gripper_open_m
        self._period_s = robot.period_s
        self._asked: float | None = None

    @property
    def name(self) -> str:
        """Its controller's topic or action."""
        return self.spec.interfaces[self.kind]

    @property
    def by_action(self) -> bool:
        return self.kind in ("gripper_command", "parallel_gripper_command")

    def reset(self) -> None:
        """The next opening is news to an action."""
        self._asked = None

    def toward(self, opening: float) -> GripperSetpoint | None:
        """What to send for an opening (m); None where an action is on its way there already."""
        joints, position = self.spec.joints, self.spec.position(opening / self._open_m)
        if self.kind == "joint_trajectory":
            return TrajectorySetpoint(joints, np.full(len(joints), position), self._period_s)
        if self.kind == "position_array":
            return ArraySetpoint(np.full(len(joints), position))
        if self._asked is not None and abs(opening - self._asked) < NEWS_M:
            return None
        self._asked = opening
        return GripperGoal(joints, position, self.spec.effort)

    def measured(self, names: Sequence[str], positions: Sequence[float]) -> float | None:
        """The opening (m) that joint states tell; None where they tell nothing of this gripper."""
        if self.spec.joints[0] not in names:
            return None
        return self._open_m * self.spec.fraction(positions[list(names).index(self.spec.joints[0])])
