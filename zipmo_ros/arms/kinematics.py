"""Where the hand is when the joints are somewhere, and how joints have to move for the hand to: Pinocchio, by URDF."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from zipmo_ros.contract.pose import pose_of
from zipmo_ros.contract.robot import RobotSpec

DAMPING = 0.02  # of the least squares: a metre or radian a second is given up for so many joint rad/s squared
MARGIN = 0.02  # rad from a joint's limit at which it is not driven further towards it


def urdf_path(name: str) -> Path:
    """A file of your own, or of the wheel example-robot-data. Raises FileNotFoundError, saying what to do."""
    if (own := Path(name).expanduser()).is_file():
        return own
    found = importlib.util.find_spec("pinocchio")
    if found is not None and found.origin:
        for parent in Path(found.origin).parents:
            if (path := parent / "share/example-robot-data/robots" / name).is_file():
                return path
    raise FileNotFoundError(f"no URDF '{name}': it is no file, and not in example-robot-data (pip install '.[arms]')")


class Kinematics:
    """Of the hand's frame in the base frame, for the joints that the RobotSpec names, in its order.

    Raises ValueError for a robot without a URDF or with other joints than it, ImportError without pin.
    """

    def __init__(self, robot: RobotSpec):
        arm = robot.arm
        if arm is None or arm.urdf is None or arm.tip is None:
            raise ValueError(f"robot {robot.name} names no URDF (arm.urdf), so that its joints say nothing of its hand")
        try:
            import pinocchio as pin
        except ImportError as error:
            raise ImportError("kinematics need pin: pip install '.[arms]'") from error
        self._pin: Any = pin
        whole = pin.buildModelFromUrdf(str(urdf_path(arm.urdf)))
        names = arm.urdf_joints or robot.joints
        if missing := [name for name in names if not whole.existJointName(name)]:
            raise ValueError(f"{arm.urdf} has no joint {', '.join(missing)}; it has {', '.join(whole.names[1:])}")
        if not whole.existFrame(arm.tip):
            raise ValueError(f"{arm.urdf} has no frame '{arm.tip}'")
        others = [whole.getJointId(name) for name in whole.names[1:] if name not in names]
        self._model = pin.buildReducedModel(whole, others, pin.neutral(whole))
        tool = pin.SE3(pin.rpy.rpyToMatrix(*map(float, arm.tool[3:])), np.array(arm.tool[:3], np.float64))
        tip = self._model.frames[self._model.getFrameId(arm.tip)]
        self._hand = self._model.addFrame(
            pin.Frame("hand_of_the_robot", tip.parentJoint, 0, tip.placement * tool, pin.FrameType.OP_FRAME)
        )
        self._data = self._model.createData()
        order = [self._model.joints[self._model.getJointId(name)].idx_q for name in names]
        self._order = np.array(order)
        self._limits = np.array(robot.joint_limits)
        self._speeds = np.array(arm.joint_speeds)

    def forward(self, joints: np.ndarray) -> np.ndarray:
        """Pose [7] of the hand for joints [n] (rad)."""
        self._pin.framesForwardKinematics(self._model, self._data, self._configuration(joints))
        place = self._data.oMf[self._hand]
        return pose_of(place.translation, place.rotation)

    def velocities(self, joints: np.ndarray, twist: np.ndarray) -> np.ndarray:
        """Joint velocities [n] (rad/s) that move the hand by a twist [6] (m/s, rad/s, base axes), as they may.

        Damped least squares over the joints that are not driven into their limits; then all are slowed alike until
        none is faster than it may be, so that the hand keeps its direction.
        """
        jacobian = self._jacobian(joints)
        free = np.ones(len(joints), bool)
        for _ in range(len(joints)):
            speeds = np.zeros(len(joints))
            moving = jacobian[:, free]
            squares = moving @ moving.T + DAMPING**2 * np.eye(6)
            speeds[free] = moving.T @ np.linalg.solve(squares, twist)
            blocked = free & self._against_limit(joints, speeds)
            if not blocked.any():
                break
            free &= ~blocked
        else:
            speeds = np.zeros(len(joints))
        return speeds / max(1.0, float(np.max(np.abs(speeds) / self._speeds)))

    def clipped(self, joints: np.ndarray) -> np.ndarray:
        """Joints [n] within their limits."""
        return np.clip(joints, *self._limits.T)

    def _against_limit(self, joints: np.ndarray, speeds: np.ndarray) -> np.ndarray:
        low, high = self._limits.T
        return ((joints < low + MARGIN) & (speeds < 0)) | ((joints > high - MARGIN) & (speeds > 0))

    def _jacobian(self, joints: np.ndarray) -> np.ndarray:
        frame = self._pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        jacobian = self._pin.computeFrameJacobian(
            self._model, self._data, self._configuration(joints), self._hand, frame
        )
        return np.asarray(jacobian)[:, self._order]

    def _configuration(self, joints: np.ndarray) -> np.ndarray:
        configuration = np.empty(len(joints))
        configuration[self._order] = joints
        return configuration
